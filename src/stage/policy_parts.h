/* SPDX-License-Identifier: MIT */
/*
 * policy_parts.h - what the policies share; nobody else includes it.
 */
#ifndef GW_STAGE_POLICY_PARTS_H
#define GW_STAGE_POLICY_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_choice;
struct gw_routing;

/* ---- policy_weights.c: shares by weight; pure ---------------------------- */

/* How much a choice weighs among those that take part; 0: it does not. */
typedef uint32_t (*gw_weigh_fn)(const struct gw_choice *c, const void *arg);

/* gw_weigh_all - everybody takes part. */
uint32_t gw_weigh_all(const struct gw_choice *c, const void *arg);

/*
 * gw_weights_turn - whose turn is number @n? Of each run of W turns (the sum of
 * the weights, divided by what divides all of them) each gets exactly its
 * weight, spread over the run.
 * @c  @k choices of which one at least takes part
 */
size_t gw_weights_turn(const struct gw_choice *c, size_t k, uint64_t n,
		       gw_weigh_fn weigh, const void *arg);

/* gw_weights_all - how much each weighs, for gw_policy.look. Returns @k. */
size_t gw_weights_all(const struct gw_choice *c, size_t k, gw_weigh_fn weigh,
		      const void *arg, uint32_t *weighs);

/* gw_weights_sum - of all weights. */
uint64_t gw_weights_sum(const struct gw_choice *c, size_t k, gw_weigh_fn weigh,
			const void *arg);

/* gw_weights_at - the choice that owns @x, 0 .. sum - 1, when each owns as many
 * numbers as it weighs. */
size_t gw_weights_at(const struct gw_choice *c, size_t k, uint64_t x,
		     gw_weigh_fn weigh, const void *arg);

/* ---- policy_position.c: where a role's count is -------------------------- */

/*
 * gw_position_next - take the next number of a role, over all processes.
 * @kept  this process's memory of where roles are; NULL to begin with
 * @kind  whose count: "" is round robin's, others have their own
 * Returns true; false when that is not known now: somebody holds the lock.
 */
bool gw_position_next(struct gw_routing *routing, void **kept, const char *kind,
		      const char *role, uint64_t *n);

/* gw_position_look - the number that gw_position_next() would give, without taking
 * it. False as there. */
bool gw_position_look(struct gw_routing *routing, const char *kind,
		      const char *role, uint64_t *n);

/* gw_position_forget - free what is kept. */
void gw_position_forget(void **kept);

/* ---- policy_load.c: who has least to do; pure ---------------------------- */

struct gw_load {
	uint32_t step;		/* the first one anybody is in */
	uint64_t busy, room;	/* of the idlest in it: in flight, of how many */
	uint32_t widest;	/* what stands for "no bound" */
	size_t ties;		/* so many are as idle */
	size_t first;		/* the first of them */
};

/* gw_load_least - look at @k > 0 choices. */
void gw_load_least(const struct gw_choice *c, size_t k, struct gw_load *out);

/* gw_load_weigh - a gw_weigh_fn over struct gw_load: the idlest take part. */
uint32_t gw_load_weigh(const struct gw_choice *c, const void *load);

#endif
