/* SPDX-License-Identifier: MIT */
/*
 * reg_recorder.h - the part of reg.h about what happened last: two rings of short
 * texts of bytes, one of requests and one of edits of the configuration, which
 * every process writes and anybody reads. reg.h includes it, and its promises
 * hold here, too.
 *
 * Without a lock, and without anything that could have to be repaired: whoever
 * dies while it writes spoils that one, which nobody reads then and whose place
 * the ring gives to another one when it comes by again. Survives every process,
 * and comes along in a move.
 */
#ifndef REG_RECORDER_H
#define REG_RECORDER_H

#include <stddef.h>
#include <stdint.h>

struct reg;

#define REG_RECORDS_MAX 4096 /* that are kept: the last ones */
#define REG_EDITS_MAX 16     /* the same of edits */
#define REG_RECORD_BYTES 488 /* of one, at most */

/*
 * reg_recorder_put - one more.
 * @bytes, @n  1 .. REG_RECORD_BYTES; other lengths: nothing is recorded
 * Its number is the next one, of all processes; the ring's oldest goes. Costs
 * an atomic addition, a compare-and-swap and a copy. A handle that only looks
 * records nothing.
 * Crash: that one is lost, and nothing else. Whoever was stopped inside for as
 * long as others needed to go round the whole ring loses its own, and perhaps
 * the one in whose place it goes on writing: that one reads as spoiled.
 */
void reg_recorder_put(struct reg *r, const void *bytes, size_t n);

/*
 * reg_recorder_newest - the highest number so far, 0 = nothing was recorded. It
 * may be that of one that is still being written. Numbers begin at 1; those
 * from newest - REG_RECORDS_MAX + 1 on are kept.
 */
uint64_t reg_recorder_newest(const struct reg *r);

/*
 * reg_recorder_read - one of them.
 * @out  REG_RECORD_BYTES of storage; what is in it counts only if it was read
 * Returns its bytes, whole and as they were put; 0: there is none of that
 * number (any more), it is being written, or whoever did died.
 */
size_t reg_recorder_read(const struct reg *r, uint64_t number, void *out);

/* reg_edit_put, reg_edit_newest, reg_edit_read - the same of edits, of which the
 * last REG_EDITS_MAX are kept. */
void reg_edit_put(struct reg *r, const void *bytes, size_t n);
uint64_t reg_edit_newest(const struct reg *r);
size_t reg_edit_read(const struct reg *r, uint64_t number, void *out);

#endif
