/* SPDX-License-Identifier: MIT */
/*
 * reg_cases_shared.c - interrupted turns, probes, leases, openings and
 * closings.
 */
#include "reg_cases.h"
#include "reg_test.h"

static struct reg_err err;

/* ---- turns --------------------------------------------------------------- */

static const struct reg_turn *
turn_of(const struct reg *r, const char *name)
{
	for (int i = 0; i < REG_TURNS_MAX; i++) {
		const struct reg_turn *t = &r->seg->turns[i];

		if (t->name_bytes == strlen(name) &&
		    memcmp(t->name, name, strlen(name)) == 0)
			return t;
	}
	return NULL;
}

static bool
run_turn(struct reg *w)
{
	uint32_t index;

	return reg_turn_open(w, "new", &index, &err) == 0 &&
	       reg_turn_next(w, index) < 2; /* ours and the dead one's */
}

static enum state
look_turn(const struct reg *r)
{
	const struct reg_turn *t = turn_of(r, "new");

	if (!t)
		return BEFORE;
	return t->position <= 2 ? AFTER : BROKEN;
}

static void
prepare_turns(struct reg *r)
{
	uint32_t index;
	char name[16];

	for (int i = 0; i < REG_TURNS_MAX; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		if (reg_turn_open(r, name, &index, &err))
			return;
		for (int k = 0; k < 7; k++)
			reg_turn_next(r, index);
	}
}

static enum state
look_turns(const struct reg *r)
{
	const struct reg_turn *added = turn_of(r, "new"),
			      *old = turn_of(r, "t0");

	if ((added && old) || (old && old->position != 7) ||
	    (added && added->position > 2) || !turn_of(r, "t1"))
		return BROKEN;
	return old ? BEFORE : added ? AFTER : BETWEEN;
}

/* ---- probes -------------------------------------------------------------- */

const uint64_t case_home[2] = {4000, 1};
static uint64_t probe_now_ms = 10000;

/* The entry of a key, read without the library's help. */
static const struct reg_target *
target_of(const struct reg *r, const uint64_t key[2])
{
	for (uint32_t i = 0; i < REG_PROBES_MAX; i++) {
		const struct reg_target *t = &r->seg->targets[i];

		if (t->checked && t->key[0] == key[0] && t->key[1] == key[1])
			return t;
	}
	return NULL;
}

/* No dead process's claim makes anybody wait: hence a new time every call. */
static bool
run_probe(struct reg *w)
{
	struct reg_probe p;

	probe_now_ms += 100;
	return reg_probe_begin(w, case_home, probe_now_ms, 10, 60000, &p) ==
	       REG_PROBE_MINE;
}

static enum state
look_probe(const struct reg *r)
{
	const struct reg_target *t = target_of(r, case_home);

	if (!t)
		return BEFORE;
	return reg_checked_ms(t->checked) == 0 ? AFTER : BROKEN;
}

void
case_fill_window(struct reg *r)
{
	struct reg_probe p;

	for (uint64_t i = 0; i < 64; i++) {
		uint64_t key[2] = {case_home[0], 100 + i};

		if (reg_probe_begin(r, key, 1000, 10, 100, &p) ==
		    REG_PROBE_MINE)
			reg_probe_put(r, key, 1000 + i, 1, (uint32_t)i);
	}
}

static enum state
look_window(const struct reg *r)
{
	const struct reg_target *oldest, *added = target_of(r, case_home);
	unsigned others = 0;

	for (uint64_t i = 1; i < 64; i++) {
		const struct reg_target *t =
			target_of(r, (uint64_t[2]){case_home[0], 100 + i});

		others += t && reg_checked_ms(t->checked) == 1000 + i &&
			  reg_outcome_result(t->outcome) == i;
	}
	oldest = target_of(r, (uint64_t[2]){case_home[0], 100});
	if (others != 63 || (added && oldest) ||
	    (added && reg_checked_ms(added->checked)))
		return BROKEN;
	if (!oldest)
		return added ? AFTER : BETWEEN;
	return reg_checked_ms(oldest->checked) ? BEFORE : BETWEEN;
}

static void
prepare_result(struct reg *r)
{
	struct reg_probe p;

	if (reg_probe_begin(r, case_home, 1000, 10, 100, &p) == REG_PROBE_MINE)
		reg_probe_put(r, case_home, 1000, 70, 3);
}

