/* SPDX-License-Identifier: MIT */
/*
 * internal.h - the handle, and what the files of shm/ offer one another.
 *
 * Nothing outside shm/, its tests and regdump includes this. The functions
 * below follow the rules of reg.h; "locked" means that the caller holds the
 * lock of the segment.
 */
#ifndef REG_INTERNAL_H
#define REG_INTERNAL_H

#include <sys/types.h>

#include "base/hash.h"
#include "layout.h"

#define REG_NO_SLOT REG_NODES_MAX

/* What this process last found out about the owner of a row. */
struct reg_watch {
	uint64_t identity; /* of whom, 0 = nothing known */
	uint64_t asked_ms; /* caller's clock */
	bool dead;
};

#define REG_NAME_BYTES_MAX 200 /* of a segment's name behind the '/' */

struct reg {
	char name[REG_NAME_BYTES_MAX + 2];
	struct reg_segment *seg;
	size_t bytes;	   /* mapped */
	uint32_t n_blocks; /* own copy: bounds every index read from seg */
	int fd;
	pid_t pid;	   /* who opened it; a forked child owns nothing */
	uint64_t identity; /* of this process; 0 = attached only to look */
	uint32_t row;
	uint64_t row_generation;
	uint32_t lease_hint; /* where to look for a free lease first */
	uint32_t leases_held;
	uint64_t swept_ms; /* when leases of the dead were last collected */
	uint32_t wait_hint;	 /* where to look for a free waiter first */
	uint32_t waiting;	 /* waiters of this handle */
	uint64_t wait_full_ms;	 /* when none was free, 0 = there was one */
	int wake_fd;		 /* of reg_wake_fd(), while it has ... */
	uint64_t wake_number;	 /* ... a name, 0 = none yet */
	bool is_owner;	   /* reg_own() succeeded */

	/* Blocks in use, known only between reg_blocks_begin() and unlock. */
	uint64_t *used;	      /* one bit a block */
	uint32_t free_blocks; /* bits that are 0, block 0 aside */
	uint32_t next_block;  /* where to look for a free one */
	uint64_t used_count;  /* write_count that `used` belongs to */
	bool used_valid;

	struct reg_watch *watch; /* one a row; NULL: attached only to look */
};

/*
 * A place where the process may die, and one where it only looks: nothing is
 * left there by a death, but others may act before it looks again. Tests
 * compile the library once more with REG_CRASH_POINTS and provide the two
 * functions, which kill, stop or overtake it at the n-th of them.
 */
#ifdef REG_CRASH_POINTS
void reg_crash_point(void);
void reg_stop_point(void);
#define REG_CRASH_POINT() reg_crash_point()
#define REG_STOP_POINT() reg_stop_point()
#else
#define REG_CRASH_POINT() ((void)0)
#define REG_STOP_POINT() ((void)0)
#endif

/* ---- error.c --------------------------------------------------------------
 */

/* Fills @err (NULL is allowed) and returns -1. */
int reg_fail(struct reg_err *err, enum reg_code code, int sys, const char *fmt,
	     ...) __attribute__((format(printf, 4, 5)));

/* CLOCK_MONOTONIC in ms, for bounds that callers do not inject. */
uint64_t reg_clock_ms(void);

/* ---- segment.c: the file ------------------------------------------------- */

/*
 * Opens or creates and maps; fills name, seg, bytes, n_blocks and fd of @r. One
 * that was left is removed first. 0, or -1, BUSY after @wait_ms.
 */
int reg_segment_open(struct reg *r, const char *name, size_t bytes,
		     uint64_t wait_ms, struct reg_err *err);

/* Maps an existing segment for reading only. The same fields. 0 / -1. */
int reg_segment_look(struct reg *r, const char *name, struct reg_err *err);

/* Unmaps and closes what the above two left; harmless on a zeroed handle. */
void reg_segment_close(struct reg *r);

/* ---- open.c --------------------------------------------------------------- */

/* reg_open() that waits for so long at most; 0 = not at all. */
struct reg *reg_open_within(const char *name, size_t bytes, uint64_t wait_ms,
			    struct reg_err *err);

/* ---- identity.c: who is alive ---------------------------------------------
 */

/* Identity of the calling process; 0 with @err set when /proc is missing. */
uint64_t reg_identity_self(struct reg_err *err);

/* Is the process alive? Reads /proc; in doubt (no descriptors left) yes. */
bool reg_identity_alive(uint64_t identity);

