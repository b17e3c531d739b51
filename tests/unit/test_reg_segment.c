/* SPDX-License-Identifier: MIT */
/*
 * test_reg_segment.c - attach, create, own, refuse: everything before the first
 * node. Whatever lies under the segment's name, opening it ends in a working
 * segment or in a clear refusal.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "reg_test.h"

static bool
exists(const char *name)
{
	int fd = shm_open(name, O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Puts bytes under a new name, as a file that somebody else left there. */
static void
plant(const void *bytes, size_t len, size_t size, mode_t mode)
{
	int fd = shm_open(seg_new(), O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len ||
	    ftruncate(fd, (off_t)size) || fchmod(fd, mode)) {
		ok(false, "plant: %s", strerror(errno));
		exit(1);
	}
	close(fd);
}

/* Opens what was planted; returns the code and closes again. */
static enum reg_code
attempt(struct reg_err *err)
{
	struct reg *r;

	memset(err, 0, sizeof(*err));
	r = reg_open(seg_name, 0, err);
	reg_close(r);
	return r ? REG_OK : err->code;
}

static void
test_names(void)
{
	char longest[256];
	const char *const bad[] = {"", "/", "x", "/a/b", longest};
	struct reg_err err;
	struct reg *r;

	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[202] = '\0';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r = reg_open(bad[i], 0, &err);
		ok(!r && err.code == REG_SYSTEM && err.sys == EINVAL,
		   "segment: name '%.8s' -> refused", bad[i]);
	}
	ok(!reg_open(seg_new(), 4096, &err) && err.sys == EINVAL,
	   "segment: too small a size -> refused: %s", err.msg);
	ok(!exists(seg_name), "segment: refused size -> nothing left behind");
}

static void
test_create(void)
{
	struct reg_err err = {0};
	struct reg *a, *b;
	struct stat st;

	seg_new();
	a = seg_open(0);
	ok(fstat(a->fd, &st) == 0 && st.st_size == REG_DEFAULT_BYTES,
	   "segment: created -> has its full size");
	ok((st.st_mode & 0777) == 0600, "segment: created -> mode 0600");
	ok((uint64_t)st.st_blocks * 512 >= REG_DEFAULT_BYTES,
	   "segment: created -> every page is allocated");
	b = seg_open(REG_SEGMENT_MIN);
	is_int((long long)b->bytes, REG_DEFAULT_BYTES,
	       "segment: second open -> the size it has, not the one asked");
	is_int(reg_rows_live(a), 2, "segment: two handles -> two rows");
	ok(reg_verify(a, &err) == 0, "segment: new -> verifies %s", err.msg);
	ok(reg_epoch(a) > 0 && reg_epoch(a) % 2 == 0,
	   "segment: new -> its epoch is none that a reader begins with");
	is_int(fcntl(a->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC,
	       "segment: descriptor -> closed on exec");
	reg_close(b);
	is_int(reg_rows_live(a), 1, "segment: close -> the row is free");
	is_int(reg_unlink(seg_name), 0, "segment: unlink -> 0");
	is_int(reg_unlink(seg_name), -1, "segment: unlink again -> -1");
	ok(reg_once(a, 0, 5), "segment: unlinked -> still works for its users");
	b = seg_open(0);
	is_int(reg_rows_live(b), 1, "segment: open after unlink -> a new one");
	reg_close(b);
	reg_close(a);
	reg_close(NULL);
}

static int
child_owns(void *ready)
{
	struct reg_err err;
	struct reg *r = reg_open(seg_name, 0, &err);

	atomic_store((_Atomic int *)ready, r && reg_own(r, &err) == 0 ? 1 : 2);
	hold();
}

static void
test_own(void)
{
	_Atomic int *ready = shared_page(4096);
	char pid_text[32];
	struct reg_err err = {0};
	struct reg *a, *b;
	pid_t pid;

	seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	b = seg_open(0);
	is_int(reg_own(a, &err), 0, "own: the first -> 0");
	is_int(reg_own(a, &err), 0, "own: again by the same -> 0");
	is_int(reg_own(b, &err), -1, "own: another -> -1");
	is_int(err.code, REG_BUSY, "own: another -> BUSY");
	snprintf(pid_text, sizeof(pid_text), "process %d", (int)getpid());
	ok(strstr(err.msg, pid_text), "own: message names the pid: %s",
	   err.msg);
	reg_close(a);
	is_int(reg_own(b, &err), 0, "own: the owner closed -> free again");
	reg_close(b);

	pid = spawn(child_owns, ready);
	await(ready, 1);
	is_int(atomic_load(ready), 1, "own: another process -> 0");
	a = seg_open(0);
	is_int(reg_own(a, &err), -1, "own: held by another process -> -1");
	kill_and_reap(pid);
	is_int(reg_own(a, &err), 0, "own: the owner was killed -> free again");
	reg_close(a);
}

static int
child_hits_limit(void *unused)
{
	const struct rlimit limit = {1 << 20, 1 << 20};
	struct reg_err err = {0};

	(void)unused;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	return reg_open(seg_name, 0, &err) == NULL && err.code == REG_SYSTEM &&
			       err.sys == EFBIG && strstr(err.msg, "allocate")
		       ? 0
		       : 1;
}

static void
test_no_space(void)
{
	struct reg_err err = {0};
	struct statvfs fs;

	seg_new();
	is_int(reap(spawn(child_hits_limit, NULL)), 0,
	       "space: over the file size limit -> a clean error");
	ok(!exists(seg_name), "space: nothing left behind");
	if (statvfs("/dev/shm", &fs) || fs.f_blocks == 0)
		return; /* without a size there is nothing to exceed */
	ok(!reg_open(seg_new(), (size_t)fs.f_blocks * fs.f_frsize + (64 << 20),
		     &err) &&
		   err.code == REG_SYSTEM && err.sys == ENOSPC,
	   "space: more than /dev/shm has -> ENOSPC: %s", err.msg);
	ok(!exists(seg_name), "space: nothing left behind");
}

/* A healthy segment's first bytes, to be spoilt one field at a time. */
static void
template_header(struct reg_header *h)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memcpy(h, &r->seg->header, sizeof(*h));
	reg_close(r);
}

