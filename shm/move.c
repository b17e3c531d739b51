/* SPDX-License-Identifier: MIT */
/*
 * move.c - from a segment whose name leads elsewhere to the one it leads to.
 *
 * One process carries over what is registered, with the lock of both: the old
 * one's is what the others run into meanwhile. The mark that the old segment
 * was left comes last, so a death before it means that somebody does all of it
 * again; every step may be repeated.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* A payload as it stands in its chain: head, id, bytes. */
struct image {
	uint64_t *words;
	size_t n;
	struct reg_front front;
};

static bool
copy_image(const struct reg *r, uint32_t index, enum reg_payload which,
	   struct image *out)
{
	struct reg_slot *slot = &r->seg->slots[index];
	uint32_t head = reg_link_head(atomic_load(
		which == REG_RECORD ? &slot->record : &slot->status));
	uint32_t owner = reg_block_owner(index, which);
	size_t least = REG_HEAD_WORDS + REG_NODE_ID_MAX / 8;

	if (!head || !reg_front_read(r, head, owner, &out->front))
		return false;
	out->n = reg_image_words(out->front.head.id_bytes,
				 out->front.head.bytes);
	if (out->n < least)
		out->n = least;
	out->words = malloc(out->n * 8);
	if (out->words && reg_chain_read(r, head, owner, out->words, out->n))
		return true;
	free(out->words);
	return false;
}

/* ---- locked, both of them ------------------------------------------------ */

static bool
has_nodes(const struct reg *r)
{
	for (uint32_t i = 0; i < REG_NODES_MAX; i++)
		if (reg_link_head(atomic_load(&r->seg->slots[i].record)))
			return true;
	return false;
}

/* The place that a node had, if it is free; else any. */
static uint32_t
choose_slot(const struct reg *to, uint32_t before)
{
	for (uint32_t n = 0; n < REG_NODES_MAX; n++) {
		uint32_t i = (before + n) % REG_NODES_MAX;

		if (!reg_link_head(atomic_load(&to->seg->slots[i].record)))
			return i;
	}
	return REG_NO_SLOT;
}

static void
seen_at_least(struct reg_slot *slot, uint64_t seen_ms)
{
	uint64_t life = atomic_load(&slot->life);

	if (reg_life_seen_ms(life) < seen_ms)
		atomic_store(&slot->life,
			     reg_life(reg_life_generation(life), seen_ms));
}

static bool
publish(struct reg *to, uint32_t index, enum reg_payload which,
	struct image *image)
{
	uint64_t record = atomic_load(&to->seg->slots[index].record);
	uint32_t head;

	if (which == REG_STATUS) {
		image->front.head.record_generation =
			reg_link_generation(record);
		memcpy(image->words, &image->front.head,
		       sizeof(image->front.head));
	}
	head = reg_chain_write(to, reg_block_owner(index, which), image->words,
			       image->n);
	if (head)
		reg_slot_publish(to, index, which, head);
	return head;
}

static bool
place_record(struct reg *to, uint32_t found, uint32_t before, uint64_t life,
	     struct image *record, uint32_t *index)
{
	uint32_t generation;
	struct reg_slot *slot;

	*index = found != REG_NO_SLOT ? found : choose_slot(to, before);
	if (*index == REG_NO_SLOT ||
	    reg_blocks_for(record->n) > to->free_blocks)
		return false;
	slot = &to->seg->slots[*index];
	generation = reg_life_generation(atomic_load(&slot->life));
	if (found == REG_NO_SLOT) {
		atomic_store(
			&slot->id_hash,
			gw_hash(record->front.id, record->front.head.id_bytes));
		/* A slot that was never used takes its node as it was. */
		generation = generation ? reg_node_next_generation(generation)
					: reg_life_generation(life);
	}
	REG_CRASH_POINT();
	atomic_store(&slot->life, reg_life(generation, reg_life_seen_ms(life)));
	REG_CRASH_POINT();
	if (!publish(to, *index, REG_RECORD, record))
		return false;
	reg_slot_publish(to, *index, REG_STATUS, 0);
	return true;
}

