/* SPDX-License-Identifier: MIT */
/*
 * reg.h - the state that the processes of one instance share.
 *
 * A POSIX shared-memory segment with: nodes that register and go stale, turns
 * (round-robin positions), probe results, one row a process with its counters,
 * and leases that a dead process cannot leak. The library knows nothing of
 * gateways: payloads are opaque bytes, turns and probes are looked up by name.
 *
 * Promises, for every function unless it says otherwise:
 *  - Process-safe: any process may call it at any time; any process may be
 *    killed at any instruction, and the others go on with nothing lost but what
 *    that process had not published.
 *  - Blocks: never. Structural writes try a robust mutex for a bounded number
 *    of rounds and return REG_BUSY; the caller decides when to try again.
 *  - Not thread-safe and not signal-safe: one thread a process per handle.
 *  - Readers get copies and never hold references into the segment. Damage to
 *    the segment makes calls fail or tell nonsense, but never crash or hang
 *    (README.md names the two exceptions).
 *  - @err is set on failure only, and may be NULL.
 * The layout is private (layout.h); README.md explains it.
 */
#ifndef REG_H
#define REG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REG_MUSTCHECK __attribute__((warn_unused_result))

#define REG_DEFAULT_BYTES (18u << 20) /* of a segment, all of it allocated */
#define REG_NODES_MAX 4096	/* nodes, fresh and stale together */
#define REG_NODE_ID_MAX 128	/* bytes of a node id, without '\0' */
#define REG_PAYLOAD_MAX (512u << 10) /* bytes of one payload */
#define REG_ROWS_MAX 1024	/* processes attached at one time */
#define REG_COUNTERS_MAX 48	/* counters a row holds */
#define REG_TURNS_MAX 1024	/* names with a round-robin position */
#define REG_TURN_NAME_MAX 128	/* bytes of such a name, without '\0' */
#define REG_PROBES_MAX 8192	/* probe targets remembered */
#define REG_TOLD_MAX 8192	/* things of which a state is remembered */

enum reg_code {
	REG_OK = 0,
	REG_BUSY,	/* another process is at it; try again soon */
	REG_FULL,	/* no room of the kind the message names */
	REG_NOT_FOUND,	/* no such node (any more) */
	REG_TOO_LARGE,	/* an id, name or payload over its limit */
	REG_LAYOUT,	/* the segment is of another version, size or not ours */
	REG_SYSTEM	/* a system call failed; `sys` has errno */
};

struct reg_err {
	enum reg_code code;
	int sys;	/* errno, 0 = none */
	char msg[256];	/* what failed and what to do */
};

struct reg;	/* one attached segment; opaque */

/* ---- attach -------------------------------------------------------------- */

/*
 * reg_open - attach to a segment, creating it when there is none.
 * @name   POSIX name: a '/' and 1 .. 200 more bytes without '/'
 * @bytes  size when it has to be created, at least 9,150,976;
 *         0 = REG_DEFAULT_BYTES
 * @err    SYSTEM (ENOSPC: /dev/shm is full; EINVAL: name or size), LAYOUT (of
 *         another version, size or user; the message says what to do), FULL (no
 *         process row left), BUSY (somebody creates it for 2 s already)
 * Returns a handle that the caller closes, or NULL. Takes a row for this
 * process, reusing those of dead ones. After fork() the child opens its own;
 * on its parent's handle it may call reg_close() and nothing else.
 * Blocks: up to 2 s, and reads /proc once per attached process: for start-up.
 * Crash: creation happens under flock(2); a creator that dies half-way leaves a
 * segment without its ready word, which the next opener builds again.
 */
REG_MUSTCHECK struct reg *reg_open(const char *name, size_t bytes,
				   struct reg_err *err);

/*
 * reg_close - give back the row and the leases of this handle, and unmap. NULL
 * is allowed. In a forked child it only unmaps: the rest is the parent's.
 */
void reg_close(struct reg *r);

/* reg_unlink - remove the name; attached processes keep their mapping. 0, or -1
 * with errno. */
int reg_unlink(const char *name);

/*
 * reg_own - become the one owner of the instance (the launcher).
 * Returns 0; -1 with err->code BUSY when a live process owns it already (its
 * pid is in the message) or SYSTEM. Lasts until reg_close() or death: a kernel
 * lock on the descriptor, which children share until they exec.
 */
REG_MUSTCHECK int reg_own(struct reg *r, struct reg_err *err);

