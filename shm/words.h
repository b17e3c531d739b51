/* SPDX-License-Identifier: MIT */
/*
 * words.h - words of the segment that carry several numbers: taken apart and put
 * together here alone. Private to shm/; README.md has them in a table.
 */
#ifndef REG_WORDS_H
#define REG_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#define REG_BITS(n) ((UINT64_C(1) << (n)) - 1)

#define REG_MS_BITS 44	      /* 557 years of milliseconds */
#define REG_NODE_GEN_BITS 20  /* generations of a node slot */
#define REG_LEASE_GEN_BITS 15 /* row generations in a lease */
#define REG_CLAIM_GEN_BITS 10 /* row generations in a probe lease */
#define REG_LEASE_SEQ_BITS 22 /* how often a lease was taken */
#define REG_LOAD_TAG_BITS 8   /* of a candidate's tag, in its words */
#define REG_HEALTH_MS_BITS 42 /* 139 years of milliseconds */
#define REG_TRIAL_GEN_BITS 8  /* row generations in a trial */
#define REG_RESULT_BITS 20    /* a probe result, or an entry's sequence */
#define REG_CLAIMING (UINT64_C(1) << 41)

/* Identity: pid 22 | a row is being set up 1 | start time in ticks 41. */
static inline uint64_t
reg_identity(uint32_t pid, uint64_t start_ticks)
{
	return (uint64_t)pid << 42 | (start_ticks & REG_BITS(41));
}

static inline uint32_t
reg_identity_pid(uint64_t identity)
{
	return (uint32_t)(identity >> 42);
}

static inline uint64_t
reg_identity_start(uint64_t identity)
{
	return identity & REG_BITS(41);
}

/* Link: generation 32 | first block 32. */
static inline uint64_t
reg_link(uint32_t generation, uint32_t head)
{
	return (uint64_t)generation << 32 | head;
}

static inline uint32_t
reg_link_generation(uint64_t link)
{
	return (uint32_t)(link >> 32);
}

static inline uint32_t
reg_link_head(uint64_t link)
{
	return (uint32_t)link;
}

/* Life: generation of the slot 20 | seen_ms 44. */
static inline uint64_t
reg_life(uint32_t generation, uint64_t seen_ms)
{
	return (uint64_t)generation << REG_MS_BITS |
	       (seen_ms & REG_BITS(REG_MS_BITS));
}

static inline uint32_t
reg_life_generation(uint64_t life)
{
	return (uint32_t)(life >> REG_MS_BITS);
}

static inline uint64_t
reg_life_seen_ms(uint64_t life)
{
	return life & REG_BITS(REG_MS_BITS);
}

/* Lease: state 2 | row 10 | row generation 15 | candidate 15 | sequence 22. A
 * free one keeps its sequence alone. */
enum reg_held_state {
	REG_FREE,
	REG_TAKING,   /* counted once the candidate's load word says so */
	REG_HELD,     /* counted */
	REG_DROPPING, /* counted until the load word says so */
};

static inline uint64_t
reg_held(enum reg_held_state state, uint32_t row, uint64_t row_generation,
	 uint32_t candidate, uint32_t sequence)
{
	return (uint64_t)state << 62 | (uint64_t)row << 52 |
	       (row_generation & REG_BITS(REG_LEASE_GEN_BITS)) << 37 |
	       (uint64_t)candidate << REG_LEASE_SEQ_BITS |
	       (sequence & REG_BITS(REG_LEASE_SEQ_BITS));
}

static inline enum reg_held_state
reg_held_state(uint64_t held)
{
	return (enum reg_held_state)(held >> 62);
}

static inline uint32_t
reg_held_row(uint64_t held)
{
	return (uint32_t)(held >> 52 & REG_BITS(10));
}

static inline uint64_t
reg_held_row_generation(uint64_t held)
{
	return held >> 37 & REG_BITS(REG_LEASE_GEN_BITS);
}

static inline uint32_t
reg_held_candidate(uint64_t held)
{
	return (uint32_t)(held >> REG_LEASE_SEQ_BITS & REG_BITS(15));
}

