/* SPDX-License-Identifier: MIT */
/*
 * test_reg_crash.c - die at every step of every write, one after the other.
 *
 * Built from the library's sources with REG_CRASH_POINTS. For each operation a
 * child is killed at its 1st, 2nd, 3rd, ... crash point until it gets through.
 * Each time another process that was attached all along must find the state
 * before the operation, or after it, or what the scenario allows between; it
 * must be able to go on; and nothing of the dead one may count any more.
 */
#include "reg_cases.h"
#include "reg_test.h"
#include "reg_waiters.h"

#define STEPS_MAX 2000
#ifdef REG_TEST_SLOW
#define REPAIR_STRIDE 5 /* of the double deaths, try some */
#else
#define REPAIR_STRIDE 1
#endif

static struct reg_err err;

static const struct scenario *current;
static long current_step;

static int
child_dies(void *unused)
{
	struct reg *w = NULL;
	bool well;

	(void)unused;
	if (!current->opens)
		w = seg_open(0);
	if (current->setup)
		current->setup(w);
	case_countdown = current_step;
	well = current->run(w);
	case_countdown = 0;
	return well ? 0 : 1;
}

static int
child_dies_repairing(void *unused)
{
	struct reg *w = seg_open(0);
	int rc;

	(void)unused;
	case_countdown = current_step;
	rc = reg_verify(w, &err);
	case_countdown = 0;
	return rc ? 1 : 0;
}

/* Nothing of a dead process counts, once it was swept away. */
static bool
nothing_left(struct reg *r)
{
	sweep_now(r);
	return leases_of_all(r) == 0 && waiters_of_others(r) == 0 && reg_gauge_sum(r, 1) == 0 &&
	       reg_rows_live(r) == 1;
}

/* Free blocks, found out anew. */
static uint32_t
free_blocks(struct reg *r)
{
	if (reg_lock(r, &err))
		return 0;
	r->used_valid = false;
	reg_blocks_begin(r);
	reg_unlock(r);
	return r->free_blocks;
}

static const char *
judge(struct reg *r, uint64_t epoch, bool through, uint32_t blocks)
{
	uint64_t raw_epoch = atomic_load(&r->seg->header.epoch);
	enum state state = current->look ? current->look(r) : BEFORE;

	if (state == BROKEN)
		return "readers see a broken state";
	if (through && current->look && state != AFTER)
		return "it got through and is not done";
	if (current->moves_epoch && state != BEFORE && raw_epoch == epoch)
		return "a change without a new epoch";
	if (current->moves_epoch && state != BEFORE && reg_epoch(r) % 2)
		return "an epoch that no longer moves";
	if (!nothing_left(r))
		return "something of the dead process still counts";
	if (reg_verify(r, &err))
		return err.msg;
	if (current->look && current->look(r) != state)
		return "the repair changed what readers see";
	if (!current->run(r))
		return "the operation does not work any more";
	if (current->look && current->look(r) != AFTER)
		return "the operation, done again, is not done";
	if (reg_verify(r, &err))
		return err.msg;
	if (free_blocks(r) != blocks)
		return "blocks are lost";
	return NULL;
}

/* How many blocks are free when the operation ran undisturbed. */
static uint32_t
blocks_when_done(void)
{
	uint32_t blocks;
	struct reg *r;

	case_segment = seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	if (current->prepare)
		current->prepare(r);
	if (!current->opens)
		current->run(r);
	blocks = free_blocks(r);
	reg_close(r);
	return blocks;
}

static const struct scenario *
find_scenario(const char *title)
{
	const struct scenario *s = node_scenarios;

	while (s->title && strcmp(s->title, title) != 0)
		s++;
	return s;
}

/* One death. Returns a complaint or NULL; *through = it was not killed. */
static const char *
die_at(long step, long repair_step, uint32_t blocks, bool *through)
{
	const char *complaint;
	uint64_t epoch;
	struct reg *r;
	int status;

	case_segment = seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	if (current->prepare)
		current->prepare(r);
	epoch = reg_epoch(r);
	current_step = step;
	status = reap(spawn(child_dies, NULL));
	*through = status == 0;
	if (status != 0 && status != 128 + SIGKILL)
		return "the child failed by itself";
	if (repair_step) {
		current_step = repair_step;
		status = reap(spawn(child_dies_repairing, NULL));
		*through = status == 0;
		complaint = judge(r, epoch, false, blocks);
	} else {
		complaint = judge(r, epoch, *through, blocks);
	}
	reg_close(r);
	return complaint;
}

static void
test_scenario(const struct scenario *s)
{
	const char *complaint = NULL;
	bool through = false;
	uint32_t blocks;
	long step = 0;

	current = s;
	blocks = blocks_when_done();
	while (!through && !complaint && ++step < STEPS_MAX)
		complaint = die_at(step, 0, blocks, &through);
	ok(!complaint && through && step > 1, "crash: %s, at each of %ld steps",
	   s->title, step - 1);
	if (complaint)
		printf("# step %ld: %s\n", step, complaint);
}

/* The one who repairs dies as well, at every step of the repair. */
static void
test_repair(const struct scenario *s)
{
	const char *complaint = NULL;
	bool through = false;
	uint32_t blocks;
	long step = 0, deaths = 0, repair = 0;

	current = s;
	blocks = blocks_when_done();
	while (!complaint && ++step < STEPS_MAX) {
		complaint = die_at(step, 0, blocks, &through);
		if (through)
			break;
		through = false;
		for (repair = 1; !through && !complaint && repair < STEPS_MAX;
		     repair += REPAIR_STRIDE, deaths++)
			complaint = die_at(step, repair, blocks, &through);
	}
	ok(!complaint && through && deaths >= step,
	   "crash: %s, then its repair: %ld double deaths", s->title, deaths);
	if (complaint)
		printf("# step %ld, then %ld: %s\n", step, repair, complaint);
}

/* ---- creation: there is nobody who could have been there before -----------
 */

static int
child_creates(void *unused)
{
	struct reg *w;

	(void)unused;
	case_countdown = current_step;
	w = reg_open(seg_name, REG_SEGMENT_MIN, &err);
	case_countdown = 0;
	return w ? 0 : 1;
}

static int
child_dies_locked(void *unused)
{
	struct reg *w = seg_open(0);

	(void)unused;
	return reg_lock(w, &err);
}

static void
test_creation(void)
{
	bool through = false, well = true;
	long step = 0;

	while (!through && well && ++step < STEPS_MAX) {
		struct reg *r;
		int status;

		case_segment = seg_new();
		current_step = step;
		status = reap(spawn(child_creates, NULL));
		through = status == 0;
		well = through || status == 128 + SIGKILL;
		r = seg_open(REG_SEGMENT_MIN);
		/* Its lock is one that can be inherited. */
		well = well && reap(spawn(child_dies_locked, NULL)) == 0;
		well = well && r->bytes == REG_SEGMENT_MIN &&
		       reg_verify(r, &err) == 0 && case_put(r, "a", 100, 1) &&
		       nothing_left(r);
		reg_close(r);
	}
	ok(well && through && step > 5,
	   "crash: creation, at each of %ld steps -> the next one builds it",
	   step - 1);
}

int
main(void)
{
	for (const struct scenario *s = node_scenarios; s->title; s++)
		test_scenario(s);
	for (const struct scenario *s = shared_scenarios; s->title; s++)
		test_scenario(s);
	test_creation();
	test_repair(find_scenario("put, replacing a node with a status"));
	test_repair(find_scenario("remove"));
	return done_testing();
}
