/* SPDX-License-Identifier: MIT */
/*
 * pace.c - how fast a queue moves, in two words of its candidate entry: when it
 * did last (where a candidate has its last byte), and how long it took from one
 * to the next, smoothed (where a candidate has until when it is busy).
 */
#include "internal.h"

#define TRIES 16 /* of a change, each lost to somebody else's */
#define SMOOTH 8 /* a new one counts for 1/8 */
#define LONGEST_MS UINT64_C(86400000) /* that one may take; more is that */

static uint64_t
since(uint64_t a_ms, uint64_t b_ms, uint64_t now_ms)
{
	uint64_t start = a_ms > b_ms ? a_ms : b_ms;
	uint64_t ms = now_ms > start ? now_ms - start : 0;

	return ms < LONGEST_MS ? ms : LONGEST_MS;
}

/* Moves the time of the last one; how long it took. False: gone, or not won. */
static bool
stamp(struct reg_place *p, uint32_t tag, uint64_t came_ms, uint64_t now_ms,
      uint64_t *took_ms)
{
	uint64_t word = atomic_load(&p->byte);

	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t last_ms = reg_stamp_ms(word, tag);

		*took_ms = since(last_ms, came_ms, now_ms);
		if (last_ms >= now_ms)
			return true; /* another one, at the same moment */
		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(&p->byte, &word,
						   reg_stamp(tag, now_ms))) {
			REG_CRASH_POINT();
			return true;
		}
	}
	return false;
}

/* In both directions by whole units, and never down to 0, which is none. */
static uint64_t
smoothed(uint64_t before, uint64_t took)
{
	uint64_t after;

	if (!before)
		after = took;
	else
		after = (before * (SMOOTH - 1) + took) / SMOOTH;
	return after ? after : 1;
}

void
reg_queue_moved(struct reg *r, struct reg_candidate_ref queue, uint64_t came_ms,
		uint64_t now_ms)
{
	struct reg_place *p = reg_candidate_at(r, queue);
	uint64_t took_ms, word;

	if (!p || !stamp(p, queue.tag, came_ms, now_ms, &took_ms))
		return;
	word = atomic_load(&p->busy);
	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t next = smoothed(reg_stamp_ms(word, queue.tag),
					 took_ms << REG_PACE_SHIFT);

		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(&p->busy, &word,
						   reg_stamp(queue.tag, next)))
			break;
	}
	REG_CRASH_POINT();
}

uint64_t
reg_queue_interval_ms(const struct reg *r, struct reg_candidate_ref queue,
		      uint64_t since_ms, uint64_t now_ms)
{
	struct reg_place *p = reg_candidate_at(r, queue);
	uint64_t smooth, stands_ms;

	if (!p)
		return 0;
	smooth = reg_stamp_ms(atomic_load(&p->busy), queue.tag);
	if (!smooth)
		return 0;
	smooth = (smooth + REG_BITS(REG_PACE_SHIFT)) >> REG_PACE_SHIFT;
	stands_ms = since(reg_stamp_ms(atomic_load(&p->byte), queue.tag),
			  since_ms, now_ms);
	return smooth > stands_ms ? smooth : stands_ms;
}