static inline uint32_t
reg_held_sequence(uint64_t held)
{
	return (uint32_t)(held & REG_BITS(REG_LEASE_SEQ_BITS));
}

/* The same lease in another state. */
static inline uint64_t
reg_held_as(uint64_t held, enum reg_held_state state)
{
	if (state == REG_FREE)
		return reg_held_sequence(held);
	return (held & REG_BITS(62)) | (uint64_t)state << 62;
}

/* Checked: when, in ms 44 | how often the entry changed hands 20, never 0. */
static inline uint64_t
reg_checked(uint64_t ms, uint32_t sequence)
{
	return (ms & REG_BITS(REG_MS_BITS)) << REG_RESULT_BITS |
	       (sequence & REG_BITS(REG_RESULT_BITS));
}

static inline uint64_t
reg_checked_ms(uint64_t checked)
{
	return checked >> REG_RESULT_BITS;
}

static inline uint32_t
reg_checked_sequence(uint64_t checked)
{
	return (uint32_t)(checked & REG_BITS(REG_RESULT_BITS));
}

/* Outcome: since when, wall clock seconds 44 | the result 20. */
static inline uint64_t
reg_outcome(int64_t since_wall_s, uint32_t result)
{
	return ((uint64_t)since_wall_s & REG_BITS(44)) << REG_RESULT_BITS |
	       (result & REG_BITS(REG_RESULT_BITS));
}

static inline int64_t
reg_outcome_since(uint64_t outcome)
{
	return (int64_t)(outcome >> REG_RESULT_BITS);
}

static inline uint32_t
reg_outcome_result(uint64_t outcome)
{
	return (uint32_t)(outcome & REG_BITS(REG_RESULT_BITS));
}

/* Claim on a probe: row 10 | row generation 10 | ends at ms 44. */
static inline uint64_t
reg_claim(uint32_t row, uint64_t row_generation, uint64_t until_ms)
{
	return (uint64_t)row << 54 |
	       (row_generation & REG_BITS(REG_CLAIM_GEN_BITS)) << REG_MS_BITS |
	       (until_ms & REG_BITS(REG_MS_BITS));
}

static inline uint32_t
reg_claim_row(uint64_t claim)
{
	return (uint32_t)(claim >> 54);
}

static inline uint64_t
reg_claim_row_generation(uint64_t claim)
{
	return claim >> REG_MS_BITS & REG_BITS(REG_CLAIM_GEN_BITS);
}

static inline uint64_t
reg_claim_until_ms(uint64_t claim)
{
	return claim & REG_BITS(REG_MS_BITS);
}

/* Name of a candidate's entry: tag 32, never 0 | second of its last use 32. */
static inline uint64_t
reg_name(uint32_t tag, uint64_t used_s)
{
	return (uint64_t)tag << 32 | (used_s & REG_BITS(32));
}

static inline uint32_t
reg_name_tag(uint64_t name)
{
	return (uint32_t)(name >> 32);
}

static inline uint64_t
reg_name_used_s(uint64_t name)
{
	return name & REG_BITS(32);
}

/* Load of a candidate: leases on it 17 | the last one that came or went 16 | its
 * sequence 22, 0 = none | it went 1 | tag 8. */
static inline uint64_t
reg_load(uint32_t count, uint32_t lease, uint32_t sequence, bool went,
	 uint32_t tag)
{
	return (uint64_t)count << 47 | (uint64_t)lease << 31 |
	       (sequence & REG_BITS(REG_LEASE_SEQ_BITS)) << 9 |
	       (uint64_t)went << REG_LOAD_TAG_BITS |
	       (tag & REG_BITS(REG_LOAD_TAG_BITS));
}

static inline uint32_t
reg_load_count(uint64_t load)
{
	return (uint32_t)(load >> 47);
}

static inline uint32_t
reg_load_lease(uint64_t load)
{
	return (uint32_t)(load >> 31 & REG_BITS(16));
}

static inline uint32_t
reg_load_sequence(uint64_t load)
{
	return (uint32_t)(load >> 9 & REG_BITS(REG_LEASE_SEQ_BITS));
}

static inline bool
reg_load_went(uint64_t load)
{
	return load >> REG_LOAD_TAG_BITS & 1;
}

