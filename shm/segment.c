/* SPDX-License-Identifier: MIT */
/*
 * segment.c - the file under /dev/shm: find it, or build it, and map it.
 *
 * Everything up to the mapping happens under flock(2) on the file itself, so
 * two creators never meet. A segment without its ready word is half-built by a
 * dead creator, and whoever finds it starts over; one with a ready word is
 * either exactly what this library would build or refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define BLOCKS_MAX (1u << 31)

/* Changes with the size of anything, even if the version was forgotten. */
static uint64_t
shape(void)
{
	const uint64_t sizes[] = {
		sizeof(struct reg_header),
		sizeof(struct reg_row),
		sizeof(struct reg_slot),
		sizeof(struct reg_turn),
		sizeof(struct reg_target),
		sizeof(struct reg_block),
		sizeof(struct reg_head),
		REG_ROWS_MAX,
		REG_NODES_MAX,
		REG_TURNS_MAX,
		REG_PROBES_MAX,
		REG_LEASES_MAX,
		REG_TOLD_MAX,
		sizeof(struct reg_place),
		REG_CANDIDATES_MAX,
		sizeof(struct reg_wait),
		REG_WAITERS_MAX,
		REG_PREFIXES_MAX,
		sizeof(struct reg_record),
		REG_RECORDS_MAX,
		REG_EDITS_MAX,
		sizeof(struct reg_drained),
		REG_DRAINED_MAX,
	};

	return gw_hash(sizes, sizeof(sizes));
}

static uint64_t
blocks_of(uint64_t total_bytes)
{
	return (total_bytes - offsetof(struct reg_segment, blocks)) /
	       sizeof(struct reg_block);
}

static int
check_name(const char *name, struct reg_err *err)
{
	size_t len = strlen(name);

	if (len < 2 || len > REG_NAME_BYTES_MAX + 1 || name[0] != '/' ||
	    strchr(name + 1, '/'))
		return reg_fail(err, REG_SYSTEM, EINVAL,
				"'%.80s' cannot name shared memory: it takes a "
				"'/' and 1 to %d more bytes without '/'",
				name, REG_NAME_BYTES_MAX);
	return 0;
}

/* Takes flock(2), waiting a bounded time, and only where one may: at a start.
 */
static int
lock_file(int fd, const char *name, uint64_t wait_ms, struct reg_err *err)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	uint64_t deadline = reg_clock_ms() + wait_ms;

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return reg_fail(err, REG_SYSTEM, errno,
					"flock /dev/shm%s: %s", name,
					strerror(errno));
		if (reg_clock_ms() >= deadline)
			return reg_fail(err, REG_BUSY, 0,
					"another process has been opening "
					"/dev/shm%s for %u ms",
					name, (unsigned)wait_ms);
		nanosleep(&pause, NULL);
	}
	return 0;
}

enum found {
	FOUND_BROKEN = -1, /* @err is set */
	FOUND_READY,
	FOUND_LEFT,   /* whoever used it has gone to another one */
	FOUND_NOTHING /* empty, or half-built by a creator that died */
};

static enum found
refuse(const char *name, const char *why, struct reg_err *err)
{
	reg_fail(err, REG_LAYOUT, 0,
		 "/dev/shm%s %s: stop all processes that use it, remove "
		 "/dev/shm%s and start again",
		 name, why, name);
	return FOUND_BROKEN;
}

/*
 * Judges the file by its first line, read and not mapped: a file that is
 * shorter than it says would kill us with SIGBUS.
 */
