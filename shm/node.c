/* SPDX-License-Identifier: MIT */
/*
 * node.c - registrations come, change and go. All of it under the lock.
 *
 * A change is built where nobody looks and published by storing one word; what
 * stands between two such words is told by generations (a status names the
 * registration it belongs to), so readers and the recovery in lock.c can always
 * tell which of them happened.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* A payload as it will stand in its chain: head, id, bytes. */
struct image {
	uint64_t *words;
	size_t n;
};

static int
make_image(struct image *image, const char *id, const void *bytes, size_t len,
	   uint64_t registered_ms, struct reg_err *err)
{
	size_t id_bytes = id ? strlen(id) : 0;
	struct reg_head head = {
		.bytes = (uint32_t)len,
		.id_bytes = (uint32_t)id_bytes,
		.registered_ms = registered_ms,
	};
	size_t id_words = (id_bytes + 7) / 8;
	/* Readers copy head and longest id at once: both are always there. */
	size_t least = REG_HEAD_WORDS + REG_NODE_ID_MAX / 8;

	image->n = reg_image_words(id_bytes, len);
	if (image->n < least)
		image->n = least;
	image->words = calloc(image->n, 8);
	if (!image->words)
		return reg_fail(err, REG_SYSTEM, ENOMEM, "out of memory");
	memcpy(image->words, &head, sizeof(head));
	if (id_bytes)
		memcpy(image->words + REG_HEAD_WORDS, id, id_bytes);
	memcpy(image->words + REG_HEAD_WORDS + id_words, bytes, len);
	return 0;
}

static void
free_image(struct image *image)
{
	free(image->words);
}

/* A status belongs to one registration; which, is known only in the lock. */
static void
bind_status(struct image *image, uint64_t record)
{
	struct reg_head head;

	memcpy(&head, image->words, sizeof(head));
	head.record_generation = reg_link_generation(record);
	memcpy(image->words, &head, sizeof(head));
}

static int
check_id(const char *id, struct reg_err *err)
{
	size_t len = strnlen(id, REG_NODE_ID_MAX + 1);

	if (len == 0 || len > REG_NODE_ID_MAX)
		return reg_fail(err, REG_TOO_LARGE, 0,
				"a node id has 1 to %d bytes", REG_NODE_ID_MAX);
	return 0;
}

static int
check_payload(const char *what, size_t len, struct reg_err *err)
{
	if (len == 0 || len > REG_PAYLOAD_MAX)
		return reg_fail(err, REG_TOO_LARGE, 0,
				"a %s has 1 to %u bytes, this one has %zu",
				what, REG_PAYLOAD_MAX, len);
	return 0;
}

/* ---- locked -------------------------------------------------------------- */

uint32_t
reg_node_find(const struct reg *r, const char *id)
{
	uint64_t hash = gw_hash(id, strlen(id));

	for (uint32_t i = 0; i < REG_NODES_MAX; i++) {
		struct reg_slot *slot = &r->seg->slots[i];
		uint32_t head = reg_link_head(atomic_load(&slot->record));
		struct reg_front front;

		if (head && atomic_load(&slot->id_hash) == hash &&
		    reg_front_read(r, head, reg_block_owner(i, REG_RECORD),
				   &front) &&
		    strcmp(front.id, id) == 0)
			return i;
	}
	return REG_NO_SLOT;
}

uint32_t
reg_node_next_generation(uint32_t generation)
{
	generation = (generation + 1) & REG_BITS(REG_NODE_GEN_BITS);
	return generation ? generation : 1;
}

static void
set_life(struct reg_slot *slot, uint32_t generation, uint64_t seen_ms)
{
	REG_CRASH_POINT();
	atomic_store(&slot->life, reg_life(generation, seen_ms));
	REG_CRASH_POINT();
}

static int
put_locked(struct reg *r, const char *id, const struct image *image,
	   uint64_t now_ms, uint64_t stale_ms, char *evicted,
	   struct reg_err *err)
{
	struct reg_need need = {
		.slot = reg_node_find(r, id),
		.blocks = reg_blocks_for(image->n),
		.now_ms = now_ms,
		.stale_ms = stale_ms,
	};
	uint32_t index, generation, head = 0;
	struct reg_slot *slot;

