/* SPDX-License-Identifier: MIT */
/*
 * test_reg_race.c - two processes at one thing, in the order that hurts.
 *
 * Built with REG_CRASH_POINTS like test_reg_crash, but here the process at work
 * is stopped, not killed: it lives, another one acts, then it goes on. So each
 * race that is a matter of luck elsewhere happens here, every time.
 */
#include "reg_cases.h"
#include "reg_test.h"

#define STEPS_MAX 2000

static struct reg_err err;

/* ---- every operation, stopped at every step -------------------------------
 */

static const struct scenario *current;
static long current_step;

static int
child_is_stopped(void *unused)
{
	struct reg *w = NULL;
	bool well;

	(void)unused;
	if (!current->opens)
		w = seg_open(0);
	if (current->setup)
		current->setup(w);
	case_signal = SIGSTOP;
	case_countdown = current_step;
	well = current->run(w);
	case_countdown = 0;
	return well ? 0 : 1;
}

/* Waits until the child stops or ends; true = it stopped. */
static bool
has_stopped(pid_t pid, int *status)
{
	while (waitpid(pid, status, WUNTRACED) < 0 && errno == EINTR)
		continue;
	return WIFSTOPPED(*status);
}

static const char *
judge_stopped(struct reg *r, uint64_t epoch, enum state *state,
	      uint64_t *epoch_then)
{
	*epoch_then = reg_epoch(r);
	*state = current->look ? current->look(r) : BEFORE;
	if (*state == BROKEN)
		return "readers see a broken state";
	if (current->moves_epoch && *state != BEFORE && reg_epoch(r) == epoch)
		return "a change without a new epoch";
	sweep_now(r);
	if (current->opens && (leases_on(r, 5) || reg_gauge_sum(r, 1)))
		return "what a dead process held counts for its successor";
	if (reg_verify(r, &err) && err.code != REG_BUSY)
		return err.msg;
	return NULL;
}

static const char *
judge_ended(struct reg *r, enum state state, uint64_t epoch_then, int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return "the operation failed after the stop";
	if (current->look && current->look(r) != AFTER)
		return "the operation is not done";
	/* Who parsed during the stop must learn that there is news. */
	if (current->moves_epoch && state != AFTER &&
	    reg_epoch(r) == epoch_then)
		return "a change that those who looked meanwhile never notice";
	if (reg_verify(r, &err))
		return err.msg;
	return NULL;
}

static const char *
stop_at(long step, bool *through)
{
	enum state state = BEFORE;
	uint64_t epoch, epoch_then = 0;
	const char *complaint = NULL;
	struct reg *r;
	int status = 0;
	pid_t pid;

	case_segment = seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	if (current->prepare)
		current->prepare(r);
	epoch = reg_epoch(r);
	current_step = step;
	pid = spawn(child_is_stopped, NULL);
	*through = !has_stopped(pid, &status);
	if (!*through) {
		complaint = judge_stopped(r, epoch, &state, &epoch_then);
		kill(pid, SIGCONT);
		while (has_stopped(pid, &status))
			kill(pid, SIGCONT);
		if (!complaint)
			complaint = judge_ended(r, state, epoch_then, status);
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		complaint = "the child failed by itself";
	}
	reg_close(r);
	return complaint;
}

static void
test_stops(const struct scenario *s)
{
	const char *complaint = NULL;
	bool through = false;
	long step = 0;

	current = s;
	while (!through && !complaint && ++step < STEPS_MAX)
		complaint = stop_at(step, &through);
	ok(!complaint && through && step > 1, "stop: %s, at each of %ld steps",
	   s->title, step - 1);
	if (complaint)
		printf("# step %ld: %s\n", step, complaint);
}

/* ---- probes: somebody was faster -------------------------------------------
 */

#define NOW_MS 5000
#define TTL_MS 1000

static struct reg_probe probe;

static enum reg_probe_turn
begin(struct reg *r, const uint64_t key[2], uint64_t now_ms)
{
	return reg_probe_begin(r, key, now_ms, TTL_MS, 60000, &probe);
}

/* Stopped on the way to its turn; exit status: the turn it gets. */
static int
child_begins(void *unused)
{
	struct reg *w = seg_open(0);
	enum reg_probe_turn turn;

	(void)unused;
	case_signal = SIGSTOP;
	case_countdown = current_step;
	turn = begin(w, case_home, NOW_MS);
	case_countdown = 0;
	/* What comes with the turn is of this target or of nobody. */
	return probe.checked_ms && probe.result != 7 ? 99 : (int)turn;
}

/* Runs a child to its stop, lets @meanwhile act, and returns its status. */
static int
with_stop(int (*child)(void *), void (*meanwhile)(struct reg *), struct reg *r,
	  bool *through)
{
	pid_t pid = spawn(child, NULL);
	int status;

	*through = !has_stopped(pid, &status);
	if (*through)
		return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
	meanwhile(r);
	kill(pid, SIGCONT);
	return reap(pid);
}

static enum reg_probe_turn others_turn;

static void
probe_meanwhile(struct reg *r)
{
	others_turn = begin(r, case_home, NOW_MS);
	if (others_turn == REG_PROBE_MINE)
		reg_probe_put(r, case_home, NOW_MS, 1, 7);
}

