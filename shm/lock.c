/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the lock of structural writes, and the one recovery function.
 *
 * The lock orders writers; readers never look at it. It is never waited for:
 * a bounded number of tries, then REG_BUSY. When its holder died, the next one
 * to come finishes or drops what was left between two published words.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "internal.h"

#define LOCK_ROUNDS 256 /* each gives the processor away once */

/*
 * Locked: what a dead holder can have left. Blocks need nothing: one that no
 * link leads to is free by definition. All steps may be repeated, since the
 * process that repairs can die as well.
 */
static void
recover(const struct reg *r)
{
	struct reg_header *h = &r->seg->header;

	reg_epoch_begin(r);
	/* Whoever remembers which blocks are in use must look again. */
	atomic_fetch_add(&h->write_count, 1);
	for (uint32_t i = 0; i < REG_NODES_MAX; i++) {
		struct reg_slot *slot = &r->seg->slots[i];
		uint64_t record = atomic_load(&slot->record);
		uint64_t status = atomic_load(&slot->status);
		struct reg_front front;

		/* A status outlived by its node, or by the registration. */
		if (!reg_link_head(status))
			continue;
		if (reg_link_head(record) &&
		    reg_front_read(r, reg_link_head(status),
				   reg_block_owner(i, REG_STATUS), &front) &&
		    front.head.record_generation == reg_link_generation(record))
			continue;
		REG_CRASH_POINT();
		atomic_store(&slot->status,
			     reg_link(reg_link_generation(status) + 1, 0));
		REG_CRASH_POINT();
	}
	/* The dead one may have published without having moved the epoch. */
	reg_epoch_end(r);
}

/* One try. 0 = ours, EBUSY, or another error of the mutex. */
static int
try_lock(const struct reg *r)
{
	pthread_mutex_t *mutex = &r->seg->header.lock.mutex;
	int rc = pthread_mutex_trylock(mutex);

	if (rc != EOWNERDEAD)
		return rc;
	REG_CRASH_POINT();
	recover(r);
	REG_CRASH_POINT();
	rc = pthread_mutex_consistent(mutex);
	REG_CRASH_POINT();
	return rc;
}

int
reg_lock_any(const struct reg *r, struct reg_err *err)
{
	int rc = EBUSY;

	for (int round = 0; round < LOCK_ROUNDS; round++) {
		rc = try_lock(r);
		if (rc == 0) {
			REG_CRASH_POINT();
			return 0;
		}
		if (rc != EBUSY)
			break;
		sched_yield();
	}
	if (rc == EBUSY)
		return reg_fail(err, REG_BUSY, 0,
				"another process is changing the registry");
	return reg_fail(err, REG_LAYOUT, rc,
			"the lock is damaged (%s): stop all processes that use "
			"the segment, remove it and start again",
			strerror(rc));
}

bool
reg_was_left(const struct reg *r)
{
	return atomic_load_explicit(&r->seg->header.left,
				    memory_order_acquire) != 0;
}

int
reg_lock(const struct reg *r, struct reg_err *err)
{
	if (reg_lock_any(r, err))
		return -1;
	if (!reg_was_left(r))
		return 0;
	reg_unlock(r);
	return reg_fail(err, REG_BUSY, 0,
			"the registry has just moved to another segment");
}

void
reg_unlock(const struct reg *r)
{
	REG_CRASH_POINT();
	pthread_mutex_unlock(&r->seg->header.lock.mutex);
	REG_CRASH_POINT();
}

/* Odd before the first change, so that a death half-way cannot hide one. */
void
reg_epoch_begin(const struct reg *r)
{
	_Atomic uint64_t *epoch = &r->seg->header.epoch;

	REG_CRASH_POINT();
	atomic_store(epoch, atomic_load(epoch) | 1);
	REG_CRASH_POINT();
}

void
reg_epoch_end(const struct reg *r)
{
	_Atomic uint64_t *epoch = &r->seg->header.epoch;

	REG_CRASH_POINT();
	atomic_store(epoch, (atomic_load(epoch) | 1) + 1);
	REG_CRASH_POINT();
}

uint64_t
reg_epoch(const struct reg *r)
{
	_Atomic uint64_t *epoch = &r->seg->header.epoch;
	uint64_t now = atomic_load_explicit(epoch, memory_order_acquire);

	REG_STOP_POINT();
	/*
	 * Odd: a writer is at work, or died at it. What the caller parses now
	 * may lack the change, so the next call must not say the same for ever:
	 * it finds either the writer's next number or the dead writer's lock.
	 */
	if ((now & 1) && r->identity && try_lock(r) == 0) {
		reg_unlock(r);
		now = atomic_load_explicit(epoch, memory_order_acquire);
	}
	return now;
}
