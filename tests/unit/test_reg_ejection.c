/* SPDX-License-Identifier: MIT */
/*
 * test_reg_ejection.c - failures in a row, pauses and trials of a candidate, by
 * one process, by many at once, and by processes that die at it.
 */
#include "reg_stops.h"

static const uint64_t KEY[2] = {77, 78};
static const struct reg_ejection_rules rules = {3, 5000, 15000};

static struct reg *a, *b;
static struct reg_candidate_ref c;
static uint64_t pause_ms;

static struct reg_candidate
state_at(uint64_t now_ms)
{
	struct reg_candidate s;

	reg_candidate_read(b, c, now_ms, &s);
	return s;
}

static bool
fail_at(struct reg *r, uint64_t now_ms)
{
	return reg_candidate_fail(r, c, &rules, 1, false, now_ms, &pause_ms);
}

static void
begin(void)
{
	case_segment = seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	b = seg_open(0);
	c = reg_candidate_open(a, KEY, 1000);
	pause_ms = 0;
}

static void
end(void)
{
	reg_close(b);
	reg_close(a);
}

static void
test_failures(void)
{
	struct reg_candidate s;

	begin();
	ok(!reg_candidate_succeed(a, c, 1000), "fail: it was well");
	ok(!fail_at(a, 1000) && !fail_at(b, 1000), "fail: two of three");
	s = state_at(1000);
	ok(s.failures == 2 && !s.ejected && !s.pause_ends_ms,
	   "fail: ... are counted by all");
	ok(!reg_candidate_succeed(b, c, 1100) && !state_at(1100).failures,
	   "fail: a success in between -> from the beginning");
	fail_at(a, 1200);
	fail_at(a, 1200);
	ok(fail_at(b, 1200) && pause_ms == 5000, "fail: the third ejects it");
	s = state_at(1300);
	ok(s.ejected && s.failures == 3 && s.pause_ends_ms == 6200 &&
		   !s.unconnected && !s.on_trial,
	   "fail: ... for the first pause");
	pause_ms = 9;
	ok(!fail_at(a, 6199) && pause_ms == 9 &&
		   state_at(6199).pause_ends_ms == 6200,
	   "fail: one of before, in its pause -> no longer for that");
	ok(reg_candidate_succeed(a, c, 6199) && !state_at(6199).ejected &&
		   !state_at(6199).failures,
	   "fail: a success ends it, whenever");
	ok(!reg_candidate_succeed(a, c, 6199), "fail: ... once");
	end();
}

static void
test_double(void)
{
	struct reg_ejection_rules never = {0, 5000, 10000};

	begin();
	ok(!reg_candidate_fail(a, c, &rules, 2, true, 1000, &pause_ms) &&
		   state_at(1000).failures == 2 && state_at(1000).unconnected,
	   "double: a refused connection counts twice");
	ok(reg_candidate_fail(a, c, &rules, 2, true, 1000, &pause_ms) &&
		   state_at(1000).unconnected,
	   "double: so two of them eject it");
	fail_at(a, 1500);
	ok(!state_at(1500).unconnected, "double: the last one's kind counts");
	reg_candidate_succeed(a, c, 1600);
	for (int i = 0; i < 300; i++)
		reg_candidate_fail(a, c, &never, 2, true, 1600, &pause_ms);
	ok(state_at(1600).failures == 255 && !state_at(1600).ejected,
	   "double: 600 failures without a rule: counted as far as it goes");
	end();
}

static void
test_levels(void)
{
	begin();
	for (int i = 0; i < 3; i++)
		fail_at(a, 100000);
	ok(fail_at(a, 105000) && pause_ms == 10000 &&
		   state_at(105000).pause_ends_ms == 115000,
	   "level: the trial fails -> the next pause is twice as long");
	ok(fail_at(a, 115000) && pause_ms == 15000,
	   "level: and again, up to the longest");
	ok(fail_at(a, 130000) && pause_ms == 15000, "level: which stays");
	reg_candidate_succeed(a, c, 145000);
	for (int i = 0; i < 2; i++)
		fail_at(a, 204999);
	ok(fail_at(a, 204999) && pause_ms == 15000,
	   "level: less than a minute of success -> as long as before");
	reg_candidate_succeed(a, c, 300000);
	for (int i = 0; i < 2; i++)
		fail_at(a, 360000);
	ok(fail_at(a, 360000) && pause_ms == 5000,
	   "level: a minute -> as short as the first");
	end();
}

static void
test_pardon(void)
{
	begin();
	ok(!reg_candidate_pardon(a, c, 1000), "pardon: nothing to forgive");
	fail_at(a, 1000);
	ok(!reg_candidate_pardon(a, c, 1000) && !state_at(1000).failures,
	   "pardon: failures are forgotten");
	for (int i = 0; i < 3; i++)
		fail_at(a, 1000);
	ok(reg_candidate_pardon(b, c, 1100) && !state_at(1100).ejected,
	   "pardon: ejected until now");
	ok(!reg_candidate_pardon(a, c, 1100), "pardon: ... once");
	end();
}

