/* SPDX-License-Identifier: MIT */
/*
 * test_reg_atomic.c - what one atomic instruction promises, asked at every
 * instruction of another process.
 */
#include "reg_test.h"
#include "reg_waiters.h"
#include "step.h"

#define DRAWS 50   /* by the child */
#define VALUES 300 /* more than a call has instructions */

static struct reg_err err;

struct board {
	_Atomic uint64_t value; /* that the child is about to announce */
	_Atomic int drawn[DRAWS + STEPS_MAX + 1];
	_Atomic int announced[VALUES + 1];
};

static struct board *board;

/* ---- turns --------------------------------------------------------------- */

static uint32_t turn;
static long parents_draws;

static bool
draw(struct reg *r)
{
	uint64_t n = reg_turn_next(r, turn);

	if (n >= sizeof(board->drawn) / sizeof(board->drawn[0]))
		return false;
	atomic_fetch_add(&board->drawn[n], 1);
	return true;
}

static int
child_draws(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	if (step_begin())
		return CANNOT_TRACE;
	for (int i = 0; i < DRAWS; i++)
		if (!draw(r))
			return 1;
	return 0;
}

static void
draw_between(void *r)
{
	parents_draws += draw(r);
}

static void
test_turn(void)
{
	long steps, total, once = 0;
	struct reg *r;
	int status;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	if (reg_turn_open(r, "role", &turn, &err))
		printf("# turn: %s\n", err.msg);
	steps = step_through(child_draws, draw_between, r, &status);
	total = parents_draws + DRAWS;
	for (long i = 0; i < total; i++)
		once += atomic_load(&board->drawn[i]) == 1;
	if (status == CANNOT_TRACE)
		ok(true, "turn: each number once # SKIP no tracing here");
	else
		ok(status == 0 && steps > DRAWS && parents_draws == steps &&
			   once == total,
		   "turn: another draws at each of %ld instructions -> each "
		   "number once",
		   steps);
	reg_close(r);
}

/* ---- once-words ---------------------------------------------------------- */

static int
child_announces(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	if (step_begin())
		return CANNOT_TRACE;
	for (uint64_t v = 1; v <= VALUES; v++) {
		atomic_store(&board->value, v);
		if (reg_once(r, 2, v))
			atomic_fetch_add(&board->announced[v], 1);
	}
	return 0;
}

/* Is it the moment to act? In the child's n-th round that is once, after n times
 * @stride instructions. Whoever acts at each one would never let it through. */
static bool
is_moment(uint64_t stride)
{
	static uint64_t value, wait;
	uint64_t now = atomic_load(&board->value);

	if (now != value) {
		value = now;
		wait = now * stride;
	}
	return now && wait && --wait == 0;
}

static void
announce_between(void *r)
{
	uint64_t now = atomic_load(&board->value);

	if (is_moment(1) && reg_once(r, 2, now))
		atomic_fetch_add(&board->announced[now], 1);
}

static void
test_once(void)
{
	int status, once = 0;
	struct reg *r;
	long steps;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	steps = step_through(child_announces, announce_between, r, &status);
	for (int v = 1; v <= VALUES; v++)
		once += atomic_load(&board->announced[v]) == 1;
	if (status == CANNOT_TRACE)
		ok(true, "once: one announces # SKIP no tracing here");
	else
		ok(status == 0 && steps > VALUES && once == VALUES,
		   "once: another announces it at any of %ld instructions -> "
		   "one of the two does",
		   steps);
	reg_close(r);
}

/* ---- rates ---------------------------------------------------------------- */

#define BUCKET (3 * VALUES) /* more than both of them take */
#define NOW_US UINT64_C(5000000000)

static struct reg_candidate_ref client;
static long parents_takes;

static bool
take(struct reg *r)
{
	struct reg_rate rate;

	reg_rate_take(r, client, BUCKET, NOW_US, &rate);
	return rate.taken;
}

static int
child_takes(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	if (step_begin())
		return CANNOT_TRACE;
	for (uint64_t v = 1; v <= VALUES; v++) {
		atomic_store(&board->value, v);
		if (!take(r))
			return 1;
	}
	return 0;
}

static void
take_between(void *r)
{
	if (is_moment(1))
		parents_takes += take(r);
}

static void
test_rate(void)
{
	struct reg_rate rate;
	struct reg *r;
	int status;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	client = candidate(r, 1);
	atomic_store(&board->value, 0);
	step_through(child_takes, take_between, r, &status);
	reg_rate_look(r, client, BUCKET, NOW_US, &rate);
	if (status == CANNOT_TRACE)
		ok(true, "rate: each counts once # SKIP no tracing here");
	else
		ok(status == 0 && parents_takes > 50 &&
			   rate.remaining == BUCKET - VALUES - parents_takes,
		   "rate: another takes at each of %ld instructions -> each "
		   "counts once",
		   parents_takes);
	reg_close(r);
}

/* ---- who waits ------------------------------------------------------------- */

#define STRIDE 7 /* so that the rounds reach its end */

static long mixed, came;

static int
child_waits(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	if (step_begin())
		return CANNOT_TRACE;
	for (uint64_t v = 1; v <= VALUES; v++) {
		struct reg_waiter_ref a, b;

		atomic_store(&board->value, v);
		a = join(r, 1000 + v);
		b = join(r, 2000 + v);
		if (a.index >= REG_WAITERS_MAX || b.index >= REG_WAITERS_MAX)
			return 1;
		reg_queue_leave(r, b);
		reg_queue_leave(r, a);
	}
	return 0;
}

/* Of all others who wait, this one comes and goes as well. */
static void
wait_between(void *r)
{
	struct reg_waiter_ref a;

	if (!is_moment(STRIDE))
		return;
	came++;
	a = join(r, 30);
	read_all(r);
	mixed += !saw(a) || n_seen > 3;
	for (size_t i = 0; i < n_seen; i++)
		mixed += !is_whole(&seen[i]);
	reg_queue_leave(r, a);
}

static void
test_wait(void)
{
	struct reg *r;
	int status;
	long steps;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	atomic_store(&board->value, 0);
	steps = step_through(child_waits, wait_between, r, &status);
	sweep_now(r);
	if (status == CANNOT_TRACE)
		ok(true, "wait: read whole # SKIP no tracing here");
	else
		ok(status == 0 && steps > came && came > 50 && mixed == 0 &&
			   !reg_queue_any(r) && waiters_of_others(r) == 0,
		   "wait: another joins, reads and leaves at %ld instructions "
		   "-> both are read whole",
		   came);
	reg_close(r);
}

int
main(void)
{
	board = shared_page(sizeof(*board));
	test_turn();
	test_once();
	test_rate();
	test_wait();
	return done_testing();
}