/* ---- a segment whose file is gone ---------------------------------------- */

/*
 * Cleaners and people remove files in /dev/shm. Attached processes keep their
 * mapping, but whoever starts meets an empty segment, or none. So each process
 * asks reg_is_current() now and then and reg_was_left() at every occasion, and
 * moves: the first one carries what is registered over to the segment that the
 * name leads to now (it makes one where there is none) and marks the old one as
 * left; changes of a segment that was left are BUSY.
 */

/* reg_is_current - does the name still lead to this segment? Two stat(2). In
 * doubt (they fail) yes. */
bool reg_is_current(const struct reg *r);

/* reg_was_left - did another process move on? One atomic load. */
bool reg_was_left(const struct reg *r);

struct reg_move {
	bool first;	/* this process carried things over, not just itself */
	unsigned nodes; /* how many came along then */
};

/*
 * reg_move_begin - attach to the segment that the name leads to now.
 * @r    not current, or left
 * @what filled on success
 * @err  as reg_open(), and BUSY where that waits: it moves at the moment, or the
 *       new segment is locked; try again soon
 * Returns a handle on the new segment, or NULL: @r stays what it is and is not
 * left by this. Carried over: nodes with their status (of two registrations of
 * one id the later one stays), turns, probe results, once-words, what was said,
 * how candidates are (without trials), rates (of two the emptier bucket), how fast
 * queues move, prefixes, counters; not leases, who waits, gauges and the ownership.
 * Takes milliseconds: the file is allocated.
 * Crash: whoever comes next does all of it again.
 */
REG_MUSTCHECK struct reg *reg_move_begin(struct reg *r, struct reg_move *what,
					 struct reg_err *err);

/*
 * reg_move_end - from here on @r is what @to was: all who hold @r are in the new
 * segment. @to is gone; gauges and the descriptor of reg_wake_fd() come along.
 * Leases in the old one must have been taken anew in @to (see
 * reg_move_candidate()) or be forgotten, and who waits joins anew in @to (its
 * number stays his) or in @r afterwards; what was read from @r
 * before (references, epochs, indices of turns) says nothing any more; the owner
 * calls reg_own() again.
 */
void reg_move_end(struct reg *r, struct reg *to);

/* ---- nodes --------------------------------------------------------------- */

/* Where a node lives; both numbers must match for it to be the same one. */
struct reg_node_ref {
	uint32_t slot;		/* 0 .. REG_NODES_MAX-1 */
	uint32_t generation;	/* changes when another node takes the slot */
};

struct reg_node {
	struct reg_node_ref ref;
	char id[REG_NODE_ID_MAX + 1];
	uint64_t registered_ms;	/* CLOCK_MONOTONIC ms of the last registration */
	uint64_t seen_ms;	/* CLOCK_MONOTONIC ms of the last sign of life */
	uint64_t record_version; /* changes whenever the record does */
	uint64_t status_version; /* changes whenever the status does */
};

/* reg_move_ref - where a node of @from is in @to, during a move. A slot of
 * REG_NODES_MAX: nowhere. */
struct reg_node_ref reg_move_ref(const struct reg *from, const struct reg *to,
				 struct reg_node_ref ref);

/*
 * reg_node_put - register a node, or replace its registration atomically.
 * @id            1 .. REG_NODE_ID_MAX bytes, C string
 * @record, @len  opaque registration; 1 .. REG_PAYLOAD_MAX bytes
 * @now_ms        CLOCK_MONOTONIC ms; becomes seen_ms
 * @stale_ms      age from which a node may be pushed out when there is no room
 * @evicted       storage of REG_NODE_ID_MAX+1 bytes: the id of the node pushed
 *                out (the longest-stale one), "" when none was; may be NULL
 * @err           BUSY, TOO_LARGE, SYSTEM (ENOMEM), FULL (no room, not even
 *                without all that is stale; nobody was pushed out then)
 * Returns 0 / -1. A replaced node loses its status. Readers see the old
 * registration or the new one, never a mixture. Old and new record need room at
 * the same time.
 */
REG_MUSTCHECK int reg_node_put(struct reg *r, const char *id,
			       const void *record, size_t len, uint64_t now_ms,
			       uint64_t stale_ms, char *evicted,
			       struct reg_err *err);

/*
 * reg_node_touch - a sign of life.
 * @status, @len  opaque new status, or NULL / 0 to keep the one it has
 * @err           BUSY, NOT_FOUND, TOO_LARGE, SYSTEM (ENOMEM), FULL (no room for
 *                the status: the old one stays, the sign of life counts)
 * Returns 0 / -1. seen_ms never goes backwards.
 */
