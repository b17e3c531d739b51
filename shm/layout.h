/* SPDX-License-Identifier: MIT */
/*
 * layout.h - what lies where in the segment. Private to shm/.
 *
 * Every field has a fixed width and every gap is spelled out: no pointers, no
 * size_t, no time_t. Words that carry several numbers are taken apart and put
 * together only by the functions below. A change here needs a new
 * REG_LAYOUT_VERSION and a new byte map in README.md.
 */
#ifndef REG_LAYOUT_H
#define REG_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "reg.h"

#define REG_MAGIC UINT64_C(0x31474552484d4c52) /* "RLMHREG1" in memory */
#define REG_LAYOUT_VERSION 2u
#define REG_READY UINT64_C(0x5944414552474552) /* "REGREADY" in memory */

#define REG_GAUGES_MAX 8
#define REG_ONCE_MAX 16
#define REG_BLOCK_WORDS 63 /* 64-bit words of payload in one block */
#define REG_LINE_BYTES 64  /* what two writers must not share */

/*
 * The first line keeps its shape in every version, so that any version can
 * tell a segment of another one from rubbish.
 */
struct reg_header {
	uint64_t magic;
	uint32_t layout;      /* REG_LAYOUT_VERSION */
	uint32_t mutex_bytes; /* sizeof(pthread_mutex_t): another libc? */
	uint64_t total_bytes;
	uint64_t shape; /* hash of every size below, by segment.c */
	uint32_t n_blocks;
	uint32_t padding;
	_Atomic uint64_t ready; /* REG_READY, stored last by the creator */
	_Atomic uint64_t owner; /* identity of the launcher, 0 = none */
	uint64_t padding1;

	union {
		pthread_mutex_t mutex;
		uint8_t bytes[REG_LINE_BYTES];
	} lock;

	_Atomic uint64_t epoch;	     /* odd while nodes are being changed */
	_Atomic uint64_t turn_clock; /* new turn names so far */
	_Atomic uint64_t left;	     /* 1: its processes went to another one */
	uint64_t padding2[5];

	_Atomic uint64_t write_count; /* structural writes begun */
	uint64_t padding3[7];

	_Atomic uint64_t once[REG_ONCE_MAX];
	uint64_t padding4[16];
};

/* One attached process. Only its owner writes behind the first line. */
struct reg_row {
	_Atomic uint64_t identity;   /* reg_identity(), 0 = free */
	_Atomic uint64_t generation; /* owners so far */
	uint64_t padding[6];
	_Atomic uint64_t counters[REG_COUNTERS_MAX];
	_Atomic int64_t gauges[REG_GAUGES_MAX];
};

/* One node. A slot holds a node while `record` has a head. */
struct reg_slot {
	_Atomic uint64_t record; /* reg_link() of the registration */
	_Atomic uint64_t status; /* reg_link() of the last status */
	_Atomic uint64_t life;	 /* reg_life(): generation and seen_ms */
	_Atomic uint64_t id_hash;
	uint64_t padding[4];
};

/* One round-robin position; the name is read and written under the lock. */
struct reg_turn {
	_Atomic uint64_t position;
	_Atomic uint64_t used; /* turn_clock at the last use */
	uint64_t name_hash;
	_Atomic uint32_t name_bytes; /* 0 = free; stored last */
	uint32_t padding;
	char name[REG_TURN_NAME_MAX];
	uint64_t padding1[4];
};

/* One probe target. Its key changes only in the hands of a lease holder. */
struct reg_target {
	_Atomic uint64_t key[2];
	_Atomic uint64_t checked; /* reg_checked(), 0 = never used */
	_Atomic uint64_t outcome; /* reg_outcome() */
	_Atomic uint64_t lease;	  /* reg_claim(), 0 = nobody probes */
	uint64_t padding[3];
};

/* What was last said about something; shm/tell.c has the word's bits. */
struct reg_told {
	_Atomic uint64_t key;  /* 0 = never used */
	_Atomic uint64_t word; /* 0 = nothing was said */
};

/* A piece of a payload; `owner` says of which one, 0 = of none yet. */
struct reg_block {
	_Atomic uint32_t next; /* index of the next piece, 0 = the last one */
	_Atomic uint32_t owner;
	_Atomic uint64_t data[REG_BLOCK_WORDS];
};

struct reg_segment {
	struct reg_header header;
	struct reg_row rows[REG_ROWS_MAX];
	struct reg_slot slots[REG_NODES_MAX];
	struct reg_turn turns[REG_TURNS_MAX];
	struct reg_target targets[REG_PROBES_MAX];
	_Atomic uint64_t leases[REG_LEASES_MAX]; /* reg_held(), 0 = free */
	struct reg_told told[REG_TOLD_MAX];
	struct reg_block blocks[]; /* block 0 is never used: 0 = none */
};

