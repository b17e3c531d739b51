/* SPDX-License-Identifier: MIT */
/*
 * test_reg_lease.c - requests that run at candidates: their number is exact,
 * never above its limit, and right again whoever dies or is overtaken where.
 */
#include "reg_stops.h"

#define LIMIT 5
#define KILLS 40
#ifdef REG_TEST_SLOW
#define STRIDE 11 /* of the double deaths, try some */
#else
#define STRIDE 5
#endif

/* ---- one at a time --------------------------------------------------------
 */

static void
test_leases(void)
{
	const struct reg_candidate_ref none = {REG_CANDIDATES_MAX, 0};
	struct reg_candidate_ref a;
	struct reg *r, *second;
	bool full = true;
	int32_t one, two;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	a = candidate(r, 1);
	one = reg_lease_take(r, a, 0, &full);
	ok(one >= 0 && !full, "lease: taken");
	two = lease_take(second, 1);
	ok(two >= 0 && one != two, "lease: another one");
	is_int(leases_on(r, 1), 2, "lease: both count");
	is_int(leases_on(r, 2), 0, "lease: ... at that candidate alone");
	reg_lease_drop(second, one);
	is_int(leases_on(r, 1), 2, "lease: only its process can drop it");
	reg_lease_drop(r, one);
	reg_lease_drop(r, one);
	reg_lease_drop(r, -1);
	reg_lease_drop(r, REG_LEASES_MAX);
	is_int(leases_on(r, 1), 1, "lease: dropped -> counts no more");
	one = lease_take(second, 2);
	ok(reg_verify(r, &err) == 0, "lease: verifies");
	reg_close(second);
	is_int((long long)leases_on(r, 1) + leases_on(r, 2), 0,
	       "lease: close -> its leases are dropped");
	ok(reg_held_state(r->seg->leases[one]) == REG_FREE,
	   "lease: ... and free");
	full = true;
	ok(reg_lease_take(r, none, 3, &full) == -1 && !full,
	   "lease: no candidate -> -1, and nothing is full");
	a.tag++;
	full = true;
	ok(reg_lease_take(r, a, 3, &full) == -1 && !full,
	   "lease: one that was given away -> the same");
	ok(reg_verify(r, &err) == 0, "lease: verifies");
	reg_close(r);
}

static void
test_limit(void)
{
	struct reg_candidate_ref c;
	struct reg *r, *second;
	int32_t lease[LIMIT];
	bool full = true;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	c = candidate(r, 1);
	for (int i = 0; i < LIMIT; i++)
		lease[i] = reg_lease_take(i % 2 ? r : second, c, LIMIT, &full);
	ok(lease[LIMIT - 1] >= 0 && !full, "limit: reached");
	ok(reg_lease_take(r, c, LIMIT, &full) == -1 && full,
	   "limit: one more -> -1, full");
	ok(reg_lease_take(r, c, LIMIT - 2, NULL) == -1,
	   "limit: a lower one -> the same");
	is_int(leases_on(r, 1), LIMIT, "limit: nothing was counted");
	ok(reg_lease_take(r, c, LIMIT + 1, &full) >= 0 && !full,
	   "limit: a higher one -> taken");
	ok(reg_lease_take(r, c, 0, &full) >= 0 && !full,
	   "limit: none -> taken");
	ok(reg_lease_take(r, candidate(r, 2), 1, &full) >= 0,
	   "limit: another candidate's is its own");
	reg_close(second);
	ok(reg_lease_take(r, c, LIMIT, &full) >= 0,
	   "limit: there is room again -> taken");
	ok(reg_verify(r, &err) == 0, "limit: verifies");
	reg_close(r);
}

/* After a search in vain nobody searches for a while, unless there is one. */
static void
test_given_back(void)
{
	struct reg *r, *second;
	int32_t mine;
	bool full = true;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	mine = lease_take(r, 1);
	for (int i = 1; i < REG_LEASES_MAX; i++)
		lease_take(second, 1);
	is_int(leases_on(r, 1), REG_LEASES_MAX, "all: 65,536 at once");
	ok(reg_lease_take(r, candidate(r, 1), REG_LEASES_MAX * 2, &full) ==
			   -1 &&
		   !full,
	   "all: taken by the living -> -1, and nothing is full");
	ok(reg_verify(r, &err) == 0, "all: verifies");
	reg_lease_drop(r, mine);
	is_int((long long)r->swept_ms, 0, "all: one is dropped -> no pause");
	is_int(lease_take(r, 1), mine, "all: ... and it is taken again");
	reg_close(second);
	is_int(leases_on(r, 1), 1, "all: and given back");
	reg_close(r);
}

