/* SPDX-License-Identifier: MIT */
/*
 * policy.h - which of several candidates gets the next request.
 *
 * To add one: a value in enum gw_strategy (config.h), its word in the
 * configuration's table, one file policy_<name>.c here, and a row in policy.c.
 * A policy sees only how many candidates there are; freshness and failed models
 * are sorted out before.
 */
#ifndef GW_STAGE_POLICY_H
#define GW_STAGE_POLICY_H

#include <stddef.h>

struct gw_model;
struct gw_routing;

struct gw_policy {
	const char *name; /* as in the configuration */
	/*
	 * Choose a candidate.
	 * @m  discovered; its role names the position to count on
	 * @k  number of candidates, > 0; they come in the same order in every
	 *     process
	 * Returns 0 .. @k-1. Never blocks, never fails.
	 */
	size_t (*choose)(struct gw_routing *routing, const struct gw_model *m,
			 size_t k);
	/* Free what it keeps in policy_state; NULL = it keeps nothing. */
	void (*release)(struct gw_routing *routing);
};

/* By enum gw_strategy; no entry is NULL. */
extern const struct gw_policy *const gw_policies[];

/* gw_policies_release - the process ends: every policy frees its state. */
void gw_policies_release(struct gw_routing *routing);

extern const struct gw_policy gw_policy_round_robin;
extern const struct gw_policy gw_policy_random;

#endif
