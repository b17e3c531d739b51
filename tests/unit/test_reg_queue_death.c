/* SPDX-License-Identifier: MIT */
/*
 * test_reg_queue_death.c - processes that wait, call and displace die, or are
 * stopped, wherever they are: whoever lives waits on as before, and of the dead
 * nothing stays.
 */
#include "reg_stops.h"
#include "reg_waiters.h"

#define KILLS 60
#ifdef REG_TEST_SLOW
#define STRIDE 11 /* of the double deaths, try some */
#else
#define STRIDE 3
#endif

static struct {
	_Atomic int ready, rounds, mixed, dead_seen;
} * shared;

static unsigned
not_free(const struct reg *r)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < REG_WAITERS_MAX; i++)
		n += reg_wait_state(atomic_load(&r->seg->waits[i].state)) !=
		     REG_WAIT_FREE;
	return n;
}

/* ---- a death --------------------------------------------------------------
 */

/* Three wait, one of them displaced; then it waits to be killed. */
static int
child_waits(void *unused)
{
	struct reg *r = seg_open(0);
	struct reg_waiter w;

	(void)unused;
	join(r, 1);
	join(r, 2);
	w = read_of(r, join(r, 3));
	reg_queue_displace(r, &w);
	atomic_store(&shared->ready, 1);
	hold();
}

static pid_t
spawn_waiting(int (*body)(void *))
{
	pid_t pid;

	atomic_store(&shared->ready, 0);
	pid = spawn(body, NULL);
	await(&shared->ready, 1);
	return pid;
}

static void
test_death(void)
{
	struct reg *r, *next;
	struct reg_waiter_ref a;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	a = join(r, 9);
	pid = spawn_waiting(child_waits);
	is_int((long long)read_all(r), 3, "death: another process's two wait");
	is_int(reg_queue_displaced(r, 3), 1, "death: ... one is displaced");
	is_int(sweep_now(r), 0, "death: it lives -> nothing to sweep");
	kill_and_reap(pid);
	/* As if it were longer than 50 ms ago that it was found alive. */
	memset(r->watch, 0, REG_ROWS_MAX * sizeof(*r->watch));
	ok(read_all(r) == 1 && saw(a), "death: not read any more");
	is_int(reg_queue_displaced(r, 3), 0, "death: nor its displaced one");
	is_int(not_free(r), 4, "death: ... its entries are in use");
	is_int(reg_lease_sweep(r, r->seg->header.swept_ms + 499), 0,
	       "death: somebody swept just before -> not again");
	is_int(reg_lease_sweep(r, r->seg->header.swept_ms + 500), 3,
	       "death: swept");
	is_int(not_free(r), 1, "death: ... free");
	kill_and_reap(spawn_waiting(child_waits));
	next = seg_open(0);
	is_int(not_free(r), 1, "death: its row is taken -> free");
	ok(reg_verify(r, &err) == 0, "death: verifies");
	reg_close(next);
	reg_close(r);
}

/* Its row has another owner by now, who has not cleared it yet. */
static void
test_row_succeeded(void)
{
	struct reg *r, *second;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	join(second, 1);
	atomic_fetch_add(&r->seg->rows[second->row].generation, 1);
	is_int((long long)read_all(r), 0,
	       "succeeded: the row has another owner -> not read");
	is_int(sweep_now(r), 1, "succeeded: ... and swept");
	atomic_fetch_sub(&r->seg->rows[second->row].generation, 1);
	reg_close(second);
	reg_close(r);
}

static int
child_fills(void *unused)
{
	struct reg *r = seg_open(0);
	int failed = 0;

	(void)unused;
	for (uint64_t i = 0; i < REG_WAITERS_MAX; i++)
		failed += join(r, i).index >= REG_WAITERS_MAX;
	atomic_store(&shared->rounds, failed);
	atomic_store(&shared->ready, 1);
	hold();
}