/* ---- deaths ---------------------------------------------------------------
 */

static int
child_takes(void *arg)
{
	_Atomic int *state = arg;
	struct reg *r = seg_open(0);

	for (int i = atomic_load(state); i > 0; i--)
		if (lease_take(r, 1) < 0)
			_exit(1);
	atomic_store(state, -1);
	hold();
}

/* A child with so many leases, which it holds until it is killed. */
static pid_t
spawn_holder(_Atomic int *state, int leases)
{
	pid_t pid;

	atomic_store(state, leases);
	pid = spawn(child_takes, state);
	while (atomic_load(state) != -1)
		sched_yield();
	return pid;
}

static void
test_death(void)
{
	_Atomic int *state = shared_page(4096);
	struct reg *r, *second;
	int32_t lease;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	pid = spawn_holder(state, 100);
	is_int(sweep_now(r), 0, "death: its process lives -> nothing to sweep");
	is_int(leases_on(r, 1), 100, "death: 100 by another process");
	kill_and_reap(pid);
	is_int(reg_lease_sweep(r, r->seg->header.swept_ms + 499), 0,
	       "death: somebody swept just before -> not again");
	is_int(reg_lease_sweep(r, r->seg->header.swept_ms + 500), 100,
	       "death: swept");
	is_int(leases_on(r, 1), 0, "death: ... none counts");
	kill_and_reap(spawn_holder(state, 100));
	second = seg_open(0);
	is_int(leases_on(r, 1), 0, "death: its row is taken -> none counts");
	ok(reg_verify(r, &err) == 0, "death: verifies");
	reg_close(second);

	pid = spawn_holder(state, REG_LEASES_MAX);
	is_int(lease_take(r, 1), -1, "death: all taken -> -1");
	kill_and_reap(pid);
	r->swept_ms = 0; /* as if the last search were longer ago */
	lease = lease_take(r, 1);
	ok(lease >= 0, "death: their process died -> taken from it");
	is_int(leases_on(r, 1), 1, "death: ... and counts alone");
	reg_lease_drop(r, lease);
	reg_close(r);
}

/* Its row has another owner by now, who has not cleared it yet. */
static void
test_row_succeeded(void)
{
	struct reg *r, *second;
	_Atomic uint64_t *generation;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	lease_take(second, 1);
	generation = &r->seg->rows[second->row].generation;
	atomic_fetch_add(generation, 1);
	is_int(sweep_now(r), 1, "death: its row's next owner lives -> swept");
	is_int(leases_on(r, 1), 0, "death: ... and does not count");
	atomic_fetch_sub(generation, 1);
	reg_close(second);
	reg_close(r);
}

/* Who helps so late that the lease was taken again, has nothing to say. */
static void
test_late_help(void)
{
	struct reg_candidate_ref a;
	struct reg_place *p;
	uint64_t load, again;
	struct reg *r;
	int32_t lease;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	a = candidate(r, 1);
	p = reg_candidate_at(r, a);
	lease = lease_take(r, 1);
	load = p->load;
	reg_lease_drop(r, lease);
	again = reg_held(REG_TAKING, r->row, r->row_generation, a.index,
			 reg_load_sequence(load) + 1);
	atomic_store(&r->seg->leases[lease], again);
	reg_lease_help(r, a.index, load);
	ok(r->seg->leases[lease] == again, "help: too late -> nothing");
	reg_lease_help(r, a.index + 1, load + (1 << 9));
	ok(r->seg->leases[lease] == again, "help: another one's -> nothing");
	reg_lease_help(r, a.index, load + (1 << 9));
	ok(r->seg->leases[lease] == reg_held_as(again, REG_HELD),
	   "help: what it says -> done");
	reg_close(r);
}

/* ---- several processes ----------------------------------------------------
 */