static void
setup_probe(struct reg *w)
{
	run_probe(w);
}

static bool
run_probe_put(struct reg *w)
{
	struct reg_probe p;
	enum reg_probe_turn turn;

	reg_probe_put(w, case_home, 10100, 80, 4);
	/* Once more by the one who stays, whose turn it may be. */
	turn = reg_probe_begin(w, case_home, 20000, 15000, 100, &p);
	if (turn == REG_PROBE_MINE) {
		reg_probe_put(w, case_home, 20000, 80, 4);
		turn = reg_probe_begin(w, case_home, 20000, 15000, 100, &p);
	}
	return turn == REG_PROBE_FRESH;
}

static enum state
look_probe_put(const struct reg *r)
{
	const struct reg_target *t = target_of(r, case_home);
	uint64_t ms, result;

	if (!t)
		return BROKEN;
	ms = reg_checked_ms(t->checked);
	result = reg_outcome_result(t->outcome);
	if (result == 3)
		return ms == 1000 ? BEFORE : BROKEN;
	if (result != 4 || reg_outcome_since(t->outcome) != 80)
		return BROKEN;
	return ms == 10100 || ms == 20000 ? AFTER
	       : ms == 1000		  ? BETWEEN
					  : BROKEN;
}

static bool
run_forget(struct reg *w)
{
	reg_probe_forget(w, case_home);
	return true;
}

static enum state
look_forget(const struct reg *r)
{
	const struct reg_target *t = target_of(r, case_home);

	if (!t)
		return BROKEN;
	return reg_checked_ms(t->checked) ? BEFORE : AFTER;
}

/* ---- who waits -------------------------------------------------------------
 */

static struct reg_waiter_ref waiting[3];

/* The entry of the one who stays, read without the library's help. */
static const struct reg_wait *
stayer(const struct reg *r)
{
	for (uint32_t i = 0; i < 16; i++)
		if (r->seg->waits[i].queue == 99)
			return &r->seg->waits[i];
	return NULL;
}

static struct reg_waiter
waiter(uint64_t queue)
{
	return (struct reg_waiter){
		.queue = queue,
		.client = queue + 1,
		.came_ms = queue + 2,
	};
}

static void
prepare_wait(struct reg *r)
{
	struct reg_waiter w = waiter(99);

	reg_queue_join(r, &w);
}

static void
setup_wait(struct reg *w)
{
	for (int i = 0; i < 3; i++) {
		struct reg_waiter mine = waiter(1);

		waiting[i] = reg_queue_join(w, &mine);
	}
}

static bool
run_join(struct reg *w)
{
	struct reg_waiter mine = waiter(1), all[16];
	size_t n;

	reg_queue_join(w, &mine);
	n = reg_queue_read(w, all, 16);
	for (size_t i = 0; i < n; i++)
		if (all[i].ref.index == mine.ref.index)
			return all[i].mine && all[i].client == 2 &&
			       all[i].came_ms == 3;
	return false;
}

static bool
run_leave(struct reg *w)
{
	for (int i = 2; i >= 0; i--)
		reg_queue_leave(w, waiting[i]);
	return true;
}

static bool
run_displace(struct reg *w)
{
	struct reg_waiter all[16];
	size_t n = reg_queue_read(w, all, 16);

	for (size_t i = 0; i < n; i++)
		if (all[i].queue == 99)
			reg_queue_displace(w, &all[i]);
	return reg_queue_displaced(w, 99) == 1;
}

static enum state
look_displaced(const struct reg *r)
{
	const struct reg_wait *p = stayer(r);

	if (!p)
		return BROKEN;
	switch (reg_wait_state(p->state)) {
	case REG_WAIT_WAITING:
		return BEFORE;
	case REG_WAIT_DISPLACED:
		return AFTER;
	case REG_WAIT_FREE:
	case REG_WAIT_FILLING:
		break;
	}
	return BROKEN;
}

static bool
run_call(struct reg *w)
{
	struct reg_waiter all[16];
	size_t n = reg_queue_read(w, all, 16);

	for (size_t i = 0; i < n; i++)
		if (all[i].queue == 99)
			reg_queue_call(w, &all[i], 5000, 250);
	return true;
}

