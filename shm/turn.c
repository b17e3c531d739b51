/* SPDX-License-Identifier: MIT */
/*
 * turn.c - round-robin positions: a name is looked up once under the lock, then
 * every turn is one atomic add for all processes together.
 */
#include <string.h>

#include "internal.h"

/* Locked: the entry of a name, or the one to give to it (@found = false). */
static uint32_t
find(const struct reg *r, const char *name, uint32_t bytes, uint64_t hash,
     bool *found)
{
	uint64_t oldest = UINT64_MAX;
	uint32_t best = 0;

	*found = false;
	for (uint32_t i = 0; i < REG_TURNS_MAX; i++) {
		struct reg_turn *t = &r->seg->turns[i];
		uint32_t has = atomic_load(&t->name_bytes);
		/* A free entry is older than any: stamps begin at 1. */
		uint64_t used = has ? atomic_load(&t->used) : 0;

		if (has == bytes && t->name_hash == hash &&
		    memcmp(t->name, name, bytes) == 0) {
			*found = true;
			return i;
		}
		if (used < oldest) {
			oldest = used;
			best = i;
		}
	}
	return best;
}

/* Locked. Without its length an entry is free: that word goes first and last.
 */
static void
assign(struct reg *r, struct reg_turn *t, const char *name, uint32_t bytes,
       uint64_t hash)
{
	_Atomic uint64_t *clock = &r->seg->header.turn_clock;

	REG_CRASH_POINT();
	atomic_store(&t->name_bytes, 0);
	REG_CRASH_POINT();
	memcpy(t->name, name, bytes);
	t->name_hash = hash;
	REG_CRASH_POINT();
	atomic_store(&t->position, 0);
	atomic_store(clock, atomic_load(clock) + 1);
	REG_CRASH_POINT();
	atomic_store(&t->used, atomic_load(clock));
	REG_CRASH_POINT();
	atomic_store(&t->name_bytes, bytes);
	REG_CRASH_POINT();
}

static int
check_name(const char *name, uint32_t *bytes, struct reg_err *err)
{
	*bytes = (uint32_t)strnlen(name, REG_TURN_NAME_MAX + 1);
	if (*bytes > 0 && *bytes <= REG_TURN_NAME_MAX)
		return 0;
	return reg_fail(err, REG_TOO_LARGE, 0,
			"the name of a turn has 1 to %d bytes",
			REG_TURN_NAME_MAX);
}

int
reg_turn_open(struct reg *r, const char *name, uint32_t *index,
	      struct reg_err *err)
{
	uint64_t hash;
	uint32_t bytes;
	bool found;

	if (check_name(name, &bytes, err) < 0)
		return -1;
	hash = gw_hash(name, bytes);
	if (reg_lock(r, err))
		return -1;
	*index = find(r, name, bytes, hash, &found);
	if (found)
		atomic_store(&r->seg->turns[*index].used,
			     atomic_load(&r->seg->header.turn_clock));
	else
		assign(r, &r->seg->turns[*index], name, bytes, hash);
	reg_unlock(r);
	return 0;
}

int
reg_turn_look(struct reg *r, const char *name, uint64_t *next,
	      struct reg_err *err)
{
	uint32_t bytes, index;
	bool found;

	if (check_name(name, &bytes, err) < 0 || reg_lock(r, err))
		return -1;
	index = find(r, name, bytes, gw_hash(name, bytes), &found);
	*next = found ? atomic_load(&r->seg->turns[index].position) : 0;
	reg_unlock(r);
	return 0;
}

void
reg_turn_carry(const struct reg *from, struct reg *to)
{
	for (uint32_t i = 0; i < REG_TURNS_MAX; i++) {
		struct reg_turn *old = &from->seg->turns[i], *t;
		uint32_t bytes = atomic_load(&old->name_bytes);
		uint64_t position = atomic_load(&old->position);
		bool found;

		if (bytes == 0 || bytes > REG_TURN_NAME_MAX)
			continue;
		t = &to->seg->turns[find(to, old->name, bytes, old->name_hash,
					 &found)];
		if (!found)
			assign(to, t, old->name, bytes, old->name_hash);
		if (atomic_load(&t->position) < position)
			atomic_store(&t->position, position);
	}
}

uint64_t
reg_turn_next(struct reg *r, uint32_t index)
{
	struct reg_turn *t;
	uint64_t now;

	if (index >= REG_TURNS_MAX)
		return 0;
	t = &r->seg->turns[index];
	/*
	 * Time is counted in new names, not seconds: that is all a full table
	 * has to know, and the word changes too rarely to cost anything here.
	 */
	now = atomic_load_explicit(&r->seg->header.turn_clock,
				   memory_order_relaxed);
	if (atomic_load_explicit(&t->used, memory_order_relaxed) != now)
		atomic_store_explicit(&t->used, now, memory_order_relaxed);
	return atomic_fetch_add_explicit(&t->position, 1, memory_order_relaxed);
}
