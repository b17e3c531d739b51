/* SPDX-License-Identifier: MIT */
/*
 * pick_node.c - which candidate gets the request: of the alias that it names,
 * or of its fallback list where nobody of that alias can be asked. Also decides
 * what `model` the candidate is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "serve/worker.h"
#include "stage/failover.h"
#include "stage/pick_error.h"
#include "stage/policy.h"
#include "stage/rest.h"
#include "stage/stage.h"

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
}

/* ---- the choice is made ----------------------------------------------------
 */

static int
proxy_target(struct gw_request *r)
{
	const struct gw_model *m = r->resolve.model;
	struct gw_target *t = &r->target;

	t->base_url = m->base_url;
	t->api_key = m->api_key;
	t->tls = gw_proxy_target(m).tls;
	/* A fallback is asked as if the client had named it. */
	if (!m->default_model_json)
		return gw_default_model_json(r, r->forward.named != NULL);
	t->model_json = strdup(m->default_model_json);
	return t->model_json ? 0 : no_memory(r);
}

static int
node_target(struct gw_request *r, const struct gw_choice *c)
{
	struct gw_target *t = &r->target;
	struct gw_probe_target how;

	t->node_id = strdup(c->node->doc->node_id);
	t->owned_url = strdup(c->node->doc->base_url);
	t->model_json = strdup(c->model->model_json);
	if (!t->node_id || !t->owned_url || !t->model_json)
		return no_memory(r);
	t->base_url = t->owned_url;
	how = gw_node_target(r->config, c->node);
	t->api_key = how.bearer;
	t->tls = how.tls;
	if (c->node->config)
		gw_routed(r)->pick.config = gw_config_ref(c->node->config);
	if (t->api_key)
		t->key_place = c->node->fixed && c->node->fixed->api_key
				       ? "the node's api_key in nodes"
				       : "auth.upstream_node_key";
	return 0;
}

static int
take(struct gw_request *r, const struct gw_choice *c)
{
	struct gw_picked *p = &gw_routed(r)->pick;

	p->chosen = true;
	p->failed = p->loading = p->lost = false;
	p->alias = r->resolve.model;
	p->keys = c->keys;
	p->ref = c->ref;
	p->address = c->address;
	p->begun_ms = gw_mono_ms();
	p->recorded_ms = 0;
	p->lease = reg_lease_take(gw_routing(r)->reg, c->ref, 0, NULL);
	p->leased = true;
	/* A conversation waits for the node that has its prompt. */
	p->in_line = c->step >= GW_MODEL_STEP_BUSY &&
		     r->resolve.model->strategy != GW_AFFINITY;
	return c->node ? node_target(r, c) : proxy_target(r);
}

void
gw_pick_release(struct gw_request *r)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	struct reg *reg = gw_routing(r)->reg;

	if (p->leased)
		reg_lease_drop(reg, p->lease);
	p->leased = false;
	if (p->trial) {
		reg_candidate_untry(reg, p->ref);
		reg_candidate_untry(reg, p->address);
	}
	p->trial = false;
	gw_config_unref(p->config);
	p->config = NULL;
}

void
gw_pick_move(struct gw_request *r, struct reg *to)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	uint64_t now_ms = gw_mono_ms();

	if (!p->chosen)
		return;
	p->ref = reg_candidate_open(to, p->keys.candidate, now_ms);
	p->address = reg_candidate_open(to, p->keys.address, now_ms);
	/* The old lease and the old trial end with the old segment. */
	if (p->leased)
		p->lease = reg_lease_take(to, p->ref, 0, NULL);
	p->trial = false;
}

/* ---- who may be chosen -----------------------------------------------------
 */

static void
note_tried(struct gw_request *r)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	struct gw_history *h = p->chosen ? gw_failover_history(r) : NULL;

	if (h && h->n_tried < GW_ATTEMPTS_MAX)
		h->tried[h->n_tried++] =
			(struct gw_tried){.key = p->keys.candidate[0],
					  .alias = p->alias,
					  .lost = p->lost};
	p->chosen = false;
}

/* Those that may be asked and were not, in the order they had. */
static size_t
keep_untried(const struct gw_picked *p, const struct gw_model *m,
	     struct gw_choices *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		if (gw_choice_rank(&all->at[i]) != GW_RANK_NEVER &&
		    !gw_failover_was_tried(p, m, &all->at[i]))
			all->at[n++] = all->at[i];
	return n;
}

static enum gw_rank
best_rank(const struct gw_choices *all, size_t n)
{
	enum gw_rank best = GW_RANK_NEVER;

	for (size_t i = 0; i < n; i++)
		if (gw_choice_rank(&all->at[i]) < best)
			best = gw_choice_rank(&all->at[i]);
	return best;
}

static const struct gw_model *
next_alias(const struct gw_request *r)
{
	return gw_failover_alias(r, r->forward.fallbacks);
}

/* One whose pause is over gets one request of all processes. Where it was not
 * connected, and a probe says that it still is not, others come first. */