static void
test_trial(void)
{
	begin();
	ok(!reg_candidate_try(a, c, 1000), "trial: nobody is ejected");
	for (int i = 0; i < 3; i++)
		fail_at(a, 1000);
	ok(!reg_candidate_try(a, c, 5999), "trial: its pause is not over");
	ok(reg_candidate_try(a, c, 6000) && state_at(6000).on_trial,
	   "trial: one is");
	ok(!reg_candidate_try(b, c, 6000) && !reg_candidate_try(a, c, 6000),
	   "trial: and no other one, in no process");
	reg_candidate_untry(b, c);
	ok(!reg_candidate_try(b, c, 6000), "trial: only its process ends it");
	reg_candidate_untry(a, c);
	ok(!state_at(6000).on_trial && reg_candidate_try(b, c, 6000),
	   "trial: no verdict -> another one's");
	fail_at(b, 6000);
	ok(state_at(6000).pause_ends_ms == 16000 && !state_at(6000).on_trial &&
		   !reg_candidate_try(a, c, 15999) &&
		   reg_candidate_try(a, c, 16000),
	   "trial: it fails -> the next one after the next pause");
	ok(!reg_candidate_try(b, c, 16000 + REG_TRIAL_MAX_MS - 1) &&
		   reg_candidate_try(b, c, 16000 + REG_TRIAL_MAX_MS),
	   "trial: a minute without verdict -> another one's");
	ok(reg_candidate_succeed(b, c, 80000) && !a->seg->places[c.index].trial,
	   "trial: it succeeds -> nobody's");
	end();
}

static void
test_times(void)
{
	begin();
	reg_candidate_busy(a, c, 5000);
	reg_candidate_busy(b, c, 4000);
	is_int((long long)state_at(1000).busy_until_ms, 5000,
	       "busy: the later one of two");
	reg_candidate_busy(b, c, 0);
	is_int((long long)state_at(1000).busy_until_ms, 0, "busy: no longer");
	reg_candidate_byte(a, c, 2000);
	reg_candidate_byte(b, c, 1999 + REG_BYTE_MS);
	is_int((long long)state_at(3000).byte_ms, 2000,
	       "byte: not written more often than it is exact");
	reg_candidate_byte(b, c, 2000 + REG_BYTE_MS);
	is_int((long long)state_at(3000).byte_ms, 2000 + REG_BYTE_MS,
	       "byte: but then");
	end();
}

/* A success costs readers of that line nothing: no store, not even the same. */
static void
test_untouched(void)
{
	struct reg_candidate s;
	struct reg *r;
	void *page;

	begin();
	reg_candidate_byte(a, c, 2000);
	r = a;
	page = (void *)((uintptr_t)&r->seg->places[c.index] & ~UINT64_C(4095));
	ok(mprotect(page, 4096, PROT_READ) == 0, "untouched: not writable");
	/* A store now would be the end of this test. */
	reg_candidate_succeed(r, c, 2000);
	reg_candidate_pardon(r, c, 2000);
	reg_candidate_byte(r, c, 1999 + REG_BYTE_MS);
	reg_candidate_untry(r, c);
	reg_candidate_busy(r, c, 0);
	reg_candidate_read(r, reg_candidate_open(r, KEY, 1999), 2000, &s);
	ok(s.byte_ms == 2000, "untouched: nothing new -> nothing written");
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	end();
}

/* ---- several processes ----------------------------------------------------
 */

static _Atomic int *ejections, *trials;

static int
child_fails(void *unused)
{
	struct reg *r = seg_open(0);
	struct reg_candidate_ref mine;
	uint64_t pause;

	(void)unused;
	mine = reg_candidate_open(r, KEY, 1000);
	gate_pass();
	if (reg_candidate_fail(r, mine, &rules, 1, false, 1000, &pause))
		atomic_fetch_add(ejections, 1);
	if (reg_candidate_try(r, mine, 6000))
		atomic_fetch_add(trials, 1);
	hold();
}

static bool
all_ran(const pid_t *pids)
{
	for (int i = 0; i < PROCESSES; i++)
		kill_and_reap(pids[i]);
	return true;
}

static void
test_together(void)
{
	pid_t pids[PROCESSES];

	begin();
	gate = shared_page(sizeof(*gate));
	ejections = shared_page(sizeof(*ejections));
	trials = shared_page(sizeof(*trials));
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = spawn(child_fails, NULL);
	await(&gate->ready, PROCESSES);
	atomic_store(&gate->open, 1);
	await(trials, 1);
	while (state_at(6000).failures < PROCESSES)
		sched_yield();
	is_int(atomic_load(ejections), 1,
	       "together: 8 fail at once -> one of them ejects it");
	ok(!reg_candidate_try(a, c, 6001), "together: somebody's trial runs");
	all_ran(pids);
	is_int(atomic_load(trials), 1, "together: one's");
	ok(reg_candidate_try(a, c, 7000) && reg_candidate_succeed(a, c, 7000),
	   "together: they died -> the next one's");
	end();
}

