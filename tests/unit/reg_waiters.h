/* SPDX-License-Identifier: MIT */
/*
 * reg_waiters.h - waiters for tests: each made of one number, so that whoever
 * reads one can tell whether all of it belongs together.
 */
#ifndef TESTS_UNIT_REG_WAITERS_H
#define TESTS_UNIT_REG_WAITERS_H

#include "reg_test.h"

static struct reg_waiter seen[REG_WAITERS_MAX]; /* by the last read_all() */
static size_t n_seen;

UNUSED_OK static const struct reg_waiter_ref no_waiter = {
	.index = REG_WAITERS_MAX};

UNUSED_OK static struct reg_waiter
waiter_of(uint64_t n)
{
	return (struct reg_waiter){
		.queue = n,
		.client = n * 3 + 1,
		.share = {.index = REG_CANDIDATES_MAX},
		.rank = (uint32_t)(n % REG_RANKS),
		.came_ms = 1000 + n,
		.number = n + 7,
		.avoids = n * 5,
	};
}

UNUSED_OK static bool
is_whole(const struct reg_waiter *w)
{
	return w->client == w->queue * 3 + 1 &&
	       w->rank == w->queue % REG_RANKS &&
	       w->came_ms == 1000 + w->queue && w->number == w->queue + 7 &&
	       w->avoids == w->queue * 5;
}

UNUSED_OK static struct reg_waiter_ref
join(struct reg *r, uint64_t n)
{
	struct reg_waiter w = waiter_of(n);

	return reg_queue_join(r, &w);
}

UNUSED_OK static size_t
read_all(const struct reg *r)
{
	n_seen = reg_queue_read(r, seen, REG_WAITERS_MAX);
	return n_seen;
}

/* One that was read; NULL: it was not. */
UNUSED_OK static const struct reg_waiter *
saw(struct reg_waiter_ref ref)
{
	for (size_t i = 0; i < n_seen; i++)
		if (seen[i].ref.index == ref.index &&
		    seen[i].ref.sequence == ref.sequence)
			return &seen[i];
	return NULL;
}

/* As @r reads it now; of nobody: nothing. */
UNUSED_OK static struct reg_waiter
read_of(const struct reg *r, struct reg_waiter_ref ref)
{
	const struct reg_waiter *w;

	read_all(r);
	w = saw(ref);
	return w ? *w : (struct reg_waiter){.ref = no_waiter};
}

/* Entries that somebody else than @r uses, where readers look. */
UNUSED_OK static unsigned
waiters_of_others(const struct reg *r)
{
	uint32_t end = reg_mark_above(atomic_load(&r->seg->header.mark));
	unsigned n = 0;

	for (uint32_t i = 0; i < end; i++) {
		uint64_t state = atomic_load(&r->seg->waits[i].state);

		n += reg_wait_state(state) != REG_WAIT_FREE &&
		     reg_wait_row(state) != r->row;
	}
	return n;
}

#endif