/* What stands at the beginning of every payload's first block. */
struct reg_head {
	uint32_t bytes;		/* of the payload, without head and id */
	uint32_t id_bytes;	/* of the node id behind this head; status: 0 */
	uint64_t registered_ms; /* record: CLOCK_MONOTONIC; status: 0 */
	uint64_t record_generation; /* status: the record it belongs to */
};

#define REG_HEAD_WORDS (sizeof(struct reg_head) / 8)
#define REG_SEGMENT_MIN (sizeof(struct reg_segment) + 64 * 512)

_Static_assert(sizeof(struct reg_header) == 512, "header");
_Static_assert(offsetof(struct reg_header, ready) == 40, "first line");
_Static_assert(offsetof(struct reg_header, lock) == 64, "lock has its line");
_Static_assert(offsetof(struct reg_header, epoch) == 128, "epoch line");
_Static_assert(offsetof(struct reg_header, write_count) == 192,
	       "writers' line");
_Static_assert(offsetof(struct reg_header, once) == 256, "once words");
_Static_assert(sizeof(pthread_mutex_t) <= REG_LINE_BYTES, "mutex fits");
_Static_assert(sizeof(struct reg_row) == 512, "row");
_Static_assert(offsetof(struct reg_row, counters) == 64, "counters' lines");
_Static_assert(sizeof(struct reg_slot) == 64, "slot");
_Static_assert(sizeof(struct reg_turn) == 192, "turn");
_Static_assert(sizeof(struct reg_target) == 64, "target");
_Static_assert(sizeof(struct reg_told) == 16, "told");
_Static_assert(sizeof(struct reg_block) == 512, "block");
_Static_assert(sizeof(struct reg_head) == 24, "head");
_Static_assert(offsetof(struct reg_segment, rows) == 512, "byte map");
_Static_assert(offsetof(struct reg_segment, slots) == 524800, "byte map");
_Static_assert(offsetof(struct reg_segment, turns) == 786944, "byte map");
_Static_assert(offsetof(struct reg_segment, targets) == 983552, "byte map");
_Static_assert(offsetof(struct reg_segment, leases) == 1507840, "byte map");
_Static_assert(offsetof(struct reg_segment, told) == 2032128, "byte map");
_Static_assert(offsetof(struct reg_segment, blocks) == 2163200, "byte map");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "atomics are plain words");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "atomics need no hidden lock");
_Static_assert(REG_ROWS_MAX <= 1 << 10, "a row number has 10 bits");
_Static_assert(REG_NODES_MAX <= 1 << 12, "a slot number has 12 bits");
_Static_assert(REG_HEAD_WORDS + REG_NODE_ID_MAX / 8 <= REG_BLOCK_WORDS,
	       "head and id are in the first block");

/* ---- words with several numbers ------------------------------------------ */

#define REG_BITS(n) ((UINT64_C(1) << (n)) - 1)

#define REG_MS_BITS 44	      /* 557 years of milliseconds */
#define REG_NODE_GEN_BITS 20  /* generations of a node slot */
#define REG_LEASE_GEN_BITS 21 /* row generations in a lease */
#define REG_CLAIM_GEN_BITS 10 /* row generations in a probe lease */
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

/* Lease: in use 1 | row 10 | row generation 21 | slot 12 | its generation 20.
 */
static inline uint64_t
reg_held(uint32_t row, uint64_t row_generation, uint32_t slot,
	 uint32_t slot_generation)
{
	return UINT64_C(1) << 63 | (uint64_t)row << 53 |
	       (row_generation & REG_BITS(REG_LEASE_GEN_BITS)) << 32 |
	       (uint64_t)slot << REG_NODE_GEN_BITS |
	       (slot_generation & REG_BITS(REG_NODE_GEN_BITS));
}

static inline uint32_t
reg_held_row(uint64_t held)
{
	return (uint32_t)(held >> 53 & REG_BITS(10));
}

static inline uint64_t
reg_held_row_generation(uint64_t held)
{
	return held >> 32 & REG_BITS(REG_LEASE_GEN_BITS);
}

static inline uint32_t
reg_held_slot(uint64_t held)
{
	return (uint32_t)(held >> REG_NODE_GEN_BITS & REG_BITS(12));
}

static inline uint32_t
reg_held_slot_generation(uint64_t held)
{
	return (uint32_t)(held & REG_BITS(REG_NODE_GEN_BITS));
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

#endif
