/* SPDX-License-Identifier: MIT */
/*
 * test_reg_share.c - what processes share besides nodes and probes: turns,
 * counters, once-words. Each is tried by one process, by many, and by
 * dead ones.
 */
#include "reg_test.h"

static struct reg_err err;

/* ---- turns --------------------------------------------------------------- */

#define TURNS_EACH 2000

static uint8_t *drawn; /* one byte a number: how often it was drawn */

static int
child_draws(void *arg)
{
	struct reg *r = seg_open(0);
	uint32_t index;

	(void)arg;
	if (RETRY(reg_turn_open(r, "role", &index, &err), err))
		return 1;
	gate_pass();
	for (int i = 0; i < TURNS_EACH; i++) {
		uint64_t n = reg_turn_next(r, index);

		if (n >= PROCESSES * TURNS_EACH)
			return 2;
		drawn[n]++;
	}
	reg_close(r);
	return 0;
}

static void
test_round_robin(void)
{
	unsigned share[3] = {0}, once = 0, most = 0, least = ~0u;
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	drawn = shared_page(PROCESSES * TURNS_EACH);
	is_int(run_together(child_draws), 0, "turn: 8 processes draw 16,000");
	for (unsigned i = 0; i < PROCESSES * TURNS_EACH; i++) {
		once += drawn[i] == 1;
		share[i % 3] += drawn[i];
	}
	is_int(once, PROCESSES * TURNS_EACH, "turn: each number came once");
	for (int i = 0; i < 3; i++) {
		most = share[i] > most ? share[i] : most;
		least = share[i] < least ? share[i] : least;
	}
	ok(most - least <= 1, "turn: 3 candidates -> shares differ by %u",
	   most - least);
	reg_close(r);
}

