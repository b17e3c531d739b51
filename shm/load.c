/* SPDX-License-Identifier: MIT */
/*
 * load.c - a candidate's load word says which lease came or went last; before
 * it may say something else, that lease is what it says.
 */
#include "internal.h"

void
reg_lease_become(const struct reg *r, uint32_t lease, uint64_t held,
		 enum reg_held_state state)
{
	REG_CRASH_POINT();
	atomic_compare_exchange_strong(&r->seg->leases[lease], &held,
				       reg_held_as(held, state));
	REG_CRASH_POINT();
}

void
reg_lease_help(const struct reg *r, uint32_t candidate, uint64_t load)
{
	uint32_t lease = reg_load_lease(load);
	bool went = reg_load_went(load);
	uint64_t held;

	if (reg_load_sequence(load) == 0)
		return; /* nobody came yet */
	held = atomic_load(&r->seg->leases[lease]);
	REG_STOP_POINT();
	if (reg_held_sequence(held) != reg_load_sequence(load) ||
	    reg_held_candidate(held) != candidate)
		return;
	if (reg_held_state(held) == (went ? REG_DROPPING : REG_TAKING))
		reg_lease_become(r, lease, held, went ? REG_FREE : REG_HELD);
}
