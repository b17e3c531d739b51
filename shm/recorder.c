/* SPDX-License-Identifier: MIT */
/*
 * recorder.c - what happened last, in rings. No lock, and nothing to repair.
 *
 * A number is drawn, and decides the place; a place is a writer's once its
 * state has his number and "being written", whoever had it before and however
 * far he was. One who was overtaken by the whole ring may still write into what
 * is another's by then: so each record has a check of its words, and is read
 * only if that is right.
 */
#include <string.h>

#include "internal.h"

#define WRITING UINT64_C(1)
#define IMAGE_WORDS (REG_RECORD_WORDS + 1) /* with the number of bytes */

static uint64_t
state_of(uint64_t number, uint64_t writing)
{
	return number << 1 | writing;
}

/* One of the two: places, and the number of the newest in them. */
struct ring {
	struct reg_record *at;
	uint32_t n;
	_Atomic uint64_t *newest;
};

static struct ring
requests(const struct reg *r)
{
	return (struct ring){r->seg->records, REG_RECORDS_MAX,
			     &r->seg->header.recorded};
}

static struct ring
edits(const struct reg *r)
{
	return (struct ring){r->seg->edits, REG_EDITS_MAX,
			     &r->seg->header.edited};
}

static struct reg_record *
place_of(const struct ring *of, uint64_t number)
{
	return &of->at[number % of->n];
}

/* By words: a record is some hundred bytes, and one is written a request. */
static uint64_t
check_of(uint64_t number, const uint64_t *words, size_t n)
{
	uint64_t h = GW_HASH_INIT ^ number;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

static size_t
words_for(size_t bytes)
{
	return (bytes + 7) / 8;
}

/* False: a later one has the place, or it is there already. Whoever was writing
 * the same one died in the middle of a move. */
static bool
claim(struct reg_record *p, uint64_t number)
{
	uint64_t state = atomic_load(&p->state);

	do {
		if (state >> 1 > number || state == state_of(number, 0))
			return false;
		REG_CRASH_POINT();
	} while (!atomic_compare_exchange_weak(&p->state, &state,
					       state_of(number, WRITING)));
	REG_CRASH_POINT();
	return true;
}

static void
put(const struct ring *of, uint64_t number, const void *bytes, size_t n)
{
	struct reg_record *p = place_of(of, number);
	uint64_t words[IMAGE_WORDS] = {n};
	uint64_t writing = state_of(number, WRITING);
	size_t n_words = 1 + words_for(n);

	memcpy(words + 1, bytes, n);
	if (!claim(p, number))
		return;
	atomic_store_explicit(&p->check, check_of(number, words, n_words),
			      memory_order_release);
	for (size_t i = 0; i < n_words; i++) {
		REG_CRASH_POINT();
		atomic_store_explicit(&p->words[i], words[i],
				      memory_order_release);
	}
	REG_CRASH_POINT();
	/* Not where another one has it by now. */
	atomic_compare_exchange_strong(&p->state, &writing,
				       state_of(number, 0));
	REG_CRASH_POINT();
}

static void
put_next(const struct reg *r, struct ring of, const void *bytes, size_t n)
{
	uint64_t number;

	if (n == 0 || n > REG_RECORD_BYTES || !r->identity)
		return;
	number = atomic_fetch_add(of.newest, 1) + 1;
	REG_CRASH_POINT();
	put(&of, number, bytes, n);
}

static size_t
read_one(struct ring of, uint64_t number, void *out)
{
	struct reg_record *p = place_of(&of, number);
	uint64_t words[IMAGE_WORDS], check;
	size_t n_words;

	if (number == 0 || atomic_load(&p->state) != state_of(number, 0))
		return 0;
	REG_STOP_POINT();
	check = atomic_load_explicit(&p->check, memory_order_acquire);
	words[0] = atomic_load_explicit(&p->words[0], memory_order_acquire);
	if (words[0] == 0 || words[0] > REG_RECORD_BYTES)
		return 0;
	n_words = 1 + words_for(words[0]);
	for (size_t i = 1; i < n_words; i++) {
		REG_STOP_POINT();
		words[i] = atomic_load_explicit(&p->words[i],
						memory_order_acquire);
	}
	REG_STOP_POINT();
	if (atomic_load(&p->state) != state_of(number, 0) ||
	    check != check_of(number, words, n_words))
		return 0;
	memcpy(out, words + 1, words[0]);
	return words[0];
}

static void
carry(struct ring from, struct ring to)
{
	uint64_t newest = atomic_load(from.newest);
	uint64_t there = atomic_load(to.newest), number;
	char bytes[REG_RECORD_BYTES];

	/* First: what others record from now on is behind all of it. */
	while (there < newest &&
	       !atomic_compare_exchange_weak(to.newest, &there, newest))
		continue;
	number = newest < from.n ? 0 : newest - from.n;
	while (number++ < newest) {
		size_t n = read_one(from, number, bytes);

		REG_CRASH_POINT();
		if (n)
			put(&to, number, bytes, n);
	}
}

/* ---- requests -------------------------------------------------------------
 */

void
reg_recorder_put(struct reg *r, const void *bytes, size_t n)
{
	put_next(r, requests(r), bytes, n);
}

uint64_t
reg_recorder_newest(const struct reg *r)
{
	return atomic_load(&r->seg->header.recorded);
}

size_t
reg_recorder_read(const struct reg *r, uint64_t number, void *out)
{
	return read_one(requests(r), number, out);
}

/* ---- edits ----------------------------------------------------------------
 */

void
reg_edit_put(struct reg *r, const void *bytes, size_t n)
{
	put_next(r, edits(r), bytes, n);
}

uint64_t
reg_edit_newest(const struct reg *r)
{
	return atomic_load(&r->seg->header.edited);
}

size_t
reg_edit_read(const struct reg *r, uint64_t number, void *out)
{
	return read_one(edits(r), number, out);
}

void
reg_recorder_carry(const struct reg *from, struct reg *to)
{
	carry(requests(from), requests(to));
	carry(edits(from), edits(to));
}