struct inside {
	_Atomic int now, most, taken;
};

static struct inside *inside;
static int rounds;

static bool
take_and_drop(struct reg *r, struct reg_candidate_ref c)
{
	bool full;
	int32_t lease = reg_lease_take(r, c, LIMIT, &full);
	int now, most;

	if (lease < 0)
		return full;
	now = atomic_fetch_add(&inside->now, 1) + 1;
	most = atomic_load(&inside->most);
	while (now > most &&
	       !atomic_compare_exchange_weak(&inside->most, &most, now))
		continue;
	atomic_fetch_add(&inside->taken, 1);
	if (atomic_load(&inside->taken) % 16 == 0)
		sched_yield();
	atomic_fetch_sub(&inside->now, 1);
	reg_lease_drop(r, lease);
	return true;
}

static int
child_leases(void *arg)
{
	struct reg *r = seg_open(0);
	struct reg_candidate_ref c = candidate(r, 1);
	int failed = 0;

	(void)arg;
	gate_pass();
	for (int i = 0; i < rounds; i++)
		failed += !take_and_drop(r, c);
	reg_close(r);
	return failed != 0;
}

static void
test_many(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	inside = shared_page(sizeof(*inside));
	rounds = 20000;
	is_int(run_together(child_leases), 0,
	       "many: 8 processes take and drop, 5 at a time");
	ok(atomic_load(&inside->taken) > 0 && atomic_load(&inside->most) > 0 &&
		   atomic_load(&inside->most) <= LIMIT,
	   "many: never more than 5");
	is_int(leases_on(r, 1), 0, "many: none is left");
	ok(reg_verify(r, &err) == 0, "many: verifies");
	reg_close(r);
}

