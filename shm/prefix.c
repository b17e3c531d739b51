/* SPDX-License-Identifier: MIT */
/*
 * prefix.c - where conversations were sent: hashes of how they begin, each with
 * the place that has them. No lock, and nothing to repair.
 *
 * An entry is two words, a hash mixed with its value and the value. Whatever
 * two writers, or one that dies, leave of two entries, is an entry of no hash.
 */
#include "internal.h"

#define TICK_MS 100    /* how exact the time of an entry's last use is */
#define RENEW_TICKS 10 /* younger than that is not written again */

static uint32_t
ways_from(uint64_t hash)
{
	return (uint32_t)((hash ^ hash >> 32) %
			  (REG_PREFIXES_MAX / REG_PREFIX_WAYS)) *
	       REG_PREFIX_WAYS;
}

/* The value of an entry if it is the hash's, else 0. */
static uint64_t
value_of(const struct reg *r, uint32_t entry, uint64_t hash)
{
	struct reg_prefix *p = &r->seg->prefixes[entry];
	uint64_t mixed = atomic_load_explicit(&p->mixed, memory_order_relaxed);
	uint64_t value;

	REG_STOP_POINT();
	value = atomic_load_explicit(&p->value, memory_order_relaxed);
	return (mixed ^ value) == hash ? value : 0;
}

static void
set(const struct reg *r, uint32_t entry, uint64_t hash, uint64_t value,
    uint32_t tick)
{
	struct reg_prefix *p = &r->seg->prefixes[entry];

	REG_CRASH_POINT();
	atomic_store_explicit(&r->seg->prefix_ticks[entry], tick,
			      memory_order_relaxed);
	REG_CRASH_POINT();
	atomic_store_explicit(&p->value, value, memory_order_relaxed);
	REG_CRASH_POINT();
	atomic_store_explicit(&p->mixed, value ? hash ^ value : 0,
			      memory_order_relaxed);
	REG_CRASH_POINT();
}

/* Time goes on with what is put: a search needs no clock. */
static uint32_t
tick_now(const struct reg *r)
{
	return (uint32_t)atomic_load_explicit(&r->seg->header.prefix_tick,
					      memory_order_relaxed);
}

static uint32_t
tick_of(const struct reg *r, uint32_t entry)
{
	return atomic_load_explicit(&r->seg->prefix_ticks[entry],
				    memory_order_relaxed);
}

/* Another process's clock may be a little ahead. */
static uint32_t
age_of(const struct reg *r, uint32_t entry, uint32_t tick)
{
	uint32_t age = tick - tick_of(r, entry);

	return age <= INT32_MAX ? age : 0;
}

static void
renew(const struct reg *r, uint32_t entry, uint32_t tick)
{
	REG_CRASH_POINT();
	if (age_of(r, entry, tick) >= RENEW_TICKS)
		atomic_store_explicit(&r->seg->prefix_ticks[entry], tick,
				      memory_order_relaxed);
	REG_CRASH_POINT();
}

/* The place for a hash among its ways: its own, a free one, the oldest. */
static uint32_t
place_for(const struct reg *r, uint64_t hash, uint32_t tick, bool *known)
{
	uint32_t first = ways_from(hash), best = first;
	bool best_is_free = false;

	*known = false;
	for (uint32_t i = first; i < first + REG_PREFIX_WAYS; i++) {
		bool is_free = !atomic_load_explicit(&r->seg->prefixes[i].value,
						     memory_order_relaxed);

		if (value_of(r, i, hash)) {
			*known = true;
			return i;
		}
		if (best_is_free)
			continue;
		if (is_free || age_of(r, i, tick) > age_of(r, best, tick))
			best = i;
		best_is_free = is_free;
	}
	return best;
}

uint64_t
reg_prefix_find(struct reg *r, const uint64_t *hashes, size_t n, size_t *at)
{
	while (n-- > 0) {
		uint32_t first = ways_from(hashes[n]);

		for (uint32_t i = first; i < first + REG_PREFIX_WAYS; i++) {
			uint64_t value = value_of(r, i, hashes[n]);

			if (!value)
				continue;
			renew(r, i, tick_now(r));
			*at = n;
			return value;
		}
	}
	return 0;
}

void
reg_prefix_put(struct reg *r, uint64_t hash, uint64_t value, uint64_t now_ms)
{
	uint32_t tick = (uint32_t)(now_ms / TICK_MS);
	bool known;
	uint32_t entry = place_for(r, hash, tick, &known);

	if (tick - tick_now(r) - 1 < INT32_MAX) /* later than all before */
		atomic_store_explicit(&r->seg->header.prefix_tick, tick,
				      memory_order_relaxed);
	if (known && value_of(r, entry, hash) == value)
		renew(r, entry, tick);
	else if (known || value)
		set(r, entry, hash, value, tick);
}

void
reg_prefix_carry(const struct reg *from, struct reg *to)
{
	for (uint32_t i = 0; i < REG_PREFIXES_MAX; i++) {
		struct reg_prefix *p = &from->seg->prefixes[i];
		uint64_t value = atomic_load(&p->value);
		uint64_t hash = atomic_load(&p->mixed) ^ value;
		uint32_t entry;
		bool known;

		/* Half an entry is of a hash that would not live here. */
		if (!value || ways_from(hash) != i - i % REG_PREFIX_WAYS)
			continue;
		entry = place_for(to, hash, tick_of(from, i), &known);
		if (!known && !atomic_load(&to->seg->prefixes[entry].value))
			set(to, entry, hash, value, tick_of(from, i));
	}
	if (!tick_now(to))
		atomic_store(&to->seg->header.prefix_tick, tick_now(from));
}
