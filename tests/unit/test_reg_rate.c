/* SPDX-License-Identifier: MIT */
/*
 * test_reg_rate.c - how often a client comes, to the request: a bucket of N,
 * refilled evenly, whoever takes from it, dies or is overtaken; and how fast a
 * queue moves.
 */
#include "reg_stops.h"

#define T0_US UINT64_C(5000000000) /* the machine runs for a while */
#define N_TOGETHER 1000

static struct reg_candidate_ref c;

static struct reg_rate
take(struct reg *r, uint32_t n, uint64_t now_us)
{
	struct reg_rate rate;

	reg_rate_take(r, c, n, now_us, &rate);
	return rate;
}

static struct reg_rate
look(const struct reg *r, uint32_t n, uint64_t now_us)
{
	struct reg_rate rate;

	reg_rate_look(r, c, n, now_us, &rate);
	return rate;
}

static bool
is(struct reg_rate got, bool taken, uint32_t remaining, uint64_t next_us,
   uint64_t full_us)
{
	bool same = got.taken == taken && got.remaining == remaining &&
		    got.next_us == next_us && got.full_us == full_us;

	if (!same)
		printf("# got %d remaining %u next %llu full %llu\n", got.taken,
		       got.remaining, (unsigned long long)got.next_us,
		       (unsigned long long)got.full_us);
	return same;
}

static struct reg *
fresh(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	c = candidate(r, 1);
	return r;
}

/* ---- one at a time --------------------------------------------------------
 */

static void
test_bucket(void)
{
	struct reg *r = fresh();

	ok(is(look(r, 3, T0_US), false, 3, 0, 0), "bucket: full at first");
	ok(is(take(r, 3, T0_US), true, 2, 0, 20000000), "bucket: one of three");
	ok(is(take(r, 3, T0_US), true, 1, 0, 40000000), "bucket: the second");
	ok(is(take(r, 3, T0_US), true, 0, 20000000, 60000000),
	   "bucket: the third -> empty");
	ok(is(take(r, 3, T0_US), false, 0, 20000000, 60000000),
	   "bucket: the fourth -> refused");
	ok(is(take(r, 3, T0_US + 19999999), false, 0, 1, 40000001),
	   "bucket: 1 us too early -> refused, and told so");
	ok(is(look(r, 3, T0_US + 20000000), false, 1, 0, 40000000),
	   "bucket: a look takes nothing");
	ok(is(take(r, 3, T0_US + 20000000), true, 0, 20000000, 60000000),
	   "bucket: after 20 s one more");
	ok(is(take(r, 3, T0_US + 79999999), true, 1, 0, 20000001),
	   "bucket: almost full again");
	ok(is(take(r, 3, T0_US + 500000000), true, 2, 0, 20000000),
	   "bucket: never more than full");
	reg_close(r);
}

/* As many as N, at one moment, for numbers that do not divide a minute. */
static void
test_numbers(void)
{
	static const uint32_t numbers[] = {1,	 2,    7,     59,     61,
					   1000, 7001, 60001, 999999, 1000000};
	uint64_t wrong = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uint32_t n = numbers[i], taken = 0;
		struct reg *r = fresh();
		struct reg_rate rate;

		while ((rate = take(r, n, T0_US)).taken)
			taken += rate.remaining == n - taken - 1;
		wrong += taken != n;
		/* What it was told is when one more comes, and not before. */
		wrong += take(r, n, T0_US + rate.next_us - 1).taken &&
			 rate.next_us > 61;
		wrong += !take(r, n, T0_US + rate.next_us).taken;
		reg_close(r);
	}
	is_int((long long)wrong, 0,
	       "numbers: of N a minute N come at once, no more, and one more "
	       "when it was said");
}

/* In the long run not more than N a minute, and less by the least. */
static void
test_long_run(void)
{
	struct reg *r = fresh();
	uint64_t taken = 0, now = T0_US;

	while (now < T0_US + 600000000) { /* ten minutes, each 0.1 s */
		taken += take(r, 7, now).taken;
		now += 100000;
	}
	is_int((long long)taken, 7 + 69,
	       "long run: ten minutes of 7 -> 7 at first, then one each 8.6 s");
	reg_close(r);
}

