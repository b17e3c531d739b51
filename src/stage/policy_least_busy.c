/* SPDX-License-Identifier: MIT */
/*
 * policy_least_busy.c - the candidate with the fewest requests in flight, over
 * all processes; those that have as few take turns, as often as they weigh.
 */
#include "routing/choice.h"
#include "routing/routing.h"
#include "stage/policy.h"
#include "stage/policy_parts.h"

static size_t
choose(struct gw_request *r, const struct gw_choice *c, size_t k)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_load best;
	uint64_t n;

	gw_load_least(c, k, &best);
	if (best.ties == 1)
		return best.first;
	/* Without the lock anybody's turn is as good. */
	if (!r->resolve.model->role ||
	    !gw_position_next(routing, &routing->policy_state[GW_LEAST_BUSY],
			      "least_busy", r->resolve.model->role, &n))
		n = gw_worker_random(r->worker);
	return gw_weights_turn(c, k, n, gw_load_weigh, &best);
}

static size_t
look(struct gw_request *r, const struct gw_choice *c, size_t k,
     uint32_t *weighs)
{
	struct gw_load best;
	uint64_t n;

	gw_load_least(c, k, &best);
	if (best.ties == 1)
		return best.first;
	if (!r->resolve.model->role ||
	    !gw_position_look(gw_routing(r), "least_busy",
			      r->resolve.model->role, &n))
		return gw_weights_all(c, k, gw_load_weigh, &best, weighs);
	return gw_weights_turn(c, k, n, gw_load_weigh, &best);
}

static void
release(struct gw_routing *routing)
{
	gw_position_forget(&routing->policy_state[GW_LEAST_BUSY]);
}

const struct gw_policy gw_policy_least_busy = {
	.name = "least_busy",
	.choose = choose,
	.look = look,
	.release = release,
};
