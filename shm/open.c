/* SPDX-License-Identifier: MIT */
/*
 * open.c - a process comes and goes: its handle, its row, its ownership.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define OPEN_WAIT_MS 2000

static void
free_handle(struct reg *r)
{
	reg_wake_close(r);
	reg_segment_close(r);
	free(r->watch);
	free(r->used);
	free(r);
}

struct reg *
reg_open_within(const char *name, size_t bytes, uint64_t wait_ms,
		struct reg_err *err)
{
	struct reg *r = calloc(1, sizeof(*r));

	if (!r) {
		reg_fail(err, REG_SYSTEM, ENOMEM, "out of memory");
		return NULL;
	}
	r->fd = -1;
	r->pid = getpid();
	r->identity = reg_identity_self(err);
	if (!r->identity)
		goto fail;
	if (reg_segment_open(r, name, bytes ? bytes : REG_DEFAULT_BYTES,
			     wait_ms, err))
		goto fail;
	r->used = calloc(r->n_blocks / 64 + 1, sizeof(*r->used));
	r->watch = calloc(REG_ROWS_MAX, sizeof(*r->watch));
	if (!r->used || !r->watch) {
		reg_fail(err, REG_SYSTEM, ENOMEM, "out of memory");
		goto fail;
	}
	if (reg_row_claim(r, err))
		goto fail;
	reg_lease_clear(r);
	reg_queue_clear(r);
	/* Processes look for free leases in places of their own first. */
	r->lease_hint = r->row * (REG_LEASES_MAX / REG_ROWS_MAX);
	return r;
fail:
	free_handle(r);
	return NULL;
}

struct reg *
reg_open(const char *name, size_t bytes, struct reg_err *err)
{
	return reg_open_within(name, bytes, OPEN_WAIT_MS, err);
}

void
reg_close(struct reg *r)
{
	if (!r)
		return;
	/* A forked child only lets go of the mapping: the rest is its parent's.
	 */
	if (r->pid == getpid()) {
		uint64_t mine = r->identity;

		if (r->is_owner)
			atomic_compare_exchange_strong(&r->seg->header.owner,
						       &mine, 0);
		if (r->leases_held)
			reg_lease_clear(r);
		if (r->waiting)
			reg_queue_clear(r);
		reg_row_release(r);
	}
	free_handle(r);
}

int
reg_own(struct reg *r, struct reg_err *err)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	uint64_t owner;

	/* The kernel drops it with the last descriptor: no clean-up can fail.
	 */
	if (fcntl(r->fd, F_OFD_SETLK, &lock)) {
		if (errno != EAGAIN && errno != EACCES)
			return reg_fail(err, REG_SYSTEM, errno,
					"lock the instance: %s",
					strerror(errno));
		owner = atomic_load(&r->seg->header.owner);
		return reg_fail(err, REG_BUSY, 0, "it belongs to process %u",
				(unsigned)reg_identity_pid(owner));
	}
	atomic_store(&r->seg->header.owner, r->identity);
	r->is_owner = true;
	return 0;
}