static void
test_refusals(void)
{
	struct reg_header good, h;
	struct reg_err err;

	template_header(&good);
	h = good;
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0600);
	is_int(attempt(&err), REG_OK, "layout: an untouched header -> opens");

	h.layout++;
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0600);
	is_int(attempt(&err), REG_LAYOUT, "layout: another version -> LAYOUT");
	ok(strstr(err.msg, "another version") && strstr(err.msg, seg_name) &&
		   strstr(err.msg, "remove"),
	   "layout: message says what to do: %s", err.msg);
	h = good;
	h.shape ^= 1;
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0600);
	is_int(attempt(&err), REG_LAYOUT, "layout: other sizes -> LAYOUT");
	h = good;
	h.mutex_bytes++;
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0600);
	is_int(attempt(&err), REG_LAYOUT, "layout: another libc -> LAYOUT");
	h = good;
	h.magic ^= 1;
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0600);
	is_int(attempt(&err), REG_LAYOUT, "layout: another magic -> LAYOUT");
	h = good;
	h.n_blocks++;
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0600);
	is_int(attempt(&err), REG_LAYOUT, "layout: more blocks -> LAYOUT");
	h = good;
	plant(&h, sizeof(h), REG_SEGMENT_MIN - 1, 0600);
	is_int(attempt(&err), REG_LAYOUT, "layout: truncated -> LAYOUT");
	plant(&h, sizeof(h), sizeof(h), 0600);
	is_int(attempt(&err), REG_LAYOUT, "layout: only a header -> LAYOUT");
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0666);
	is_int(attempt(&err), REG_LAYOUT, "layout: open to others -> LAYOUT");
	atomic_store(&h.ready, 0);
	plant(&h, sizeof(h), REG_SEGMENT_MIN, 0600);
	is_int(attempt(&err), REG_OK, "layout: half-built -> built again");
	plant("", 0, 0, 0600);
	is_int(attempt(&err), REG_OK, "layout: empty file -> built");
}

static void
test_random_bytes(void)
{
	static char bytes[8192];
	struct reg_header good;
	struct reg_err err;
	uint64_t state = 7;
	int refused = 0, wrong = 0;

	template_header(&good);
	for (int round = 0; round < 400; round++) {
		size_t len = 1 + random_next(&state) % sizeof(bytes);

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)random_next(&state);
		/* Sometimes nearly right: one byte of the header differs. */
		if (round % 2 && len > sizeof(good)) {
			size_t at = random_next(&state) % 48;

			memcpy(bytes, &good, sizeof(good));
			bytes[at] = (char)(bytes[at] + 1 +
					   (char)(random_next(&state) % 255));
		}
		bytes[0] = bytes[0] ? bytes[0] : 1; /* 0...0 = nothing yet */
		plant(bytes, len, round % 4 == 3 ? REG_SEGMENT_MIN : len, 0600);
		refused += attempt(&err) == REG_LAYOUT;
		/* Padding is nobody's business, nor is it compared. */
		wrong += err.code == REG_OK && memcmp(bytes, &good, 36) != 0;
	}
	ok(wrong == 0 && refused > 350,
	   "fuzz: 400 files of rubbish -> refused (%d), none opened", refused);
}