/* ---- row.c -----------------------------------------------------------------
 */

/*
 * Takes a free row or a dead one's, whose leases stay to be cleared. 0, or -1
 * with FULL.
 */
int reg_row_claim(struct reg *r, struct reg_err *err);

/* Gives the row back. */
void reg_row_release(struct reg *r);

/* Adds what every row of a segment has counted to the row of another one; a
 * second call adds only what came in between. */
void reg_row_carry_counters(const struct reg *from, struct reg *to);

/* Does the owner of a row live? Reads /proc; frees the row when not. */
bool reg_row_alive(const struct reg *r, uint32_t row);

/*
 * Has the owner that a row had at a generation (its low bits under @mask)
 * died or left? Looks into /proc at most every 50 ms of @now_ms for one row.
 */
bool reg_row_gone(const struct reg *r, uint32_t row, uint64_t generation,
		  uint64_t mask, uint64_t now_ms);

/* ---- lock.c ----------------------------------------------------------------
 */

/*
 * Takes the lock, repairing what a dead holder left. 0, or -1 BUSY / LAYOUT.
 * BUSY, too, once the segment was left: a change would go nowhere.
 */
int reg_lock(const struct reg *r, struct reg_err *err);

/* The same, whether it was left or not. */
int reg_lock_any(const struct reg *r, struct reg_err *err);
void reg_unlock(const struct reg *r);

/* Locked: the nodes change between these two. */
void reg_epoch_begin(const struct reg *r);
void reg_epoch_end(const struct reg *r);

/* ---- blocks.c: chains of blocks --------------------------------------------
 */

/* Block owner of a slot's payload. */
static inline uint32_t
reg_block_owner(uint32_t slot, enum reg_payload which)
{
	return slot * 2 + (which == REG_STATUS) + 1;
}

/* Blocks that a payload of so many words takes. */
static inline uint32_t
reg_blocks_for(size_t words)
{
	return (uint32_t)((words + REG_BLOCK_WORDS - 1) / REG_BLOCK_WORDS);
}

/* Locked: learn which blocks are in use, before writing or freeing any. */
void reg_blocks_begin(struct reg *r);

/* Locked: length of a chain in blocks, as far as it is intact. */
uint32_t reg_chain_length(const struct reg *r, uint32_t head, uint32_t owner);

/*
 * Locked: write a chain nobody refers to yet. Returns its head; 0 when there
 * are not enough free blocks (nothing is taken then).
 */
uint32_t reg_chain_write(struct reg *r, uint32_t owner, const uint64_t *words,
			 size_t n);

/* Locked: the chain is no longer referred to; its blocks are free. */
void reg_chain_free(struct reg *r, uint32_t head, uint32_t owner);

/*
 * Copies the first @n words of a chain. True; false when the chain is not that
 * long or damaged. Valid only if the link that led here is unchanged after.
 */
bool reg_chain_read(const struct reg *r, uint32_t head, uint32_t owner,
		    uint64_t *words, size_t n);

/* ---- node_read.c ------------------------------------------------------------
 */

/* Words of a payload with its head and id. */
static inline size_t
reg_image_words(size_t id_bytes, size_t bytes)
{
	return REG_HEAD_WORDS + (id_bytes + 7) / 8 + (bytes + 7) / 8;
}

/* A payload's head and, for a record, the id, as they stand in the chain. */
struct reg_front {
	struct reg_head head;
	char id[REG_NODE_ID_MAX + 1];
};

/* Reads and bounds-checks the front of a chain; false = damaged or changed. */
bool reg_front_read(const struct reg *r, uint32_t head, uint32_t owner,
		    struct reg_front *out);

/* ---- node.c -----------------------------------------------------------------
 */

/* Locked: the slot of a node, REG_NO_SLOT when there is none. */
uint32_t reg_node_find(const struct reg *r, const char *id);

/* The next generation of a slot, never 0: a zeroed ref names nobody. */
uint32_t reg_node_next_generation(uint32_t generation);

/* ---- slot.c -----------------------------------------------------------------
 */

/* Locked: publishes a payload's new chain (0 = none) and frees the old one. */
void reg_slot_publish(struct reg *r, uint32_t index, enum reg_payload which,
		      uint32_t head);

/* Locked: the node of a slot and its status go; their blocks are free. */
void reg_slot_clear(struct reg *r, uint32_t slot);

