/* SPDX-License-Identifier: MIT */
/*
 * states.c - compares what is with what was said last, and says the difference.
 * Which of the processes says it, shm/tell.c decides.
 */
#include "routing/states.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "probe/prober.h"
#include "probe/result.h"
#include "routing/availability.h"
#include "routing/drain.h"
#include "routing/ejection.h"
#include "routing/known.h"
#include "routing/place_keys.h"
#include "routing/routing.h"

#define QUOTED_ID (4 * REG_NODE_ID_MAX + 3)
#define QUOTED_URL 600
#define SECONDS_BYTES 32
#define PARSE_A_TURN 32 /* nodes that registered anew */
#define NODES_A_TURN 64
#define ALIASES_A_TURN 16

/* Of these kinds of things something is said; part of what they are called. */
static uint64_t
key_of(const char *kind, const char *name)
{
	uint64_t h = gw_hash_text(kind);

	return gw_hash_more(h, name, strlen(name) + 1);
}

static const char *
seconds(char *out, uint64_t from_ms, uint64_t now_ms)
{
	uint64_t ms = from_ms && now_ms > from_ms ? now_ms - from_ms : 0;

	snprintf(out, SECONDS_BYTES, "%" PRIu64 ".%u", ms / 1000,
		 (unsigned)(ms % 1000 / 100));
	return out;
}

/* Only what is written was said: this process may be killed right now. */
static void
said(struct gw_routing *routing, uint64_t key)
{
	gw_log_flush();
	reg_tell_end(routing->reg, key);
}

/* ---- nodes --------------------------------------------------------------- */

/* True when there was something to say. */
static bool
look_at_node(struct gw_routing *routing, const char *node_id, uint64_t seen_ms,
	     uint64_t now_ms)
{
	uint32_t stale_ms = gw_node_view_stale_after_ms(routing->nodes);
	uint64_t key = key_of("node", node_id), since_ms;
	char id[QUOTED_ID], s[SECONDS_BYTES];
	bool stale = now_ms > seen_ms && now_ms - seen_ms >= stale_ms;

	if (!reg_tell_begin(routing->reg, key, stale, now_ms, &since_ms))
		return false;
	gw_log_quote(id, sizeof(id), node_id, strlen(node_id));
	if (stale)
		gw_log(GW_EV_NODE_STALE, NULL,
		       "node=%s last_seen_s=%s reason=\"no sign of life for "
		       "%.10g s\"",
		       id, seconds(s, seen_ms, now_ms), stale_ms / 1000.0);
	else
		gw_log(GW_EV_NODE_BACK, NULL,
		       "node=%s stale_s=%s reason=\"it registered or sent a "
		       "heartbeat\"",
		       id, seconds(s, since_ms, now_ms));
	said(routing, key);
	return true;
}

void
gw_states_node(struct gw_routing *routing, const char *node_id)
{
	struct reg_node n;

	if (reg_node_get(routing->reg, node_id, &n) &&
	    look_at_node(routing, node_id, n.seen_ms, gw_mono_ms()))
		gw_states_aliases(routing);
}

/* ---- upstreams ----------------------------------------------------------- */

void
gw_states_probed(struct gw_routing *routing, const char *base_url,
		 const uint64_t key[2], uint32_t result)
{
	uint64_t told =
		gw_hash_more(gw_hash_text("upstream"), key, 2 * sizeof(key[0]));
	bool bad = !gw_probe_is_reachable(result);
	char url[QUOTED_URL], s[SECONDS_BYTES], why[GW_PROBE_REASON_BYTES];
	uint64_t now_ms = gw_mono_ms(), since_ms;

	if (gw_probe_is_answer(result))
		gw_ejection_connected(routing, base_url);
	if (!reg_tell_begin(routing->reg, told, bad, now_ms, &since_ms))
		return;
	gw_log_quote(url, sizeof(url), base_url, strlen(base_url));
	if (bad)
		gw_log(GW_EV_UPSTREAM_UNREACHABLE, NULL,
		       "upstream=%s reason=\"%s\"", url,
		       gw_probe_reason(result, why, sizeof(why)));
	else
		gw_log(GW_EV_UPSTREAM_REACHABLE, NULL,
		       "upstream=%s unreachable_s=%s reason=\"a probe was "
		       "answered\"",
		       url, seconds(s, since_ms, now_ms));
	said(routing, told);
}

