/* SPDX-License-Identifier: MIT */
/*
 * test_reg_takeover.c - what a dead process left is found by two at one time.
 *
 * Whoever counts, collects or retires what belonged to the dead one is
 * overtaken at each step by a newcomer that takes the row, or by another that
 * takes the lease. Nothing that a live one has got meanwhile may be lost, and
 * nothing of the dead one may count for its successor.
 */
#include "reg_stops.h"

#define LEFT 3	     /* leases of the dead one, by case_take_leases() */
#define FILE_STEPS 2 /* of opening, until nobody else waits for the file */

#define SOMEWHERE 6 /* the candidate whose leases are taken */

static uint32_t dead_row;
static int32_t mine, theirs[LEFT];

/* ---- what the dead one left ------------------------------------------------
 */

static int
child_leaves(void *unused)
{
	struct reg *w = seg_open(0);
	struct reg_probe p;

	(void)unused;
	case_take_leases(w); /* on candidate 5, and a gauge */
	reg_probe_begin(w, case_home, 1000, 10, 60000, &p);
	return 0; /* without closing */
}

static void
prepare_dead(void)
{
	reap(spawn(child_leaves, NULL));
	dead_row = other->row + 1;
	mine = -1;
	for (int i = 0; i < LEFT; i++)
		theirs[i] = -1;
}

/* All leases are taken: the dead one's aside, by `other`. */
static void
prepare_dead_and_full(void)
{
	struct reg_candidate_ref c;
	struct reg_place *p;
	uint32_t n = 1;
	int32_t first;

	prepare_dead();
	first = lease_take(other, SOMEWHERE);
	c = candidate(other, SOMEWHERE);
	p = reg_candidate_at(other, c);
	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		_Atomic uint64_t *lease = &other->seg->leases[i];

		if (reg_held_state(*lease) != REG_FREE)
			continue;
		*lease = reg_held(REG_HELD, other->row, other->row_generation,
				  c.index, 1);
		n++;
	}
	/* Taking them one by one takes too long, that often. */
	p->load = reg_load_with(p->load, n, (uint32_t)first,
				other->seg->leases[first], false);
}

static void
someone_opens(void)
{
	newcomer = seg_open(0);
}

/* ... and takes what leases there are. */
static void
someone_opens_and_takes(void)
{
	newcomer = seg_open(0);
	for (int i = 0; i < LEFT; i++)
		theirs[i] = lease_take(newcomer, SOMEWHERE);
}

static void
other_takes(void)
{
	for (int i = 0; i < LEFT; i++)
		theirs[i] = lease_take(other, SOMEWHERE);
}

/* Is it the one that this handle took? */
static bool
holds(const struct reg *r, int32_t lease)
{
	uint64_t held = r->seg->leases[lease];

	return held == reg_held(REG_HELD, r->row, r->row_generation,
				candidate(other, SOMEWHERE).index,
				reg_held_sequence(held));
}

static bool
keeps_its_row(const struct reg *r)
{
	return r->seg->rows[r->row].identity == r->identity &&
	       r->seg->rows[r->row].generation == r->row_generation;
}

/* ---- those who only look ---------------------------------------------------
 */

static int64_t gauge;

static void
sweep(void)
{
	sweep_now(me);
}

static void
other_sweeps(void)
{
	sweep_now(other);
}

static const char *
judge_sweep(void)
{
	if (leases_on(me, 5))
		return "leases of a dead process count";
	if (newcomer && !keeps_its_row(newcomer))
		return "the newcomer lost its row";
	for (int i = 0; newcomer && i < LEFT; i++)
		if (theirs[i] >= 0 && !holds(newcomer, theirs[i]))
			return "a lease of the newcomer is gone";
	return NULL;
}

static void
sum_gauge(void)
{
	gauge = reg_gauge_sum(me, 1);
}

static const char *
judge_gauge(void)
{
	if (gauge)
		return "a gauge of a dead process counts";
	return newcomer && !keeps_its_row(newcomer)
		       ? "the newcomer lost its row"
		       : NULL;
}

/* ---- those who clear up ----------------------------------------------------
 */

static void
take(void)
{
	mine = lease_take(me, SOMEWHERE);
}

static const char *
judge_take(void)
{
	const struct reg *winner = newcomer ? newcomer : other;

	if (mine >= 0 && !holds(me, mine))
		return "the lease just taken is another's";
	for (int i = 0; i < LEFT; i++)
		if (theirs[i] >= 0 && !holds(winner, theirs[i]))
			return "a lease of the faster one is gone";
	return newcomer && !keeps_its_row(newcomer)
		       ? "the newcomer lost its row"
		       : NULL;
}

