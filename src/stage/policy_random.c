/* SPDX-License-Identifier: MIT */
/* policy_random.c - any candidate, each as likely as the others. */
#include <stdint.h>

#include "config/config.h"
#include "routing/routing.h"
#include "stage/policy.h"

/* Numbers in the last, incomplete run of k would favour the first candidates.
 */
static size_t
choose(struct gw_routing *routing, const struct gw_model *m, size_t k)
{
	uint64_t excess = (UINT64_MAX % k + 1) % k;
	uint64_t x;

	(void)m;
	do
		x = gw_worker_random(routing->worker);
	while (x > UINT64_MAX - excess);
	return (size_t)(x % k);
}

const struct gw_policy gw_policy_random = {
	.name = "random",
	.choose = choose,
};