static void
test_full(void)
{
	struct reg_waiter_ref a;
	struct reg *r;
	pid_t pid;
	bool whole = true;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	pid = spawn_waiting(child_fills);
	is_int(atomic_load(&shared->rounds), 0, "full: 16,384 wait");
	is_int((long long)read_all(r), REG_WAITERS_MAX, "full: all are read");
	for (size_t i = 0; i < n_seen; i++)
		whole = whole && is_whole(&seen[i]);
	ok(whole, "full: ... whole");
	is_int(join(r, 1).index, REG_WAITERS_MAX, "full: one more -> none");
	kill_and_reap(pid);
	is_int(join(r, 1).index, REG_WAITERS_MAX,
	       "full: the next one does not search again at once");
	r->wait_full_ms = 0; /* as if the last search were longer ago */
	a = join(r, 1);
	ok(a.index < REG_WAITERS_MAX, "full: they died -> there is room");
	is_int(not_free(r), 1, "full: ... all of theirs");
	reg_queue_leave(r, a);
	ok(!reg_queue_any(r) && reg_verify(r, &err) == 0, "full: verifies");
	/* One that died before it raised the mark. */
	atomic_store(&r->seg->waits[16000].state,
		     reg_wait(REG_WAIT_FILLING, 1, 1, 1));
	for (uint64_t i = 0; i < REG_WAITERS_MAX; i++)
		a = join(r, i);
	ok(a.index < REG_WAITERS_MAX && a.index == 16000,
	   "full: an entry that was half taken by a dead one is found");
	reg_close(r);
}

/* ---- dead at every step, swept by two --------------------------------------
 */

static long step_of_death;
static struct reg_waiter_ref theirs;

static int
child_dies(void *unused)
{
	struct reg *r = seg_open(0);
	struct reg_waiter_ref a, b;
	struct reg_waiter w = read_of(r, theirs);

	(void)unused;
	case_countdown = step_of_death;
	a = join(r, 31);
	b = join(r, 32);
	reg_queue_call(r, &w, 5000, 250);
	w = read_of(r, a);
	reg_queue_displace(r, &w);
	reg_queue_uncall(r, b);
	reg_queue_leave(r, a);
	reg_queue_leave(r, b);
	case_countdown = 0;
	return 0;
}

static void
prepare_death(void)
{
	theirs = join(other, 20);
	reap(spawn(child_dies, NULL));
}

static void
sweep(void)
{
	sweep_now(me);
}

static void
others_sweep_and_work(void)
{
	sweep_now(other);
	reg_queue_leave(other, join(other, 21));
}

static const char *
judge_swept(void)
{
	if (reg_verify(me, &err))
		return err.msg;
	if (read_all(me) != 1 || !saw(theirs) || !is_whole(saw(theirs)))
		return "the living one is not read, or a dead one is";
	sweep_now(me); /* half an entry may have come to light since */
	if (waiters_of_others(me) != 1)
		return "an entry of the dead one is in use where readers look";
	newcomer = seg_open(0);
	return not_free(me) == 1 ? NULL : "an entry is in use for ever";
}

static const struct overtaking sweeps = {
	"", prepare_death, others_sweep_and_work, sweep, judge_swept};

static bool
child_gets_through(void)
{
	bool through;

	case_segment = seg_new();
	other = seg_open(REG_SEGMENT_MIN);
	theirs = join(other, 20);
	through = reap(spawn(child_dies, NULL)) == 0;
	reg_close(other);
	return through;
}

static void
test_deaths(void)
{
	const char *complaint = NULL;
	long step = 0, pairs = 0;

	for (step_of_death = 1; !complaint && step_of_death < STEPS_MAX;
	     step_of_death++) {
		bool through = false;

		if (child_gets_through())
			break;
		for (step = 1 + step_of_death % STRIDE; !through && !complaint;
		     step += STRIDE, pairs++)
			complaint = overtake_at(&sweeps, step, &through);
	}
	ok(!complaint && step_of_death > 20 && pairs > step_of_death,
	   "death: at each of %ld steps, swept by two at each step of the "
	   "other's: %ld pairs",
	   step_of_death - 1, pairs);
	if (complaint)
		printf("# step %ld, then %ld: %s\n", step_of_death - 1,
		       step - 1, complaint);
}

/* ---- stopped at every step, then going on ----------------------------------
 */

static int
child_is_stopped(void *unused)
{
	case_signal = SIGSTOP;
	return child_dies(unused);
}