static enum found
inspect(int fd, const char *name, uint64_t *total, struct reg_err *err)
{
	union {
		struct reg_header header;
		uint8_t bytes[sizeof(struct reg_header)];
	} u;
	uint64_t ready;
	struct stat st;
	ssize_t n;

	memset(&u, 0, sizeof(u));
	n = pread(fd, u.bytes, sizeof(u.bytes), 0);
	if (n < 0 || fstat(fd, &st)) {
		reg_fail(err, REG_SYSTEM, errno, "read /dev/shm%s: %s", name,
			 strerror(errno));
		return FOUND_BROKEN;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return refuse(name, "belongs to or is open to other users",
			      err);
	ready = atomic_load(&u.header.ready);
	if (ready == 0 && (u.header.magic == 0 || u.header.magic == REG_MAGIC))
		return FOUND_NOTHING;
	if (u.header.magic != REG_MAGIC || ready != REG_READY)
		return refuse(name, "is not shared memory of this program",
			      err);
	if (u.header.layout != REG_LAYOUT_VERSION ||
	    u.header.shape != shape() ||
	    u.header.mutex_bytes != sizeof(pthread_mutex_t))
		return refuse(name, "was made by another version", err);
	if (u.header.total_bytes != (uint64_t)st.st_size ||
	    u.header.total_bytes < REG_SEGMENT_MIN ||
	    blocks_of(u.header.total_bytes) >= BLOCKS_MAX ||
	    u.header.n_blocks != blocks_of(u.header.total_bytes))
		return refuse(name, "has another size than it says", err);
	*total = u.header.total_bytes;
	return atomic_load(&u.header.left) ? FOUND_LEFT : FOUND_READY;
}

static int
map(struct reg *r, size_t total, int protection, const char *name,
    struct reg_err *err)
{
	void *p = mmap(NULL, total, protection, MAP_SHARED, r->fd, 0);

	if (p == MAP_FAILED)
		return reg_fail(err, REG_SYSTEM, errno,
				"map %zu bytes of /dev/shm%s: %s", total, name,
				strerror(errno));
	r->seg = p;
	r->bytes = total;
	r->n_blocks = (uint32_t)blocks_of(total);
	return 0;
}

static int
init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int rc = pthread_mutexattr_init(&attr);

	if (rc)
		return rc;
	rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (rc == 0)
		rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (rc == 0)
		rc = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return rc;
}

/* Every page exists before anybody maps it: later there is no ENOSPC. */
static int
allocate(int fd, const char *name, size_t bytes, struct reg_err *err)
{
	int rc;

	if (ftruncate(fd, 0))
		return reg_fail(err, REG_SYSTEM, errno,
				"truncate /dev/shm%s: %s", name,
				strerror(errno));
	REG_CRASH_POINT();
	do
		rc = posix_fallocate(fd, 0, (off_t)bytes);
	while (rc == EINTR);
	if (rc)
		return reg_fail(err, REG_SYSTEM, rc,
				"cannot allocate %zu bytes of shared memory as "
				"/dev/shm%s: %s (see `df /dev/shm`)",
				bytes, name, strerror(rc));
	REG_CRASH_POINT();
	return 0;
}

static int
build(struct reg *r, const char *name, size_t bytes, struct reg_err *err)
{
	struct reg_header *h;
	int rc;

	if (bytes < REG_SEGMENT_MIN ||
	    (uint64_t)bytes / sizeof(struct reg_block) >= BLOCKS_MAX)
		return reg_fail(err, REG_SYSTEM, EINVAL,
				"a segment of %zu bytes is impossible: give at "
				"least %zu",
				bytes, REG_SEGMENT_MIN);
	if (allocate(r->fd, name, bytes, err) ||
	    map(r, bytes, PROT_READ | PROT_WRITE, name, err))
		return -1;
	h = &r->seg->header;
	h->magic = REG_MAGIC;
	REG_CRASH_POINT();
	h->layout = REG_LAYOUT_VERSION;
	h->mutex_bytes = sizeof(pthread_mutex_t);
	h->total_bytes = bytes;
	h->shape = shape();
	h->n_blocks = r->n_blocks;
	REG_CRASH_POINT();
	rc = init_mutex(&h->lock.mutex);
	if (rc)
		return reg_fail(err, REG_SYSTEM, rc,
				"robust process-shared mutex: %s",
				strerror(rc));
	REG_CRASH_POINT();
	/* Readers of an epoch that they never saw must parse: begin above 0. */
	atomic_store(&h->epoch, 2);
	REG_CRASH_POINT();
	atomic_store_explicit(&h->ready, REG_READY, memory_order_release);
	REG_CRASH_POINT();
	return 0;
}

/*
 * Somebody else has taken the name: an operator's other account, or a stranger
 * who knew it. @fd -1: not even open to us.
 */
