/* SPDX-License-Identifier: MIT */
/*
 * test_reg_atomic.c - what one atomic instruction promises, asked at every
 * instruction of another process.
 */
#include "reg_test.h"
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

/* The n-th value is announced here n instructions after the child began. */
static void
announce_between(void *r)
{
	static uint64_t value, wait;
	uint64_t now = atomic_load(&board->value);

	if (now != value) {
		value = now;
		wait = now;
	}
	if (now && wait && --wait == 0 && reg_once(r, 2, now))
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

int
main(void)
{
	board = shared_page(sizeof(*board));
	test_turn();
	test_once();
	return done_testing();
}