REG_MUSTCHECK int reg_node_touch(struct reg *r, const char *id,
				 const void *status, size_t len,
				 uint64_t now_ms, struct reg_err *err);

/* reg_node_remove - deregister. @err BUSY, NOT_FOUND. */
REG_MUSTCHECK int reg_node_remove(struct reg *r, const char *id,
				  struct reg_err *err);

/*
 * reg_epoch - a number that changes with every registration, removal and new
 * status, and stays while nodes merely give signs of life. One atomic load:
 * readers ask for it, then parse, and keep what they parsed until it changes.
 * It is above 0, and odd while a change is under way; if the process that made
 * it died, this call finishes for it.
 */
uint64_t reg_epoch(const struct reg *r);

/*
 * reg_node_next - walk the nodes in slot order.
 * @slot  in: first slot to look at; out: the slot after the one found
 * @out   filled when one was found
 * Returns true, or false at the end. Costs no lock; a node that changes during
 * the walk is seen before or after the change.
 */
bool reg_node_next(const struct reg *r, uint32_t *slot, struct reg_node *out);

/* reg_node_get - the node of an id, without a lock. False: there is none. */
bool reg_node_get(const struct reg *r, const char *id, struct reg_node *out);

/*
 * reg_node_seen - freshness on the hot path: one atomic load or two.
 * Returns seen_ms, or 0 when @ref no longer names a node.
 */
uint64_t reg_node_seen(const struct reg *r, struct reg_node_ref ref);

enum reg_payload { REG_RECORD, REG_STATUS };

/*
 * reg_node_read - copy a payload.
 * @out   set to malloc'ed bytes the caller frees, '\0' behind them; NULL with
 *        *len = 0 when the node has no such payload
 * @err   NOT_FOUND (the node is gone or another), BUSY (it kept changing),
 *        LAYOUT (damaged), SYSTEM (ENOMEM)
 * Returns 0 / -1.
 */
REG_MUSTCHECK int reg_node_read(const struct reg *r, struct reg_node_ref ref,
				enum reg_payload which, char **out, size_t *len,
				struct reg_err *err);

/* ---- turns: exact round robin over all processes ------------------------- */

/*
 * reg_turn_open - the index of a name's position, created at 0 when new.
 * @name   1 .. REG_TURN_NAME_MAX bytes, C string
 * @index  set to 0 .. REG_TURNS_MAX-1
 * @err    BUSY, TOO_LARGE
 * A full table gives the place of the name unused longest away; who still holds
 * its index then draws from the same numbers as the new name.
 */
REG_MUSTCHECK int reg_turn_open(struct reg *r, const char *name,
				uint32_t *index, struct reg_err *err);

/* reg_turn_next - take the next number, 0, 1, 2, ...; one atomic add. 0 when
 * @index is out of range. */
uint64_t reg_turn_next(struct reg *r, uint32_t index);

/*
 * reg_turn_look - the number that reg_turn_next() would give next, without taking
 * it; 0 for a name that has no position.
 * @name   as for reg_turn_open()
 * @err    BUSY, TOO_LARGE
 * Returns 0, or -1. Changes nothing; takes the lock for a moment.
 */
REG_MUSTCHECK int reg_turn_look(struct reg *r, const char *name,
				uint64_t *next, struct reg_err *err);

/* ---- probes: one process asks, all know ---------------------------------- */

struct reg_probe {
	uint64_t checked_ms;	/* CLOCK_MONOTONIC ms of the result, 0 = none yet */
	uint32_t result;	/* opaque, 0 .. 2^20-1 */
	int64_t since_wall_s;	/* when `result` became what it is */
};

enum reg_probe_turn {
	REG_PROBE_FRESH,	/* *out is younger than the ttl: use it */
	REG_PROBE_MINE,		/* the caller probes now and calls reg_probe_put() */
	REG_PROBE_WAIT,		/* a live process is at it (this one?): ask again */
	REG_PROBE_NO_ROOM	/* all entries are in use: probe without sharing */
};

/*
 * reg_probe_begin - who probes this target?
 * @key       128 bits naming the target (a hash of URL and credentials)
 * @now_ms    CLOCK_MONOTONIC ms
 * @ttl_ms    a result this young is fresh; 0 = never
 * @lease_ms  how long a MINE is exclusive if its owner hangs (a dead owner's is
 *            taken over at once, or 50 ms after it was last found alive)
 * @out       last known result, also for MINE and WAIT (checked_ms 0 = none)
 */
