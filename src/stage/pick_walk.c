/* SPDX-License-Identifier: MIT */
/* pick_walk.c - see pick_walk.h; what the order means, choices.c and the
 * policies say. */
#include "stage/pick_walk.h"

#include "base/clock.h"
#include "routing/availability.h"
#include "routing/history.h"
#include "routing/routing.h"
#include "serve/worker.h"
#include "stage/failover.h"
#include "stage/pick_error.h"
#include "stage/policy.h"
#include "stage/stage.h"

#define TRIES 16 /* to take a slot that was free a moment ago */

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
}

/* ---- who may be chosen -----------------------------------------------------
 */

/* Those that may be asked and were not, in the order they had. */
static size_t
keep_untried(const struct gw_picked *p, const struct gw_model *m,
	     struct gw_choices *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		if (gw_choice_rank(&all->at[i]) != GW_RANK_NEVER &&
		    !gw_was_tried(p->history, m, &all->at[i]))
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
trial(struct gw_request *r, const struct gw_pick_acts *acts,
      const struct gw_choices *all, size_t n)
{
	bool others = n > 1 || next_alias(r);

	for (size_t i = 0; i < n; i++) {
		const struct gw_choice *c = &all->at[i];

		if (gw_choice_rank(c) != GW_RANK_EJECTED ||
		    !c->waits_for_trial || (c->unreachable && others))
			continue;
		if (acts->try_it(r, c))
			return c;
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
choose(struct gw_request *r, const struct gw_pick_acts *acts,
       struct gw_choices *all, size_t n)
{
	const struct gw_policy *policy = policy_for(r);

	if (!policy->sees_all)
		n = keep_first_step(all, n);
	return &all->at[n == 1 ? 0 : acts->choose(r, policy, all->at, n)];
}

/* ---- of one alias, then the next -------------------------------------------
 */

enum found {
	FOUND,
	ALL_FULL, /* somebody is worth waiting for */
	NOBODY,	  /* or nobody that should be asked before its fallbacks are */
	NO_MEMORY
};

/* One without a slot, and nothing else against it. */
static bool
is_awaited(const struct gw_choices *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (gw_choice_rank(&all->at[i]) == GW_RANK_NO_SLOT &&
		    !all->at[i].ejected)
			return true;
	return false;
}

static int
candidates(struct gw_request *r, const struct gw_model *m, size_t *n)
{
	struct gw_choices *all = &gw_routing(r)->choices;

	if (gw_choices_of(gw_routing(r), r->config, m, gw_mono_ms(), all) < 0)
		return no_memory(r);
	*n = keep_untried(&gw_routed(r)->pick, m, all);
	return 0;
}

static enum found
look(struct gw_request *r, const struct gw_pick_acts *acts,
     const struct gw_choice **out)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_choices *all = &routing->choices;
	enum gw_rank rank;
	size_t n;

	if (r->resolve.model->type == GW_MODEL_DISCOVERED ||
	    reg_queue_any(routing->reg))
		gw_node_view_refresh(routing->nodes);
	if (candidates(r, r->resolve.model, &n) < 0)
		return NO_MEMORY;
	*out = trial(r, acts, all, n);
	if (*out)
		return FOUND;
	rank = best_rank(all, n);
	if (rank > GW_RANK_NOW && is_awaited(all, n))
		return ALL_FULL;
	if (rank >= GW_RANK_EJECTED)
		return NOBODY;
	n = acts->keep(r, all, keep_rank(all, n, rank));
	if (n == 0)
		return ALL_FULL;
	*out = choose(r, acts, all, n);
	return FOUND;
}

static enum gw_step
wait_in_queue(struct gw_request *r, const struct gw_pick_acts *acts)
{
	switch (acts->wait(r)) {
	case GW_QUEUED_WAITS:
		return GW_WAIT;
	case GW_QUEUED_REFUSED:
		return GW_NEXT;
	case GW_QUEUED_FAILED:
		break;
	}
	return GW_FINISH;
}

static enum gw_step
nobody(struct gw_request *r)
{
	return gw_pick_error(r) < 0 ? GW_FINISH : GW_NEXT;
}

/* Whose candidates are all ejected: the one whose pause ends first, or, of
 * those that are full as well, any. */
static const struct gw_model *
best_ejected(struct gw_request *r, enum gw_rank rank)
{
	struct gw_choices *all = &gw_routing(r)->choices;
	const struct gw_model *best = NULL, *m = gw_failover_named(r);
	uint64_t ends_ms = UINT64_MAX;
	size_t n;

	for (size_t i = 0; m; m = gw_failover_alias(r, i++)) {
		if (candidates(r, m, &n) < 0 || is_awaited(all, n))
			continue;
		n = keep_rank(all, n, rank);
		if (n && soonest(all, n)->pause_ends_ms < ends_ms) {
			ends_ms = soonest(all, n)->pause_ends_ms;
			best = m;
		}
	}
	return best;
}

/* The request is made as one for that alias. It keeps its place where it waits
 * there already. */
static void
turn_to(struct gw_request *r, const struct gw_model *m)
{
	if (!gw_queue_is_in(r, m))
		gw_queue_leave(r);
	r->resolve.model = m;
	gw_resolve_stream(r);
}

/* Those of an alias that are ejected, have a slot, and are for nobody who came
 * before. Refused by its queue it waits no more. */
static int
ejected_ones(struct gw_request *r, const struct gw_pick_acts *acts, size_t *n)
{
	struct gw_choices *all = &gw_routing(r)->choices;

	if (candidates(r, r->resolve.model, n) < 0)
		return -1;
	*n = keep_rank(all, *n, GW_RANK_EJECTED);
	if (*n && !gw_queue_refused_by(r))
		*n = acts->keep(r, all, *n);
	return 0;
}

/* All are ejected, and no fallback is left: the one whose pause ends first, of
 * the alias that was named and of those that stand in for it. */
static enum gw_step
last_resort(struct gw_request *r, const struct gw_pick_acts *acts)
{
	struct gw_choices *all = &gw_routing(r)->choices;
	const struct gw_model *best = best_ejected(r, GW_RANK_EJECTED);
	enum gw_step step;
	size_t n;

	for (int tries = 0; best && tries < TRIES; tries++) {
		turn_to(r, best);
		if (ejected_ones(r, acts, &n) < 0)
			return GW_FINISH;
		if (n == 0)
			break;
		switch (acts->take(r, soonest(all, n))) {
		case GW_TAKEN:
			return GW_NEXT;
		case GW_TAKE_FAILED:
			return GW_FINISH;
		case GW_TAKE_FULL:
			best = best_ejected(r, GW_RANK_EJECTED);
		}
	}
	if (!best)
		best = best_ejected(r, GW_RANK_NO_SLOT);
	if (best && !gw_queue_refused_by(r)) {
		turn_to(r, best);
		step = wait_in_queue(r, acts);
		if (step != GW_NEXT)
			return step;
	}
	gw_queue_leave(r);
	return nobody(r);
}

/* Of the alias at hand. NEXT: nobody; it may be waiting there. */
static enum gw_step
pick_of_alias(struct gw_request *r, const struct gw_pick_acts *acts,
	      bool *taken)
{
	const struct gw_choice *c = NULL;
	enum found found;

	/* Others may be faster, and then others still; but not for ever. */
	for (int tries = 0; tries < TRIES; tries++) {
		found = look(r, acts, &c);
		if (found == NO_MEMORY)
			return GW_FINISH;
		if (found == NOBODY)
			return GW_NEXT;
		if (found == ALL_FULL)
			break;
		switch (acts->take(r, c)) {
		case GW_TAKEN:
			*taken = true;
			return GW_NEXT;
		case GW_TAKE_FULL:
			break;
		case GW_TAKE_FAILED:
			return GW_FINISH;
		}
	}
	return wait_in_queue(r, acts);
}

enum gw_step
gw_pick_walk(struct gw_request *r, const struct gw_pick_acts *acts)
{
	bool taken = false;

	for (;;) {
		enum gw_step step = pick_of_alias(r, acts, &taken);

		if (taken || step != GW_NEXT)
			return step;
		if (!next_alias(r))
			return last_resort(r, acts);
		gw_queue_leave(r);
		gw_failover.fall_back(r);
	}
}