static int
child_holds_row(void *arg)
{
	struct reg_err err;
	struct reg *r = reg_open(seg_name, 0, &err);

	reg_gauge_add(r, 0, 5);
	reg_counter_add(r, 0, 5);
	atomic_store((_Atomic int *)arg, (int)r->row + 1);
	hold();
}

/* The name of a program stands in the middle of what /proc says of it. */
static int
child_has_odd_name(void *arg)
{
	prctl(PR_SET_NAME, "x) Z 1 (y");
	return child_holds_row(arg);
}

static void
test_odd_name(void)
{
	_Atomic int *row = shared_page(4096);
	struct reg *a;
	pid_t pid;

	seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	pid = spawn(child_has_odd_name, row);
	await(row, 1);
	is_int(reg_rows_live(a), 2, "row: a program named 'x) Z 1 (y' lives");
	kill_and_reap(pid);
	is_int(reg_rows_live(a), 1, "row: ... until it is dead");
	reg_close(a);
}

static void
test_rows(void)
{
	_Atomic int *row = shared_page(4096);
	struct reg_err err = {0};
	struct reg *a, *b;
	uint64_t generation;
	pid_t pid;

	seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	pid = spawn(child_holds_row, row);
	await(row, 1);
	is_int(*row, 2, "row: second process -> second row");
	generation = atomic_load(&a->seg->rows[1].generation);
	kill_and_reap(pid);
	b = seg_open(0);
	is_int(b->row, 1, "row: dead owner -> its row is taken over");
	is_int((long long)b->row_generation, (long long)generation + 1,
	       "row: taken over -> next generation");
	is_int(reg_gauge_sum(a, 0), 0, "row: taken over -> gauges are zero");
	is_int((long long)reg_counter_sum(a, 0), 5,
	       "row: taken over -> counters go on");
	reg_close(b);

	for (int i = 1; i < REG_ROWS_MAX; i++)
		atomic_store(&a->seg->rows[i].identity, a->identity);
	ok(!reg_open(seg_name, 0, &err) && err.code == REG_FULL,
	   "row: all %d in use -> FULL: %s", REG_ROWS_MAX, err.msg);
	/* A process of this pid that started at another time is not this one.
	 */
	atomic_store(&a->seg->rows[9].identity, a->identity ^ 1);
	b = seg_open(0);
	is_int(b->row, 9, "row: pid used again -> the old owner is dead");
	reg_close(b);
	reg_close(a);
}

static int
child_closes_parents(void *r)
{
	reg_close(r);
	return 0;
}

static void
test_fork(void)
{
	struct reg *a;
	int32_t lease;

	seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	lease = lease_take(a, 3);
	is_int(reap(spawn(child_closes_parents, a)), 0,
	       "fork: child closes its parent's handle -> no crash");
	is_int(reg_rows_live(a), 1, "fork: ... and the parent keeps its row");
	is_int(leases_on(a, 3), 1, "fork: ... and its leases");
	reg_lease_drop(a, lease);
	reg_close(a);
}

static int
child_holds_flock(void *arg)
{
	int fd = shm_open(seg_name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	flock(fd, LOCK_EX);
	atomic_store((_Atomic int *)arg, 1);
	hold();
}

static void
test_stuck_creator(void)
{
	_Atomic int *held = shared_page(4096);
	struct reg_err err = {0};
	struct reg *r;
	pid_t pid;

	seg_new();
	pid = spawn(child_holds_flock, held);
	await(held, 1);
	r = reg_open(seg_name, REG_SEGMENT_MIN, &err);
	ok(!r && err.code == REG_BUSY, "create: creator hangs -> BUSY: %s",
	   err.msg);
	kill_and_reap(pid);
	r = seg_open(REG_SEGMENT_MIN);
	ok(r != NULL, "create: creator killed -> the next one builds it");
	reg_close(r);
}

int
main(void)
{
	test_names();
	test_create();
	test_own();
	test_no_space();
	test_refusals();
	test_random_bytes();
	test_rows();
	test_odd_name();
	test_fork();
	test_stuck_creator();
	return done_testing();
}
