/* SPDX-License-Identifier: MIT */
/*
 * slot.c - the moment in which a payload changes: one link, one store. All of
 * it under the lock; what it leads to was built before.
 */
#include "internal.h"

void
reg_slot_publish(struct reg *r, uint32_t index, enum reg_payload which,
		 uint32_t head)
{
	struct reg_slot *slot = &r->seg->slots[index];
	_Atomic uint64_t *link =
		which == REG_RECORD ? &slot->record : &slot->status;
	uint64_t old = atomic_load(link);

	if (!head && !reg_link_head(old))
		return;
	REG_CRASH_POINT();
	atomic_store(link, reg_link(reg_link_generation(old) + 1, head));
	REG_CRASH_POINT();
	reg_chain_free(r, reg_link_head(old), reg_block_owner(index, which));
}

void
reg_slot_clear(struct reg *r, uint32_t index)
{
	reg_slot_publish(r, index, REG_RECORD, 0);
	reg_slot_publish(r, index, REG_STATUS, 0);
}