/* What the last probe said, if that was bad. */
static bool
is_unreachable(const struct gw_routing *routing,
	       const struct gw_probe_target *target, struct reg_probe *last)
{
	uint64_t key[2];

	gw_probe_target_key(target, key);
	reg_probe_last(routing->reg, key, last);
	return last->checked_ms && !gw_probe_is_reachable(last->result);
}

static void
ask(struct gw_routing *routing, const struct gw_probe_target *target,
    uint32_t ttl_ms)
{
	const struct gw_config *c = routing->worker->config;

	if (routing->prober)
		gw_prober_look(
			routing->prober, target,
			(struct gw_probe_limits){
				.timeout_ms = c->gateway.probe_timeout_ms,
				.ttl_ms = ttl_ms});
}

static uint32_t
longer(uint32_t ms, uint32_t than_ms)
{
	return ms > than_ms ? ms : than_ms;
}

bool
gw_states_is_loaded(struct gw_routing *routing,
		    const struct gw_probe_target *target,
		    const uint64_t probe_key[2])
{
	struct reg_probe last;

	reg_probe_last(routing->reg, probe_key, &last);
	ask(routing, target, GW_STATES_LOADING_MS);
	return last.checked_ms && gw_probe_is_reachable(last.result) &&
	       gw_mono_ms() - last.checked_ms <= 2 * GW_STATES_LOADING_MS;
}

void
gw_states_doubt(struct gw_routing *routing,
		const struct gw_probe_target *target)
{
	ask(routing, target, routing->worker->config->gateway.probe_ttl_ms);
}

static void
ask_again(struct gw_routing *routing, const struct gw_probe_target target)
{
	uint32_t ttl_ms = routing->worker->config->gateway.probe_ttl_ms;
	uint64_t key[2], now_ms = gw_mono_ms();
	struct reg_candidate met;
	struct reg_probe last;

	gw_address_key(target.base_url, key);
	reg_candidate_read(routing->reg,
			   reg_candidate_open(routing->reg, key, now_ms),
			   now_ms, &met);
	if (met.ejected && met.unconnected)
		ask(routing, &target, GW_STATES_EJECTED_MS);
	else if (is_unreachable(routing, &target, &last))
		ask(routing, &target, longer(GW_STATES_AGAIN_MS, ttl_ms));
}

/* ---- aliases ------------------------------------------------------------- */

static void
look_at_alias(struct gw_routing *routing, const struct gw_model *m)
{
	uint64_t key = gw_known_key(m), now_ms = gw_mono_ms(), since_ms;
	char alias[QUOTED_URL], why[QUOTED_URL], s[SECONDS_BYTES];
	struct gw_usable u;
	bool usable =
		gw_known_usable(routing, routing->worker->config, m, &u);

	/* A role that nobody served yet did not become unavailable; a proxy is
	 * taken to be usable until it is seen not to be. */
	if (m->type == GW_MODEL_DISCOVERED &&
	    reg_told(routing->reg, key) == REG_TOLD_NOTHING) {
		if (usable)
			reg_tell_good(routing->reg, key, now_ms);
		return;
	}
	if (!reg_tell_begin(routing->reg, key, !usable, now_ms, &since_ms))
		return;
	if (usable)
		gw_log(GW_EV_ROLE_USABLE, NULL,
		       "model=%s unavailable_s=%s reason=\"%s\"",
		       gw_log_word(alias, sizeof(alias), m->alias),
		       seconds(s, since_ms, now_ms),
		       u.via ? "its fallback list serves it"
		       : m->type == GW_MODEL_PROXY ? "its upstream is reachable"
						   : "a fresh node serves it");
	else
		gw_log(GW_EV_ROLE_UNAVAILABLE, NULL, "model=%s reason=%s",
		       gw_log_word(alias, sizeof(alias), m->alias),
		       gw_log_quote(why, sizeof(why), u.reason,
				    strlen(u.reason)));
	said(routing, key);
}