static void
test_two_begin(bool known)
{
	bool through = false;
	int wrong = 0;
	long stops = 0;

	for (current_step = 1; !through && current_step < STEPS_MAX;
	     current_step++) {
		struct reg *r;
		int turn;

		seg_new();
		r = seg_open(REG_SEGMENT_MIN);
		if (known && begin(r, case_home, 1000) == REG_PROBE_MINE)
			reg_probe_put(r, case_home, 1000, 1, 7);
		turn = with_stop(child_begins, probe_meanwhile, r, &through);
		reg_close(r);
		if (through)
			break;
		stops++;
		/* Exactly one of the two probes; who lost knows the result. */
		if (others_turn == REG_PROBE_MINE)
			wrong += turn != REG_PROBE_FRESH;
		else
			wrong += others_turn != REG_PROBE_WAIT ||
				 turn != REG_PROBE_MINE;
	}
	ok(wrong == 0 && through && stops > 1,
	   "race: two begin a %s target, one stopped at each of %ld steps -> "
	   "one probes",
	   known ? "known" : "new", stops);
}

/* Takes the entry of case_home away: it was checked longest ago. */
static const uint64_t rival[2] = {4000, 2};

static void
evict_meanwhile(struct reg *r)
{
	others_turn = begin(r, rival, 100000);
	if (others_turn == REG_PROBE_MINE)
		reg_probe_put(r, rival, 100000, 1, 77);
}

static void
prepare_oldest(struct reg *r)
{
	if (begin(r, case_home, 900) == REG_PROBE_MINE)
		reg_probe_put(r, case_home, 900, 1, 7);
	case_fill_window(r);
	/* 64 others and this one: the first of the others found no room. */
	if (begin(r, case_home, 900) == REG_PROBE_MINE)
		reg_probe_put(r, case_home, 900, 1, 7);
}

/* The rival's result stands, whatever the stopped process did. */
static bool
rival_is_intact(struct reg *r)
{
	return begin(r, rival, 100001) == REG_PROBE_FRESH &&
	       probe.result == 77 && probe.checked_ms == 100000;
}

static void
test_begin_against_eviction(void)
{
	bool through = false;
	int wrong = 0;
	long stops = 0, evictions = 0;

	for (current_step = 1; !through && current_step < STEPS_MAX;
	     current_step++) {
		struct reg *r;
		int turn;

		seg_new();
		r = seg_open(REG_SEGMENT_MIN);
		prepare_oldest(r);
		turn = with_stop(child_begins, evict_meanwhile, r, &through);
		if (!through) {
			stops++;
			evictions += others_turn == REG_PROBE_MINE;
			wrong += turn != REG_PROBE_MINE;
			wrong += others_turn == REG_PROBE_MINE &&
				 !rival_is_intact(r);
		}
		reg_close(r);
	}
	ok(wrong == 0 && stops > 1 && evictions > 0,
	   "race: a begin stopped at each of %ld steps, its entry given away "
	   "%ld times -> it probes, the other's result stands",
	   stops, evictions);
}

static int
child_puts(void *unused)
{
	struct reg *w = seg_open(0);

	(void)unused;
	/* A lease so short that others need not wait for it. */
	reg_probe_begin(w, case_home, 2000, 1, 1, &probe);
	case_signal = SIGSTOP;
	case_countdown = current_step;
	reg_probe_put(w, case_home, 2001, 1, 7);
	case_countdown = 0;
	return 0;
}

static void
test_put_against_eviction(void)
{
	bool through = false;
	int wrong = 0;
	long stops = 0, evictions = 0;

	for (current_step = 1; !through && current_step < STEPS_MAX;
	     current_step++) {
		struct reg *r;
		int status;

		seg_new();
		r = seg_open(REG_SEGMENT_MIN);
		prepare_oldest(r);
		status = with_stop(child_puts, evict_meanwhile, r, &through);
		if (!through) {
			stops++;
			evictions += others_turn == REG_PROBE_MINE;
			wrong += status != 0 || !rival_is_intact(r);
		}
		reg_close(r);
	}
	ok(wrong == 0 && stops > 1 && evictions == stops,
	   "race: a put stopped at each of %ld steps, its entry given away -> "
	   "the other's result stands",
	   stops);
}

static void
forget_meanwhile(struct reg *r)
{
	reg_probe_forget(r, case_home);
}

static void
test_put_against_forget(void)
{
	bool through = false;
	int wrong = 0;
	long stops = 0;

	for (current_step = 1; !through && current_step < STEPS_MAX;
	     current_step++) {
		struct reg *r;
		int status;

		seg_new();
		r = seg_open(REG_SEGMENT_MIN);
		status = with_stop(child_puts, forget_meanwhile, r, &through);
		if (!through) {
			stops++;
			wrong += status != 0 ||
				 begin(r, case_home, 2002) != REG_PROBE_MINE ||
				 probe.checked_ms != 0;
		}
		reg_close(r);
	}
	ok(wrong == 0 && stops > 1,
	   "race: a put stopped at each of %ld steps, its target forgotten -> "
	   "it is probed again",
	   stops);
}

int
main(void)
{
	for (const struct scenario *s = node_scenarios; s->title; s++)
		test_stops(s);
	for (const struct scenario *s = shared_scenarios; s->title; s++)
		test_stops(s);
	test_two_begin(false);
	test_two_begin(true);
	test_begin_against_eviction();
	test_put_against_eviction();
	test_put_against_forget();
	return done_testing();
}
