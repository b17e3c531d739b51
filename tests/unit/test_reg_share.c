/* SPDX-License-Identifier: MIT */
/*
 * test_reg_share.c - what processes share besides nodes and probes: turns,
 * leases, counters, once-words. Each is tried by one process, by many, and by
 * dead ones.
 */
#include "reg_test.h"

static struct reg_err err;

/* ---- turns --------------------------------------------------------------- */

#define TURNS_EACH 2000

static uint8_t *drawn; /* one byte a number: how often it was drawn */

static int
child_draws(void *arg)
{
	struct reg *r = seg_open(0);
	uint32_t index;

	(void)arg;
	if (RETRY(reg_turn_open(r, "role", &index, &err), err))
		return 1;
	gate_pass();
	for (int i = 0; i < TURNS_EACH; i++) {
		uint64_t n = reg_turn_next(r, index);

		if (n >= PROCESSES * TURNS_EACH)
			return 2;
		drawn[n]++;
	}
	reg_close(r);
	return 0;
}

static void
test_round_robin(void)
{
	unsigned share[3] = {0}, once = 0, most = 0, least = ~0u;
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	drawn = shared_page(PROCESSES * TURNS_EACH);
	is_int(run_together(child_draws), 0, "turn: 8 processes draw 16,000");
	for (unsigned i = 0; i < PROCESSES * TURNS_EACH; i++) {
		once += drawn[i] == 1;
		share[i % 3] += drawn[i];
	}
	is_int(once, PROCESSES * TURNS_EACH, "turn: each number came once");
	for (int i = 0; i < 3; i++) {
		most = share[i] > most ? share[i] : most;
		least = share[i] < least ? share[i] : least;
	}
	ok(most - least <= 1, "turn: 3 candidates -> shares differ by %u",
	   most - least);
	reg_close(r);
}

