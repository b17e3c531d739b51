/* SPDX-License-Identifier: MIT */
/*
 * lease.c - requests that run at candidates: one word a lease, and one a
 * candidate that has their number.
 *
 * To take: a free lease becomes TAKING, then the candidate's load word counts
 * it and says so, then it becomes HELD. To drop: HELD becomes DROPPING, the
 * load word counts it no more and says so, the lease becomes FREE. Before a
 * load word changes again, whoever changes it makes true what it says, so
 * TAKING or DROPPING is told apart by the load word alone: it says so, or it
 * has not happened. That is how the end of a dead process's lease counts
 * exactly once, wherever it died and however many are at it.
 */
#include "internal.h"

#define FULL_PAUSE_MS 50 /* between two searches when all leases are taken */
#define SWEEP_MS 500	 /* between two sweeps, of all processes */
#define TRIES 100000	 /* of a change, each lost to somebody else's */

/* ---- the end of a lease ---------------------------------------------------
 */

/* One step towards it. The lease was @held, and nobody but such as call this
 * changes it: it is ours, or its owner is dead. */
static void
go_on(const struct reg *r, uint32_t lease, uint64_t held)
{
	uint32_t candidate = reg_held_candidate(held);
	struct reg_place *p = &r->seg->places[candidate];
	uint64_t load = atomic_load(&p->load);
	uint32_t count = reg_load_count(load);

	REG_STOP_POINT();
	/* Only then does the load word say all that happened to it. */
	if (atomic_load(&r->seg->leases[lease]) != held)
		return;
	switch (reg_held_state(held)) {
	case REG_FREE:
		break;
	case REG_TAKING:
		reg_lease_become(r, lease, held,
				 reg_load_says(load, lease, held, false)
					 ? REG_HELD
					 : REG_FREE);
		break;
	case REG_HELD:
		reg_lease_become(r, lease, held, REG_DROPPING);
		break;
	case REG_DROPPING:
		/* Only a damaged count is 0 here. */
		if (count == 0 || reg_load_says(load, lease, held, true)) {
			reg_lease_become(r, lease, held, REG_FREE);
			break;
		}
		reg_lease_help(r, candidate, load);
		REG_CRASH_POINT();
		atomic_compare_exchange_strong(
			&p->load, &load,
			reg_load_with(load, count - 1, lease, held, true));
		REG_CRASH_POINT();
		break;
	}
}

/* A lease that stays unfinished after all tries, is swept later. */
static void
end(const struct reg *r, uint32_t lease, uint64_t held)
{
	uint64_t whose = reg_held_as(held, REG_HELD);

	for (int tries = 0; tries < TRIES; tries++) {
		held = atomic_load(&r->seg->leases[lease]);
		if (reg_held_state(held) == REG_FREE ||
		    reg_held_as(held, REG_HELD) != whose)
			return;
		go_on(r, lease, held);
	}
}

static bool
is_mine(const struct reg *r, uint64_t held)
{
	return reg_held_state(held) != REG_FREE &&
	       reg_held_row(held) == r->row &&
	       reg_held_row_generation(held) ==
		       (r->row_generation & REG_BITS(REG_LEASE_GEN_BITS));
}

/* ---- the leases of the dead -----------------------------------------------
 */

/* Ends what the dead held, and what this process left unfinished. */
static unsigned
sweep(struct reg *r)
{
	struct reg_census c = {0};
	unsigned n = 0;

	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load_explicit(&r->seg->leases[i],
						     memory_order_relaxed);

		if (reg_held_state(held) == REG_FREE)
			continue;
		if (is_mine(r, held) ? reg_held_state(held) == REG_HELD
				     : reg_census_live(
					       r, &c, reg_held_row(held),
					       reg_held_row_generation(held),
					       REG_BITS(REG_LEASE_GEN_BITS)))
			continue;
		end(r, i, held);
		n++;
	}
	return n;
}

unsigned
reg_lease_sweep(struct reg *r, uint64_t now_ms)
{
	_Atomic uint64_t *swept = &r->seg->header.swept_ms;
	uint64_t last_ms = atomic_load(swept);

	if (now_ms >= last_ms && now_ms - last_ms < SWEEP_MS)
		return 0;
	REG_CRASH_POINT();
	if (!atomic_compare_exchange_strong(swept, &last_ms, now_ms))
		return 0;
	REG_CRASH_POINT();
	return sweep(r) + reg_queue_sweep(r);
}

