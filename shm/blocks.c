/* SPDX-License-Identifier: MIT */
/*
 * blocks.c - payloads as chains of 512-byte blocks.
 *
 * There is no list of free blocks that a death could damage: a block is in use
 * when one of the published links leads to it. Writers work that out by walking
 * all links, and remember it for as long as nobody else writes. Nothing that is
 * read from the segment is used as an index before it was compared with the
 * number of blocks.
 */
#include <string.h>

#include "internal.h"

/* The next block of a chain, or 0 at its end or where it is damaged. */
static struct reg_block *
block_at(const struct reg *r, uint32_t index, uint32_t owner)
{
	struct reg_block *b;

	if (index == 0 || index >= r->n_blocks)
		return NULL;
	b = &r->seg->blocks[index];
	if (atomic_load_explicit(&b->owner, memory_order_acquire) != owner)
		return NULL;
	return b;
}

static bool
is_used(const struct reg *r, uint32_t index)
{
	return r->used[index / 64] >> (index % 64) & 1;
}

/* Marks a chain as used (or as free); a block met twice ends it. */
static void
mark_chain(struct reg *r, uint32_t head, uint32_t owner, bool used)
{
	struct reg_block *b;

	for (uint32_t i = head; (b = block_at(r, i, owner));
	     i = atomic_load(&b->next)) {
		if (is_used(r, i) == used)
			return;
		r->used[i / 64] ^= UINT64_C(1) << (i % 64);
		r->free_blocks += used ? -1u : 1u;
	}
}

void
reg_blocks_begin(struct reg *r)
{
	_Atomic uint64_t *count = &r->seg->header.write_count;
	uint64_t before = atomic_load(count);

	atomic_store(count, before + 1);
	REG_CRASH_POINT();
	if (!r->used_valid || r->used_count != before) {
		memset(r->used, 0, (r->n_blocks / 64 + 1) * sizeof(*r->used));
		r->free_blocks = r->n_blocks - 1;
		for (uint32_t i = 0; i < REG_NODES_MAX; i++) {
			struct reg_slot *slot = &r->seg->slots[i];

			mark_chain(r, reg_link_head(atomic_load(&slot->record)),
				   reg_block_owner(i, REG_RECORD), true);
			mark_chain(r, reg_link_head(atomic_load(&slot->status)),
				   reg_block_owner(i, REG_STATUS), true);
		}
		r->used_valid = true;
	}
	r->used_count = before + 1;
}

uint32_t
reg_chain_length(const struct reg *r, uint32_t head, uint32_t owner)
{
	struct reg_block *b;
	uint32_t length = 0;

	for (uint32_t i = head;
	     length < r->n_blocks && (b = block_at(r, i, owner));
	     i = atomic_load(&b->next))
		length++;
	return length;
}

/* Takes a free block, searching onwards from the last one: freed blocks rest
 * for a while, and readers that still copy them finish undisturbed. */
static uint32_t
take_block(struct reg *r)
{
	for (uint32_t tries = 0; tries < r->n_blocks; tries++) {
		uint32_t i = r->next_block++;

		if (r->next_block >= r->n_blocks)
			r->next_block = 1;
		if (i == 0 || i >= r->n_blocks || is_used(r, i))
			continue;
		r->used[i / 64] |= UINT64_C(1) << (i % 64);
		r->free_blocks--;
		return i;
	}
	return 0;
}

/*
 * Release order on every word pairs with the acquire order of readers: one who
 * copies a word of ours instead of the old payload's also sees that the link to
 * the old payload is gone.
 */
static void
fill_block(struct reg_block *b, uint32_t owner, const uint64_t *words, size_t n)
{
	atomic_store_explicit(&b->owner, owner, memory_order_release);
	for (size_t i = 0; i < n; i++)
		atomic_store_explicit(&b->data[i], words[i],
				      memory_order_release);
}

uint32_t
reg_chain_write(struct reg *r, uint32_t owner, const uint64_t *words, size_t n)
{
	uint32_t head, index;

	if (n == 0 || reg_blocks_for(n) > r->free_blocks)
		return 0;
	head = index = take_block(r);
	while (index) {
		struct reg_block *b = &r->seg->blocks[index];
		size_t piece = n < REG_BLOCK_WORDS ? n : REG_BLOCK_WORDS;

		fill_block(b, owner, words, piece);
		REG_CRASH_POINT();
		words += piece;
		n -= piece;
		index = n ? take_block(r) : 0;
		atomic_store_explicit(&b->next, index, memory_order_release);
		REG_CRASH_POINT();
	}
	return head;
}

void
reg_chain_free(struct reg *r, uint32_t head, uint32_t owner)
{
	mark_chain(r, head, owner, false);
}

bool
reg_chain_read(const struct reg *r, uint32_t head, uint32_t owner,
	       uint64_t *words, size_t n)
{
	uint32_t index = head;

	while (n) {
		struct reg_block *b = block_at(r, index, owner);
		size_t piece = n < REG_BLOCK_WORDS ? n : REG_BLOCK_WORDS;

		if (!b)
			return false;
		for (size_t i = 0; i < piece; i++) {
			REG_STOP_POINT();
			words[i] = atomic_load_explicit(&b->data[i],
							memory_order_acquire);
		}
		words += piece;
		n -= piece;
		REG_STOP_POINT();
		index = atomic_load_explicit(&b->next, memory_order_acquire);
	}
	return true;
}