static int
child_leases_on(void *unused)
{
	struct reg *r = seg_open(0);
	uint64_t n = 0;

	(void)unused;
	for (;;) {
		int32_t lease[3];

		for (int i = 0; i < 3; i++)
			lease[i] = reg_lease_take(r, candidate(r, n % 3), LIMIT,
						  NULL);
		for (int i = 0; i < 3; i++)
			reg_lease_drop(r, lease[i]);
		n++;
		atomic_fetch_add(&inside->taken, 1);
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
	for (int i = 0; i < PROCESSES; i++)
		pids[i] = spawn(child_leases_on, NULL);
	for (int i = 0; i < KILLS; i++) {
		int before = atomic_load(&inside->taken);

		while (atomic_load(&inside->taken) < before + 20)
			sched_yield();
		kill_and_reap(pids[i % PROCESSES]);
		sweep_now(r);
		for (uint64_t n = 0; n < 3; n++)
			if (leases_on(r, n) > LIMIT)
				wrong = "more than its limit";
		if (RETRY(reg_verify(r, &err), err))
			wrong = err.msg;
		pids[i % PROCESSES] = spawn(child_leases_on, NULL);
	}
	for (int i = 0; i < PROCESSES; i++)
		kill_and_reap(pids[i]);
	sweep_now(r);
	is_int(leases_of_all(r), 0, "kills: of dozens none is left");
	ok(!wrong, "kills: and never a wrong count");
	if (wrong)
		printf("# %s\n", wrong);
	reg_close(r);
}

/* ---- overtaken at every step ----------------------------------------------
 */

static struct reg_candidate_ref c;
static int32_t mine[3], theirs[3];

static void
prepare_one(void)
{
	c = candidate(me, 1);
	for (int i = 0; i < 3; i++)
		mine[i] = theirs[i] = -1;
}

static void
prepare_mine(void)
{
	prepare_one();
	for (int i = 0; i < 3; i++)
		mine[i] = lease_take(me, 1);
}

static void
prepare_theirs(void)
{
	prepare_one();
	for (int i = 0; i < 3; i++)
		theirs[i] = lease_take(other, 1);
}

static void
prepare_both(void)
{
	prepare_theirs();
	for (int i = 0; i < 3; i++)
		mine[i] = lease_take(me, 1);
}

static void
take_last(void)
{
	mine[0] = reg_lease_take(me, c, 1, NULL);
}

static void
others_take_last(void)
{
	theirs[0] = reg_lease_take(other, c, 1, NULL);
}

static const char *
judge_last(void)
{
	if ((mine[0] >= 0) + (theirs[0] >= 0) != 1)
		return "not one of the two";
	return leases_on(me, 1) == 1 ? NULL : "not one counts";
}

static void
take_three(void)
{
	for (int i = 0; i < 3; i++)
		mine[i] = reg_lease_take(me, c, 0, NULL);
}

static void
drop_three(void)
{
	for (int i = 0; i < 3; i++)
		reg_lease_drop(me, mine[i]);
	mine[0] = mine[1] = mine[2] = -1;
}

static void
others_come_and_go(void)
{
	for (int i = 0; i < 3; i++)
		theirs[i] = reg_lease_take(other, c, 0, NULL);
	reg_lease_drop(other, theirs[1]);
	reg_lease_drop(other, theirs[0]);
	theirs[0] = theirs[1] = -1;
}

static void
others_go(void)
{
	for (int i = 2; i >= 0; i--)
		reg_lease_drop(other, theirs[i]);
	theirs[0] = theirs[1] = theirs[2] = -1;
}

/* Nothing of the living is swept, wherever they are. */
static void
others_sweep(void)
{
	if (sweep_now(other))
		theirs[0] = -2;
}

static const char *
judge_count(void)
{
	uint32_t want = 0;

	if (theirs[0] == -2)
		return "a living one's lease was swept";
	for (int i = 0; i < 3; i++)
		want += (mine[i] >= 0) + (theirs[i] >= 0);
	if (leases_on(me, 1) != want)
		return "a wrong count";
	for (int i = 0; i < 3; i++) {
		reg_lease_drop(me, mine[i]);
		reg_lease_drop(other, theirs[i]);
	}
	return leases_on(me, 1) ? "some are left" : NULL;
}

static const struct overtaking overtakings[] = {
	{"take: another one takes the last", prepare_one, others_take_last,
	 take_last, judge_last},
	{"take: others come and go", prepare_one, others_come_and_go,
	 take_three, judge_count},
	{"take: others go", prepare_theirs, others_go, take_three, judge_count},
	{"take: others sweep", prepare_one, others_sweep, take_three,
	 judge_count},
	{"drop: others come and go", prepare_mine, others_come_and_go,
	 drop_three, judge_count},
	{"drop: others go", prepare_both, others_go, drop_three, judge_count},
	{"drop: others sweep", prepare_mine, others_sweep, drop_three,
	 judge_count},
};

/* The entry goes to another key just before its lease is counted. */
static struct reg_candidate_ref heir;

static void
prepare_old(void)
{
	const uint64_t key[2] = {1, 1};

	prepare_one();
	c = reg_candidate_open(me, key, 1000);
	me->seg->places[c.index].name = reg_name(c.tag, 1);
	heir.index = REG_CANDIDATES_MAX;
}

/* Every other entry of both windows is in use. */
static void
others_take_entry(void)
{
	for (uint64_t i = 1; i < 256; i++) {
		const uint64_t key[2] = {1 + (i << 15), 1 + (i << 15)};

		heir = reg_candidate_open(other, key, 100000);
		if (heir.index == c.index)
			break;
	}
}

static void
take_late(void)
{
	mine[0] = reg_lease_take(me, c, 1, NULL);
}

static const char *
judge_late(void)
{
	struct reg_candidate state;

	if (heir.index != c.index)
		return mine[0] >= 0 ? NULL : "not taken";
	if (mine[0] >= 0)
		return "taken from whom it is no more";
	reg_candidate_read(me, heir, 100000, &state);
	return state.in_flight ? "another one counts it" : NULL;
}

/* All but that entry are in use. */
static void
prepare_last_entry(void)
{
	prepare_old();
	for (uint64_t i = 1; i < 64; i++) {
		const uint64_t key[2] = {1 + (i << 15), 1 + (i << 15)};

		reg_candidate_open(me, key, 100000);
	}
}

static void
take_entry(void)
{
	const uint64_t key[2] = {1 + (64 << 15), 1 + (64 << 15)};

	heir = reg_candidate_open(me, key, 100000);
}

static void
others_take_late(void)
{
	theirs[0] = reg_lease_take(other, c, 1, NULL);
}

static const char *
judge_taken(void)
{
	if (theirs[0] < 0)
		return heir.index == c.index ? NULL : "not given away";
	if (heir.index == c.index)
		return "given away with a lease";
	return leases_on(me, 1) == 1 ? NULL : "not counted";
}

static const struct overtaking late[] = {
	{"take: the entry is given away", prepare_old, others_take_entry,
	 take_late, judge_late},
	{"open: a lease comes to the entry that was to be given away",
	 prepare_last_entry, others_take_late, take_entry, judge_taken},
};

/* ---- dead at every step, swept by two --------------------------------------
 */

static long step_of_death;
static bool others_work_first; /* before anybody sweeps */

static int
child_dies(void *unused)
{
	struct reg *r = seg_open(0);
	int32_t lease[3];

	(void)unused;
	lease[2] = others_work_first ? lease_take(r, 1) : -1;
	case_countdown = step_of_death;
	for (int i = 0; i < 2; i++)
		lease[i] = reg_lease_take(r, c, 0, NULL);
	for (int i = 2; i >= 0; i--)
		reg_lease_drop(r, lease[i]);
	return 0;
}

static void
prepare_death(void)
{
	prepare_one();
	theirs[0] = lease_take(other, 1);
	reap(spawn(child_dies, NULL));
	if (others_work_first)
		reg_lease_drop(other, reg_lease_take(other, c, 0, NULL));
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
	reg_lease_drop(other, reg_lease_take(other, c, 0, NULL));
}

static const char *
judge_swept(void)
{
	if (reg_verify(me, &err))
		return err.msg;
	return leases_on(me, 1) == 1 ? NULL : "a wrong count";
}

static const struct overtaking sweeps = {
	"", prepare_death, others_sweep_and_work, sweep, judge_swept};

static bool
child_gets_through(void)
{
	case_segment = seg_new();
	me = seg_open(REG_SEGMENT_MIN);
	c = candidate(me, 1);
	if (reap(spawn(child_dies, NULL)) == 0) {
		reg_close(me);
		return true;
	}
	reg_close(me);
	return false;
}

static void
test_deaths(bool work_first)
{
	const char *complaint = NULL;
	long step = 0, pairs = 0;

	others_work_first = work_first;
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
	   "death: at each of %ld steps%s, swept by two at each step of the "
	   "other's: %ld pairs",
	   step_of_death - 1, work_first ? ", then others take and drop" : "",
	   pairs);
	if (complaint)
		printf("# step %ld, then %ld: %s\n", step_of_death - 1,
		       step - 1, complaint);
}