static void
test_turns(void)
{
	uint64_t n;
	uint32_t first, second, again, index;
	char name[REG_TURN_NAME_MAX + 2];
	struct reg *r, *other;
	int failed = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	memset(name, 'n', sizeof(name));
	name[REG_TURN_NAME_MAX + 1] = '\0';
	ok(reg_turn_open(r, name, &index, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "turn: name of 129 bytes -> TOO_LARGE");
	ok(reg_turn_open(r, "", &index, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "turn: empty name -> TOO_LARGE");
	name[REG_TURN_NAME_MAX] = '\0';
	is_int(reg_turn_open(r, name, &first, &err), 0,
	       "turn: name of 128 bytes -> 0");
	ok(reg_turn_next(r, first) == 0 && reg_turn_next(r, first) == 1,
	   "turn: counts from 0");
	ok(reg_turn_open(other, name, &again, &err) == 0 && again == first &&
		   reg_turn_next(other, again) == 2,
	   "turn: another handle goes on");
	ok(reg_turn_open(r, "b", &second, &err) == 0 && second != first &&
		   reg_turn_next(r, second) == 0,
	   "turn: another name has its own");
	ok(reg_turn_look(other, name, &n, &err) == 0 && n == 3 &&
		   reg_turn_look(r, name, &n, &err) == 0 && n == 3 &&
		   reg_turn_next(r, first) == 3,
	   "turn: looked at -> the next number, which stays the next");
	ok(reg_turn_look(r, "c", &n, &err) == 0 && n == 0 &&
		   reg_turn_look(r, "", &n, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "turn: one that nobody opened is looked at -> 0; no name -> "
	   "TOO_LARGE");
	for (int i = 2; i < REG_TURNS_MAX; i++) {
		char filler[16];

		snprintf(filler, sizeof(filler), "t%d", i);
		failed += reg_turn_open(r, filler, &index, &err) != 0;
	}
	is_int(failed, 0, "turn: 1,024 names fit");
	reg_turn_next(other, first); /* used, though opened long ago */
	is_int(reg_turn_open(r, "one more", &index, &err), 0,
	       "turn: one more -> 0");
	ok(index == second && reg_turn_next(r, index) == 0,
	   "turn: ... takes the place unused longest, from 0");
	ok(reg_turn_open(r, name, &again, &err) == 0 && again == first &&
		   reg_turn_next(r, again) == 5,
	   "turn: ... and not that of one in use");
	/* t2 has waited longest now, but somebody is about to draw from it. */
	ok(reg_turn_open(other, "t2", &second, &err) == 0 &&
		   reg_turn_open(r, "and another", &again, &err) == 0 &&
		   again != second,
	   "turn: ... nor that of one just opened again");
	is_int((long long)reg_turn_next(r, REG_TURNS_MAX), 0,
	       "turn: index out of range -> 0");
	ok(reg_verify(r, &err) == 0, "turn: verifies");
	reg_close(other);
	reg_close(r);
}

/* ---- rows -----------------------------------------------------------------
 */

/* Its row has another owner: it was given up for dead, whyever. */
static void
test_lost_row(void)
{
	struct reg *r, *other;
	_Atomic uint64_t *identity;
	uint64_t heir;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	heir = other->identity ^ 1;
	identity = &r->seg->rows[other->row].identity;
	atomic_store(identity, heir);
	reg_close(other);
	ok(atomic_load(identity) == heir,
	   "row: close -> a row that is another's now stays so");
	reg_close(r);
}

/* ---- counters, gauges, once ---------------------------------------------- */

static int
child_counts(void *arg)
{
	struct reg *r = seg_open(0);

	reg_counter_add(r, 0, 10);
	reg_gauge_add(r, 0, 3);
	atomic_store((_Atomic int *)arg, 1);
	hold();
}

static void
test_counters(void)
{
	_Atomic int *counted = shared_page(4096);
	siginfo_t info;
	struct reg *r;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	reg_counter_add(r, 0, 1);
	reg_counter_add(r, REG_COUNTERS_MAX - 1, UINT64_C(1) << 40);
	reg_gauge_add(r, 0, 2);
	reg_gauge_add(r, 7, -4);
	pid = spawn(child_counts, counted);
	await(counted, 1);
	is_int((long long)reg_counter_sum(r, 0), 11, "counter: sum of two");
	is_int((long long)reg_counter_sum(r, REG_COUNTERS_MAX - 1), 1LL << 40,
	       "counter: the last one");
	is_int(reg_gauge_sum(r, 0), 5, "gauge: sum of two");
	is_int(reg_gauge_sum(r, 7), -4, "gauge: may be negative");
	is_int(reg_rows_live(r), 2, "rows: two live");
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	is_int(reg_rows_live(r), 1, "rows: a zombie is dead");
	reap(pid);
	is_int((long long)reg_counter_sum(r, 0), 11,
	       "counter: process killed -> its counts stay");
	is_int(reg_gauge_sum(r, 0), 2,
	       "gauge: process killed -> its part goes");
	is_int(reg_rows_live(r), 1, "rows: process killed -> one live");
	reg_counter_add(r, REG_COUNTERS_MAX, 1);
	reg_gauge_add(r, REG_GAUGES_MAX, 1);
	ok(reg_counter_sum(r, REG_COUNTERS_MAX) == 0 &&
		   reg_gauge_sum(r, REG_GAUGES_MAX) == 0,
	   "counter: index out of range -> nothing");
	reg_close(r);
}

static _Atomic int *announced;

static int
child_announces(void *arg)
{
	struct reg *r = seg_open(0);

	(void)arg;
	gate_pass();
	for (uint64_t v = 1; v <= 100; v++)
		if (reg_once(r, (unsigned)(v % REG_ONCE_MAX), v))
			atomic_fetch_add(&announced[v], 1);
	reg_close(r);
	return 0;
}

static void
test_once(void)
{
	struct reg *r;
	int first = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	ok(reg_once(r, 1, 5) && !reg_once(r, 1, 5) && reg_once(r, 1, 6) &&
		   reg_once(r, 0, 6),
	   "once: true for each new value of each word");
	ok(!reg_once(r, REG_ONCE_MAX, 1), "once: index out of range -> false");
	reg_once(r, 1, 0);
	reg_once(r, 0, 0);
	announced = shared_page(4096);
	is_int(run_together(child_announces), 0,
	       "once: 8 processes, 100 values");
	/* Late processes meet older values again, so some come more than once:
	 * never is one lost, and words end with the last value. */
	for (int v = 1; v <= 100; v++)
		first += atomic_load(&announced[v]) >= 1;
	is_int(first, 100, "once: every value is announced");
	ok(!reg_once(r, 100 % REG_ONCE_MAX, 100), "once: the last value stays");
	reg_close(r);
}

static int
child_announces_one(void *arg)
{
	struct reg *r = seg_open(0);

	(void)arg;
	gate_pass();
	if (reg_once(r, 2, 77))
		atomic_fetch_add(announced, 1);
	reg_close(r);
	return 0;
}

static void
test_once_together(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	announced = shared_page(4096);
	is_int(run_together(child_announces_one), 0,
	       "once: 8 processes, 1 value");
	is_int(atomic_load(announced), 1, "once: ... one of them announces it");
	reg_close(r);
}

int
main(void)
{
	test_round_robin();
	test_turns();
	test_lost_row();
	test_counters();
	test_once();
	test_once_together();
	return done_testing();
}