void
reg_lease_clear(struct reg *r)
{
	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load(&r->seg->leases[i]);

		if (reg_held_state(held) != REG_FREE &&
		    reg_held_row(held) == r->row)
			end(r, i, held);
	}
	r->leases_held = 0;
}

/* ---- take and drop --------------------------------------------------------
 */

/* Finds a free entry; it is TAKING then. */
static int32_t
reserve(struct reg *r, uint32_t candidate)
{
	for (uint32_t n = 0; n < REG_LEASES_MAX; n++) {
		uint32_t i = (r->lease_hint + n) % REG_LEASES_MAX;
		uint64_t held = atomic_load_explicit(&r->seg->leases[i],
						     memory_order_relaxed);
		uint32_t sequence = reg_held_sequence(held + 1);

		if (reg_held_state(held) != REG_FREE)
			continue;
		REG_CRASH_POINT();
		if (!atomic_compare_exchange_strong(
			    &r->seg->leases[i], &held,
			    reg_held(REG_TAKING, r->row, r->row_generation,
				     candidate, sequence ? sequence : 1)))
			continue;
		REG_CRASH_POINT();
		r->lease_hint = (i + 1) % REG_LEASES_MAX;
		return (int32_t)i;
	}
	return -1;
}

/* After a full search, the next request does not search as well. */
static int32_t
reserve_or_sweep(struct reg *r, uint32_t candidate)
{
	int32_t lease;

	if (r->swept_ms && reg_clock_ms() - r->swept_ms < FULL_PAUSE_MS)
		return -1;
	lease = reserve(r, candidate);
	if (lease < 0) {
		sweep(r);
		lease = reserve(r, candidate);
	}
	r->swept_ms = lease >= 0 ? 0 : reg_clock_ms();
	return lease;
}

static bool
is_full(uint64_t load, struct reg_candidate_ref c, uint32_t limit)
{
	return limit && reg_load_is(load, c.tag) &&
	       reg_load_count(load) >= limit;
}

/* The candidate counts the lease. False: it is full, or another one by now. */
static bool
count(struct reg *r, struct reg_candidate_ref c, uint32_t limit, uint32_t lease,
      bool *full)
{
	struct reg_place *p = &r->seg->places[c.index];
	uint64_t held = atomic_load(&r->seg->leases[lease]);

	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t load = atomic_load(&p->load);

		REG_STOP_POINT();
		*full = is_full(load, c, limit);
		if (*full || !reg_load_is(load, c.tag))
			return false;
		reg_lease_help(r, c.index, load);
		REG_CRASH_POINT();
		if (!atomic_compare_exchange_strong(
			    &p->load, &load,
			    reg_load_with(load, reg_load_count(load) + 1, lease,
					  held, false)))
			continue;
		reg_lease_become(r, lease, held, REG_HELD);
		return true;
	}
	return false;
}

int32_t
reg_lease_take(struct reg *r, struct reg_candidate_ref c, uint32_t limit,
	       bool *full)
{
	struct reg_place *p = reg_candidate_at(r, c);
	bool ignored;
	int32_t lease;

	if (!full)
		full = &ignored;
	*full = p && is_full(atomic_load(&p->load), c, limit);
	if (!p || *full)
		return -1;
	lease = reserve_or_sweep(r, c.index);
	if (lease < 0)
		return -1;
	if (!count(r, c, limit, (uint32_t)lease, full)) {
		r->lease_hint = (uint32_t)lease;
		reg_lease_become(r, (uint32_t)lease,
				 atomic_load(&r->seg->leases[lease]), REG_FREE);
		return -1;
	}
	r->leases_held++;
	return lease;
}

void
reg_lease_drop(struct reg *r, int32_t lease)
{
	uint64_t held;

	if (lease < 0 || lease >= REG_LEASES_MAX)
		return;
	held = atomic_load(&r->seg->leases[lease]);
	REG_STOP_POINT();
	if (!is_mine(r, held))
		return;
	end(r, (uint32_t)lease, held);
	r->lease_hint = (uint32_t)lease; /* likely in the cache still */
	r->leases_held -= r->leases_held > 0;
	r->swept_ms = 0;
}