/* True when the node is in @to afterwards. */
static bool
carry_node(const struct reg *from, struct reg *to, uint32_t i, bool search)
{
	uint64_t life = atomic_load(&from->seg->slots[i].life);
	struct image record, status;
	uint32_t found = REG_NO_SLOT, index;
	struct reg_node there;
	bool placed;

	if (!copy_image(from, i, REG_RECORD, &record))
		return false;
	if (search)
		found = reg_node_find(to, record.front.id);
	index = found;
	if (found != REG_NO_SLOT && reg_node_next(to, &index, &there) &&
	    there.registered_ms >= record.front.head.registered_ms) {
		seen_at_least(&to->seg->slots[found], reg_life_seen_ms(life));
		free(record.words);
		return true;
	}
	placed = place_record(to, found, i, life, &record, &index);
	free(record.words);
	if (placed && copy_image(from, i, REG_STATUS, &status)) {
		publish(to, index, REG_STATUS, &status);
		free(status.words);
	}
	return placed;
}

static unsigned
carry_nodes(const struct reg *from, struct reg *to)
{
	bool search = has_nodes(to);
	unsigned n = 0;

	reg_blocks_begin(to);
	reg_epoch_begin(to);
	for (uint32_t i = 0; i < REG_NODES_MAX; i++)
		n += carry_node(from, to, i, search);
	reg_epoch_end(to);
	return n;
}

static void
carry_once(const struct reg *from, struct reg *to)
{
	for (int i = 0; i < REG_ONCE_MAX; i++) {
		uint64_t unset = 0;

		atomic_compare_exchange_strong(
			&to->seg->header.once[i], &unset,
			atomic_load(&from->seg->header.once[i]));
	}
}

static int
carry(struct reg *from, struct reg *to, struct reg_move *what,
      struct reg_err *err)
{
	if (reg_lock_any(from, err))
		return -1;
	if (reg_was_left(from)) {
		reg_unlock(from);
		return 0;
	}
	if (reg_lock(to, err)) {
		reg_unlock(from);
		return -1;
	}
	what->first = true;
	what->nodes = carry_nodes(from, to);
	reg_turn_carry(from, to);
	reg_probe_carry(from, to);
	carry_once(from, to);
	reg_tell_carry(from, to);
	reg_candidate_carry(from, to);
	reg_prefix_carry(from, to);
	reg_queue_carry(from, to);
	reg_recorder_carry(from, to);
	reg_drain_carry(from, to);
	reg_unlock(to);
	REG_CRASH_POINT();
	atomic_store_explicit(&from->seg->header.left, 1, memory_order_release);
	reg_unlock(from);
	return 0;
}

/* ---- public -------------------------------------------------------------- */

struct reg *
reg_move_begin(struct reg *r, struct reg_move *what, struct reg_err *err)
{
	struct reg *to = reg_open_within(r->name, r->bytes, 0, err);

	memset(what, 0, sizeof(*what));
	if (!to)
		return NULL;
	if (carry(r, to, what, err)) {
		reg_close(to);
		return NULL;
	}
	reg_row_carry_counters(r, to);
	return to;
}

struct reg_node_ref
reg_move_ref(const struct reg *from, const struct reg *to,
	     struct reg_node_ref ref)
{
	const struct reg_node_ref nowhere = {.slot = REG_NO_SLOT};
	struct reg_node old, new;
	uint32_t at = ref.slot;

	if (ref.slot >= REG_NODES_MAX || !reg_node_next(from, &at, &old) ||
	    old.ref.slot != ref.slot || old.ref.generation != ref.generation)
		return nowhere;
	/* It is where it was, unless others had been there before. */
	at = ref.slot;
	for (int pass = 0; pass < 2; pass++) {
		while (reg_node_next(to, &at, &new)) {
			if (strcmp(new.id, old.id) == 0)
				return new.ref;
			if (pass == 0)
				break;
		}
		at = 0;
	}
	return nowhere;
}

void
reg_move_end(struct reg *r, struct reg *to)
{
	struct reg_row *mine = &r->seg->rows[r->row];
	struct reg old;

	for (unsigned i = 0; i < REG_GAUGES_MAX; i++)
		reg_gauge_add(to, i, atomic_load(&mine->gauges[i]));
	reg_wake_move(r, to);
	reg_process_move(r, to);
	old = *r;
	*r = *to;
	*to = old;
	reg_close(to);
}