static const struct gw_choice *
trial(struct gw_request *r, const struct gw_choices *all, size_t n)
{
	struct gw_routing *routing = gw_routing(r);
	bool others = n > 1 || next_alias(r);
	uint64_t now_ms = gw_mono_ms();

	for (size_t i = 0; i < n; i++) {
		const struct gw_choice *c = &all->at[i];

		if (gw_choice_rank(c) != GW_RANK_EJECTED ||
		    !c->waits_for_trial || (c->unreachable && others))
			continue;
		/* Of two records one may be well. */
		if (reg_candidate_try(routing->reg, c->ref, now_ms) ||
		    reg_candidate_try(routing->reg, c->address, now_ms)) {
			gw_routed(r)->pick.trial = true;
			return c;
		}
	}
	return NULL;
}

static size_t
keep_rank(struct gw_choices *all, size_t n, enum gw_rank rank)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (gw_choice_rank(&all->at[i]) == rank)
			all->at[kept++] = all->at[i];
	return kept;
}

static size_t
keep_first_step(struct gw_choices *all, size_t n)
{
	uint32_t step = UINT32_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (all->at[i].step < step)
			step = all->at[i].step;
	for (size_t i = 0; i < n; i++)
		if (all->at[i].step == step)
			all->at[kept++] = all->at[i];
	return kept;
}

static const struct gw_choice *
soonest(const struct gw_choices *all, size_t n)
{
	const struct gw_choice *best = &all->at[0];

	for (size_t i = 1; i < n; i++)
		if (all->at[i].pause_ends_ms < best->pause_ends_ms)
			best = &all->at[i];
	return best;
}

/* First attempts are what a strategy counts: one that was left for another
 * candidate takes nobody's turn. */
static const struct gw_policy *
policy_for(const struct gw_request *r)
{
	enum gw_strategy strategy = r->resolve.model->strategy;
	const struct gw_picked *p = &gw_routed(r)->pick;

	if ((!p->history || p->history->n_tried == 0) && !p->left_line)
		return gw_policies[strategy];
	return strategy == GW_LEAST_BUSY || strategy == GW_AFFINITY
		       ? &gw_policy_least_busy
		       : &gw_policy_random;
}

static const struct gw_choice *
choose(struct gw_request *r, struct gw_choices *all, size_t n)
{
	const struct gw_policy *policy = policy_for(r);

	if (!policy->sees_all)
		n = keep_first_step(all, n);
	return &all->at[n == 1 ? 0 : policy->choose(r, all->at, n)];
}

/* ---- of one alias, then the next -------------------------------------------
 */

/* NULL: nobody of this alias, or nobody that should be asked before its
 * fallbacks are. -1: no memory. */
static int
look(struct gw_request *r, const struct gw_choice **out, size_t *n)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_choices *all = &routing->choices;
	enum gw_rank rank;

	*out = NULL;
	if (r->resolve.model->type == GW_MODEL_DISCOVERED)
		gw_node_view_refresh(routing->nodes);
	if (gw_choices_of(routing, r->config, r->resolve.model, gw_mono_ms(),
			  all) < 0)
		return no_memory(r);
	*n = keep_untried(&gw_routed(r)->pick, r->resolve.model, all);
	if (*n == 0)
		return 0;
	*out = trial(r, all, *n);
	rank = best_rank(all, *n);
	if (*out || rank == GW_RANK_EJECTED)
		return 0;
	*n = keep_rank(all, *n, rank);
	*out = choose(r, all, *n);
	return 0;
}

/* All are ejected, and no fallback is left: the one whose pause ends first, of
 * the alias that was named and of those that stand in for it. */
static int
last_resort(struct gw_request *r)
{
	struct gw_choices *all = &gw_routing(r)->choices;
	const struct gw_model *best = NULL, *m = gw_failover_named(r);
	uint64_t ends_ms = UINT64_MAX;
	size_t n;

	for (size_t i = 0; m; m = gw_failover_alias(r, i++)) {
		if (gw_choices_of(gw_routing(r), r->config, m, gw_mono_ms(),
				  all) < 0)
			return no_memory(r);
		n = keep_untried(&gw_routed(r)->pick, m, all);
		n = keep_rank(all, n, GW_RANK_EJECTED);
		if (n && soonest(all, n)->pause_ends_ms < ends_ms) {
			ends_ms = soonest(all, n)->pause_ends_ms;
			best = m;
		}
	}
	if (!best)
		return gw_pick_error(r);
	r->resolve.model = best;
	gw_resolve_stream(r);
	if (gw_choices_of(gw_routing(r), r->config, best, gw_mono_ms(), all) <
	    0)
		return no_memory(r);
	n = keep_untried(&gw_routed(r)->pick, best, all);
	n = keep_rank(all, n, GW_RANK_EJECTED);
	return n ? take(r, soonest(all, n)) : gw_pick_error(r);
}

static int
pick(struct gw_request *r)
{
	const struct gw_choice *c;
	size_t n;

	note_tried(r);
	for (;;) {
		if (look(r, &c, &n) < 0)
			return -1;
		if (c)
			return take(r, c);
		if (!next_alias(r))
			return last_resort(r);
		gw_failover.fall_back(r);
	}
}

enum gw_step
gw_stage_pick_node(struct gw_request *r)
{
	if (pick(r) < 0)
		return GW_FINISH;
	if (r->relay.done) /* nobody: an earlier answer is relayed */
		return GW_NEXT;
	if (gw_rest_of_alias(r) < 0 ||
	    gw_body_edit(r->receive.body, r->target.model_json,
			 r->resolve.model, &r->err) < 0)
		return GW_FINISH;
	return GW_NEXT;
}
