/* SPDX-License-Identifier: MIT */
/* policy.c - the list of policies, in the order of enum gw_strategy. */
#include "stage/policy.h"

#include "base/cleanup.h"
#include "routing/routing.h"

const struct gw_policy *const gw_policies[] = {
	[GW_ROUND_ROBIN] = &gw_policy_round_robin,
	[GW_RANDOM] = &gw_policy_random,
	[GW_LEAST_BUSY] = &gw_policy_least_busy,
	[GW_AFFINITY] = &gw_policy_affinity,
};

_Static_assert(GW_ARRAY_LEN(gw_policies) == GW_POLICIES_MAX,
	       "one cell of policy_state for each policy");

void
gw_policies_release(struct gw_routing *routing)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(gw_policies); i++)
		if (gw_policies[i]->release)
			gw_policies[i]->release(routing);
}
