/* SPDX-License-Identifier: MIT */
/*
 * words_queue.h - the part of words.h about those who wait, and rates.
 */
#ifndef REG_WORDS_QUEUE_H
#define REG_WORDS_QUEUE_H

#include "words.h"

#define REG_WAIT_GEN_BITS 20 /* row generations in a waiter's state */
#define REG_RATE_BITS 56     /* 834 days of nanoseconds, then it wraps */
#define REG_PACE_SHIFT 4     /* the interval's unit is 1/16 ms */

/* State of a waiter: state 2 | row 10 | row generation 20 | sequence 32. A free
 * one keeps its sequence alone. */
enum reg_wait_state {
	REG_WAIT_FREE,
	REG_WAIT_FILLING, /* the other words are its owner's alone */
	REG_WAIT_WAITING,
	REG_WAIT_DISPLACED
};

static inline uint64_t
reg_wait(enum reg_wait_state state, uint32_t row, uint64_t row_generation,
	 uint32_t sequence)
{
	return (uint64_t)state << 62 | (uint64_t)row << 52 |
	       (row_generation & REG_BITS(REG_WAIT_GEN_BITS)) << 32 | sequence;
}

static inline enum reg_wait_state
reg_wait_state(uint64_t wait)
{
	return (enum reg_wait_state)(wait >> 62);
}

static inline uint32_t
reg_wait_row(uint64_t wait)
{
	return (uint32_t)(wait >> 52 & REG_BITS(10));
}

static inline uint64_t
reg_wait_row_generation(uint64_t wait)
{
	return wait >> 32 & REG_BITS(REG_WAIT_GEN_BITS);
}

static inline uint32_t
reg_wait_sequence(uint64_t wait)
{
	return (uint32_t)wait;
}

/* The same waiter in another state. */
static inline uint64_t
reg_wait_as(uint64_t wait, enum reg_wait_state state)
{
	if (state == REG_WAIT_FREE)
		return reg_wait_sequence(wait);
	return (wait & REG_BITS(62)) | (uint64_t)state << 62;
}

/* Mark: changes so far 32 | entries from here on are free 32. */
static inline uint64_t
reg_mark(uint32_t changes, uint32_t above)
{
	return (uint64_t)changes << 32 | above;
}

static inline uint32_t
reg_mark_above(uint64_t mark)
{
	return (uint32_t)mark < REG_WAITERS_MAX ? (uint32_t)mark
						: REG_WAITERS_MAX;
}

static inline uint64_t
reg_mark_next(uint64_t mark, uint32_t above)
{
	return reg_mark((uint32_t)(mark >> 32) + 1, above);
}

/* Came: ms 62 | rank 2. */
static inline uint64_t
reg_came(uint64_t ms, uint32_t rank)
{
	return ms << 2 | (rank < REG_RANKS ? rank : REG_RANKS - 1);
}

static inline uint64_t
reg_came_ms(uint64_t came)
{
	return came >> 2;
}

static inline uint32_t
reg_came_rank(uint64_t came)
{
	return (uint32_t)(came & 3);
}

/* Share: index of a candidate 32 | its tag 32. */
static inline uint64_t
reg_share(struct reg_candidate_ref c)
{
	return (uint64_t)c.index << 32 | c.tag;
}

static inline struct reg_candidate_ref
reg_share_ref(uint64_t share)
{
	return (struct reg_candidate_ref){
		.index = (uint32_t)(share >> 32),
		.tag = (uint32_t)share,
	};
}

/* Rate: tag 8 | the bucket is full at ns 56. */
static inline uint64_t
reg_rate_word(uint32_t tag, uint64_t full_ns)
{
	return (tag & REG_BITS(REG_LOAD_TAG_BITS)) << REG_RATE_BITS |
	       (full_ns & REG_BITS(REG_RATE_BITS));
}

/* False: it is of another tag. */
static inline bool
reg_rate_word_is(uint64_t word, uint32_t tag)
{
	return word >> REG_RATE_BITS == (tag & REG_BITS(REG_LOAD_TAG_BITS));
}

#endif