static const char *
judge_meanwhile(struct reg *r)
{
	struct reg_waiter_ref a = join(r, 40);

	sweep_now(r);
	if (!reg_queue_any(r) || read_of(r, theirs).queue != 20 || !saw(a))
		return "others do not read who waits";
	for (size_t i = 0; i < n_seen; i++)
		if (!is_whole(&seen[i]))
			return "read a mixture";
	reg_queue_leave(r, a);
	return reg_verify(r, &err) ? err.msg : NULL;
}

static void
test_stops(void)
{
	const char *complaint = NULL;
	bool through = false;
	int status = 0;
	long step = 0;

	while (!through && !complaint && ++step < STEPS_MAX) {
		struct reg *r;
		pid_t pid;

		case_segment = seg_new();
		r = seg_open(REG_SEGMENT_MIN);
		theirs = join(r, 20);
		step_of_death = step;
		pid = spawn(child_is_stopped, NULL);
		while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
			continue;
		through = !WIFSTOPPED(status);
		if (!through) {
			complaint = judge_meanwhile(r);
			kill(pid, SIGCONT);
			status = reap(pid);
		}
		if (!complaint &&
		    (status || read_all(r) != 1 || waiters_of_others(r)))
			complaint = "it did not come to its end";
		reg_close(r);
	}
	case_signal = SIGKILL;
	ok(!complaint && through && step > 20,
	   "stop: at each of %ld steps, others go on, then it does", step - 1);
	if (complaint)
		printf("# step %ld: %s\n", step, complaint);
}

/* ---- many at once ---------------------------------------------------------
 */

static int
child_lives(void *arg)
{
	struct reg *r = seg_open(0);
	uint64_t state = (uintptr_t)arg + (uint64_t)getpid() * 77;
	struct reg_waiter_ref own[5];

	for (int i = 0; i < 5; i++)
		own[i] = no_waiter;
	for (;;) {
		uint32_t random = random_next(&state);
		struct reg_waiter_ref *a = &own[random % 5];

		reg_queue_leave(r, *a);
		*a = join(r, random_next(&state) % 1000);
		read_all(r);
		for (size_t i = 0; i < n_seen; i++)
			if (!is_whole(&seen[i]))
				atomic_fetch_add(&shared->mixed, 1);
		if (!saw(*a) && !reg_queue_is_displaced(r, *a))
			atomic_fetch_add(&shared->mixed, 1);
		if (n_seen && random % 3 == 0)
			reg_queue_displace(r, &seen[random / 8 % n_seen]);
		if (n_seen && random % 3 == 1)
			reg_queue_call(r, &seen[random / 8 % n_seen],
				       reg_clock_ms(), 10);
		reg_wake_drain(r);
		atomic_fetch_add(&shared->rounds, 1);
	}
	return 0;
}

/* Killed where luck has it, while others go on, and swept meanwhile. */
static void
test_kills(void)
{
	pid_t pids[PROCESSES];
	const char *wrong = NULL;
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memset(shared, 0, sizeof(*shared));
	for (uintptr_t i = 0; i < PROCESSES; i++)
		pids[i] = spawn(child_lives, (void *)i);
	for (int i = 0; i < KILLS; i++) {
		int before = atomic_load(&shared->rounds);

		while (atomic_load(&shared->rounds) < before + 50)
			sched_yield();
		kill_and_reap(pids[i % PROCESSES]);
		if (i % 2)
			sweep_now(r);
		if (RETRY(reg_verify(r, &err), err))
			wrong = err.msg;
		pids[i % PROCESSES] = spawn(child_lives, NULL);
	}
	for (int i = 0; i < PROCESSES; i++)
		kill_and_reap(pids[i]);
	sweep_now(r);
	is_int(waiters_of_others(r), 0, "kills: of dozens nothing is left");
	ok(!reg_queue_any(r), "kills: ... and nobody waits");
	is_int(atomic_load(&shared->mixed), 0,
	       "kills: nobody read a mixture, or not himself");
	ok(!wrong, "kills: and never an invariant broken");
	if (wrong)
		printf("# %s\n", wrong);
	reg_close(r);
}

int
main(void)
{
	shared = shared_page(sizeof(*shared));
	test_death();
	test_row_succeeded();
	test_full();
	test_deaths();
	test_stops();
	test_kills();
	return done_testing();
}
