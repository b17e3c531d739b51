/* SPDX-License-Identifier: MIT */
/*
 * layout.h - what lies where in the segment. Private to shm/.
 *
 * Every field has a fixed width and every gap is spelled out: no pointers, no
 * size_t, no time_t. Words that carry several numbers are taken apart and put
 * together only by the functions of words.h. A change here needs a new
 * REG_LAYOUT_VERSION and a new byte map in README.md.
 */
#ifndef REG_LAYOUT_H
#define REG_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "reg.h"
#include "words.h"
#include "words_queue.h"

#define REG_MAGIC UINT64_C(0x31474552484d4c52) /* "RLMHREG1" in memory */
#define REG_LAYOUT_VERSION 6u
#define REG_READY UINT64_C(0x5944414552474552) /* "REGREADY" in memory */

#define REG_GAUGES_MAX 8
#define REG_ONCE_MAX 16
#define REG_BLOCK_WORDS 63 /* 64-bit words of payload in one block */
#define REG_RECORD_WORDS 61 /* 64-bit words of bytes in one record */
#define REG_PREFIX_WAYS 8  /* entries that a hash can have */
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
	_Atomic uint64_t swept_ms;    /* leases of the dead were looked for */
	_Atomic uint64_t prefix_tick; /* of the last prefix that was put */
	uint64_t padding3[5];

	_Atomic uint64_t once[REG_ONCE_MAX];

	_Atomic uint64_t mark;	 /* reg_mark(): who waits is below */
	_Atomic uint64_t number; /* of the one that joined last */
	uint64_t padding4[6];

	_Atomic uint64_t recorded; /* number of the newest record */
	_Atomic uint64_t edited;   /* ... and of the newest edit */
	_Atomic uint64_t drained;  /* nodes that are, or more */
	uint64_t padding5[5];
};