static void
test_edges(void)
{
	struct reg_candidate_ref one;
	struct reg *r = fresh();
	struct reg_rate rate;

	ok(is(take(r, 0, T0_US), true, 0, 60000000, 60000000),
	   "edges: 0 a minute is 1");
	c = candidate(r, 2);
	ok(take(r, UINT32_MAX, T0_US).remaining == REG_RATE_MAX - 1,
	   "edges: too many is the most");
	one = c;
	c = candidate(r, 4);
	ok(is(take(r, 999999, T0_US), true, 999998, 0, 61),
	   "edges: a step is rounded up, never down");
	c = candidate(r, 3);
	take(r, 4, T0_US);
	take(r, 4, T0_US);
	ok(is(look(r, 8, T0_US), false, 4, 0, 30000000),
	   "edges: another N -> as much is missing of it");
	ok(is(look(r, 2, T0_US), false, 1, 0, 30000000),
	   "edges: ... of a smaller one");
	take(r, 4, T0_US);
	take(r, 4, T0_US);
	ok(is(look(r, 1000, T0_US), false, 0, 60000, 60000000),
	   "edges: empty stays empty");
	/* A process that was stopped for an hour with its time in hand. */
	c = one;
	take(r, 10, T0_US + UINT64_C(3600000000));
	rate = take(r, 10, T0_US);
	ok(!rate.taken && rate.remaining == 0 && rate.next_us == 6000000,
	   "edges: a time of long ago -> refused");
	is_int((long long)look(r, 10, T0_US + UINT64_C(3600000000)).remaining,
	       9, "edges: ... and nothing changed");
	ok(take(r, 10, T0_US + UINT64_C(86400000000) * 300).remaining == 9,
	   "edges: unused for 300 days -> full");
	c.index = REG_CANDIDATES_MAX;
	ok(is(take(r, 10, T0_US), false, 0, 0, 0) &&
		   is(look(r, 10, T0_US), false, 0, 0, 0),
	   "edges: no entry -> refused, with no time to wait");
	c = one;
	c.tag++;
	ok(is(take(r, 10, T0_US), false, 0, 0, 0) &&
		   is(look(r, 10, T0_US), false, 0, 0, 0),
	   "edges: one that was given away -> the same");
	reg_close(r);
}

/* What is left in the word by the one before says nothing of the next one. */
static void
test_given_away(void)
{
	struct reg *r = fresh();
	struct reg_place *p = reg_candidate_at(r, c);

	while (take(r, 5, T0_US).taken)
		continue;
	atomic_store(&p->load, reg_load(0, 0, 0, false, c.tag + 1));
	c.tag++;
	atomic_store(&p->name, reg_name(c.tag, 5000));
	ok(is(look(r, 5, T0_US), false, 5, 0, 0),
	   "given away: the next one's bucket is full");
	ok(is(take(r, 5, T0_US), true, 4, 0, 12000000),
	   "given away: ... and it takes from its own");
	reg_close(r);
}

/* ---- several at once ------------------------------------------------------
 */

static struct {
	_Atomic int taken, wrong;
} * shared;

static int
child_takes(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	gate_pass();
	for (int i = 0; i < N_TOGETHER; i++) {
		struct reg_rate rate = take(r, N_TOGETHER, T0_US);

		atomic_fetch_add(&shared->taken, rate.taken);
		if (!rate.taken && rate.remaining)
			atomic_fetch_add(&shared->wrong, 1);
	}
	reg_close(r);
	return 0;
}

static void
test_together(void)
{
	struct reg *r = fresh();

	shared = shared_page(sizeof(*shared));
	is_int(run_together(child_takes), 0,
	       "together: 8 processes, 8,000 requests");
	is_int(atomic_load(&shared->taken), N_TOGETHER,
	       "together: of 1,000 a minute 1,000 are taken");
	is_int(atomic_load(&shared->wrong), 0,
	       "together: nobody is refused while some are left");
	reg_close(r);
}

static struct reg_rate mine, theirs;

static void
prepare_last(void)
{
	c = candidate(me, 1);
	take(me, 2, T0_US);
	mine = theirs = (struct reg_rate){0};
}

static void
take_one(void)
{
	mine = take(me, 2, T0_US);
}

static void
others_take_one(void)
{
	theirs = take(other, 2, T0_US);
}

static const char *
judge_last(void)
{
	if (!theirs.taken && !theirs.next_us) /* nobody overtook */
		return mine.taken ? NULL : "not taken";
	if (mine.taken + theirs.taken != 1)
		return "the last one was not taken by one of the two";
	return look(me, 2, T0_US).remaining == 0 ? NULL : "not counted";
}

/* The entry goes to another key while one takes. */
static void
others_give_away(void)
{
	struct reg_place *p = &me->seg->places[c.index];

	atomic_store(&p->load, reg_load(0, 0, 0, false, c.tag + 1));
	atomic_store(&p->name, reg_name(c.tag + 1, 5000));
}

static const char *
judge_given_away(void)
{
	struct reg_candidate_ref was = c;
	struct reg_rate rate;

	c.tag++;
	rate = look(other, 2, T0_US);
	c = was;
	if (!reg_candidate_at(me, was))
		return rate.remaining == 2 ? NULL
					   : "taken from the next one's bucket";
	return mine.taken ? NULL : "not taken";
}

static long step_of_death;

