/* SPDX-License-Identifier: MIT */
/*
 * test_reg_recorder.c - what happened last: every record that is read is one
 * that was put, whoever is stopped, overtaken or killed at any step of it.
 */
#include "reg_stops.h"

#define LAP REG_RECORDS_MAX
#define LONGEST REG_RECORD_BYTES

/* A record that can tell whether it is whole, of a length of its own. */
static void
put(struct reg *r, uint64_t seed)
{
	char bytes[LONGEST];
	size_t n = 9 + seed % (LONGEST - 8);

	payload_make(bytes, n, seed);
	reg_recorder_put(r, bytes, n);
}

static void
put_lap(struct reg *r, uint64_t seed)
{
	for (uint64_t i = 0; i < LAP; i++)
		put(r, seed + i);
}

/* How many of the last ones are there; counts those that are not whole. */
static unsigned
read_all(const struct reg *r, unsigned *wrong)
{
	uint64_t newest = reg_recorder_newest(r);
	uint64_t number = newest < LAP ? 0 : newest - LAP;
	char bytes[LONGEST];
	unsigned found = 0;

	while (number++ < newest) {
		size_t n = reg_recorder_read(r, number, bytes);

		found += n > 0;
		*wrong += n > 0 && !payload_is_whole(bytes, n);
	}
	return found;
}

/* All of the last ones are there, whole. */
static bool
is_full(const struct reg *r)
{
	unsigned wrong = 0;

	return read_all(r, &wrong) == LAP && !wrong;
}

static void
test_ring(void)
{
	char bytes[LONGEST + 1] = {0}, out[LONGEST];
	struct reg *r, *second, look = {.fd = -1};
	unsigned wrong = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	ok(reg_recorder_newest(r) == 0 && !reg_recorder_read(r, 0, out) &&
		   !reg_recorder_read(r, 1, out),
	   "ring: nothing at first");
	reg_recorder_put(r, "one", 3);
	reg_recorder_put(second, "other", 5);
	ok(reg_recorder_newest(second) == 2 &&
		   reg_recorder_read(second, 1, out) == 3 &&
		   memcmp(out, "one", 3) == 0 &&
		   reg_recorder_read(r, 2, out) == 5 &&
		   memcmp(out, "other", 5) == 0,
	   "ring: numbers of all processes");
	ok(!reg_recorder_read(r, 3, out) && !reg_recorder_read(r, 0, out) &&
		   !reg_recorder_read(r, LAP + 1, out) &&
		   !reg_recorder_read(r, UINT64_MAX, out),
	   "ring: no others");
	reg_recorder_put(r, bytes, 0);
	reg_recorder_put(r, bytes, LONGEST + 1);
	ok(reg_recorder_newest(r) == 2, "ring: too short, too long -> none");
	memset(bytes, 'x', sizeof(bytes));
	reg_recorder_put(r, bytes, LONGEST);
	memset(out, 0, sizeof(out));
	ok(reg_recorder_read(r, 3, out) == LONGEST &&
		   memcmp(out, bytes, LONGEST) == 0,
	   "ring: the longest");
	for (size_t n = 1; n <= 17; n++) {
		reg_recorder_put(r, bytes, n);
		wrong += reg_recorder_read(r, 3 + n, out) != n;
	}
	is_int(wrong, 0, "ring: any length");
	put_lap(second, 7);
	ok(is_full(r), "ring: 4,096 are kept");
	ok(!reg_recorder_read(r, reg_recorder_newest(r) - LAP, out),
	   "ring: and the one before is not");
	ok(reg_segment_look(&look, seg_name, &err) == 0, "ring: a look");
	reg_recorder_put(&look, "look", 4);
	ok(is_full(&look) &&
		   reg_recorder_newest(&look) == reg_recorder_newest(r),
	   "ring: who only looks sees them, and records nothing");
	reg_segment_close(&look);
	ok(reg_verify(r, &err) == 0, "ring: verifies");
	reg_close(second);
	reg_close(r);
	r = seg_open(0);
	ok(is_full(r), "ring: they survive every process");
	reg_close(r);
}

/* ---- overtaken at every step ----------------------------------------------
 */

static size_t got;
static char got_bytes[LONGEST];
static uint64_t asked;

static void
prepare(void)
{
	put_lap(other, 1);
	asked = reg_recorder_newest(other);
	got = 0;
}

static void
others_lap(void)
{
	put_lap(other, 5000);
}

static void
others_one(void)
{
	put(other, 5000);
}

static void
read_one(void)
{
	got = reg_recorder_read(me, asked, got_bytes);
}

static void
put_one(void)
{
	put(me, 99);
}

static const char *
judge_read(void)
{
	if (got && !payload_is_whole(got_bytes, got))
		return "what was read is not whole";
	return is_full(other) ? NULL : "a record is missing";
}

