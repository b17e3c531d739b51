/* SPDX-License-Identifier: MIT */
/*
 * room.c - when slots or blocks are short, stale nodes make room, the one
 * silent for longest first. All of it under the lock; whether it would be
 * enough is known before the first node goes.
 */
#include <string.h>

#include "internal.h"

static uint32_t
find_free(const struct reg *r)
{
	for (uint32_t i = 0; i < REG_NODES_MAX; i++)
		if (!reg_link_head(atomic_load(&r->seg->slots[i].record)))
			return i;
	return REG_NO_SLOT;
}

/* May this slot's node be pushed out? Its age in *age_ms if so. */
static bool
is_stale(const struct reg *r, uint32_t index, const struct reg_need *need,
	 uint64_t *age_ms)
{
	struct reg_slot *slot = &r->seg->slots[index];
	uint64_t seen_ms = reg_life_seen_ms(atomic_load(&slot->life));

	*age_ms = need->now_ms > seen_ms ? need->now_ms - seen_ms : 0;
	return index != need->slot &&
	       reg_link_head(atomic_load(&slot->record)) &&
	       *age_ms >= need->stale_ms;
}

static uint32_t
find_stalest(const struct reg *r, const struct reg_need *need)
{
	uint32_t found = REG_NO_SLOT;
	uint64_t oldest_ms = 0, age_ms;

	for (uint32_t i = 0; i < REG_NODES_MAX; i++) {
		if (!is_stale(r, i, need, &age_ms) ||
		    (found != REG_NO_SLOT && age_ms <= oldest_ms))
			continue;
		found = i;
		oldest_ms = age_ms;
	}
	return found;
}

static uint32_t
blocks_held(const struct reg *r, uint32_t index)
{
	struct reg_slot *slot = &r->seg->slots[index];

	return reg_chain_length(r, reg_link_head(atomic_load(&slot->record)),
				reg_block_owner(index, REG_RECORD)) +
	       reg_chain_length(r, reg_link_head(atomic_load(&slot->status)),
				reg_block_owner(index, REG_STATUS));
}

int
reg_room_check(const struct reg *r, const struct reg_need *need,
	       struct reg_err *err)
{
	uint64_t available = r->free_blocks, age_ms;

	if (need->slot == REG_NO_SLOT && find_free(r) == REG_NO_SLOT &&
	    find_stalest(r, need) == REG_NO_SLOT)
		return reg_fail(err, REG_FULL, 0,
				"%d nodes are registered and none is stale",
				REG_NODES_MAX);
	if (available >= need->blocks)
		return 0;
	for (uint32_t i = 0; i < REG_NODES_MAX; i++)
		if (is_stale(r, i, need, &age_ms))
			available += blocks_held(r, i);
	if (available >= need->blocks)
		return 0;
	return reg_fail(err, REG_FULL, 0,
			"the registration takes %u blocks of shared memory; "
			"%u are free or held by stale nodes",
			need->blocks, (unsigned)available);
}

static void
note_evicted(const struct reg *r, uint32_t index, char *evicted)
{
	uint64_t record = atomic_load(&r->seg->slots[index].record);
	struct reg_front front;

	/* Only the first one, which was silent for longest, is reported. */
	if (!evicted || evicted[0] ||
	    !reg_front_read(r, reg_link_head(record),
			    reg_block_owner(index, REG_RECORD), &front))
		return;
	memcpy(evicted, front.id, front.head.id_bytes + 1);
}

uint32_t
reg_room_make(struct reg *r, const struct reg_need *need, char *evicted)
{
	for (;;) {
		uint32_t victim, slot = need->slot;

		if (slot == REG_NO_SLOT)
			slot = find_free(r);
		if (slot != REG_NO_SLOT && r->free_blocks >= need->blocks)
			return slot;
		victim = find_stalest(r, need);
		if (victim == REG_NO_SLOT)
			return REG_NO_SLOT;
		note_evicted(r, victim, evicted);
		reg_slot_clear(r, victim);
	}
}
