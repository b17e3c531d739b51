/* SPDX-License-Identifier: MIT */
/* ejection.c - see ejection.h. What the numbers mean is shm/ejection.c's. */
#include "routing/ejection.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "routing/place_keys.h"
#include "routing/routing.h"

#define QUOTED_BYTES 600

static void
log_ejected(const struct gw_place *place, uint64_t pause_ms, const char *reason)
{
	char alias[QUOTED_BYTES], node[QUOTED_BYTES], url[QUOTED_BYTES];

	gw_log(GW_EV_CANDIDATE_EJECTED, NULL,
	       "model=%s node=%s upstream=%s pause_s=%.10g reason=\"%s\"",
	       gw_log_word(alias, sizeof(alias), place->alias),
	       gw_log_word(node, sizeof(node), place->node_id),
	       gw_log_quote(url, sizeof(url), place->base_url,
			    strlen(place->base_url)),
	       (double)pause_ms / 1000.0, reason);
}

static void
log_back(const char *alias, const char *node_id, const char *base_url,
	 const char *reason)
{
	char word[QUOTED_BYTES], node[QUOTED_BYTES], url[QUOTED_BYTES];

	gw_log(GW_EV_CANDIDATE_BACK, NULL,
	       "model=%s node=%s upstream=%s reason=\"%s\"",
	       gw_log_word(word, sizeof(word), alias),
	       gw_log_word(node, sizeof(node), node_id),
	       gw_log_quote(url, sizeof(url), base_url, strlen(base_url)),
	       reason);
}

void
gw_ejection_failed(struct gw_routing *routing, const struct gw_config *config,
		   const struct gw_place *place, unsigned n, bool unconnected,
		   const char *reason)
{
	const struct reg_ejection_rules rules = {
		.failures = config->gateway.eject.failures,
		.pause_ms = config->gateway.eject.pause_ms,
		.pause_max_ms = config->gateway.eject.pause_max_ms,
	};
	uint64_t pause_ms;

	if (reg_candidate_fail(routing->reg,
			       unconnected ? place->address : place->ref,
			       &rules, n, unconnected, gw_mono_ms(), &pause_ms))
		log_ejected(place, pause_ms, reason);
}

void
gw_ejection_succeeded(struct gw_routing *routing, const struct gw_place *place)
{
	uint64_t now_ms = gw_mono_ms();
	bool model = reg_candidate_succeed(routing->reg, place->ref, now_ms);
	bool address =
		reg_candidate_succeed(routing->reg, place->address, now_ms);

	if (model || address)
		log_back(place->alias, place->node_id, place->base_url,
			 "it answered a request");
}

void
gw_ejection_connected(struct gw_routing *routing, const char *base_url)
{
	uint64_t key[2], now_ms = gw_mono_ms();
	struct reg_candidate_ref ref;
	struct reg_candidate met;

	gw_address_key(base_url, key);
	ref = reg_candidate_open(routing->reg, key, now_ms);
	reg_candidate_read(routing->reg, ref, now_ms, &met);
	if (met.failures && reg_candidate_pardon(routing->reg, ref, now_ms))
		log_back(NULL, NULL, base_url, "it answered a probe");
}

void
gw_ejection_came_anew(struct gw_routing *routing, const char *base_url,
		      const char *model_json)
{
	uint64_t now_ms = gw_mono_ms();
	struct reg_candidate_ref ref;
	struct gw_place_keys keys;
	bool model, address;

	gw_address_key(base_url, keys.address);
	gw_candidate_key(keys.address, model_json, keys.candidate);
	ref = reg_candidate_open(routing->reg, keys.candidate, now_ms);
	reg_candidate_busy(routing->reg, ref, 0);
	model = reg_candidate_pardon(routing->reg, ref, now_ms);
	address = reg_candidate_pardon(
		routing->reg,
		reg_candidate_open(routing->reg, keys.address, now_ms), now_ms);
	if (model || address)
		log_back(NULL, NULL, base_url, "it registered");
}