/* The stopped one's own may be lost, and the one that it wrote into. */
static const char *
judge_put(void)
{
	unsigned wrong = 0, found = read_all(other, &wrong);

	if (wrong)
		return "what is read is not whole";
	if (found + 2 < LAP)
		return "more are missing than two";
	put_lap(other, 30000);
	return is_full(me) ? NULL : "a place is spoiled for good";
}

static const struct overtaking overtakings[] = {
	{"read: the ring goes round", prepare, others_lap, read_one,
	 judge_read},
	{"put: the ring goes round", prepare, others_lap, put_one, judge_put},
	{"put: another one puts", prepare, others_one, put_one, judge_put},
};

/* Stopped between its number and its place, while the ring goes round: it comes
 * too late, and takes nobody's. */
static void
test_late(void)
{
	for (long step = 1; step <= 2; step++) {
		case_segment = seg_new();
		me = seg_open(REG_SEGMENT_MIN);
		other = seg_open(0);
		prepare();
		case_meanwhile = others_lap;
		case_stop = step;
		put_one();
		ok(case_stop == 0 && is_full(other),
		   "late: stopped at step %ld -> it is lost, and no other",
		   step);
		reg_close(other);
		reg_close(me);
	}
}

/* ---- killed at every step --------------------------------------------------
 */

static long step_of_death;

static int
child_puts(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	case_countdown = step_of_death;
	put(r, 4000);
	return 0;
}

static void
test_deaths(void)
{
	const char *complaint = NULL;
	int status = 1;

	for (step_of_death = 1; status && !complaint && step_of_death < 1000;
	     step_of_death++) {
		unsigned wrong = 0, found;

		case_segment = seg_new();
		me = seg_open(REG_SEGMENT_MIN);
		put_lap(me, 1);
		status = reap(spawn(child_puts, NULL));
		found = read_all(me, &wrong);
		if (status && status != 128 + SIGKILL)
			complaint = "it failed by itself";
		else if (wrong)
			complaint = "what is read is not whole";
		else if (found + 1 < LAP)
			complaint = "more than its own is lost";
		else if (reg_verify(me, &err))
			complaint = err.msg;
		put_lap(me, 9000);
		if (!complaint && !is_full(me))
			complaint = "its place is spoiled for good";
		reg_close(me);
	}
	ok(!complaint && step_of_death > 10,
	   "death: at each of %ld steps -> its own record at most",
	   step_of_death - 2);
	if (complaint)
		printf("# step %ld: %s\n", step_of_death - 1, complaint);
}

/* ---- several processes -----------------------------------------------------
 */

static int
child_puts_and_reads(void *arg)
{
	uint64_t seed = (uintptr_t)arg * 100000;
	struct reg *r = seg_open(0);
	unsigned wrong = 0;

	gate_pass();
	for (int i = 0; i < 20000; i++) {
		put(r, seed + (uint64_t)i);
		if (i % 1000 == 0)
			read_all(r, &wrong);
	}
	return wrong != 0;
}

static void
test_together(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	is_int(run_together(child_puts_and_reads), 0,
	       "together: eight put and read, each record is whole");
	is_int((long long)reg_recorder_newest(r), PROCESSES * 20000,
	       "together: each has a number");
	put_lap(r, 1);
	ok(is_full(r), "together: a lap later all are there");
	reg_close(r);
}

static int
child_puts_for_ever(void *arg)
{
	struct reg *r = seg_open(0);

	for (uint64_t i = 0;; i++)
		put(r, (uintptr_t)arg + i);
	return 0;
}

/* Killed, or stopped for a while, wherever they are. */
static void
test_random(void)
{
	unsigned wrong = 0;
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (uintptr_t round = 0; round < 40; round++) {
		pid_t killed = spawn(child_puts_for_ever, (void *)round);
		pid_t stopped = spawn(child_puts_for_ever, (void *)(round * 7));
		uint64_t begun = reg_recorder_newest(r);

		while (reg_recorder_newest(r) < begun + 500)
			put(r, begun);
		kill(stopped, SIGSTOP);
		kill_and_reap(killed);
		put_lap(r, round);
		kill(stopped, SIGCONT);
		begun = reg_recorder_newest(r);
		while (reg_recorder_newest(r) < begun + 50)
			read_all(r, &wrong);
		kill_and_reap(stopped);
		read_all(r, &wrong);
	}
	is_int(wrong, 0, "random: killed and stopped anywhere -> whole");
	put_lap(r, 1);
	ok(is_full(r), "random: and nothing is spoiled for good");
	ok(reg_verify(r, &err) == 0, "random: verifies");
	reg_close(r);
}

int
main(void)
{
	test_ring();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	test_late();
	test_deaths();
	test_together();
	test_random();
	return done_testing();
}