/* ---- at every step --------------------------------------------------------
 */

static bool tried[2], overtaken;

static void
prepare_over(void)
{
	c = reg_candidate_open(me, KEY, 1000);
	for (int i = 0; i < 3; i++)
		fail_at(me, 1000);
	tried[0] = tried[1] = overtaken = false;
}

static void
prepare_trial(void)
{
	prepare_over();
	tried[1] = reg_candidate_try(other, c, 6000);
}

static void
do_try(void)
{
	tried[0] = reg_candidate_try(me, c, 6000);
}

static void
others_try(void)
{
	tried[1] = reg_candidate_try(other, c, 6000);
}

static void
others_fail(void)
{
	overtaken = true;
	fail_at(other, 6000);
}

static const char *
judge_one(void)
{
	return tried[0] + tried[1] == 1 ? NULL : "not one trial";
}

/* The other one's trial is over when mine begins, or mine does not begin. */
static const char *
judge_ended(void)
{
	struct reg_candidate s;

	if (!overtaken)
		return NULL;
	reg_candidate_read(me, c, 6000, &s);
	if (s.pause_ends_ms != 16000)
		return "not the next pause";
	return tried[0] || s.on_trial ? "a trial in a pause" : NULL;
}

static bool ejected_by[2];

static void
prepare_two(void)
{
	c = reg_candidate_open(me, KEY, 1000);
	fail_at(me, 1000);
	fail_at(me, 1000);
	ejected_by[0] = ejected_by[1] = overtaken = false;
}

static void
do_fail(void)
{
	ejected_by[0] = fail_at(me, 1000);
}

static void
others_fail_too(void)
{
	overtaken = true;
	ejected_by[1] = fail_at(other, 1000);
}

static const char *
judge_both_failed(void)
{
	struct reg_candidate s;

	reg_candidate_read(me, c, 1000, &s);
	if (ejected_by[0] + ejected_by[1] != 1)
		return "not ejected by one";
	return s.failures == (overtaken ? 4 : 3) ? NULL : "a failure is lost";
}

static bool well_by[2];

static void
do_succeed(void)
{
	well_by[0] = reg_candidate_succeed(me, c, 6000);
}

static void
others_succeed(void)
{
	well_by[1] = reg_candidate_succeed(other, c, 6000);
}

static const char *
judge_well(void)
{
	struct reg_candidate s;

	reg_candidate_read(me, c, 6000, &s);
	if (s.ejected || s.failures)
		return "not well";
	return well_by[0] + well_by[1] == 1 ? NULL : "not said by one";
}

static const struct overtaking overtakings[] = {
	{"try: another one tries", prepare_over, others_try, do_try, judge_one},
	{"try: the trial that runs fails", prepare_trial, others_fail, do_try,
	 judge_ended},
	{"fail: another one fails", prepare_two, others_fail_too, do_fail,
	 judge_both_failed},
	{"succeed: another one succeeds", prepare_trial, others_succeed,
	 do_succeed, judge_well},
};

/* ---- deaths ---------------------------------------------------------------
 */

static long step_of_death;

static int
child_dies(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	case_countdown = step_of_death;
	if (reg_candidate_try(r, c, 6000))
		fail_at(r, 6000);
	return 0;
}

static void
test_deaths(void)
{
	const char *complaint = NULL;
	int status = 1;

	for (step_of_death = 1; status && !complaint && step_of_death < 1000;
	     step_of_death++) {
		begin();
		for (int i = 0; i < 3; i++)
			fail_at(a, 1000);
		status = reap(spawn(child_dies, NULL));
		if (status && status != 128 + SIGKILL)
			complaint = "it failed by itself";
		else if (!state_at(6000).ejected || state_at(6000).on_trial)
			complaint = "a dead one's trial runs";
		else if (!reg_candidate_try(a, c, 16000))
			complaint = "nobody is given the trial";
		else if (!reg_candidate_succeed(a, c, 16000) ||
			 state_at(16000).ejected)
			complaint = "it does not end";
		end();
	}
	ok(!complaint && step_of_death > 5,
	   "death: at each of %ld steps of a trial that fails",
	   step_of_death - 2);
	if (complaint)
		printf("# step %ld: %s\n", step_of_death - 1, complaint);
}

int
main(void)
{
	test_failures();
	test_double();
	test_levels();
	test_pardon();
	test_trial();
	test_times();
	test_untouched();
	test_together();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	test_deaths();
	return done_testing();
}