enum reg_probe_turn reg_probe_begin(struct reg *r, const uint64_t key[2],
				    uint64_t now_ms, uint64_t ttl_ms,
				    uint64_t lease_ms, struct reg_probe *out);

/*
 * reg_probe_last - the last known result, however old; nobody is to probe for
 * it. checked_ms 0: there is none.
 */
void reg_probe_last(const struct reg *r, const uint64_t key[2],
		    struct reg_probe *out);

/*
 * reg_probe_put - publish a result and end the exclusive right.
 * @result  0 .. 2^20-1; since_wall_s moves only when it differs from the last
 * Without the right (lease_ms is over and another has it, or the target was
 * forgotten meanwhile) nothing is published.
 */
void reg_probe_put(struct reg *r, const uint64_t key[2], uint64_t now_ms,
		   int64_t now_wall_s, uint32_t result);

/*
 * reg_probe_forget - drop a target's result (it registered anew). The next
 * reg_probe_begin() says MINE; a probe under way no longer counts.
 */
void reg_probe_forget(struct reg *r, const uint64_t key[2]);

/* ---- counters ------------------------------------------------------------ */

/* reg_counter_add - add to a cumulative counter of this process's row.
 * @index 0 .. REG_COUNTERS_MAX-1. Rows keep their counts when a process dies
 * and the next one takes the row, so sums never go backwards. */
void reg_counter_add(struct reg *r, unsigned index, uint64_t n);

/* reg_gauge_add - change a gauge of this process's row (n may be negative).
 * Gauges of dead processes do not count. @index 0 .. 7. */
void reg_gauge_add(struct reg *r, unsigned index, int64_t n);

/* reg_counter_sum / reg_gauge_sum - over all rows / all live rows; the latter
 * reads /proc once per attached process. */
uint64_t reg_counter_sum(const struct reg *r, unsigned index);
int64_t reg_gauge_sum(const struct reg *r, unsigned index);

/* reg_rows_live - number of live handles, mostly one a process; reads /proc. */
unsigned reg_rows_live(const struct reg *r);

/*
 * reg_once - has this value been announced? Sets word @index (0 .. 15) to
 * @value; returns true for the one process that changed it. Words begin at 0.
 */
bool reg_once(struct reg *r, unsigned index, uint64_t value);

/* ---- what was said: one process says a change, once ----------------------- */

enum reg_told_state {
	REG_TOLD_NOTHING,
	REG_TOLD_GOOD,
	REG_TOLD_BAD
};

/* reg_told - what was last said about something (a hash of its name). */
enum reg_told_state reg_told(const struct reg *r, uint64_t key);

/* reg_told_since_ms - since when it is so; 0: nothing was said. */
uint64_t reg_told_since_ms(const struct reg *r, uint64_t key);

/* reg_tell_good - remember, unsaid, that it is well, if nothing is known. */
void reg_tell_good(struct reg *r, uint64_t key, uint64_t now_ms);

/*
 * reg_tell_begin - has the state of something changed, and is it this process
 * that says so?
 * @key       as above; of more than REG_TOLD_MAX some are forgotten, and said
 *            again
 * @bad       its state. What nothing was said about is well
 * @now_ms    CLOCK_MONOTONIC ms
 * @since_ms  set when true: when the state before began, 0 = unknown
 * Returns true for one of all processes, which then says it and calls
 * reg_tell_end(). Crash: if it dies between the two, another one is told to say
 * it: once more, perhaps, but never not at all.
 */
bool reg_tell_begin(struct reg *r, uint64_t key, bool bad, uint64_t now_ms,
		    uint64_t *since_ms);
void reg_tell_end(struct reg *r, uint64_t key);

/*
 * reg_verify - check every invariant of the layout (tests, regdump).
 * Returns 0, or -1 with err->code LAYOUT and the first violation in words, BUSY
 * or SYSTEM (ENOMEM). Holds the write lock for about a millisecond.
 */
REG_MUSTCHECK int reg_verify(const struct reg *r, struct reg_err *err);

#include "reg_candidate.h" /* places that can serve, and what runs there */
#include "reg_queue.h"	   /* who waits for one, and how often somebody comes */
#include "reg_recorder.h"  /* what happened last */
#include "reg_process.h"   /* who is attached, which nodes are drained */

#endif
