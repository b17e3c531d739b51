/* SPDX-License-Identifier: MIT */
/*
 * test_reg_prefix.c - where conversations were sent: the longest known
 * beginning is found, the oldest is forgotten, and never is a value another
 * one's.
 */
#include "reg_stops.h"

#define WAYS REG_PREFIX_WAYS

/* Hashes that can have the same entries only. */
static uint64_t
hash_of(uint64_t i)
{
	return 1234 + (i << 16);
}

static uint64_t
find(struct reg *r, uint64_t i)
{
	const uint64_t hash = hash_of(i);
	size_t at = 9;

	return reg_prefix_find(r, &hash, 1, &at);
}

static void
put(struct reg *r, uint64_t i, uint64_t now_ms)
{
	reg_prefix_put(r, hash_of(i), 1000 + i, now_ms);
}

static void
test_find(void)
{
	const uint64_t hashes[] = {5, 6, 7, 8};
	struct reg *r, *second;
	size_t at = 9;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	ok(reg_prefix_find(r, hashes, 4, &at) == 0 && at == 9,
	   "find: nothing is known");
	reg_prefix_put(r, 5, 55, 1000);
	reg_prefix_put(r, 7, 77, 1000);
	ok(reg_prefix_find(second, hashes, 4, &at) == 77 && at == 2,
	   "find: the longest known one, by all");
	ok(reg_prefix_find(r, hashes, 2, &at) == 55 && at == 0,
	   "find: ... of those that are asked for");
	ok(reg_prefix_find(r, hashes, 0, &at) == 0, "find: none is asked for");
	reg_prefix_put(second, 7, 78, 1000);
	ok(reg_prefix_find(r, hashes, 4, &at) == 78 && at == 2,
	   "put: another value -> that one");
	reg_prefix_put(r, 7, 0, 1000);
	reg_prefix_put(r, 8, 0, 1000);
	ok(reg_prefix_find(r, hashes, 4, &at) == 55 && at == 0,
	   "put: 0 -> forgotten");
	reg_prefix_put(r, 0, 5, 1000);
	ok(reg_prefix_find(r, (uint64_t[]){0}, 1, &at) == 5,
	   "find: a hash that is 0");
	ok(reg_verify(r, &err) == 0, "find: verifies");
	reg_close(second);
	reg_close(r);
}

static void
test_oldest(void)
{
	struct reg *r;
	unsigned known = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (uint64_t i = 0; i < WAYS; i++)
		put(r, i, 10000 + 2000 * i);
	for (uint64_t i = 0; i < WAYS; i++)
		known += find(r, i) == 1000 + i;
	is_int(known, WAYS, "oldest: 8 that could have the same places");
	reg_prefix_put(r, hash_of(99), 0, 40000);
	known = 0;
	for (uint64_t i = 0; i < WAYS; i++)
		known += find(r, i) == 1000 + i;
	is_int(known, WAYS, "oldest: to forget an unknown one costs nobody");
	put(r, 100, 40000);
	ok(find(r, 100) == 1100, "oldest: one more");
	known = 0;
	for (uint64_t i = 0; i < WAYS; i++)
		known += find(r, i) == 1000 + i;
	is_int(known, WAYS - 1, "oldest: ... for one of the others");
	seg_new();
	reg_close(r);
	r = seg_open(REG_SEGMENT_MIN);
	for (uint64_t i = 0; i < WAYS; i++)
		put(r, i, 10000 + 2000 * i);
	put(r, WAYS, 40000);
	ok(!find(r, 0) && find(r, 1), "oldest: the one put first");
	put(r, WAYS + 1, 50000);
	ok(find(r, 1) && !find(r, 2), "oldest: asked for -> not the oldest");
	put(r, 3, 60000);
	put(r, WAYS + 2, 61000);
	ok(find(r, 3) && !find(r, 4), "oldest: put again -> neither");
	put(r, WAYS + 3, 60500);
	ok(find(r, WAYS + 2) && find(r, WAYS + 3) && !find(r, 5),
	   "oldest: a clock that is behind -> the same");
	reg_prefix_put(r, hash_of(6), 0, 70000);
	put(r, WAYS + 4, 70000);
	ok(find(r, 7) && find(r, WAYS) && find(r, WAYS + 4),
	   "oldest: where one was forgotten, none has to go");
	reg_close(r);
}

