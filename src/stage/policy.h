/* SPDX-License-Identifier: MIT */
/*
 * policy.h - which of several candidates gets the next request.
 *
 * To add one: a value in enum gw_strategy (config.h), its word in the
 * configuration's table, one file policy_<name>.c here, and a row in policy.c.
 * What a candidate is like stands in its struct gw_choice; whether it may be
 * asked at all was decided before.
 */
#ifndef GW_STAGE_POLICY_H
#define GW_STAGE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_choice;
struct gw_request;
struct gw_routing;

struct gw_policy {
	const char *name; /* as in the configuration */
	/* It gets all that are ready or cold, in any step; others only those of
	 * the best state and step. */
	bool sees_all;
	/*
	 * Choose a candidate for the first attempt of a request. One that is
	 * left for another candidate takes nobody's turn: gw_policy_random and
	 * gw_policy_least_busy serve for that whatever the strategy.
	 * @r  its alias (resolve.model) names the position to count on
	 * @c  @k candidates, @k > 0, in the same order in every process
	 * Returns 0 .. @k-1. Never blocks, never fails.
	 */
	size_t (*choose)(struct gw_request *r, const struct gw_choice *c,
			 size_t k);
	/*
	 * What choose() would do now, in whichever process, without anything
	 * being counted.
	 * @weighs  @k, filled when it returns @k: each candidate that may be
	 *          the one, by how likely that is; 0 = it cannot be
	 * Returns 0 .. @k-1; @k: chance decides, or what only the process knows
	 * that the request comes to.
	 */
	size_t (*look)(struct gw_request *r, const struct gw_choice *c,
		       size_t k, uint32_t *weighs);
	/* Free what it keeps in policy_state; NULL = it keeps nothing. */
	void (*release)(struct gw_routing *routing);
};

/* By enum gw_strategy; no entry is NULL. */
extern const struct gw_policy *const gw_policies[];

/* gw_policies_release - the process ends: every policy frees its state. */
void gw_policies_release(struct gw_routing *routing);

extern const struct gw_policy gw_policy_round_robin;
extern const struct gw_policy gw_policy_random;
extern const struct gw_policy gw_policy_least_busy;
extern const struct gw_policy gw_policy_affinity;

#endif
