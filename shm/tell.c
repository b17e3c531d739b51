/* SPDX-License-Identifier: MIT */
/*
 * tell.c - what was said about something, so that of all processes one says a
 * change, once.
 *
 * An entry is a key and a word. Who says a change first marks it as being said,
 * with his row: if he dies before it is said, another one says it. No lock.
 */
#include "internal.h"

#define WINDOW 64
#define TRIES 64

/* Word: bad 1 | being said 1 | row 10 | row generation 8 | since ms 44. */
#define BAD (UINT64_C(1) << 63)
#define BEING_SAID (UINT64_C(1) << 62)
#define GENERATION_BITS 8

static uint64_t
word_of(bool bad, uint64_t since_ms)
{
	return (bad ? BAD : 0) | (since_ms & REG_BITS(REG_MS_BITS));
}

static uint64_t
word_being_said(const struct reg *r, bool bad, uint64_t since_ms)
{
	return word_of(bad, since_ms) | BEING_SAID | (uint64_t)r->row << 52 |
	       (r->row_generation & REG_BITS(GENERATION_BITS)) << REG_MS_BITS;
}

static uint64_t
word_ms(uint64_t word)
{
	return word & REG_BITS(REG_MS_BITS);
}

static bool
is_mine(const struct reg *r, uint64_t word)
{
	return (word & ~(BAD | REG_BITS(REG_MS_BITS))) ==
	       (word_being_said(r, false, 0));
}

/* Is somebody else saying it at the moment, who lives? */
static bool
is_said_elsewhere(struct reg *r, uint64_t word, uint64_t now_ms)
{
	return (word & BEING_SAID) && !is_mine(r, word) &&
	       !reg_row_gone(r, (uint32_t)(word >> 52 & REG_BITS(10)),
			     word >> REG_MS_BITS & REG_BITS(GENERATION_BITS),
			     REG_BITS(GENERATION_BITS), now_ms);
}

static struct reg_told *
entry_at(const struct reg *r, uint64_t key, uint32_t n)
{
	return &r->seg->told[(key + n) % REG_TOLD_MAX];
}

static struct reg_told *
find(const struct reg *r, uint64_t key)
{
	for (uint32_t n = 0; n < WINDOW; n++) {
		struct reg_told *t = entry_at(r, key, n);
		uint64_t has = atomic_load(&t->key);

		if (has == key)
			return t;
		if (has == 0)
			break; /* entries are never emptied: it ends here */
	}
	return NULL;
}

/*
 * The entry of a key, or a new one. A full window gives away one of which
 * nothing bad is known, else the first: a line too many, in the worst case.
 */
static struct reg_told *
find_or_add(const struct reg *r, uint64_t key)
{
	struct reg_told *best = entry_at(r, key, 0);
	uint64_t has;

	for (uint32_t n = WINDOW; n-- > 0;) {
		struct reg_told *t = entry_at(r, key, n);

		if (!(atomic_load(&t->word) & (BAD | BEING_SAID)))
			best = t;
	}
	for (uint32_t n = 0; n < WINDOW; n++) {
		struct reg_told *t = entry_at(r, key, n);

		has = 0;
		if (atomic_compare_exchange_strong(&t->key, &has, key) ||
		    has == key)
			return t;
	}
	has = atomic_load(&best->key);
	atomic_store(&best->word, 0);
	REG_CRASH_POINT();
	atomic_compare_exchange_strong(&best->key, &has, key);
	return best;
}

enum reg_told_state
reg_told(const struct reg *r, uint64_t key)
{
	const struct reg_told *t = find(r, key ? key : 1);
	uint64_t word = t ? atomic_load(&t->word) : 0;

	if (word == 0)
		return REG_TOLD_NOTHING;
	return word & BAD ? REG_TOLD_BAD : REG_TOLD_GOOD;
}

uint64_t
reg_told_since_ms(const struct reg *r, uint64_t key)
{
	const struct reg_told *t = find(r, key ? key : 1);

	return t ? word_ms(atomic_load(&t->word)) : 0;
}

void
reg_tell_good(struct reg *r, uint64_t key, uint64_t now_ms)
{
	struct reg_told *t = find_or_add(r, key ? key : 1);
	uint64_t nothing = 0;

	REG_CRASH_POINT();
	atomic_compare_exchange_strong(&t->word, &nothing,
				       word_of(false, now_ms));
	REG_CRASH_POINT();
}

bool
reg_tell_begin(struct reg *r, uint64_t key, bool bad, uint64_t now_ms,
	       uint64_t *since_ms)
{
	struct reg_told *t = find(r, key ? key : 1);

	if (!t && !bad)
		return false; /* nobody ever said otherwise */
	if (!t)
		t = find_or_add(r, key ? key : 1);
	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t word = atomic_load(&t->word);

		if (is_said_elsewhere(r, word, now_ms) ||
		    (!(word & BEING_SAID) && !(word & BAD) == !bad))
			return false;
		REG_CRASH_POINT();
		if (!atomic_compare_exchange_strong(
			    &t->word, &word, word_being_said(r, bad, now_ms)))
			continue;
		REG_CRASH_POINT();
		*since_ms = word_ms(word);
		return true;
	}
	return false;
}

void
reg_tell_end(struct reg *r, uint64_t key)
{
	struct reg_told *t = find(r, key ? key : 1);
	uint64_t word = t ? atomic_load(&t->word) : 0;

	REG_CRASH_POINT();
	if (is_mine(r, word))
		atomic_compare_exchange_strong(
			&t->word, &word, word_of(word & BAD, word_ms(word)));
	REG_CRASH_POINT();
}

void
reg_tell_carry(const struct reg *from, struct reg *to)
{
	for (uint32_t i = 0; i < REG_TOLD_MAX; i++) {
		uint64_t key = atomic_load(&from->seg->told[i].key);
		uint64_t word = atomic_load(&from->seg->told[i].word);
		uint64_t nothing = 0;

		if (key && word)
			atomic_compare_exchange_strong(
				&find_or_add(to, key)->word, &nothing,
				word_of(word & BAD, word_ms(word)));
	}
}