/* What is found is as new as the last one put, by whosoever's clock. */
static void
test_clock(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	put(r, 0, 40000);
	for (uint64_t i = 1; i < WAYS; i++)
		put(r, i, 68000 + 2000 * i);
	reg_prefix_put(r, 5, 55, 90000);
	reg_prefix_put(r, 6, 66, 50000);
	ok(find(r, 0), "clock: found");
	put(r, WAYS, 91000);
	ok(find(r, 0) && !find(r, 1), "clock: ... and the newest since");
	reg_close(r);
}

static void
test_all(void)
{
	uint64_t state = 1;
	unsigned known = 0;
	struct reg *r;
	size_t at;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (int round = 0; round < 2; round++) {
		state = 1;
		for (int i = 0; i < 40000; i++) {
			uint64_t hash = (uint64_t)random_next(&state) << 32;

			hash |= random_next(&state);
			if (round == 0)
				reg_prefix_put(r, hash, hash | 1, 1000);
			else
				known += reg_prefix_find(r, &hash, 1, &at) ==
					 (hash | 1);
		}
	}
	ok(known > 39000, "all: of 40,000 nearly all are known");
	reg_close(r);
}

/* ---- at every step --------------------------------------------------------
 */

static uint64_t found, later;

static void
prepare(void)
{
	for (uint64_t i = 0; i < WAYS; i++)
		put(other, i, 10000 + 2000 * i);
	found = later = 0;
}

static void
others_put(void)
{
	put(other, 20, 90000);
}

static void
others_put_same(void)
{
	reg_prefix_put(other, hash_of(10), 77, 90000);
}

static void
find_oldest(void)
{
	found = find(me, 0);
}

static void
put_one(void)
{
	put(me, 10, 90000);
}

/* Its own value, or nothing. */
static const char *
judge(void)
{
	if (found && found != 1000)
		return "another one's value is found";
	for (uint64_t i = 0; i < 30; i++) {
		uint64_t value = find(me, i);

		if (value && value != 1000 + i && !(i == 10 && value == 77))
			return "another one's value is left";
	}
	put(me, 10, 90000);
	return find(other, 10) == 1010 ? NULL : "it cannot be put again";
}

static const struct overtaking overtakings[] = {
	{"find: its entry is given away", prepare, others_put, find_oldest,
	 judge},
	{"put: another one is put", prepare, others_put, put_one, judge},
	{"put: another value of the same", prepare, others_put_same, put_one,
	 judge},
};

static long step_of_death;

static int
child_puts(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	case_countdown = step_of_death;
	put(r, 10, 90000);
	reg_prefix_put(r, hash_of(1), 0, 90000);
	find(r, 3);
	return 0;
}

static void
test_deaths(void)
{
	const char *complaint = NULL;
	int status = 1;

	for (step_of_death = 1; status && !complaint && step_of_death < 1000;
	     step_of_death++) {
		case_segment = seg_new();
		me = other = seg_open(REG_SEGMENT_MIN);
		prepare();
		status = reap(spawn(child_puts, NULL));
		if (status && status != 128 + SIGKILL)
			complaint = "it failed by itself";
		else
			complaint = judge();
		reg_close(me);
	}
	ok(!complaint && step_of_death > 5,
	   "death: at each of %ld steps -> its own value, or nothing",
	   step_of_death - 2);
	if (complaint)
		printf("# step %ld: %s\n", step_of_death - 1, complaint);
}

/* ---- several processes ----------------------------------------------------
 */

static int
child_puts_and_finds(void *arg)
{
	uint64_t state = (uintptr_t)arg + 1;
	struct reg *r = seg_open(0);
	int wrong = 0;

	gate_pass();
	for (int i = 0; i < 50000; i++) {
		uint64_t n = random_next(&state) % 30, value = find(r, n);

		wrong += value && value != 1000 + n;
		put(r, n, 1000 + (uint64_t)i);
	}
	return wrong != 0;
}

static void
test_together(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	is_int(run_together(child_puts_and_finds), 0,
	       "together: 30 for 8 places, never another one's value");
	reg_close(r);
}

int
main(void)
{
	test_find();
	test_oldest();
	test_clock();
	test_all();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	test_deaths();
	test_together();
	return done_testing();
}
