/* SPDX-License-Identifier: MIT */
/*
 * lease.c - requests running on nodes, one atomic word each.
 *
 * A lease names its row with that row's generation, and its node's slot with
 * that slot's. So it stops counting by itself when its process dies (the row is
 * dead or has a new generation) or its node goes (the slot has).
 */
#include <string.h>

#include "internal.h"

#define SWEEP_PAUSE_MS 50 /* between two searches for leases of the dead */

/* What is known of the rows during one pass over all leases. */
struct census {
	bool known[REG_ROWS_MAX];
	bool live[REG_ROWS_MAX];
	uint64_t generation[REG_ROWS_MAX]; /* `live` is about this one */
};

/*
 * Does the process that took a lease live? A verdict counts only for the
 * generation it was made for: the row may have a new owner meanwhile.
 */
static bool
is_live(const struct reg *r, struct census *c, uint64_t held)
{
	uint32_t row = reg_held_row(held);
	uint64_t generation = atomic_load(&r->seg->rows[row].generation);

	if ((generation & REG_BITS(REG_LEASE_GEN_BITS)) !=
	    reg_held_row_generation(held))
		return false;
	if (!c->known[row] || c->generation[row] != generation) {
		REG_STOP_POINT();
		c->live[row] = reg_row_alive(r, row) &&
			       atomic_load(&r->seg->rows[row].generation) ==
				       generation;
		REG_STOP_POINT();
		c->generation[row] = generation;
		c->known[row] = true;
	}
	return c->live[row];
}

/* Frees the leases of dead processes. */
static void
sweep(struct reg *r)
{
	struct census c;

	memset(&c, 0, sizeof(c));
	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load(&r->seg->leases[i]);

		if (!held || is_live(r, &c, held))
			continue;
		REG_CRASH_POINT();
		atomic_compare_exchange_strong(&r->seg->leases[i], &held, 0);
		REG_CRASH_POINT();
	}
}

/* Finds a free entry and fills it. */
static int32_t
take(struct reg *r, uint64_t held)
{
	for (uint32_t n = 0; n < REG_LEASES_MAX; n++) {
		uint32_t i = (r->lease_hint + n) % REG_LEASES_MAX;
		uint64_t nobody = 0;

		if (atomic_load_explicit(&r->seg->leases[i],
					 memory_order_relaxed))
			continue;
		REG_CRASH_POINT();
		if (!atomic_compare_exchange_strong(&r->seg->leases[i], &nobody,
						    held))
			continue;
		REG_CRASH_POINT();
		r->lease_hint = (i + 1) % REG_LEASES_MAX;
		r->leases_held++;
		return (int32_t)i;
	}
	return -1;
}

int32_t
reg_lease_take(struct reg *r, struct reg_node_ref ref)
{
	uint64_t held, now_ms;
	int32_t lease;

	if (ref.slot >= REG_NODES_MAX)
		return -1;
	held = reg_held(r->row, r->row_generation, ref.slot, ref.generation);
	/* After a full search, do not make the next request search as well. */
	now_ms = r->swept_ms ? reg_clock_ms() : 0;
	if (r->swept_ms && now_ms - r->swept_ms < SWEEP_PAUSE_MS)
		return -1;
	lease = take(r, held);
	if (lease >= 0) {
		r->swept_ms = 0;
		return lease;
	}
	sweep(r);
	lease = take(r, held);
	r->swept_ms = lease >= 0 ? 0 : reg_clock_ms();
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
	if (!held || reg_held_row(held) != r->row ||
	    reg_held_row_generation(held) !=
		    (r->row_generation & REG_BITS(REG_LEASE_GEN_BITS)))
		return;
	REG_CRASH_POINT();
	atomic_store(&r->seg->leases[lease], 0);
	REG_CRASH_POINT();
	r->lease_hint = (uint32_t)lease; /* likely in the cache still */
	r->leases_held -= r->leases_held > 0;
	r->swept_ms = 0;
}

void
reg_lease_clear(struct reg *r)
{
	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load(&r->seg->leases[i]);

		if (!held || reg_held_row(held) != r->row)
			continue;
		REG_CRASH_POINT();
		atomic_compare_exchange_strong(&r->seg->leases[i], &held, 0);
	}
	r->leases_held = 0;
}

void
reg_lease_count(const struct reg *r, uint32_t *counts)
{
	struct census c;

	memset(counts, 0, REG_NODES_MAX * sizeof(*counts));
	memset(&c, 0, sizeof(c));
	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load(&r->seg->leases[i]);
		uint32_t slot = reg_held_slot(held);
		uint64_t life;

		if (!held || !is_live(r, &c, held))
			continue;
		REG_STOP_POINT();
		life = atomic_load(&r->seg->slots[slot].life);
		if (reg_life_generation(life) == reg_held_slot_generation(held))
			counts[slot]++;
	}
}
