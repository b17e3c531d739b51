/* SPDX-License-Identifier: MIT */
/* policy_random.c - any candidate, each as likely as it weighs. */
#include <stdint.h>

#include "routing/choice.h"
#include "routing/routing.h"
#include "stage/policy.h"
#include "stage/policy_parts.h"

/* Numbers in the last, incomplete run would favour the first candidates. */
static size_t
choose(struct gw_request *r, const struct gw_choice *c, size_t k)
{
	uint64_t sum = gw_weights_sum(c, k, gw_weigh_all, NULL);
	uint64_t excess = sum ? (UINT64_MAX % sum + 1) % sum : 0;
	uint64_t x;

	if (sum == 0)
		return 0;
	do
		x = gw_worker_random(r->worker);
	while (x > UINT64_MAX - excess);
	return gw_weights_at(c, k, x % sum, gw_weigh_all, NULL);
}

static size_t
look(struct gw_request *r, const struct gw_choice *c, size_t k,
     uint32_t *weighs)
{
	(void)r;
	return gw_weights_all(c, k, gw_weigh_all, NULL, weighs);
}

const struct gw_policy gw_policy_random = {
	.name = "random",
	.choose = choose,
	.look = look,
};
