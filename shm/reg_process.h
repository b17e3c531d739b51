/* SPDX-License-Identifier: MIT */
/*
 * reg_process.h - the part of reg.h about who is attached, and about nodes that
 * are drained. reg.h includes it, and its promises hold here, too.
 */
#ifndef REG_PROCESS_H
#define REG_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct reg;
struct reg_err;

#define REG_POOL_MAX 16		   /* bytes of what a process calls itself */
#define REG_PROCESS_GAUGES 8	   /* gauges of a row */
#define REG_DRAINED_MAX 8192	   /* nodes that are drained at one time */
#define REG_DRAIN_KEEP_MS 86400000 /* unseen for so long, it is no longer */

/* ---- processes ------------------------------------------------------------
 */

/* One that lives, as its row stood at some moment. */
struct reg_process {
	uint32_t row;
	uint64_t generation; /* owners that the row had so far */
	uint32_t pid;
	char pool[REG_POOL_MAX + 1]; /* "" = it said nothing */
	uint64_t note;		     /* 0 = it said nothing */
	int64_t gauges[REG_PROCESS_GAUGES];
};

/*
 * reg_process_say - what this process is, for whoever looks.
 * @pool  its kind, printable; what is behind REG_POOL_MAX bytes is left out
 * @note  any number
 * Gone with the process, comes along in a move. Seven stores; whoever reads
 * meanwhile may find the old and the new.
 */
void reg_process_say(struct reg *r, const char *pool, uint64_t note);

/*
 * reg_process_next - walk the living processes in the order of their rows.
 * @row  in: the first row to look at, 0 at first; out: the one behind it
 * Returns false at the end. Reads /proc once for each process.
 */
bool reg_process_next(const struct reg *r, uint32_t *row,
		      struct reg_process *out);

/* ---- nodes that are drained -----------------------------------------------
 */

/*
 * reg_drain_set - from now on a node is drained, or it is no longer.
 * @key     a hash of its id
 * @now_ms  CLOCK_MONOTONIC: it counts as seen now
 * @err     BUSY; FULL (as many are drained as there may be)
 * Returns 0 / -1. Setting what is set already is fine. Crash: it is set or not.
 */
int reg_drain_set(struct reg *r, uint64_t key, bool drained, uint64_t now_ms,
		  struct reg_err *err) __attribute__((warn_unused_result));

/*
 * reg_drain_is - is it drained, and was it seen within REG_DRAIN_KEEP_MS? One
 * load where no node is, no lock. Outlives its registration and every process;
 * comes along in a move.
 */
bool reg_drain_is(const struct reg *r, uint64_t key, uint64_t now_ms);

/* reg_drain_any - may any node be drained? One load. */
bool reg_drain_any(const struct reg *r);

/* reg_drain_seen - a drained node lived at that time; any other: nothing
 * happens. One store a minute at most. */
void reg_drain_seen(struct reg *r, uint64_t key, uint64_t seen_ms);

#endif