/* ---- all ----------------------------------------------------------------- */

static void
look_at_registered(struct gw_routing *routing, const struct gw_node *n)
{
	uint64_t now_ms = gw_mono_ms();
	uint64_t seen_ms = reg_node_seen(routing->reg, n->reg.ref);

	if (seen_ms)
		look_at_node(routing, n->reg.id, seen_ms, now_ms);
	gw_drain_seen(routing, n, now_ms);
	if (gw_node_is_fresh(routing->nodes, n, now_ms))
		ask_again(routing, gw_node_target(routing->worker->config, n));
}

/* Both return true when they are through. */
static bool
look_at_some_nodes(struct gw_routing *routing)
{
	struct gw_states *s = &routing->states;
	const struct gw_node *n;

	for (unsigned i = 0; i < NODES_A_TURN; i++) {
		n = gw_node_view_next(routing->nodes, &s->slot);
		if (!n)
			return true;
		look_at_registered(routing, n);
	}
	return false;
}

static bool
look_at_some_aliases(struct gw_routing *routing)
{
	const struct gw_config *c = routing->worker->config;
	struct gw_states *s = &routing->states;

	/* Another configuration may have fewer. */
	for (unsigned i = 0; i < ALIASES_A_TURN && s->alias < c->n_models;
	     i++) {
		const struct gw_model *m = &c->models[s->alias++];

		if (m->type == GW_MODEL_PROXY)
			ask_again(routing, gw_proxy_target(m));
		look_at_alias(routing, m);
	}
	return s->alias >= c->n_models;
}

static void
on_turn(void *arg)
{
	struct gw_routing *routing = arg;
	struct gw_states *s = &routing->states;

	if (s->step == GW_STATES_LEARN &&
	    gw_node_view_catch_up(routing->nodes, PARSE_A_TURN))
		s->step = GW_STATES_NODES;
	else if (s->step == GW_STATES_NODES && look_at_some_nodes(routing))
		s->step = GW_STATES_ALIASES;
	else if (s->step == GW_STATES_ALIASES && look_at_some_aliases(routing))
		s->step = GW_STATES_IDLE;
	if (s->step != GW_STATES_IDLE)
		gw_turn_take(&routing->worker->turns, &s->turn, on_turn,
			     routing);
}

/* At once: what follows may undo what is to be seen. */
void
gw_states_aliases(struct gw_routing *routing)
{
	const struct gw_config *c = routing->worker->config;

	if (routing->states.early_looks >= GW_STATES_EARLY_LOOKS)
		return;
	routing->states.early_looks++;
	gw_node_view_refresh(routing->nodes);
	for (size_t i = 0; i < c->n_models; i++)
		look_at_alias(routing, &c->models[i]);
}

/* One that takes longer than a second is not begun anew. */
void
gw_states_look(struct gw_routing *routing)
{
	struct gw_states *s = &routing->states;

	s->early_looks = 0;
	if (s->step != GW_STATES_IDLE)
		return;
	s->step = GW_STATES_LEARN;
	s->slot = 0;
	s->alias = 0;
	gw_turn_take(&routing->worker->turns, &s->turn, on_turn, routing);
}

void
gw_states_stop(struct gw_routing *routing)
{
	gw_turn_leave(&routing->worker->turns, &routing->states.turn);
	routing->states.step = GW_STATES_IDLE;
}
