/* SPDX-License-Identifier: MIT */
/*
 * policy.h - how one of several candidates is chosen: an interface of two
 * functions, one file per policy, one row in gw_policies.
 */
#ifndef GW_STAGE_POLICY_H
#define GW_STAGE_POLICY_H

#include <stddef.h>

#include "config/config.h"

struct gw_worker;

struct gw_policy {
	const char *name;
	/*
	 * Choose one of @k candidates (k >= 1); returns 0 .. k-1. May keep state
	 * in w->policy_state[strategy].
	 */
	size_t (*choose)(struct gw_worker *w, const struct gw_model *m,
			 size_t k);
	/* Free that state; NULL when there is none. */
	void (*release)(struct gw_worker *w);
};

/* By enum gw_strategy. */
extern const struct gw_policy *const gw_policies[];

/* gw_policies_release - call every policy's release. */
void gw_policies_release(struct gw_worker *w);

#endif
