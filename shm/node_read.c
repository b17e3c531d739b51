/* SPDX-License-Identifier: MIT */
/*
 * node_read.c - reading nodes without a lock.
 *
 * Every read has one shape: load the link, copy what it leads to, load the link
 * again. The same link twice means that the copy is whole, since its generation
 * moves with every change. A number of tries bounds it all; damage ends it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define WALK_TRIES 1000 /* a walk copies 19 words: one try nearly always */
#define READ_TRIES 64

bool
reg_front_read(const struct reg *r, uint32_t head, uint32_t owner,
	       struct reg_front *out)
{
	uint64_t words[REG_HEAD_WORDS + REG_NODE_ID_MAX / 8];

	if (!reg_chain_read(r, head, owner, words, sizeof(words) / 8))
		return false;
	memcpy(&out->head, words, sizeof(out->head));
	if (out->head.bytes == 0 || out->head.bytes > REG_PAYLOAD_MAX ||
	    out->head.id_bytes > REG_NODE_ID_MAX)
		return false;
	memcpy(out->id, words + REG_HEAD_WORDS, out->head.id_bytes);
	out->id[out->head.id_bytes] = '\0';
	return true;
}

/* One look at a slot. True when there is a node and @out is whole. */
static bool
look(const struct reg *r, uint32_t index, uint64_t record, struct reg_node *out)
{
	const struct reg_slot *slot = &r->seg->slots[index];
	struct reg_front front;
	uint64_t life, status;

	if (!reg_front_read(r, reg_link_head(record),
			    reg_block_owner(index, REG_RECORD), &front) ||
	    front.head.id_bytes == 0)
		return false;
	REG_STOP_POINT();
	status = atomic_load_explicit(&slot->status, memory_order_acquire);
	REG_STOP_POINT();
	life = atomic_load_explicit(&slot->life, memory_order_acquire);
	memset(out, 0, sizeof(*out));
	out->ref.slot = index;
	out->ref.generation = reg_life_generation(life);
	memcpy(out->id, front.id, sizeof(out->id));
	out->registered_ms = front.head.registered_ms;
	out->seen_ms = reg_life_seen_ms(life);
	out->record_version = reg_link_generation(record);
	/* A new registration ends the status, even before its link is gone. */
	out->status_version = reg_link(reg_link_generation(record),
				       reg_link_generation(status));
	return true;
}

bool
reg_node_next(const struct reg *r, uint32_t *slot, struct reg_node *out)
{
	for (uint32_t i = *slot; i < REG_NODES_MAX; i++) {
		_Atomic uint64_t *link = &r->seg->slots[i].record;

		for (int tries = 0; tries < WALK_TRIES; tries++) {
			uint64_t record = atomic_load_explicit(
				link, memory_order_acquire);
			bool found;

			if (!reg_link_head(record))
				break;
			REG_STOP_POINT();
			found = look(r, i, record, out);
			REG_STOP_POINT();
			if (atomic_load_explicit(link, memory_order_acquire) !=
			    record)
				continue;
			if (!found)
				break; /* damaged: no node that one can name */
			*slot = i + 1;
			return true;
		}
	}
	*slot = REG_NODES_MAX;
	return false;
}

bool
reg_node_get(const struct reg *r, const char *id, struct reg_node *out)
{
	uint64_t hash = gw_hash(id, strlen(id));

	for (uint32_t i = 0; i < REG_NODES_MAX; i++) {
		uint32_t at = i;

		if (atomic_load_explicit(&r->seg->slots[i].id_hash,
					 memory_order_relaxed) == hash &&
		    reg_node_next(r, &at, out) && out->ref.slot == i &&
		    strcmp(out->id, id) == 0)
			return true;
	}
	return false;
}

uint64_t
reg_node_seen(const struct reg *r, struct reg_node_ref ref)
{
	const struct reg_slot *slot;
	uint64_t record, life;

	if (ref.slot >= REG_NODES_MAX)
		return 0;
	slot = &r->seg->slots[ref.slot];
	/* In this order: a removed node has no record, a new one a new life. */
	record = atomic_load_explicit(&slot->record, memory_order_acquire);
	REG_STOP_POINT();
	if (!reg_link_head(record))
		return 0;
	life = atomic_load_explicit(&slot->life, memory_order_acquire);
	return reg_life_generation(life) == ref.generation
		       ? reg_life_seen_ms(life)
		       : 0;
}

