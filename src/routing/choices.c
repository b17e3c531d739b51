/* SPDX-License-Identifier: MIT */
/* choices.c - see choices.h. Reads only, but for entries in the registry that
 * it opens. */
#include "routing/choices.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "nodes/model_state.h"
#include "probe/prober.h"
#include "probe/result.h"
#include "routing/availability.h"
#include "routing/drain.h"
#include "routing/place_keys.h"
#include "routing/routing.h"

static const char *const state_names[GW_STATE__MAX] = {
	[GW_STATE_STALE] = "stale",
	[GW_STATE_DRAINING] = "draining",
	[GW_STATE_FAILED] = "failed",
	[GW_STATE_LOADING] = "loading",
	[GW_STATE_EJECTED] = "ejected",
	[GW_STATE_FULL] = "full",
	[GW_STATE_UNREACHABLE] = "unreachable",
	[GW_STATE_COLD] = "cold",
	[GW_STATE_READY] = "ready",
};

const char *
gw_state_name(enum gw_state state)
{
	return state_names[state];
}

void
gw_choices_release(struct gw_choices *c)
{
	free(c->at);
	*c = (struct gw_choices){0};
}

static int
room(struct gw_choices *c, size_t n)
{
	struct gw_choice *more;

	if (n <= c->cap)
		return 0;
	more = realloc(c->at, n * sizeof(*more));
	if (!more)
		return -1;
	c->at = more;
	c->cap = n;
	return 0;
}

/* ---- what the registry knows ----------------------------------------------
 */

/* What requests met there. */
struct met {
	struct reg_candidate model, address;
};

static void
meet(struct gw_routing *routing, const struct gw_place_keys *keys,
     uint64_t now_ms, struct gw_choice *c, struct met *met)
{
	c->keys = *keys;
	c->key = keys->candidate[0];
	c->ref = reg_candidate_open(routing->reg, keys->candidate, now_ms);
	c->address = reg_candidate_open(routing->reg, keys->address, now_ms);
	reg_candidate_read(routing->reg, c->ref, now_ms, &met->model);
	reg_candidate_read(routing->reg, c->address, now_ms, &met->address);
	c->in_flight = met->model.in_flight;
	c->no_slot = c->max_concurrency && c->in_flight >= c->max_concurrency;
}

/* Its pause runs, or somebody tries it, or somebody should. */
static bool
is_ejected(const struct reg_candidate *met, uint64_t now_ms,
	   struct gw_choice *c)
{
	if (!met->ejected)
		return false;
	if (met->pause_ends_ms > c->pause_ends_ms)
		c->pause_ends_ms = met->pause_ends_ms;
	c->waits_for_trial = met->pause_ends_ms <= now_ms && !met->on_trial;
	return true;
}

static bool
any_ejected(const struct met *met, uint64_t now_ms, struct gw_choice *c)
{
	bool model = is_ejected(&met->model, now_ms, c);
	bool may = !model || c->waits_for_trial;
	bool address = is_ejected(&met->address, now_ms, c);

	c->waits_for_trial =
		(model || address) && may && (!address || c->waits_for_trial);
	return model || address;
}

/* ---- what the last probe said ----------------------------------------------
 */

enum probed {
	PROBED_WELL,
	PROBED_LOADING,
	PROBED_UNREACHABLE
};

static enum probed
last_probe(const struct gw_routing *routing, const uint64_t key[2],
	   uint64_t now_ms)
{
	struct reg_probe last;

	reg_probe_last(routing->reg, key, &last);
	if (!last.checked_ms || gw_probe_is_reachable(last.result) ||
	    now_ms - last.checked_ms > GW_PROBE_OLD_MAX_MS)
		return PROBED_WELL;
	return gw_probe_is_loading(last.result) ? PROBED_LOADING
						: PROBED_UNREACHABLE;
}

/* ---- the state -------------------------------------------------------------
 */

static enum gw_state
told_state(const struct gw_model_state *s)
{
	switch (s->told ? s->state : GW_TOLD_UNKNOWN) {
	case GW_TOLD_FAILED:
		return GW_STATE_FAILED;
	case GW_TOLD_STOPPED:
	case GW_TOLD_STOPPING:
	case GW_TOLD_STARTING:
		return GW_STATE_COLD;
	default:
		return GW_STATE_READY;
	}
}

static enum gw_state
state_of(const struct met *met, enum probed probed, uint64_t now_ms,
	 struct gw_choice *c)
{
	/* What is found is remembered in @c, whatever the state. */
	bool ejected = any_ejected(met, now_ms, c);

	c->ejected = ejected;
	c->unreachable = probed == PROBED_UNREACHABLE;
	if (probed == PROBED_LOADING)
		return GW_STATE_LOADING;
	if (ejected)
		return GW_STATE_EJECTED;
	if (c->no_slot || met->model.busy_until_ms > now_ms ||
	    met->address.busy_until_ms > now_ms)
		return GW_STATE_FULL;
	if (probed == PROBED_UNREACHABLE)
		return GW_STATE_UNREACHABLE;
	return GW_STATE_READY;
}

/*
 * A bound holds for all that runs there: for requests that began before a reload
 * too, as it is now.
 */