/* One attached process. Only its owner writes behind the first line. */
struct reg_row {
	_Atomic uint64_t identity;   /* reg_identity(), 0 = free */
	_Atomic uint64_t generation; /* owners so far */
	_Atomic uint64_t wake;	     /* name of its socket, 0 = none */
	_Atomic uint64_t woken;	     /* 1: it was, and has not looked yet */
	_Atomic uint64_t pool[2];    /* what kind of process it is, in letters */
	_Atomic uint64_t note;	     /* a number that it says */
	uint64_t padding;
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

/*
 * One candidate, all of it in one line. It gets a (new) key only under the lock;
 * the other words name the tag they are of, so what comes late is of nobody.
 */
struct reg_place {
	_Atomic uint64_t key[2];
	_Atomic uint64_t name;	 /* reg_name(), 0 = never used; stored last */
	_Atomic uint64_t load;	 /* reg_load(): its tag decides; stored first */
	_Atomic uint64_t health; /* reg_health() */
	_Atomic uint64_t busy;	 /* reg_stamp(): passed over until then */
	_Atomic uint64_t byte;	 /* reg_stamp(): of the last one it gave */
	_Atomic uint64_t trial;	 /* reg_trial(), 0 = nobody tries it */
};

/*
 * One that waits. Whoever takes a free entry fills it before it waits; from then
 * on nothing changes but its state and when it was called.
 */
struct reg_wait {
	_Atomic uint64_t state; /* reg_wait() */
	_Atomic uint64_t queue;
	_Atomic uint64_t client;
	_Atomic uint64_t share; /* reg_share() */
	_Atomic uint64_t came;	/* reg_came() */
	_Atomic uint64_t number;
	_Atomic uint64_t called; /* reg_stamp() of its sequence */
	_Atomic uint64_t avoids;
};

/* Where what begins like this was sent; the two may be of two entries. */
struct reg_prefix {
	_Atomic uint64_t mixed; /* hash ^ value */
	_Atomic uint64_t value; /* 0 = free */
};

/* One of a ring. Who overtook whom while it was written, the check tells. */
struct reg_record {
	_Atomic uint64_t state; /* its number, and: it is being written */
	_Atomic uint64_t check; /* of number and words */
	_Atomic uint64_t words[1 + REG_RECORD_WORDS]; /* first: its bytes */
};

/* A node that gets no new requests, by a hash of its id. */
struct reg_drained {
	_Atomic uint64_t key;	  /* 0 = never used */
	_Atomic uint64_t seen_ms; /* when the node was, last; 0 = it is not
				   * drained */
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
	struct reg_place places[REG_CANDIDATES_MAX];
	_Atomic uint64_t rates[REG_CANDIDATES_MAX]; /* reg_rate_word() */
	struct reg_wait waits[REG_WAITERS_MAX];
	struct reg_prefix prefixes[REG_PREFIXES_MAX];
	_Atomic uint32_t prefix_ticks[REG_PREFIXES_MAX]; /* their last use */
	struct reg_record records[REG_RECORDS_MAX];
	struct reg_record edits[REG_EDITS_MAX];
	struct reg_drained drained[REG_DRAINED_MAX];
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
_Static_assert(offsetof(struct reg_header, mark) == 384, "waiters' line");
_Static_assert(offsetof(struct reg_header, recorded) == 448,
	       "recorders' line");
_Static_assert(sizeof(pthread_mutex_t) <= REG_LINE_BYTES, "mutex fits");
_Static_assert(sizeof(struct reg_row) == 512, "row");
_Static_assert(REG_GAUGES_MAX == REG_PROCESS_GAUGES, "a row's gauges");
_Static_assert(8 * 2 == REG_POOL_MAX, "a row's pool");
_Static_assert(offsetof(struct reg_row, counters) == 64, "counters' lines");
_Static_assert(sizeof(struct reg_slot) == 64, "slot");
_Static_assert(sizeof(struct reg_turn) == 192, "turn");
_Static_assert(sizeof(struct reg_target) == 64, "target");
_Static_assert(sizeof(struct reg_told) == 16, "told");
_Static_assert(sizeof(struct reg_place) == REG_LINE_BYTES, "place");
_Static_assert(sizeof(struct reg_wait) == REG_LINE_BYTES, "waiter");
_Static_assert(sizeof(struct reg_prefix) == 16, "prefix");
_Static_assert(sizeof(struct reg_record) == 512, "record");
_Static_assert(REG_RECORD_BYTES == 8 * REG_RECORD_WORDS, "a record's bytes");
_Static_assert(sizeof(struct reg_drained) == 16, "drained node");
_Static_assert(sizeof(struct reg_block) == 512, "block");
_Static_assert(sizeof(struct reg_head) == 24, "head");
_Static_assert(offsetof(struct reg_segment, rows) == 512, "byte map");
_Static_assert(offsetof(struct reg_segment, slots) == 524800, "byte map");
_Static_assert(offsetof(struct reg_segment, turns) == 786944, "byte map");
_Static_assert(offsetof(struct reg_segment, targets) == 983552, "byte map");
_Static_assert(offsetof(struct reg_segment, leases) == 1507840, "byte map");
_Static_assert(offsetof(struct reg_segment, told) == 2032128, "byte map");
_Static_assert(offsetof(struct reg_segment, places) == 2163200, "byte map");
_Static_assert(offsetof(struct reg_segment, rates) == 4260352, "byte map");
_Static_assert(offsetof(struct reg_segment, waits) == 4522496, "byte map");
_Static_assert(offsetof(struct reg_segment, prefixes) == 5571072, "byte map");
_Static_assert(offsetof(struct reg_segment, prefix_ticks) == 6619648,
	       "byte map");
_Static_assert(offsetof(struct reg_segment, records) == 6881792, "byte map");
_Static_assert(offsetof(struct reg_segment, edits) == 8978944, "byte map");
_Static_assert(offsetof(struct reg_segment, drained) == 8987136, "byte map");
_Static_assert(offsetof(struct reg_segment, blocks) == 9118208, "byte map");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "atomics are plain words");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "atomics need no hidden lock");
_Static_assert(REG_ROWS_MAX <= 1 << 10, "a row number has 10 bits");
_Static_assert(REG_LEASES_MAX <= 1 << 16, "a lease has 16 bits");
_Static_assert(REG_CANDIDATES_MAX <= 1 << 15, "a candidate has 15 bits");
_Static_assert(REG_HEAD_WORDS + REG_NODE_ID_MAX / 8 <= REG_BLOCK_WORDS,
	       "head and id are in the first block");

#endif
