/* SPDX-License-Identifier: MIT */
/* known.c - see known.h. */
#include "routing/known.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "probe/probe.h"
#include "routing/choices.h"
#include "routing/drain.h"
#include "routing/routing.h"

const char *
gw_known_why(const struct gw_routing *routing, const struct gw_choice *c,
	     char out[GW_PROBE_REASON_BYTES])
{
	struct reg_probe last;

	reg_probe_last(routing->reg, c->keys.probe, &last);
	if (c->unreachable || c->state == GW_STATE_LOADING)
		return gw_probe_reason(last.result, out, GW_PROBE_REASON_BYTES);
	return gw_state_name(c->state);
}

/*
 * Usable, as far as anybody knows: a candidate that was not asked yet may well
 * be. Unlike /v1/models, which asks first.
 */
static bool
judge_discovered(struct gw_routing *routing, const struct gw_config *config,
		 const struct gw_model *m, struct gw_usable *out)
{
	uint64_t now_ms = gw_mono_ms();
	const struct gw_candidate *c;
	size_t n =
		gw_node_view_known_fresh(routing->nodes, m->role, now_ms, &c);

	if (gw_drained_all(routing, c, n, now_ms))
		gw_availability_none(routing, m->role, out);
	for (size_t i = 0; i < n; i++) {
		char text[GW_PROBE_REASON_BYTES];
		struct gw_choice choice;

		gw_node_choice(routing, config, c[i].node,
			       (size_t)(c[i].model - c[i].node->doc->models),
			       now_ms, &choice);
		if (gw_choice_is_usable(&choice))
			return true;
		if (!out->reason[0])
			snprintf(out->reason, sizeof(out->reason),
				 "no fresh node is reachable: %s: %s",
				 c[i].node->doc->node_id,
				 gw_known_why(routing, &choice, text));
	}
	return false;
}

static bool
judge_alone(struct gw_routing *routing, const struct gw_config *config,
	    const struct gw_model *m, struct gw_usable *out)
{
	char text[GW_PROBE_REASON_BYTES];
	uint64_t now_ms = gw_mono_ms();
	struct gw_choice choice;

	memset(out, 0, sizeof(*out));
	if (m->type == GW_MODEL_DISCOVERED)
		return judge_discovered(routing, config, m, out);
	gw_proxy_choice(routing, config, m, now_ms, &choice);
	if (gw_choice_is_usable(&choice))
		return true;
	snprintf(out->reason, sizeof(out->reason), "%s",
		 gw_known_why(routing, &choice, text));
	return false;
}

bool
gw_known_usable(struct gw_routing *routing, const struct gw_config *config,
		const struct gw_model *m, struct gw_usable *out)
{
	struct gw_usable other;

	if (judge_alone(routing, config, m, out))
		return true;
	for (size_t i = 0; i < m->n_fallbacks; i++) {
		if (!judge_alone(routing, config, m->fallbacks[i], &other))
			continue;
		out->via = m->fallbacks[i]->alias;
		return true;
	}
	return false;
}

/* While an edit spreads, processes speak of two aliases of one name. */
uint64_t
gw_known_key(const struct gw_model *m)
{
	uint64_t h = gw_hash_more(gw_hash_text("alias"), m->alias,
				  strlen(m->alias) + 1);
	const char *where = m->type == GW_MODEL_PROXY ? m->base_url : m->role;

	return gw_hash_more(h, where, strlen(where) + 1);
}

const char *
gw_choice_why(const struct gw_routing *routing, const struct gw_choice *c,
	      uint64_t now_ms, char out[GW_CHOICE_WHY_BYTES])
{
	char text[GW_PROBE_REASON_BYTES];
	uint64_t age_ms;

	switch (c->state) {
	case GW_STATE_STALE:
		age_ms = gw_node_age_ms(routing->nodes, c->node, now_ms);
		if (age_ms == UINT64_MAX)
			return "it is gone";
		snprintf(out, GW_CHOICE_WHY_BYTES, "no sign of life for %.1f s",
			 (double)age_ms / 1000.0);
		return out;
	case GW_STATE_DRAINING:
		return "drained by an operator";
	case GW_STATE_FAILED:
		return "its node reports that the model failed";
	case GW_STATE_COLD:
		return "its node has not loaded the model";
	case GW_STATE_EJECTED:
		return c->waits_for_trial
			       ? "it failed repeatedly; its pause is over and "
				 "the next request tries it"
			       : "it failed repeatedly and has a pause";
	case GW_STATE_FULL:
		if (!c->no_slot)
			return "it said that it is busy";
		snprintf(out, GW_CHOICE_WHY_BYTES, "%u of %u slots are taken",
			 c->in_flight, c->max_concurrency);
		return out;
	case GW_STATE_LOADING:
	case GW_STATE_UNREACHABLE:
		snprintf(out, GW_CHOICE_WHY_BYTES, "%s",
			 gw_known_why(routing, c, text));
		return out;
	default:
		return NULL;
	}
}
