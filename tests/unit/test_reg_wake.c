/* SPDX-License-Identifier: MIT */
/*
 * test_reg_wake.c - one process wakes another: at once, however often, also one
 * that is stopped; and no stranger wakes anybody, or keeps him asleep.
 */
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "reg_stops.h"
#include "reg_waiters.h"

#define MANY 1000

static bool
is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static bool
wake(struct reg *r, const struct reg *whom)
{
	return reg_wake(r, whom->row, whom->row_generation);
}

/* ---- one at a time --------------------------------------------------------
 */

static void
test_wake(void)
{
	struct reg *r, *second;
	int fd, flags;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	ok(!reg_wake_drain(r), "wake: without a descriptor -> not woken");
	ok(!wake(second, r), "wake: nobody listens -> false");
	fd = reg_wake_fd(r);
	flags = fcntl(fd, F_GETFL);
	ok(fd >= 0 && reg_wake_fd(r) == fd, "wake: one descriptor");
	ok((flags & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC),
	   "wake: ... non-blocking, closed on exec");
	ok(!is_readable(fd) && !reg_wake_drain(r), "wake: not woken yet");
	ok(wake(second, r) && is_readable(fd), "wake: readable");
	ok(reg_wake_drain(r) && !is_readable(fd), "wake: taken");
	ok(!reg_wake_drain(r), "wake: ... once");
	ok(wake(r, r) && is_readable(fd) && reg_wake_drain(r),
	   "wake: a process wakes itself");
	ok(!reg_wake(second, r->row, r->row_generation + 1) &&
		   !reg_wake(second, r->row, r->row_generation - 1) &&
		   !is_readable(fd),
	   "wake: another generation -> false");
	ok(!reg_wake(second, REG_ROWS_MAX, 1) &&
		   !reg_wake(second, REG_ROWS_MAX - 1, 0),
	   "wake: a row of nobody -> false");
	ok(wake(r, second) && reg_wake_drain(second),
	   "wake: who woke others can be woken");
	reg_close(second);
	reg_close(r);
}

/* Who is called or displaced is woken. */
static void
test_waiters(void)
{
	struct reg *r, *second;
	struct reg_waiter w;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	reg_wake_fd(r);
	w = read_of(second, join(r, 1));
	ok(reg_queue_call(second, &w, 5000, 250) && reg_wake_drain(r),
	   "waiter: called -> woken");
	ok(!reg_queue_call(second, &w, 5100, 250) && !reg_wake_drain(r),
	   "waiter: not called again -> not woken");
	ok(reg_queue_displace(second, &w) && reg_wake_drain(r),
	   "waiter: displaced -> woken");
	ok(!reg_queue_displace(second, &w) && !reg_wake_drain(r),
	   "waiter: displaced already -> not woken");
	reg_close(second);
	reg_close(r);
}

/* Its queue is short: all find room, or something in it that wakes. */
static void
test_many(void)
{
	struct reg *r, *second;
	int fd, failed = 0, drains = 0;
	bool woken = false;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	fd = reg_wake_fd(r);
	for (int i = 0; i < MANY; i++)
		failed += !wake(second, r);
	is_int(failed, 0, "many: woken 1,000 times in its sleep");
	for (; is_readable(fd) && drains < MANY; drains++)
		woken |= reg_wake_drain(r);
	ok(woken && drains <= MANY / REG_WAKES_MAX + 1,
	   "many: ... taken with few looks");
	reg_close(second);
	reg_close(r);
}

/* Anybody may know the name: /proc/net/unix has it. */
static void
test_strangers(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t len;
	struct reg *r, *second;
	int fd, stranger, sent = 0, drains = 0;
	bool woken = false;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	fd = reg_wake_fd(r);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			  (size_t)snprintf(
				  a.sun_path + 1, sizeof(a.sun_path) - 1,
				  "rolemesh-wake-%016llx",
				  (unsigned long long)r->seg->rows[r->row]
					  .wake));
	stranger = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ok(sendto(stranger, "hello", 5, 0, (struct sockaddr *)&a, len) == 5,
	   "stranger: sends a message");
	ok(is_readable(fd) && !reg_wake_drain(r) && !is_readable(fd),
	   "stranger: ... it is taken, and wakes nobody");
	while (sent < 100000 &&
	       sendto(stranger, "hello", 5, 0, (struct sockaddr *)&a, len) == 5)
		sent++;
	ok(sent < 100000, "stranger: fills the queue (%d)", sent);
	ok(wake(second, r), "stranger: a real one finds no room -> true");
	for (; is_readable(fd) && drains <= sent; drains++)
		woken |= reg_wake_drain(r);
	ok(woken, "stranger: ... and wakes");
	ok(drains <= sent / REG_WAKES_MAX + 1,
	   "stranger: ... taken with few looks (%d)", drains);
	close(stranger);
	reg_close(second);
	reg_close(r);
}

static int
child_forked(void *arg)
{
	struct reg *r = arg;
	bool well = reg_wake_fd(r) == -1 && !wake(r, r);

	reg_close(r);
	return well ? 0 : 1;
}