/* Whoever sweeps dies as well. */
static int
child_sweeps(void *arg)
{
	struct reg *r = seg_open(0);

	case_countdown = *(long *)arg;
	sweep_now(r);
	return 0;
}

static void
test_dead_sweepers(void)
{
	const char *complaint = NULL;
	long pairs = 0;

	others_work_first = false;
	for (step_of_death = 1; !complaint && step_of_death < STEPS_MAX;
	     step_of_death++) {
		int status = 1;

		if (child_gets_through())
			break;
		for (long step = 1; status && !complaint; step++, pairs++) {
			case_segment = seg_new();
			me = seg_open(REG_SEGMENT_MIN);
			other = seg_open(0);
			prepare_death();
			status = reap(spawn(child_sweeps, &step));
			if (reg_verify(me, &err))
				complaint = err.msg;
			sweep_now(me);
			if (!complaint)
				complaint = judge_swept();
			reg_close(other);
			reg_close(me);
		}
	}
	ok(!complaint && pairs > step_of_death,
	   "death: at each step, and of whoever sweeps then: %ld double deaths",
	   pairs);
	if (complaint)
		printf("# step %ld: %s\n", step_of_death - 1, complaint);
}

int
main(void)
{
	test_leases();
	test_limit();
	test_given_back();
	test_death();
	test_row_succeeded();
	test_late_help();
	test_many();
	test_kills();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	for (size_t i = 0; i < sizeof(late) / sizeof(*late); i++)
		test_overtaking(&late[i]);
	test_deaths(false);
	test_deaths(true);
	test_dead_sweepers();
	return done_testing();
}