static int
child_dies(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	case_countdown = step_of_death;
	return take(r, 2, T0_US).taken ? 0 : 1;
}

static void
test_deaths(void)
{
	const char *complaint = NULL;
	int status = 1;

	for (step_of_death = 1; status && !complaint && step_of_death < 100;
	     step_of_death++) {
		struct reg *r;
		uint32_t left;

		r = fresh();
		case_segment = seg_name;
		status = reap(spawn(child_dies, NULL));
		left = look(r, 2, T0_US).remaining;
		if (left > 2 || left < 1 || (status == 0 && left != 1))
			complaint = "not one or none is taken";
		for (; left && !complaint; left--)
			if (!take(r, 2, T0_US).taken)
				complaint = "what was left is not to be had";
		if (take(r, 2, T0_US).taken)
			complaint = "one too many";
		reg_close(r);
	}
	ok(!complaint && status == 0 && step_of_death > 2,
	   "death: at each of %ld steps", step_of_death - 2);
	if (complaint)
		printf("# step %ld: %s\n", step_of_death - 1, complaint);
}

/* ---- how fast a queue moves ------------------------------------------------
 */

static void
test_pace(void)
{
	struct reg *r = fresh();
	struct reg_candidate_ref none = {.index = REG_CANDIDATES_MAX};
	uint64_t ms;

	is_int((long long)reg_queue_interval_ms(r, c, 1000, 9000), 0,
	       "pace: not known at first");
	reg_queue_moved(r, c, 10000, 12000);
	is_int((long long)reg_queue_interval_ms(r, c, 12000, 12000), 2000,
	       "pace: the first one, from when it came");
	for (uint64_t i = 1; i <= 100; i++)
		reg_queue_moved(r, c, 10000, 12000 + i * 500);
	ms = reg_queue_interval_ms(r, c, 62000, 62000);
	ok(ms >= 500 && ms < 510, "pace: each 500 ms -> %llu",
	   (unsigned long long)ms);
	reg_queue_moved(r, c, 10000, 63300);
	ms = reg_queue_interval_ms(r, c, 63300, 63300);
	ok(ms >= 600 && ms < 610, "pace: one after 1,300 ms -> %llu",
	   (unsigned long long)ms);
	is_int((long long)reg_queue_interval_ms(r, c, 10000, 68300), 5000,
	       "pace: nothing for 5 s while some wait -> not less than that");
	ok(reg_queue_interval_ms(r, c, 68300, 68300) == ms,
	   "pace: nobody waited -> as it was");
	is_int((long long)reg_queue_interval_ms(r, c, 67300, 69000), 1700,
	       "pace: nothing since the first one came");
	reg_queue_moved(r, c, 1000000, 1000100);
	ok(reg_queue_interval_ms(r, c, 1000100, 1000100) < ms,
	   "pace: an hour of nobody is no long time");
	for (int i = 0; i < 200; i++)
		reg_queue_moved(r, c, 10000, 1000100);
	ms = reg_queue_interval_ms(r, c, 1000100, 1000100);
	is_int((long long)ms, 1, "pace: all at one moment -> 1, and known");
	reg_queue_moved(r, c, 10000, 900000);
	is_int((long long)reg_queue_interval_ms(r, c, 2000, 1000100), 1,
	       "pace: the time of the last one never goes back");
	c.tag++;
	is_int((long long)reg_queue_interval_ms(r, c, 0, 9000), 0,
	       "pace: of an entry that was given away -> not known");
	reg_queue_moved(r, c, 0, 1);
	reg_queue_moved(r, none, 0, 1);
	is_int((long long)reg_queue_interval_ms(r, none, 0, 9000), 0,
	       "pace: of none -> not known");
	reg_close(r);
}

static void
prepare_pace(void)
{
	c = candidate(me, 1);
	reg_queue_moved(me, c, 1000, 2000);
}

static void
move_one(void)
{
	reg_queue_moved(me, c, 1000, 3000);
}

static void
others_move_one(void)
{
	reg_queue_moved(other, c, 1000, 3001);
}

static const char *
judge_pace(void)
{
	uint64_t ms = reg_queue_interval_ms(me, c, 9000, 9000);

	/* Two of them in 1 ms, or one and then nobody overtook. */
	return ms >= 870 && ms <= 1000 ? NULL : "nonsense";
}

static const struct overtaking overtakings[] = {
	{"rate: another one takes the last", prepare_last, others_take_one,
	 take_one, judge_last},
	{"rate: the entry is given away", prepare_last, others_give_away,
	 take_one, judge_given_away},
	{"pace: it moves in two processes", prepare_pace, others_move_one,
	 move_one, judge_pace},
};

int
main(void)
{
	test_bucket();
	test_numbers();
	test_long_run();
	test_edges();
	test_given_away();
	test_together();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	test_deaths();
	test_pace();
	return done_testing();
}