static enum state
look_called(const struct reg *r)
{
	const struct reg_wait *p = stayer(r);
	uint64_t ms =
		p ? reg_stamp_ms(p->called, reg_wait_sequence(p->state)) : 1;

	return ms == 0 ? BEFORE : ms == 5000 ? AFTER : BROKEN;
}

/* ---- rows and leases ----------------------------------------------------- */

static int32_t held[3];

static bool
run_lease_take(struct reg *w)
{
	return lease_take(w, 5) >= 0;
}

void
case_take_leases(struct reg *w)
{
	for (int i = 0; i < 3; i++)
		held[i] = lease_take(w, 5);
	reg_gauge_add(w, 1, 9);
}

static bool
run_lease_drop(struct reg *w)
{
	for (int i = 0; i < 3; i++)
		reg_lease_drop(w, held[i]);
	return true;
}

static bool
run_close(struct reg *w)
{
	if (case_countdown) /* the one who stays keeps its handle */
		reg_close(w);
	return true;
}

static int
child_leaves_row(void *unused)
{
	(void)unused;
	struct reg *w = reg_open(case_segment, 0, &err);

	case_take_leases(w);
	setup_wait(w);
	return 0; /* without closing */
}

static void
prepare_dead_row(struct reg *r)
{
	(void)r;
	reap(spawn(child_leaves_row, NULL));
}

static bool
run_open(struct reg *unused)
{
	struct reg *w = reg_open(case_segment, 0, &err);
	/* Row 1 was the dead one's; its finder may free it under our hands. */
	bool taken_over = w && w->row <= 2;

	(void)unused;
	if (!case_countdown) /* the one who stays keeps one handle alone */
		reg_close(w);
	return taken_over;
}

#define DRAIN_KEY UINT64_C(77)

static void
prepare_drained(struct reg *r)
{
	if (reg_drain_set(r, DRAIN_KEY, true, 1000, &err))
		abort();
}

static bool
run_drain(struct reg *w)
{
	return reg_drain_set(w, DRAIN_KEY, true, 1000, &err) == 0;
}

static bool
run_undrain(struct reg *w)
{
	return reg_drain_set(w, DRAIN_KEY, false, 1000, &err) == 0;
}

static enum state
look_drained(const struct reg *r)
{
	return reg_drain_is(r, DRAIN_KEY, 1000) ? AFTER : BEFORE;
}

static enum state
look_undrained(const struct reg *r)
{
	return reg_drain_is(r, DRAIN_KEY, 1000) ? BEFORE : AFTER;
}

const struct scenario shared_scenarios[] = {
	{"drain", NULL, NULL, run_drain, look_drained, false, false},
	{"undrain", prepare_drained, NULL, run_undrain, look_undrained, false,
	 false},
	{"turn, new name", NULL, NULL, run_turn, look_turn, false, false},
	{"turn, table full", prepare_turns, NULL, run_turn, look_turns, false,
	 false},
	{"probe begin, new target", NULL, NULL, run_probe, look_probe, false,
	 false},
	{"probe begin, window full", case_fill_window, NULL, run_probe,
	 look_window, false, false},
	{"probe put", prepare_result, setup_probe, run_probe_put,
	 look_probe_put, false, false},
	{"probe forget", prepare_result, setup_probe, run_forget, look_forget,
	 false, false},
	{"lease take", NULL, NULL, run_lease_take, NULL, false, false},
	{"lease drop", NULL, case_take_leases, run_lease_drop, NULL, false,
	 false},
	{"close with leases", NULL, case_take_leases, run_close, NULL, false,
	 false},
	{"wait, join", prepare_wait, setup_wait, run_join, NULL, false, false},
	{"wait, leave", prepare_wait, setup_wait, run_leave, NULL, false,
	 false},
	{"wait, displace", prepare_wait, NULL, run_displace, look_displaced,
	 false, false},
	{"wait, call", prepare_wait, NULL, run_call, look_called, false, false},
	{"close while waiting", prepare_wait, setup_wait, run_close, NULL,
	 false, false},
	{"open, taking over a dead row", prepare_dead_row, NULL, run_open, NULL,
	 false, true},
	{0},
};