static void
test_none(void)
{
	struct rlimit before, none;
	struct reg *r, *second;
	int fd;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	fd = reg_wake_fd(r);
	setrlimit(RLIMIT_NOFILE, &before);
	is_int(fd, -1, "none: no descriptor left -> -1");
	ok(!wake(second, r), "none: ... cannot be woken");
	fd = reg_wake_fd(r);
	ok(fd >= 0 && wake(second, r) && reg_wake_drain(r),
	   "none: there is one again -> it can");
	is_int(reap(spawn(child_forked, r)), 0,
	       "none: a forked child has none, and closes what it has");
	ok(wake(second, r) && is_readable(fd) && reg_wake_drain(r),
	   "none: ... its parent is woken as before");
	reg_close(second);
	reg_close(r);
}

static void
test_move(void)
{
	struct reg *r, *second, *to;
	struct reg_move what;
	int fd;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	fd = reg_wake_fd(r);
	reg_unlink(seg_name);
	to = reg_move_begin(r, &what, &err);
	ok(to && wake(second, r) && is_readable(fd),
	   "move: woken in the segment of before");
	reg_move_end(r, to);
	is_int(reg_wake_fd(r), fd, "move: the same descriptor");
	reg_wake_drain(r);
	ok(!is_readable(fd), "move: ... emptied");
	to = reg_move_begin(second, &what, &err);
	reg_move_end(second, to);
	ok(wake(second, r) && is_readable(fd) && reg_wake_drain(r),
	   "move: woken in the new one");
	reg_close(second);
	reg_close(r);
	ok(fcntl(fd, F_GETFD) == -1, "move: closed in the end");
}

/* ---- several processes ----------------------------------------------------
 */

static struct {
	_Atomic int row, generation, woken, stop;
} * shared;

/* Counts how often it is woken, until it is told to stop. */
static int
child_sleeps(void *unused)
{
	struct reg *r = seg_open(0);
	int fd = reg_wake_fd(r);

	(void)unused;
	atomic_store(&shared->row, (int)r->row);
	atomic_store(&shared->generation, (int)r->row_generation);
	while (!atomic_load(&shared->stop)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, -1) == 1 && reg_wake_drain(r))
			atomic_fetch_add(&shared->woken, 1);
	}
	reg_close(r);
	return 0;
}

static bool
wake_child(struct reg *r)
{
	return reg_wake(r, (uint32_t)atomic_load(&shared->row),
			(uint64_t)atomic_load(&shared->generation));
}

static pid_t
spawn_sleeper(void)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = spawn(child_sleeps, NULL);
	await(&shared->generation, 1);
	return pid;
}

static void
test_processes(void)
{
	struct reg *r;
	pid_t pid;
	int failed = 0, status;

	shared = shared_page(sizeof(*shared));
	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	pid = spawn_sleeper();
	for (int i = 0; i < MANY; i++) {
		failed += !wake_child(r);
		await(&shared->woken, i + 1);
	}
	is_int(failed, 0, "process: sleeps, and is woken each of 1,000 times");
	is_int(atomic_load(&shared->woken), MANY, "process: ... once each");
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	for (int i = 0; i < MANY; i++)
		failed += !wake_child(r);
	is_int(failed, 0, "process: stopped -> whoever wakes it does not wait");
	kill(pid, SIGCONT);
	await(&shared->woken, MANY + 1);
	ok(true, "process: goes on -> is woken");
	atomic_store(&shared->stop, 1);
	while (wake_child(r))
		sched_yield();
	is_int(reap(pid), 0, "process: closed -> false");
	pid = spawn_sleeper();
	kill_and_reap(pid);
	ok(!wake_child(r), "process: killed -> false");
	pid = spawn_sleeper();
	ok(wake_child(r), "process: the next one with its row");
	await(&shared->woken, 1);
	ok(!reg_wake(r, (uint32_t)shared->row,
		     (uint64_t)shared->generation - 1),
	   "process: ... is not the one before");
	kill_and_reap(pid);
	reg_close(r);
}

/* ---- overtaken at every step ----------------------------------------------
 */

static int trues;
static bool overtook;

static void
prepare(void)
{
	reg_wake_fd(me);
	reg_wake_fd(other);
	trues = 0;
	overtook = false;
}

static void
prepare_woken(void)
{
	prepare();
	wake(other, me);
}

static void
take_it(void)
{
	trues += reg_wake_drain(me);
}

static void
others_wake(void)
{
	trues = 0; /* what it takes from here on */
	overtook = true;
	wake(other, me);
}

/* Each that was made after the last look is seen by another look. */
static const char *
judge_woken(void)
{
	while (is_readable(me->wake_fd))
		trues += reg_wake_drain(me);
	return trues || !overtook ? NULL : "it sleeps on";
}

static void
wake_them(void)
{
	wake(me, other);
}

static void
others_take_it(void)
{
	trues += reg_wake_drain(other);
}

static const char *
judge_others_woken(void)
{
	while (is_readable(other->wake_fd))
		trues += reg_wake_drain(other);
	return trues ? NULL : "it sleeps on";
}

static const struct overtaking overtakings[] = {
	{"drain: somebody wakes it", prepare_woken, others_wake, take_it,
	 judge_woken},
	{"drain: nothing is there, somebody wakes it", prepare, others_wake,
	 take_it, judge_woken},
	{"wake: it looks", prepare, others_take_it, wake_them,
	 judge_others_woken},
};

int
main(void)
{
	test_wake();
	test_waiters();
	test_many();
	test_strangers();
	test_none();
	test_move();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	test_processes();
	return done_testing();
}
