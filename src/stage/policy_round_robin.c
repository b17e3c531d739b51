/* SPDX-License-Identifier: MIT */
/*
 * policy_round_robin.c - each candidate in turn, as often as it weighs, exact
 * over all processes.
 */
#include "routing/choice.h"
#include "routing/routing.h"
#include "stage/policy.h"
#include "stage/policy_parts.h"

static size_t
choose(struct gw_request *r, const struct gw_choice *c, size_t k)
{
	struct gw_routing *routing = gw_routing(r);
	uint64_t n;

	if (k == 1) /* a proxy has no role to count on */
		return 0;
	if (!gw_position_next(routing, &routing->policy_state[GW_ROUND_ROBIN],
			      "", r->resolve.model->role, &n))
		/* Another process holds the lock: an uneven share this once is
		 * better than a request that waits. */
		return gw_policy_random.choose(r, c, k);
	return gw_weights_turn(c, k, n, gw_weigh_all, NULL);
}

static size_t
look(struct gw_request *r, const struct gw_choice *c, size_t k,
     uint32_t *weighs)
{
	uint64_t n;

	if (k == 1)
		return 0;
	if (!gw_position_look(gw_routing(r), "", r->resolve.model->role, &n))
		return gw_policy_random.look(r, c, k, weighs);
	return gw_weights_turn(c, k, n, gw_weigh_all, NULL);
}

static void
release(struct gw_routing *routing)
{
	gw_position_forget(&routing->policy_state[GW_ROUND_ROBIN]);
}

const struct gw_policy gw_policy_round_robin = {
	.name = "round_robin",
	.choose = choose,
	.look = look,
	.release = release,
};
