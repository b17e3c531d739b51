/* SPDX-License-Identifier: MIT */
/*
 * candidate.c - the table of places that can serve: find one, or make it.
 *
 * A key has two windows of entries. Whoever looks takes no lock: an entry is a
 * key's when its load word has the tag that its name has, and giving it away
 * begins with the first and ends with the other. That happens under the lock,
 * so that no key ever has two entries, whose leases nobody would add up.
 */
#include "internal.h"

#define WINDOW 64 /* entries behind each of a key's two homes */
#define GIVE_TRIES 64

/* Low bits of a hash alone may be those of another one, again and again. */
static struct reg_place *
place_at(const struct reg *r, const uint64_t key[2], uint32_t n)
{
	uint64_t hash = key[n % 2];

	return &r->seg->places[((hash ^ hash >> 32) + n / 2) %
			       REG_CANDIDATES_MAX];
}

/* Is it the key's? Its name in *name, 0 = the entry was never used. */
static bool
is_of(struct reg_place *p, const uint64_t key[2], uint64_t *name)
{
	*name = atomic_load(&p->name);
	REG_STOP_POINT();
	if (!*name || atomic_load(&p->key[0]) != key[0] ||
	    atomic_load(&p->key[1]) != key[1])
		return false;
	REG_STOP_POINT();
	return reg_load_is(atomic_load(&p->load), reg_name_tag(*name));
}

static struct reg_candidate_ref
ref_to(const struct reg *r, const struct reg_place *p, uint32_t tag)
{
	return (struct reg_candidate_ref){
		.index = (uint32_t)(p - r->seg->places),
		.tag = tag,
	};
}

static const struct reg_candidate_ref nowhere = {.index = REG_CANDIDATES_MAX};

struct reg_candidate_ref
reg_candidate_find(const struct reg *r, const uint64_t key[2])
{
	uint64_t name;

	for (uint32_t n = 0; n < 2 * WINDOW; n++) {
		struct reg_place *p = place_at(r, key, n);

		if (is_of(p, key, &name))
			return ref_to(r, p, reg_name_tag(name));
		if (!name)
			break; /* entries are never emptied: it ends here */
	}
	return nowhere;
}

/* ... and it is used: one store a second. */
static struct reg_candidate_ref
find(const struct reg *r, const uint64_t key[2], uint64_t now_ms)
{
	struct reg_candidate_ref c = reg_candidate_find(r, key);
	struct reg_place *p = reg_candidate_at(r, c);
	uint64_t name;

	if (!p)
		return nowhere;
	name = atomic_load(&p->name);
	if (reg_name_tag(name) == c.tag &&
	    reg_name_used_s(name) < now_ms / 1000) {
		REG_CRASH_POINT();
		atomic_compare_exchange_strong(&p->name, &name,
					       reg_name(c.tag, now_ms / 1000));
		REG_CRASH_POINT();
	}
	return c;
}

/* ---- locked -------------------------------------------------------------- */

static bool
may_go(struct reg_place *p, uint64_t name, uint64_t now_ms)
{
	struct reg_health h;

	return reg_load_count(atomic_load(&p->load)) == 0 &&
	       reg_name_used_s(name) + REG_CANDIDATE_KEEP_MS / 1000 <
		       now_ms / 1000 &&
	       !(reg_health_read(atomic_load(&p->health), reg_name_tag(name),
				 &h) &&
		 h.ejected);
}

/* The entry to give to a key: one of nobody, else the one unused for longest.
 */
static struct reg_place *
choose(const struct reg *r, const uint64_t key[2], uint64_t now_ms)
{
	struct reg_place *best = NULL;
	uint64_t best_s = 0;

	for (uint32_t n = 0; n < 2 * WINDOW; n++) {
		struct reg_place *p = place_at(r, key, n);
		uint64_t name = atomic_load(&p->name);
		uint64_t used_s = reg_name_used_s(name);

		if (!name)
			return p;
		if (may_go(p, name, now_ms) && (!best || used_s < best_s)) {
			best = p;
			best_s = used_s;
		}
	}
	return best;
}

/* From here on it is nobody's. False: a lease came to it at the last moment. */
static bool
close_down(const struct reg *r, struct reg_place *p, uint32_t tag)
{
	for (int tries = 0; tries < GIVE_TRIES; tries++) {
		uint64_t load = atomic_load(&p->load);

		if (reg_load_is(load, tag))
			return true; /* a dead one got as far as that */
		if (reg_load_count(load))
			return false;
		reg_lease_help(r, (uint32_t)(p - r->seg->places), load);
		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(
			    &p->load, &load, reg_load(0, 0, 0, false, tag)))
			return true;
	}
	return false;
}

