/* SPDX-License-Identifier: MIT */
/*
 * pick_node.c - which candidate gets the request: of the alias that it names,
 * or of its fallback list where nobody of that alias can be asked
 * (pick_walk.c). Where all are full it waits (queue.c).
 */
#include "base/clock.h"
#include "routing/routing.h"
#include "serve/deadline.h"
#include "serve/worker.h"
#include "stage/failover.h"
#include "stage/pick_walk.h"
#include "stage/policy.h"
#include "stage/rest.h"
#include "stage/stage.h"

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

/* Of two records one may be well. */
static bool
try_it(struct gw_request *r, const struct gw_choice *c)
{
	struct reg *reg = gw_routing(r)->reg;
	uint64_t now_ms = gw_mono_ms();

	if (!reg_candidate_try(reg, c->ref, now_ms) &&
	    !reg_candidate_try(reg, c->address, now_ms))
		return false;
	gw_routed(r)->pick.trial = true;
	return true;
}

static size_t
choose(struct gw_request *r, const struct gw_policy *policy,
       const struct gw_choice *c, size_t k)
{
	return policy->choose(r, c, k);
}

static const struct gw_pick_acts acts = {
	.try_it = try_it,
	.choose = choose,
	.keep = gw_queue_keep,
	.take = gw_pick_take,
	.wait = gw_queue_wait,
};

enum gw_step
gw_stage_pick_node(struct gw_request *r)
{
	enum gw_step step;

	if (r->err.code)
		return GW_FINISH;
	if (r->deadline.hit) {
		gw_limit_error(r, r->deadline.hit);
		return GW_FINISH;
	}
	note_tried(r);
	gw_queue_arrive(r);
	step = gw_pick_walk(r, &acts);
	if (step != GW_NEXT || r->relay.done) /* nobody: an earlier answer is
					       * relayed */
		return step;
	if (gw_rest_of_alias(r) < 0 ||
	    gw_body_edit(r->receive.body, r->target.model_json,
			 r->resolve.model, &r->err) < 0)
		return GW_FINISH;
	return GW_NEXT;
}