static void
test_turns(void)
{
	uint32_t first, second, again, index;
	char name[REG_TURN_NAME_MAX + 2];
	struct reg *r, *other;
	int failed = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	memset(name, 'n', sizeof(name));
	name[REG_TURN_NAME_MAX + 1] = '\0';
	ok(reg_turn_open(r, name, &index, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "turn: name of 129 bytes -> TOO_LARGE");
	ok(reg_turn_open(r, "", &index, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "turn: empty name -> TOO_LARGE");
	name[REG_TURN_NAME_MAX] = '\0';
	is_int(reg_turn_open(r, name, &first, &err), 0,
	       "turn: name of 128 bytes -> 0");
	ok(reg_turn_next(r, first) == 0 && reg_turn_next(r, first) == 1,
	   "turn: counts from 0");
	ok(reg_turn_open(other, name, &again, &err) == 0 && again == first &&
		   reg_turn_next(other, again) == 2,
	   "turn: another handle goes on");
	ok(reg_turn_open(r, "b", &second, &err) == 0 && second != first &&
		   reg_turn_next(r, second) == 0,
	   "turn: another name has its own");
	for (int i = 2; i < REG_TURNS_MAX; i++) {
		char filler[16];

		snprintf(filler, sizeof(filler), "t%d", i);
		failed += reg_turn_open(r, filler, &index, &err) != 0;
	}
	is_int(failed, 0, "turn: 1,024 names fit");
	reg_turn_next(other, first); /* used, though opened long ago */
	is_int(reg_turn_open(r, "one more", &index, &err), 0,
	       "turn: one more -> 0");
	ok(index == second && reg_turn_next(r, index) == 0,
	   "turn: ... takes the place unused longest, from 0");
	ok(reg_turn_open(r, name, &again, &err) == 0 && again == first &&
		   reg_turn_next(r, again) == 4,
	   "turn: ... and not that of one in use");
	/* t2 has waited longest now, but somebody is about to draw from it. */
	ok(reg_turn_open(other, "t2", &second, &err) == 0 &&
		   reg_turn_open(r, "and another", &again, &err) == 0 &&
		   again != second,
	   "turn: ... nor that of one just opened again");
	is_int((long long)reg_turn_next(r, REG_TURNS_MAX), 0,
	       "turn: index out of range -> 0");
	ok(reg_verify(r, &err) == 0, "turn: verifies");
	reg_close(other);
	reg_close(r);
}

/* ---- leases -------------------------------------------------------------- */

static uint32_t counts[REG_NODES_MAX];

static uint32_t
leases_on(const struct reg *r, struct reg_node_ref ref)
{
	reg_lease_count(r, counts);
	return counts[ref.slot];
}

static struct reg_node_ref
add_node(struct reg *r, const char *id)
{
	struct reg_node node;
	uint32_t slot = 0;

	if (RETRY(reg_node_put(r, id, "x", 1, 1, 1000, NULL, &err), err))
		return (struct reg_node_ref){REG_NODES_MAX, 0};
	while (reg_node_next(r, &slot, &node))
		if (strcmp(node.id, id) == 0)
			break;
	return node.ref;
}

static void
test_leases(void)
{
	struct reg_node_ref a, b;
	struct reg *r, *other;
	int32_t one, two;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	a = add_node(r, "a");
	b = add_node(r, "b");
	one = reg_lease_take(r, a);
	two = reg_lease_take(other, a);
	ok(one >= 0 && two >= 0 && one != two, "lease: two taken");
	is_int(leases_on(r, a), 2, "lease: both count");
	is_int(leases_on(r, b), 0, "lease: ... on that node alone");
	reg_lease_drop(other, one);
	is_int(leases_on(r, a), 2, "lease: only its process can drop it");
	reg_lease_drop(r, one);
	reg_lease_drop(r, one);
	reg_lease_drop(r, -1);
	reg_lease_drop(r, REG_LEASES_MAX);
	is_int(leases_on(r, a), 1, "lease: dropped -> counts no more");
	is_int(reg_node_remove(r, "a", &err), 0, "lease: the node goes");
	a = add_node(r, "new");
	is_int(leases_on(r, a), 0,
	       "lease: old ones do not count on the next "
	       "node in the slot");
	one = reg_lease_take(other, b);
	reg_close(other);
	is_int(leases_on(r, b), 0, "lease: close -> its leases are dropped");
	is_int(atomic_load(&r->seg->leases[one]) != 0, 0,
	       "lease: ... and free");
	is_int(reg_lease_take(r, (struct reg_node_ref){REG_NODES_MAX, 0}), -1,
	       "lease: slot out of range -> -1");
	reg_close(r);
}

/* After a search in vain nobody searches for a while, unless there is one. */
static void
test_lease_given_back(void)
{
	struct reg_node_ref a;
	struct reg *r, *other;
	int32_t mine;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	a = add_node(r, "a");
	mine = reg_lease_take(r, a);
	for (int i = 0; i < REG_LEASES_MAX; i++)
		if (!r->seg->leases[i])
			r->seg->leases[i] =
				reg_held(other->row, other->row_generation,
					 a.slot, a.generation);
	is_int(reg_lease_take(r, a), -1,
	       "lease: all taken by the living -> -1");
	reg_lease_drop(r, mine);
	is_int((long long)r->swept_ms, 0, "lease: one is dropped -> no pause");
	is_int(reg_lease_take(r, a), mine, "lease: ... and it is taken again");
	reg_close(other);
	reg_close(r);
}

/* Its row has another owner: it was given up for dead, whyever. */
static void
test_lost_row(void)
{
	struct reg *r, *other;
	_Atomic uint64_t *identity;
	uint64_t heir;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	heir = other->identity ^ 1;
	identity = &r->seg->rows[other->row].identity;
	atomic_store(identity, heir);
	reg_close(other);
	ok(atomic_load(identity) == heir,
	   "row: close -> a row that is another's now stays so");
	reg_close(r);
}

static int
child_takes(void *arg)
{
	_Atomic int *state = arg;
	struct reg *r = seg_open(0);
	struct reg_node_ref ref = {0, 1};

	for (int i = atomic_load(state); i > 0; i--)
		if (reg_lease_take(r, ref) < 0)
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

/* Entries that name a row, whether they count or not. */
static uint32_t
entries_of(const struct reg *r, uint32_t row)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load(&r->seg->leases[i]);

		n += held && reg_held_row(held) == row;
	}
	return n;
}

static void
test_lease_death(void)
{
	_Atomic int *state = shared_page(4096);
	struct reg_node_ref a;
	struct reg *r, *other;
	int32_t lease;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	a = add_node(r, "a");
	pid = spawn_holder(state, 100);
	is_int(leases_on(r, a), 100, "lease: 100 by another process");
	kill_and_reap(pid);
	is_int(leases_on(r, a), 0, "lease: it died -> none counts, at once");
	other = seg_open(0);
	is_int(leases_on(r, a), 0, "lease: its row is taken -> still none");
	is_int(entries_of(r, other->row), 0,
	       "lease: ... and their entries are free");
	reg_close(other);

	pid = spawn_holder(state, REG_LEASES_MAX);
	is_int(leases_on(r, a), REG_LEASES_MAX, "lease: 65,536 at once");
	is_int(reg_lease_take(r, a), -1, "lease: all taken -> -1");
	kill_and_reap(pid);
	r->swept_ms = 0; /* as if the last search were longer ago */
	lease = reg_lease_take(r, a);
	ok(lease >= 0, "lease: their process died -> taken from it");
	is_int(leases_on(r, a), 1, "lease: ... and counts alone");
	reg_lease_drop(r, lease);
	reg_close(r);
}

static int
child_leases(void *arg)
{
	struct reg *r = seg_open(0);
	struct reg_node_ref ref = {0, 1};

	(void)arg;
	gate_pass();
	for (int i = 0; i < 5000; i++) {
		int32_t lease[4];

		for (int k = 0; k < 4; k++)
			lease[k] = reg_lease_take(r, ref);
		for (int k = 0; k < 4; k++) {
			if (lease[k] < 0)
				return 1;
			reg_lease_drop(r, lease[k]);
		}
		reg_counter_add(r, 3, 4);
		reg_gauge_add(r, 2, i % 2 ? -1 : 1);
	}
	reg_close(r);
	return 0;
}

static void
test_many(void)
{
	struct reg_node_ref a;
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	a = add_node(r, "a");
	is_int(run_together(child_leases), 0,
	       "many: 8 processes take and drop 160,000 leases");
	is_int(leases_on(r, a), 0, "many: none is left");
	is_int((long long)reg_counter_sum(r, 3), 160000,
	       "many: counters add up, after all have left");
	is_int(reg_gauge_sum(r, 2), 0, "many: gauges are zero");
	reg_close(r);
}

/* ---- counters, gauges, once ---------------------------------------------- */

static int
child_counts(void *arg)
{
	struct reg *r = seg_open(0);

	reg_counter_add(r, 0, 10);
	reg_gauge_add(r, 0, 3);
	atomic_store((_Atomic int *)arg, 1);
	hold();
}

static void
test_counters(void)
{
	_Atomic int *counted = shared_page(4096);
	siginfo_t info;
	struct reg *r;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	reg_counter_add(r, 0, 1);
	reg_counter_add(r, REG_COUNTERS_MAX - 1, UINT64_C(1) << 40);
	reg_gauge_add(r, 0, 2);
	reg_gauge_add(r, 7, -4);
	pid = spawn(child_counts, counted);
	await(counted, 1);
	is_int((long long)reg_counter_sum(r, 0), 11, "counter: sum of two");
	is_int((long long)reg_counter_sum(r, REG_COUNTERS_MAX - 1), 1LL << 40,
	       "counter: the last one");
	is_int(reg_gauge_sum(r, 0), 5, "gauge: sum of two");
	is_int(reg_gauge_sum(r, 7), -4, "gauge: may be negative");
	is_int(reg_rows_live(r), 2, "rows: two live");
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	is_int(reg_rows_live(r), 1, "rows: a zombie is dead");
	reap(pid);
	is_int((long long)reg_counter_sum(r, 0), 11,
	       "counter: process killed -> its counts stay");
	is_int(reg_gauge_sum(r, 0), 2,
	       "gauge: process killed -> its part goes");
	is_int(reg_rows_live(r), 1, "rows: process killed -> one live");
	reg_counter_add(r, REG_COUNTERS_MAX, 1);
	reg_gauge_add(r, REG_GAUGES_MAX, 1);
	ok(reg_counter_sum(r, REG_COUNTERS_MAX) == 0 &&
		   reg_gauge_sum(r, REG_GAUGES_MAX) == 0,
	   "counter: index out of range -> nothing");
	reg_close(r);
}

static _Atomic int *announced;

static int
child_announces(void *arg)
{
	struct reg *r = seg_open(0);

	(void)arg;
	gate_pass();
	for (uint64_t v = 1; v <= 100; v++)
		if (reg_once(r, (unsigned)(v % REG_ONCE_MAX), v))
			atomic_fetch_add(&announced[v], 1);
	reg_close(r);
	return 0;
}

static void
test_once(void)
{
	struct reg *r;
	int first = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	ok(reg_once(r, 1, 5) && !reg_once(r, 1, 5) && reg_once(r, 1, 6) &&
		   reg_once(r, 0, 6),
	   "once: true for each new value of each word");
	ok(!reg_once(r, REG_ONCE_MAX, 1), "once: index out of range -> false");
	reg_once(r, 1, 0);
	reg_once(r, 0, 0);
	announced = shared_page(4096);
	is_int(run_together(child_announces), 0,
	       "once: 8 processes, 100 values");
	/* Late processes meet older values again, so some come more than once:
	 * never is one lost, and words end with the last value. */
	for (int v = 1; v <= 100; v++)
		first += atomic_load(&announced[v]) >= 1;
	is_int(first, 100, "once: every value is announced");
	ok(!reg_once(r, 100 % REG_ONCE_MAX, 100), "once: the last value stays");
	reg_close(r);
}

static int
child_announces_one(void *arg)
{
	struct reg *r = seg_open(0);

	(void)arg;
	gate_pass();
	if (reg_once(r, 2, 77))
		atomic_fetch_add(announced, 1);
	reg_close(r);
	return 0;
}

static void
test_once_together(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	announced = shared_page(4096);
	is_int(run_together(child_announces_one), 0,
	       "once: 8 processes, 1 value");
	is_int(atomic_load(announced), 1, "once: ... one of them announces it");
	reg_close(r);
}

int
main(void)
{
	test_round_robin();
	test_turns();
	test_leases();
	test_lease_given_back();
	test_lost_row();
	test_lease_death();
	test_many();
	test_counters();
	test_once();
	test_once_together();
	return done_testing();
}
