/* SPDX-License-Identifier: MIT */
/*
 * drain.c - nodes that get no new requests, by the hash of their ids: whether
 * or not they are registered.
 *
 * Changed under the lock, read without. An entry is never emptied, so a search
 * ends at the first that was never used. How many are drained is one word, so
 * that where none is nobody searches: it is raised before an entry is set, and
 * counted anew after one was cleared, so it is never too low.
 */
#include "internal.h"

#define WINDOW 64
#define SEEN_MS 60000 /* how exact it is when one was seen */

static struct reg_drained *
entry_at(const struct reg *r, uint64_t key, uint32_t n)
{
	return &r->seg->drained[((key ^ key >> 32) + n) % REG_DRAINED_MAX];
}

/* The entry of a key, or NULL; *usable one that it could have. */
static struct reg_drained *
find(const struct reg *r, uint64_t key, uint64_t now_ms,
     struct reg_drained **usable)
{
	for (uint32_t n = 0; n < WINDOW; n++) {
		struct reg_drained *d = entry_at(r, key, n);
		uint64_t has = atomic_load(&d->key);
		uint64_t seen_ms = atomic_load(&d->seen_ms);

		if (has == key)
			return d;
		if (usable && !*usable &&
		    (!seen_ms || (now_ms > seen_ms &&
				  now_ms - seen_ms >= REG_DRAIN_KEEP_MS)))
			*usable = d;
		if (!has)
			break;
	}
	return NULL;
}

static uint64_t
count(const struct reg *r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < REG_DRAINED_MAX; i++)
		n += atomic_load(&r->seg->drained[i].seen_ms) != 0;
	return n;
}

/* Locked. False: there is no room. */
static bool
set(const struct reg *r, uint64_t key, uint64_t seen_ms)
{
	struct reg_drained *usable = NULL;
	struct reg_drained *d = find(r, key, seen_ms, &usable);

	if (!d && !usable)
		return false;
	atomic_fetch_add(&r->seg->header.drained, 1);
	REG_CRASH_POINT();
	if (!d) {
		d = usable;
		/* While it has another's key it is nobody's. */
		atomic_store(&d->seen_ms, 0);
		REG_CRASH_POINT();
		atomic_store(&d->key, key);
		REG_CRASH_POINT();
	}
	atomic_store(&d->seen_ms, seen_ms);
	REG_CRASH_POINT();
	return true;
}

int
reg_drain_set(struct reg *r, uint64_t key, bool drained, uint64_t now_ms,
	      struct reg_err *err)
{
	struct reg_drained *d;
	bool room = true;

	key = key ? key : 1;
	if (reg_lock(r, err))
		return -1;
	d = find(r, key, now_ms, NULL);
	if (drained)
		room = set(r, key, now_ms);
	else if (d)
		atomic_store(&d->seen_ms, 0);
	REG_CRASH_POINT();
	atomic_store(&r->seg->header.drained, count(r));
	REG_CRASH_POINT();
	reg_unlock(r);
	return room ? 0
		    : reg_fail(err, REG_FULL, 0,
			       "too many nodes are drained: undrain some");
}

bool
reg_drain_any(const struct reg *r)
{
	return atomic_load_explicit(&r->seg->header.drained,
				    memory_order_relaxed) != 0;
}

bool
reg_drain_is(const struct reg *r, uint64_t key, uint64_t now_ms)
{
	struct reg_drained *d;
	uint64_t seen_ms;

	if (!reg_drain_any(r))
		return false;
	d = find(r, key ? key : 1, now_ms, NULL);
	seen_ms = d ? atomic_load(&d->seen_ms) : 0;
	REG_STOP_POINT();
	return seen_ms && atomic_load(&d->key) == (key ? key : 1) &&
	       (now_ms < seen_ms || now_ms - seen_ms < REG_DRAIN_KEEP_MS);
}

void
reg_drain_seen(struct reg *r, uint64_t key, uint64_t seen_ms)
{
	struct reg_drained *d;
	uint64_t before;

	if (!reg_drain_any(r))
		return;
	d = find(r, key ? key : 1, seen_ms, NULL);
	before = d ? atomic_load(&d->seen_ms) : 0;
	/* Not one that was cleared, or ran out, meanwhile. */
	if (before && seen_ms > before && seen_ms - before >= SEEN_MS &&
	    seen_ms - before < REG_DRAIN_KEEP_MS)
		atomic_compare_exchange_strong(&d->seen_ms, &before, seen_ms);
}

void
reg_drain_carry(const struct reg *from, struct reg *to)
{
	for (uint32_t i = 0; i < REG_DRAINED_MAX; i++) {
		struct reg_drained *d = &from->seg->drained[i];
		uint64_t seen_ms = atomic_load(&d->seen_ms);

		if (seen_ms)
			set(to, atomic_load(&d->key), seen_ms);
	}
	atomic_store(&to->seg->header.drained, count(to));
}