/* Both look at the same place first. */
static void
prepare_same_hint(void)
{
	prepare_dead();
	other->lease_hint = me->lease_hint;
}

static void
ask_probe(void)
{
	struct reg_probe p;

	reg_probe_begin(me, case_home, 1100, 10, 60000, &p);
}

static const char *
judge_probe(void)
{
	uint64_t lease = me->seg->targets[case_home[0]].lease;

	if (newcomer && !keeps_its_row(newcomer))
		return "the newcomer lost its row";
	/* Whoever saw the newcomer in the dead one's row asks once more. */
	if (reg_claim_row(lease) != me->row)
		ask_probe();
	lease = me->seg->targets[case_home[0]].lease;
	return reg_claim_row(lease) == me->row
		       ? NULL
		       : "nobody may probe a dead one's target";
}

static struct reg *opened;
static enum reg_probe_turn others_turn;

/* The dead one's target is free while its row is being taken, too. */
static void
other_probes(void)
{
	struct reg_probe p;

	others_turn = reg_probe_begin(other, case_home, 1100, 10, 60000, &p);
}

static void
open_handle(void)
{
	case_stop += FILE_STEPS;
	opened = seg_open(0);
}

/* Ends with the handle closed, so that the round can end, too. */
static const char *
judge_open(void)
{
	const char *complaint = judge_take();

	if (!complaint && !keeps_its_row(opened))
		complaint = "the row just taken is lost";
	if (!complaint && newcomer && newcomer->row == opened->row)
		complaint = "two have one row";
	if (!complaint && opened->row < dead_row)
		complaint = "a live one's row was taken";
	sweep_now(other);
	if (!complaint && (leases_on(other, 5) || reg_gauge_sum(other, 1)))
		complaint = "what the dead one held counts for its successor";
	reg_close(opened);
	return complaint;
}

static const char *
judge_probed(void)
{
	const char *complaint = judge_open();

	if (!complaint && others_turn != REG_PROBE_MINE)
		complaint = "a dead one's target is waited for";
	return complaint;
}

static void
prepare_probed(void)
{
	prepare_dead();
	others_turn = REG_PROBE_MINE;
}

static const struct overtaking takeovers[] = {
	{"sweep: the row is taken", prepare_dead, someone_opens, sweep,
	 judge_sweep},
	{"sweep: row and leases are taken", prepare_dead,
	 someone_opens_and_takes, sweep, judge_sweep},
	{"sweep: another one sweeps", prepare_dead, other_sweeps, sweep,
	 judge_sweep},
	{"gauges: the row is taken", prepare_dead, someone_opens, sum_gauge,
	 judge_gauge},
	{"take: the leases are taken", prepare_dead_and_full, other_takes, take,
	 judge_take},
	{"take: row and leases are taken", prepare_dead_and_full,
	 someone_opens_and_takes, take, judge_take},
	{"take: another takes the same", prepare_same_hint, other_takes, take,
	 judge_take},
	{"probe: the row is taken", prepare_dead, someone_opens, ask_probe,
	 judge_probe},
	{"open: the row is taken", prepare_dead, someone_opens, open_handle,
	 judge_open},
	{"open: row and leases are taken", prepare_dead_and_full,
	 someone_opens_and_takes, open_handle, judge_open},
	{"open: a target is asked for", prepare_probed, other_probes,
	 open_handle, judge_probed},
	{"open: the leases are taken", prepare_dead_and_full, other_takes,
	 open_handle, judge_open},
	{0},
};

/* ---- the segment itself is removed -----------------------------------------
 */

static void
someone_starts_over(void)
{
	if (reg_unlink(seg_name))
		printf("# unlink: %s\n", strerror(errno));
	newcomer = seg_open(REG_SEGMENT_MIN);
}

/* Whoever opened the file, and then locked it, looks whether it has a name. */
static void
test_unlinked(void)
{
	static const char *const when[FILE_STEPS] = {"before", "with"};

	for (int i = 0; i < FILE_STEPS; i++) {
		seg_new();
		me = seg_open(REG_SEGMENT_MIN);
		case_meanwhile = someone_starts_over;
		case_stop = i + 1;
		opened = seg_open(0);
		ok(case_stop == 0 && reg_once(opened, 0, 5) &&
			   !reg_once(newcomer, 0, 5) && reg_once(me, 0, 5),
		   "open: removed and made anew %s its lock held -> the new "
		   "one is opened",
		   when[i]);
		reg_close(opened);
		reg_close(newcomer);
		reg_close(me);
	}
}

int
main(void)
{
	for (const struct overtaking *o = takeovers; o->title; o++)
		test_overtaking(o);
	test_unlinked();
	return done_testing();
}
