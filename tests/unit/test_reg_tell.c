/* SPDX-License-Identifier: MIT */
/*
 * test_reg_tell.c - of all processes one says a change, once; whoever dies
 * while it says it, has another one say it.
 */
#include "reg_test.h"

#define KEY UINT64_C(0x1234567890)
#define STEPS_MAX 100

static long countdown; /* crash points to go, 0 = none at all */

void
reg_crash_point(void)
{
	if (countdown && --countdown == 0)
		raise(SIGKILL);
}

void
reg_stop_point(void)
{
}

static bool
tell(struct reg *r, uint64_t key, bool bad, uint64_t now_ms)
{
	uint64_t since_ms;
	bool mine = reg_tell_begin(r, key, bad, now_ms, &since_ms);

	if (mine)
		reg_tell_end(r, key);
	return mine;
}

static void
test_changes(void)
{
	struct reg *a, *b;
	uint64_t since_ms = 9;

	seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	b = seg_open(0);
	is_int(reg_told(a, KEY), REG_TOLD_NOTHING, "tell: nothing was said");
	ok(!tell(a, KEY, false, 10), "tell: well at first -> no news");
	is_int(reg_told(a, KEY), REG_TOLD_NOTHING, "tell: ... and not kept");
	ok(tell(a, KEY, true, 20), "tell: bad -> news");
	ok(!tell(a, KEY, true, 30) && !tell(b, KEY, true, 30),
	   "tell: still bad -> nobody's news");
	is_int(reg_told(b, KEY), REG_TOLD_BAD, "tell: all know");
	ok(reg_tell_begin(b, KEY, false, 50, &since_ms) && since_ms == 20,
	   "tell: well again -> news, and since when it was bad");
	ok(!tell(a, KEY, false, 50), "tell: ... one process's");
	ok(!tell(a, KEY, true, 50), "tell: bad once more meanwhile -> later");
	reg_tell_end(b, KEY);
	ok(tell(a, KEY, true, 60), "tell: ... now");
	reg_tell_good(a, KEY, 70);
	is_int(reg_told(b, KEY), REG_TOLD_BAD,
	       "tell: what is known is not overwritten in silence");
	reg_tell_good(a, KEY + 1, 70);
	is_int(reg_told(b, KEY + 1), REG_TOLD_GOOD,
	       "tell: nothing known -> is");
	ok(tell(b, 0, true, 80) && reg_told(a, 0) == REG_TOLD_BAD,
	   "tell: a name whose hash is 0");
	reg_close(b);
	reg_close(a);
}

/* More names than a window has places: some are said again, none is lost. */
static void
test_full(void)
{
	struct reg *r;
	int bad = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (uint64_t i = 0; i < 64; i++)
		reg_tell_good(r, KEY + i * REG_TOLD_MAX, 1);
	for (uint64_t i = 64; i < 128; i++)
		bad += tell(r, KEY + i * REG_TOLD_MAX, true, 1);
	is_int(bad, 64, "full: 64 new ones are said");
	bad = 0;
	for (uint64_t i = 64; i < 128; i++)
		bad += reg_told(r, KEY + i * REG_TOLD_MAX) == REG_TOLD_BAD;
	is_int(bad, 64,
	       "full: ... kept, in the places of those that were well");
	ok(tell(r, KEY + 128 * REG_TOLD_MAX, true, 1),
	   "full: one more -> said, for another one's place");
	ok(reg_verify(r, NULL) == 0, "full: verifies");
	reg_close(r);
}

static _Atomic int *said;
static bool wanted;

static int
child_tells(void *unused)
{
	struct reg *r = seg_open(0);
	uint64_t since_ms;

	(void)unused;
	gate_pass();
	if (reg_tell_begin(r, KEY, wanted, 10, &since_ms)) {
		atomic_fetch_add(said, 1);
		reg_tell_end(r, KEY);
	}
	return 0;
}

static void
test_together(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	said = shared_page(4096);
	wanted = true;
	is_int(run_together(child_tells), 0,
	       "together: 8 processes, one change");
	is_int(atomic_load(said), 1, "together: ... said once");
	wanted = false;
	is_int(run_together(child_tells), 0, "together: and back");
	is_int(atomic_load(said), 2, "together: ... said once");
	reg_close(r);
}

static long death_step;

static int
child_dies(void *unused)
{
	struct reg *r = seg_open(0);
	uint64_t since_ms;

	(void)unused;
	countdown = death_step;
	if (reg_tell_begin(r, KEY, true, 10, &since_ms)) {
		atomic_fetch_add(said, 1);
		reg_tell_end(r, KEY);
	}
	countdown = 0;
	return 0;
}

static void
test_deaths(void)
{
	const char *complaint = NULL;
	bool through = false;
	long step = 0;

	while (!through && !complaint && ++step < STEPS_MAX) {
		struct reg *r;

		seg_new();
		r = seg_open(REG_SEGMENT_MIN);
		atomic_store(said, 0);
		death_step = step;
		through = reap(spawn(child_dies, NULL)) == 0;
		atomic_fetch_add(said, tell(r, KEY, true, 1000));
		if (atomic_load(said) < 1 || atomic_load(said) > 2)
			complaint = "not said, or said too often";
		else if (through && atomic_load(said) != 1)
			complaint = "said twice without a death";
		else if (reg_told(r, KEY) != REG_TOLD_BAD ||
			 tell(r, KEY, true, 1100))
			complaint = "still news afterwards";
		reg_close(r);
	}
	ok(!complaint && through && step > 3, "death: at each of %ld steps",
	   step - 1);
	if (complaint)
		printf("# step %ld: %s\n", step, complaint);
}

static void
test_move(void)
{
	struct reg_move what;
	struct reg *r, *to;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	tell(r, KEY, true, 20);
	reg_tell_good(r, KEY + 1, 30);
	reg_unlink(seg_name);
	to = reg_move_begin(r, &what, NULL);
	ok(to && reg_told(to, KEY) == REG_TOLD_BAD && !tell(to, KEY, true, 40),
	   "move: what was said stays said");
	ok(to && reg_told(to, KEY + 1) == REG_TOLD_GOOD, "move: ... or known");
	reg_close(to);
	reg_close(r);
}

int
main(void)
{
	test_changes();
	test_full();
	test_together();
	test_deaths();
	test_move();
	return done_testing();
}