static struct reg_candidate_ref
make(const struct reg *r, const uint64_t key[2], uint64_t now_ms)
{
	static const struct reg_health well;
	struct reg_place *p = choose(r, key, now_ms);
	uint32_t tag;

	if (!p)
		return nowhere;
	tag = reg_name_tag(atomic_load(&p->name)) + 1;
	tag += tag == 0;
	if (!close_down(r, p, tag))
		return nowhere;
	REG_CRASH_POINT();
	atomic_store(&p->health, reg_health(tag, &well));
	atomic_store(&p->busy, 0);
	atomic_store(&p->byte, 0);
	atomic_store(&p->trial, 0);
	REG_CRASH_POINT();
	atomic_store(&p->key[0], key[0]);
	REG_CRASH_POINT();
	atomic_store(&p->key[1], key[1]);
	REG_CRASH_POINT();
	atomic_store(&p->name, reg_name(tag, now_ms / 1000));
	REG_CRASH_POINT();
	return ref_to(r, p, tag);
}

static void
carry_word(_Atomic uint64_t *word, uint64_t untouched, uint64_t value)
{
	REG_CRASH_POINT();
	atomic_compare_exchange_strong(word, &untouched, value);
}

/* How much of a client's bucket is missing; of two the emptier one stays. */
static void
carry_rate(uint64_t word, _Atomic uint64_t *there, uint32_t tag)
{
	uint64_t was = atomic_load(there);

	word = reg_rate_word(tag, word);
	for (int tries = 0; tries < GIVE_TRIES; tries++) {
		if (reg_rate_word_is(was, tag) && was >= word)
			return;
		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(there, &was, word))
			return;
	}
}

/* One that was used, and how it is; its trial is another segment's. */
static void
carry_place(const struct reg *from, struct reg *to, struct reg_place *p,
	    uint32_t tag, uint64_t used_s)
{
	const uint64_t key[2] = {atomic_load(&p->key[0]),
				 atomic_load(&p->key[1])};
	uint64_t busy_ms = reg_stamp_ms(atomic_load(&p->busy), tag);
	uint64_t byte_ms = reg_stamp_ms(atomic_load(&p->byte), tag);
	uint64_t rate = atomic_load(&from->seg->rates[p - from->seg->places]);
	static const struct reg_health well;
	struct reg_candidate_ref c;
	struct reg_health h;
	struct reg_place *there;

	if (!reg_health_read(atomic_load(&p->health), tag, &h))
		return;
	c = find(to, key, used_s * 1000);
	if (c.index >= REG_CANDIDATES_MAX)
		c = make(to, key, used_s * 1000);
	there = reg_candidate_at(to, c);
	if (!there)
		return;
	carry_word(&there->health, reg_health(c.tag, &well),
		   reg_health(c.tag, &h));
	carry_word(&there->busy, 0, reg_stamp(c.tag, busy_ms));
	carry_word(&there->byte, 0, reg_stamp(c.tag, byte_ms));
	if (reg_rate_word_is(rate, tag))
		carry_rate(rate, &to->seg->rates[c.index], c.tag);
}

void
reg_candidate_carry(const struct reg *from, struct reg *to)
{
	for (uint32_t i = 0; i < REG_CANDIDATES_MAX; i++) {
		struct reg_place *p = &from->seg->places[i];
		uint64_t name = atomic_load(&p->name);
		uint32_t tag = reg_name_tag(name);

		if (name && reg_load_is(atomic_load(&p->load), tag))
			carry_place(from, to, p, tag, reg_name_used_s(name));
	}
}

/* ---- for the others ------------------------------------------------------ */

struct reg_place *
reg_candidate_at(const struct reg *r, struct reg_candidate_ref c)
{
	struct reg_place *p;

	if (c.index >= REG_CANDIDATES_MAX || c.tag == 0)
		return NULL;
	p = &r->seg->places[c.index];
	return reg_name_tag(atomic_load(&p->name)) == c.tag ? p : NULL;
}

struct reg_candidate_ref
reg_candidate_open(struct reg *r, const uint64_t key[2], uint64_t now_ms)
{
	struct reg_candidate_ref c;

	if (!r->identity) /* a handle that only looks must not write */
		return reg_candidate_find(r, key);
	c = find(r, key, now_ms);
	if (c.index < REG_CANDIDATES_MAX || reg_lock_any(r, NULL))
		return c;
	c = find(r, key, now_ms);
	if (c.index >= REG_CANDIDATES_MAX)
		c = make(r, key, now_ms);
	reg_unlock(r);
	return c;
}

struct reg_candidate_ref
reg_move_candidate(const struct reg *from, struct reg *to,
		   struct reg_candidate_ref c, uint64_t now_ms)
{
	struct reg_place *p = reg_candidate_at(from, c);
	uint64_t key[2];

	if (!p)
		return nowhere;
	key[0] = atomic_load(&p->key[0]);
	key[1] = atomic_load(&p->key[1]);
	REG_STOP_POINT();
	/* Given away meanwhile? Then it was unused for long. */
	if (!reg_load_is(atomic_load(&p->load), c.tag))
		return nowhere;
	return reg_candidate_open(to, key, now_ms);
}