static uint32_t
bound_of(const struct gw_routing *routing, const struct gw_config *config,
	 const struct gw_model *m)
{
	const struct gw_config *now =
		routing->worker ? routing->worker->config : config;

	if (config != now) {
		const struct gw_model *same = gw_config_model_named(
			now, m->alias, strlen(m->alias));

		if (same && same->type == m->type)
			m = same;
	}
	return m->max_concurrency;
}

void
gw_proxy_choice(struct gw_routing *routing, const struct gw_config *config,
		const struct gw_model *m, uint64_t now_ms, struct gw_choice *c)
{
	struct gw_place_keys keys;
	struct met met;

	*c = (struct gw_choice){.weight = 1,
				.max_concurrency = bound_of(routing, config, m)};
	gw_proxy_keys(routing, config, m, &keys);
	meet(routing, &keys, now_ms, c, &met);
	c->state = state_of(&met, last_probe(routing, keys.probe, now_ms),
			    now_ms, c);
}

/*
 * A request was sent to another model of the node that is not loaded either.
 * What room there is on its only device is that one's, though the node has not
 * come to tell so.
 */
static bool
room_is_taken(struct gw_routing *routing, const struct gw_config *config,
	      const struct gw_node *n, size_t model, uint64_t now_ms)
{
	for (size_t i = 0; n->states[model].alone && i < n->doc->n_models;
	     i++) {
		struct gw_place_keys keys;
		struct reg_candidate other;

		if (i == model || n->states[i].state != GW_TOLD_STOPPED)
			continue;
		gw_node_keys(config, n, i, &keys);
		reg_candidate_read(routing->reg,
				   reg_candidate_open(routing->reg,
						      keys.candidate, now_ms),
				   now_ms, &other);
		if (other.in_flight > 0)
			return true;
	}
	return false;
}

void
gw_node_choice(struct gw_routing *routing, const struct gw_config *config,
	       const struct gw_node *n, size_t model, uint64_t now_ms,
	       struct gw_choice *c)
{
	const struct gw_model_state *s = &n->states[model];
	enum gw_state told = told_state(s);
	struct gw_place_keys keys;
	struct met met;

	*c = (struct gw_choice){.node = n, .model = &n->doc->models[model]};
	c->weight = c->model->weight;
	/* What the node tells now says more than what it registered with. */
	c->max_concurrency = s->max_concurrency;
	c->parallel = s->parallel ? s->parallel : c->model->parallel;
	gw_node_keys(config, n, model, &keys);
	meet(routing, &keys, now_ms, c, &met);
	c->step = gw_node_model_step(s, c->in_flight, c->max_concurrency);
	if (c->step == GW_MODEL_STEP_ROOM &&
	    room_is_taken(routing, config, n, model, now_ms))
		c->step = GW_MODEL_STEP_EVICTS;
	c->state = state_of(&met, last_probe(routing, keys.probe, now_ms),
			    now_ms, c);
	if (!gw_node_is_fresh(routing->nodes, n, now_ms))
		c->state = GW_STATE_STALE;
	else if (gw_is_drained(routing, n, now_ms))
		c->state = GW_STATE_DRAINING;
	else if (told == GW_STATE_FAILED ||
		 (told == GW_STATE_COLD && c->state == GW_STATE_READY))
		c->state = told;
}

int
gw_choices_of(struct gw_routing *routing, const struct gw_config *config,
	      const struct gw_model *m, uint64_t now_ms, struct gw_choices *out)
{
	const struct gw_node *n;
	size_t model;

	out->n = 0;
	if (m->type == GW_MODEL_PROXY) {
		if (room(out, 1) < 0)
			return -1;
		gw_proxy_choice(routing, config, m, now_ms, &out->at[out->n++]);
		return 0;
	}
	if (room(out, gw_node_view_serving(routing->nodes, m->role)) < 0)
		return -1;
	for (size_t i = 0;
	     (n = gw_node_view_server(routing->nodes, m->role, i, &model)); i++)
		gw_node_choice(routing, config, n, model, now_ms,
			       &out->at[out->n++]);
	return 0;
}

enum gw_rank
gw_choice_rank(const struct gw_choice *c)
{
	if (c->no_slot && c->state >= GW_STATE_LOADING)
		return GW_RANK_NO_SLOT;
	/* A server that answers 503 to everything seems to be loading, too. */
	if (c->ejected && c->state == GW_STATE_LOADING)
		return GW_RANK_EJECTED;
	switch (c->state) {
	case GW_STATE_READY:
	case GW_STATE_COLD:
		return GW_RANK_NOW;
	case GW_STATE_UNREACHABLE:
		return GW_RANK_UNREACHABLE;
	case GW_STATE_LOADING:
		return GW_RANK_LOADING;
	case GW_STATE_FULL:
		return GW_RANK_FULL;
	case GW_STATE_EJECTED:
		return GW_RANK_EJECTED;
	default:
		return GW_RANK_NEVER;
	}
}

/* Ejection orders, it refuses nobody. */
bool
gw_choice_is_usable(const struct gw_choice *c)
{
	return c->state == GW_STATE_READY || c->state == GW_STATE_COLD ||
	       c->state == GW_STATE_FULL ||
	       (c->state == GW_STATE_EJECTED && !c->unreachable);
}