enum copied {
	COPIED,
	COPIED_NOTHING,
	COPIED_DAMAGE,
	COPIED_NO_MEMORY
};

/* Copies the payload that a link leads to, the bytes alone. */
static enum copied
copy_payload(const struct reg *r, uint32_t head, uint32_t owner,
	     uint64_t record_generation, char **out, size_t *len)
{
	struct reg_front front;
	size_t words, skip;
	uint64_t *image;

	if (!head)
		return COPIED_NOTHING;
	if (!reg_front_read(r, head, owner, &front))
		return COPIED_DAMAGE;
	if (front.head.record_generation != record_generation)
		return COPIED_NOTHING; /* a status of the last registration */
	words = reg_image_words(front.head.id_bytes, front.head.bytes);
	skip = words - (front.head.bytes + 7) / 8;
	REG_STOP_POINT();
	image = malloc(words * 8 + 1);
	if (!image)
		return COPIED_NO_MEMORY;
	if (!reg_chain_read(r, head, owner, image, words)) {
		free(image);
		return COPIED_DAMAGE;
	}
	memmove(image, image + skip, front.head.bytes);
	*out = (char *)image;
	*len = front.head.bytes;
	(*out)[*len] = '\0';
	return COPIED;
}

/* One attempt. 1 = the node changed meanwhile, try again; 0; -1. */
static int
try_read(const struct reg *r, struct reg_node_ref ref, enum reg_payload which,
	 char **out, size_t *len, struct reg_err *err)
{
	const struct reg_slot *slot = &r->seg->slots[ref.slot];
	uint64_t record, link, life, record_generation;
	enum copied copied;

	record = atomic_load_explicit(&slot->record, memory_order_acquire);
	REG_STOP_POINT();
	life = atomic_load_explicit(&slot->life, memory_order_acquire);
	if (!reg_link_head(record) ||
	    reg_life_generation(life) != ref.generation)
		return reg_fail(err, REG_NOT_FOUND, 0,
				"the node is registered no more");
	REG_STOP_POINT();
	link = which == REG_RECORD ? record
				   : atomic_load_explicit(&slot->status,
							  memory_order_acquire);
	record_generation =
		which == REG_RECORD ? 0 : reg_link_generation(record);
	REG_STOP_POINT();
	copied = copy_payload(r, reg_link_head(link),
			      reg_block_owner(ref.slot, which),
			      record_generation, out, len);
	REG_STOP_POINT();
	if (atomic_load_explicit(&slot->record, memory_order_acquire) !=
		    record ||
	    (which == REG_STATUS &&
	     atomic_load_explicit(&slot->status, memory_order_acquire) !=
		     link)) {
		free(*out);
		*out = NULL;
		*len = 0;
		return 1;
	}
	switch (copied) {
	case COPIED:
	case COPIED_NOTHING:
		return 0;
	case COPIED_DAMAGE:
		return reg_fail(err, REG_LAYOUT, 0,
				"slot %u is damaged: stop all processes that "
				"use the segment, remove it and start again",
				ref.slot);
	case COPIED_NO_MEMORY:
		break;
	}
	return reg_fail(err, REG_SYSTEM, ENOMEM, "out of memory");
}

int
reg_node_read(const struct reg *r, struct reg_node_ref ref,
	      enum reg_payload which, char **out, size_t *len,
	      struct reg_err *err)
{
	*out = NULL;
	*len = 0;
	if (ref.slot >= REG_NODES_MAX)
		return reg_fail(err, REG_NOT_FOUND, 0, "no slot %u", ref.slot);
	for (int tries = 0; tries < READ_TRIES; tries++) {
		int rc = try_read(r, ref, which, out, len, err);

		if (rc <= 0)
			return rc;
	}
	return reg_fail(err, REG_BUSY, 0, "the node keeps changing");
}
