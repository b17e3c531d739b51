/* SPDX-License-Identifier: MIT */
/*
 * rate.c - how often a client comes: a word that says when its bucket is full
 * again, in nanoseconds. One more that comes moves that by a step; it may not
 * lie further ahead than a whole bucket takes.
 *
 * The word names its entry's tag, so that of another client's time nothing
 * counts; time wraps after years, and what is too far ahead is long past.
 */
#include "internal.h"

#define TRIES 100000 /* of a change, each lost to somebody else's */
#define MINUTE_NS UINT64_C(60000000000)
#define AHEAD_MAX_NS (UINT64_C(1) << 47) /* 39 h: further away is the past */

/* A bucket of N: how long one takes to come back, and all of them. */
struct bucket {
	uint64_t step_ns;
	uint64_t all_ns;
};

static struct bucket
bucket_of(uint32_t n)
{
	struct bucket b;

	if (n < 1)
		n = 1;
	if (n > REG_RATE_MAX)
		n = REG_RATE_MAX;
	b.step_ns = (MINUTE_NS + n - 1) / n;
	b.all_ns = b.step_ns * n;
	return b;
}

/* How long until it is full. */
static uint64_t
missing_ns(uint64_t word, uint32_t tag, uint64_t now_ns)
{
	uint64_t ahead = (word - now_ns) & REG_BITS(REG_RATE_BITS);

	return reg_rate_word_is(word, tag) && ahead < AHEAD_MAX_NS ? ahead : 0;
}

static uint64_t
us_of(uint64_t ns)
{
	return (ns + 999) / 1000;
}

static void
tell(const struct bucket *b, uint64_t missing, bool taken, struct reg_rate *out)
{
	uint64_t left;

	/* Another N, or one whose time is of the past. */
	if (missing > b->all_ns)
		missing = b->all_ns;
	left = b->all_ns - missing;
	out->taken = taken;
	out->remaining = (uint32_t)(left / b->step_ns);
	out->next_us = left < b->step_ns ? us_of(b->step_ns - left) : 0;
	out->full_us = us_of(missing);
}

void
reg_rate_take(struct reg *r, struct reg_candidate_ref client,
	      uint32_t per_minute, uint64_t now_us, struct reg_rate *out)
{
	struct bucket b = bucket_of(per_minute);
	uint64_t word, missing = 0, now_ns = now_us * 1000;
	_Atomic uint64_t *rate;

	*out = (struct reg_rate){0};
	if (!reg_candidate_at(r, client))
		return;
	rate = &r->seg->rates[client.index];
	word = atomic_load(rate);
	for (int tries = 0; tries < TRIES; tries++) {
		missing = missing_ns(word, client.tag, now_ns);
		REG_STOP_POINT();
		if (missing + b.step_ns > b.all_ns)
			break;
		REG_CRASH_POINT();
		if (!atomic_compare_exchange_strong(
			    rate, &word,
			    reg_rate_word(client.tag,
					  now_ns + missing + b.step_ns)))
			continue;
		REG_CRASH_POINT();
		tell(&b, missing + b.step_ns, true, out);
		return;
	}
	tell(&b, missing, false, out);
}

void
reg_rate_look(const struct reg *r, struct reg_candidate_ref client,
	      uint32_t per_minute, uint64_t now_us, struct reg_rate *out)
{
	struct bucket b = bucket_of(per_minute);

	*out = (struct reg_rate){0};
	if (reg_candidate_at(r, client))
		tell(&b,
		     missing_ns(atomic_load(&r->seg->rates[client.index]),
				client.tag, now_us * 1000),
		     false, out);
}