	reg_blocks_begin(r);
	if (reg_room_check(r, &need, err))
		return -1;
	reg_epoch_begin(r);
	index = reg_room_make(r, &need, evicted);
	if (index != REG_NO_SLOT)
		head = reg_chain_write(r, reg_block_owner(index, REG_RECORD),
				       image->words, image->n);
	if (!head) {
		/* Only a damaged segment promises room and has none. */
		reg_epoch_end(r);
		return reg_fail(err, REG_FULL, 0, "no room for the node");
	}
	slot = &r->seg->slots[index];
	generation = reg_life_generation(atomic_load(&slot->life));
	if (need.slot == REG_NO_SLOT) {
		atomic_store(&slot->id_hash, gw_hash(id, strlen(id)));
		generation = reg_node_next_generation(generation);
	}
	set_life(slot, generation, now_ms);
	reg_slot_publish(r, index, REG_RECORD, head);
	reg_slot_publish(r, index, REG_STATUS, 0);
	reg_epoch_end(r);
	return 0;
}

static int
touch_locked(struct reg *r, const char *id, struct image *status,
	     uint64_t now_ms, struct reg_err *err)
{
	uint32_t index = reg_node_find(r, id), head;
	struct reg_slot *slot;
	uint64_t life;

	if (index == REG_NO_SLOT)
		return reg_fail(err, REG_NOT_FOUND, 0,
				"no node '%s' is registered", id);
	slot = &r->seg->slots[index];
	life = atomic_load(&slot->life);
	if (now_ms > reg_life_seen_ms(life))
		set_life(slot, reg_life_generation(life), now_ms);
	if (!status->words)
		return 0;
	bind_status(status, atomic_load(&slot->record));
	reg_blocks_begin(r);
	head = reg_chain_write(r, reg_block_owner(index, REG_STATUS),
			       status->words, status->n);
	if (!head)
		return reg_fail(err, REG_FULL, 0,
				"the status takes %u blocks of shared memory; "
				"%u are free",
				reg_blocks_for(status->n), r->free_blocks);
	reg_epoch_begin(r);
	reg_slot_publish(r, index, REG_STATUS, head);
	reg_epoch_end(r);
	return 0;
}

static int
remove_locked(struct reg *r, const char *id, struct reg_err *err)
{
	uint32_t index = reg_node_find(r, id);

	if (index == REG_NO_SLOT)
		return reg_fail(err, REG_NOT_FOUND, 0,
				"no node '%s' is registered", id);
	reg_blocks_begin(r);
	reg_epoch_begin(r);
	reg_slot_clear(r, index);
	reg_epoch_end(r);
	return 0;
}

/* ---- public -------------------------------------------------------------- */

int
reg_node_put(struct reg *r, const char *id, const void *record, size_t len,
	     uint64_t now_ms, uint64_t stale_ms, char *evicted,
	     struct reg_err *err)
{
	struct image image;
	int rc;

	if (evicted)
		evicted[0] = '\0';
	if (check_id(id, err) || check_payload("registration", len, err) ||
	    make_image(&image, id, record, len, now_ms, err))
		return -1;
	rc = reg_lock(r, err);
	if (rc == 0) {
		rc = put_locked(r, id, &image, now_ms, stale_ms, evicted, err);
		reg_unlock(r);
	}
	free_image(&image);
	return rc;
}

int
reg_node_touch(struct reg *r, const char *id, const void *status, size_t len,
	       uint64_t now_ms, struct reg_err *err)
{
	struct image image = {0};
	int rc;

	if (check_id(id, err))
		return -1;
	if (status && len &&
	    (check_payload("status", len, err) ||
	     make_image(&image, NULL, status, len, 0, err)))
		return -1;
	rc = reg_lock(r, err);
	if (rc == 0) {
		rc = touch_locked(r, id, &image, now_ms, err);
		reg_unlock(r);
	}
	free_image(&image);
	return rc;
}

int
reg_node_remove(struct reg *r, const char *id, struct reg_err *err)
{
	int rc;

	if (check_id(id, err))
		return -1;
	rc = reg_lock(r, err);
	if (rc == 0) {
		rc = remove_locked(r, id, err);
		reg_unlock(r);
	}
	return rc;
}