/* ---- turn.c, probe.c, tell.c, candidate.c, prefix.c: their part in a move ---
 */

/* Both locked: names and positions; a position never goes back. */
void reg_turn_carry(const struct reg *from, struct reg *to);

/* What was said, where the new segment knows nothing of it. */
void reg_tell_carry(const struct reg *from, struct reg *to);

/* Where the new segment knows nothing of them: how candidates are ... (both
 * locked) */
void reg_candidate_carry(const struct reg *from, struct reg *to);

/* ... and prefixes. */
void reg_prefix_carry(const struct reg *from, struct reg *to);

/* Both locked: results whose place nobody else has. */
void reg_probe_carry(const struct reg *from, struct reg *to);

/* ---- room.c -----------------------------------------------------------------
 */

/* What a registration needs room for. */
struct reg_need {
	uint32_t slot; /* the node's own, never pushed out; REG_NO_SLOT = new */
	uint32_t blocks;
	uint64_t now_ms;
	uint64_t stale_ms; /* nodes silent for so long may be pushed out */
};

/* Locked: is there room, if every stale node went? 0, or -1 with FULL. */
int reg_room_check(const struct reg *r, const struct reg_need *need,
		   struct reg_err *err);

/*
 * Locked: pushes out stale nodes until there is room. Returns the slot to use,
 * REG_NO_SLOT when there is none; @evicted (empty, or NULL) gets the first id.
 */
uint32_t reg_room_make(struct reg *r, const struct reg_need *need,
		       char *evicted);

/* ---- candidate.c ------------------------------------------------------------
 */

/* The entry that a reference leads to; NULL when that is another's by now. */
struct reg_place *reg_candidate_at(const struct reg *r,
				   struct reg_candidate_ref c);

/* ---- verify.c
 * ---------------------------------------------------------------- */

/* reg_verify() without the lock: what it says about a live segment may pass. */
int reg_check(const struct reg *r, struct reg_err *err);

/* ---- census.c
 * ---------------------------------------------------------------- */

/* What is known of the rows during one pass over a table; zeroed before. */
struct reg_census {
	bool known[REG_ROWS_MAX];
	bool live[REG_ROWS_MAX];
	uint64_t generation[REG_ROWS_MAX]; /* `live` is about this one */
};

/*
 * Does the process live that had a row at a generation (its low bits under
 * @mask)? A verdict counts only for the generation it was made for: the row may
 * have a new owner meanwhile.
 */
bool reg_census_live(const struct reg *r, struct reg_census *c, uint32_t row,
		     uint64_t row_generation, uint64_t mask);

/* ---- queue.c
 * ----------------------------------------------------------------- */

/* Ends what the dead waited for. How many of them there were. */
unsigned reg_queue_sweep(struct reg *r);

/* Ends every waiter that names this handle's row; at claim and at close. */
void reg_queue_clear(struct reg *r);

/* Numbers go on where they were: who moves keeps his. */
void reg_queue_carry(const struct reg *from, struct reg *to);

/* ---- recorder.c
 * -------------------------------------------------------------- */

/* Records keep their numbers; where the new segment has one, that stays. */
void reg_recorder_carry(const struct reg *from, struct reg *to);

/* ---- row.c, drain.c
 * ----------------------------------------------------------- */

/* What this process says of itself, it says in the new segment. */
void reg_process_move(const struct reg *r, struct reg *to);

/* Both locked: nodes that are drained are so in the new segment, too. */
void reg_drain_carry(const struct reg *from, struct reg *to);

/* ---- wake.c
 * ------------------------------------------------------------------ */

/* What wakes this process, wakes it in the new segment. */
void reg_wake_move(struct reg *r, struct reg *to);

/* Closes what reg_wake_fd() made. */
void reg_wake_close(struct reg *r);

/* ---- lease.c
 * ----------------------------------------------------------------- */

/* Ends every lease that names this handle's row; at claim and at close. */
void reg_lease_clear(struct reg *r);

/* ---- load.c -----------------------------------------------------------------
 */

/* A lease that was @held gets another state; not if it is no longer. */
void reg_lease_become(const struct reg *r, uint32_t lease, uint64_t held,
		      enum reg_held_state state);

/* What a load word says of a lease is made true there: before the word may
 * change, and so lose who was the last. */
void reg_lease_help(const struct reg *r, uint32_t candidate, uint64_t load);

#endif