/* One lease more or less, and which. */
static inline uint64_t
reg_load_with(uint64_t load, uint32_t count, uint32_t lease, uint64_t held,
	      bool went)
{
	return reg_load(count, lease, reg_held_sequence(held), went,
			(uint32_t)(load & REG_BITS(REG_LOAD_TAG_BITS)));
}

/* Was that the last one that came (went)? */
static inline bool
reg_load_says(uint64_t load, uint32_t lease, uint64_t held, bool went)
{
	return reg_load_lease(load) == lease && reg_load_went(load) == went &&
	       reg_load_sequence(load) == reg_held_sequence(held);
}

/* Is the entry this tag's, or is it being given away? */
static inline bool
reg_load_is(uint64_t load, uint32_t tag)
{
	return ((load ^ tag) & REG_BITS(REG_LOAD_TAG_BITS)) == 0;
}

/* Health of a candidate: tag 8 | failures in a row 8 | ejected 1 | not connected
 * 1 | pauses so far 4 | ms 42. */
struct reg_health {
	uint32_t failures; /* 255 = as many, or more */
	bool ejected;
	bool unconnected; /* the last failure was that */
	uint32_t level;	  /* how often its next pause is doubled */
	uint64_t ms; /* ejected: the pause ends; else: it was well again */
};

static inline uint64_t
reg_health(uint32_t tag, const struct reg_health *h)
{
	return (tag & REG_BITS(REG_LOAD_TAG_BITS)) << 56 |
	       (uint64_t)h->failures << 48 | (uint64_t)h->ejected << 47 |
	       (uint64_t)h->unconnected << 46 |
	       (uint64_t)h->level << REG_HEALTH_MS_BITS |
	       (h->ms & REG_BITS(REG_HEALTH_MS_BITS));
}

/* False: it is of another tag. */
static inline bool
reg_health_read(uint64_t word, uint32_t tag, struct reg_health *h)
{
	h->failures = (uint32_t)(word >> 48 & REG_BITS(8));
	h->ejected = word >> 47 & 1;
	h->unconnected = word >> 46 & 1;
	h->level = (uint32_t)(word >> REG_HEALTH_MS_BITS & REG_BITS(4));
	h->ms = word & REG_BITS(REG_HEALTH_MS_BITS);
	return (word >> 56) == (tag & REG_BITS(REG_LOAD_TAG_BITS));
}

/* A time of a candidate: tag 20 | ms 44. */
static inline uint64_t
reg_stamp(uint32_t tag, uint64_t ms)
{
	return (uint64_t)tag << REG_MS_BITS | (ms & REG_BITS(REG_MS_BITS));
}

/* 0: none, or another tag's. */
static inline uint64_t
reg_stamp_ms(uint64_t stamp, uint32_t tag)
{
	return (stamp ^ reg_stamp(tag, 0)) >> REG_MS_BITS
		       ? 0
		       : stamp & REG_BITS(REG_MS_BITS);
}

/* A candidate's trial: row 10 | row generation 8 | tag 4 | ends at ms 42. */
static inline uint64_t
reg_trial(uint32_t row, uint64_t row_generation, uint32_t tag,
	  uint64_t until_ms)
{
	return (uint64_t)row << 54 |
	       (row_generation & REG_BITS(REG_TRIAL_GEN_BITS)) << 46 |
	       (tag & REG_BITS(4)) << REG_HEALTH_MS_BITS |
	       (until_ms & REG_BITS(REG_HEALTH_MS_BITS));
}

static inline uint32_t
reg_trial_row(uint64_t trial)
{
	return (uint32_t)(trial >> 54);
}

static inline uint64_t
reg_trial_row_generation(uint64_t trial)
{
	return trial >> 46 & REG_BITS(REG_TRIAL_GEN_BITS);
}

static inline bool
reg_trial_is(uint64_t trial, uint32_t tag)
{
	return ((trial >> REG_HEALTH_MS_BITS ^ tag) & REG_BITS(4)) == 0;
}

static inline uint64_t
reg_trial_until_ms(uint64_t trial)
{
	return trial & REG_BITS(REG_HEALTH_MS_BITS);
}

#endif