static int
check_owner(int fd, const char *name, struct reg_err *err)
{
	char path[NAME_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "/dev/shm%s", name);
	if ((fd < 0 ? lstat(path, &st) : fstat(fd, &st)) < 0 ||
	    st.st_uid == geteuid())
		return 0;
	return reg_fail(err, REG_LAYOUT, 0,
			"%s belongs to user %u, not to user %u who runs this: "
			"have it removed, or set ROLE_MESH_SHM to another name",
			path, (unsigned)st.st_uid, (unsigned)geteuid());
}

/* One attempt. 1 = the name was removed meanwhile, try again; 0; -1. */
static int
try_open(struct reg *r, const char *name, size_t bytes, uint64_t wait_ms,
	 struct reg_err *err)
{
	uint64_t total = 0;
	struct stat st;
	int rc = -1, sys;

	r->fd = shm_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	sys = errno;
	/* Before its lock is waited for: they may hold that, too. */
	if (check_owner(r->fd, name, err))
		return -1;
	errno = sys;
	if (r->fd < 0)
		return reg_fail(err, REG_SYSTEM, errno, "open /dev/shm%s: %s",
				name, strerror(errno));
	REG_CRASH_POINT();
	if (lock_file(r->fd, name, wait_ms, err))
		return -1;
	REG_CRASH_POINT();
	if (fstat(r->fd, &st) == 0 && st.st_nlink == 0)
		return 1;
	switch (inspect(r->fd, name, &total, err)) {
	case FOUND_READY:
		rc = map(r, total, PROT_READ | PROT_WRITE, name, err);
		break;
	case FOUND_LEFT:
		/* Its nodes are of the past. A name that came back to it, by an
		 * operator's second `mv`, leads nowhere. */
		if (reg_is_current(r))
			shm_unlink(name);
		rc = 1;
		break;
	case FOUND_NOTHING:
		rc = build(r, name, bytes, err);
		if (rc)
			shm_unlink(name); /* leave no empty file behind */
		break;
	case FOUND_BROKEN:
		break;
	}
	flock(r->fd, LOCK_UN);
	return rc;
}

int
reg_segment_open(struct reg *r, const char *name, size_t bytes,
		 uint64_t wait_ms, struct reg_err *err)
{
	if (check_name(name, err))
		return -1;
	snprintf(r->name, sizeof(r->name), "%s", name);
	for (int attempt = 0; attempt < 100; attempt++) {
		int rc = try_open(r, name, bytes, wait_ms, err);

		if (rc <= 0)
			return rc;
		reg_segment_close(r);
	}
	return reg_fail(err, REG_BUSY, 0, "/dev/shm%s is removed all the time",
			name);
}

int
reg_segment_look(struct reg *r, const char *name, struct reg_err *err)
{
	uint64_t total = 0;

	if (check_name(name, err))
		return -1;
	r->fd = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
	if (r->fd < 0)
		return reg_fail(err, REG_SYSTEM, errno, "open /dev/shm%s: %s",
				name, strerror(errno));
	switch (inspect(r->fd, name, &total, err)) {
	case FOUND_READY:
	case FOUND_LEFT:
		return map(r, total, PROT_READ, name, err);
	case FOUND_NOTHING:
		return reg_fail(err, REG_LAYOUT, 0,
				"/dev/shm%s is not ready: its creator died or "
				"is at work",
				name);
	case FOUND_BROKEN:
		break;
	}
	return -1;
}

void
reg_segment_close(struct reg *r)
{
	if (r->seg)
		munmap(r->seg, r->bytes);
	if (r->fd >= 0)
		close(r->fd);
	r->seg = NULL;
	r->fd = -1;
}

bool
reg_is_current(const struct reg *r)
{
	char path[NAME_MAX + 16];
	struct stat named, ours;

	snprintf(path, sizeof(path), "/dev/shm%s", r->name);
	if (lstat(path, &named))
		return errno != ENOENT;
	/* Nobody gets the inode's number while it is open here. */
	return fstat(r->fd, &ours) ||
	       (named.st_ino == ours.st_ino && named.st_dev == ours.st_dev);
}

int
reg_unlink(const char *name)
{
	return shm_unlink(name);
}
