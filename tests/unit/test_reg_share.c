/* SPDX-License-Identifier: MIT */
/*
 * test_reg_share.c - what processes share besides nodes: turns, probes, leases,
 * counters, once-words. Each is tried by one process, by many, and by dead
 * ones.
 */
#include "reg_test.h"

#define PROCESSES 8

static struct reg_err err;

/* Starts the processes at one moment, and waits until all of them are done. */
struct gate {
	_Atomic int ready;
	_Atomic int open;
};

static struct gate *gate;

static void
gate_pass(void)
{
	atomic_fetch_add(&gate->ready, 1);
	await(&gate->open, 1);
}

static int
run_together(int (*body)(void *))
{
	pid_t pids[PROCESSES];
	int failed = 0;

	atomic_store(&gate->ready, 0);
	atomic_store(&gate->open, 0);
	for (uintptr_t i = 0; i < PROCESSES; i++)
		pids[i] = spawn(body, (void *)i);
	await(&gate->ready, PROCESSES);
	atomic_store(&gate->open, 1);
	for (int i = 0; i < PROCESSES; i++)
		failed += reap(pids[i]) != 0;
	return failed;
}

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
	is_int((long long)reg_turn_next(r, REG_TURNS_MAX), 0,
	       "turn: index out of range -> 0");
	ok(reg_verify(r, &err) == 0, "turn: verifies");
	reg_close(other);
	reg_close(r);
}

/* ---- probes -------------------------------------------------------------- */

static const uint64_t key_a[2] = {11, 22};

static void
test_probes(void)
{
	struct reg_probe p;
	struct reg *r, *other;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	is_int(reg_probe_begin(r, key_a, 1000, 500, 300, &p), REG_PROBE_MINE,
	       "probe: new target -> MINE");
	ok(p.checked_ms == 0, "probe: ... no result yet");
	is_int(reg_probe_begin(r, key_a, 1001, 500, 300, &p), REG_PROBE_WAIT,
	       "probe: the same process again -> WAIT");
	is_int(reg_probe_begin(other, key_a, 1001, 500, 300, &p),
	       REG_PROBE_WAIT, "probe: another -> WAIT");
	reg_probe_put(other, key_a, 1001, 7, 5);
	is_int(reg_probe_begin(other, key_a, 1001, 500, 300, &p),
	       REG_PROBE_WAIT, "probe: put without the right -> ignored");
	reg_probe_put(r, key_a, 1010, 70000, 200);
	is_int(reg_probe_begin(other, key_a, 1011, 500, 300, &p),
	       REG_PROBE_FRESH, "probe: result -> FRESH for another");
	ok(p.checked_ms == 1010 && p.result == 200 && p.since_wall_s == 70000,
	   "probe: ... with its time and since");
	is_int(reg_probe_begin(other, key_a, 1000, 500, 300, &p),
	       REG_PROBE_FRESH, "probe: a clock read before -> FRESH");
	is_int(reg_probe_begin(other, key_a, 1509, 500, 300, &p),
	       REG_PROBE_FRESH, "probe: 1 ms below the ttl -> FRESH");
	is_int(reg_probe_begin(other, key_a, 1510, 500, 300, &p),
	       REG_PROBE_MINE, "probe: as old as the ttl -> MINE");
	ok(p.result == 200, "probe: ... with the last result");
	is_int(reg_probe_begin(r, key_a, 1511, 500, 300, &p), REG_PROBE_WAIT,
	       "probe: ... WAIT for the others");
	ok(p.result == 200, "probe: ... with the last result");
	reg_probe_put(other, key_a, 1520, 70009, 200);
	is_int(reg_probe_begin(r, key_a, 1520, 0, 300, &p), REG_PROBE_MINE,
	       "probe: ttl 0 -> never fresh");
	ok(p.since_wall_s == 70000, "probe: same result -> since stays");
	reg_probe_put(r, key_a, 1530, 70012, (1u << 20) - 1);
	reg_probe_begin(r, key_a, 1531, 500, 300, &p);
	ok(p.since_wall_s == 70012 && p.result == (1u << 20) - 1,
	   "probe: other result (the largest) -> since moves");

	reg_probe_begin(r, key_a, 3000, 500, 300, &p);
	is_int(reg_probe_begin(other, key_a, 3299, 500, 300, &p),
	       REG_PROBE_WAIT, "probe: 1 ms before the lease ends -> WAIT");
	is_int(reg_probe_begin(other, key_a, 3300, 500, 300, &p),
	       REG_PROBE_MINE, "probe: its owner hangs -> MINE after lease_ms");
	reg_probe_put(r, key_a, 3310, 70020, 1);
	reg_probe_begin(r, key_a, 3311, 5000, 300, &p);
	ok(p.result != 1, "probe: a result that came too late -> ignored");
	reg_probe_put(other, key_a, 3320, 70021, 2);
	is_int(reg_probe_begin(r, key_a, 3321, 500, 300, &p), REG_PROBE_FRESH,
	       "probe: the new owner's counts");
	ok(p.result == 2, "probe: ... (2)");
	reg_probe_put(r, (const uint64_t[2]){5, 5}, 1, 1, 1);
	reg_probe_forget(r, (const uint64_t[2]){5, 5});
	ok(reg_verify(r, &err) == 0, "probe: unknown key -> put and forget do "
				     "nothing");
	reg_close(other);
	reg_close(r);
}

static void
test_probe_forget(void)
{
	struct reg_probe p;
	struct reg *r, *other;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	reg_probe_begin(r, key_a, 1000, 500, 300, &p);
	reg_probe_put(r, key_a, 1000, 70000, 3);
	reg_probe_forget(other, key_a);
	is_int(reg_probe_begin(r, key_a, 1001, 500, 300, &p), REG_PROBE_MINE,
	       "forget: a fresh result -> probe again");
	is_int((long long)p.checked_ms, 0, "forget: ... it is gone");
	reg_probe_forget(other, key_a);
	reg_probe_put(r, key_a, 1002, 70002, 3);
	is_int(reg_probe_begin(other, key_a, 1003, 500, 300, &p),
	       REG_PROBE_MINE,
	       "forget: during a probe -> its result is of the time before");
	reg_probe_put(other, key_a, 1004, 70004, 3);
	reg_probe_begin(r, key_a, 1005, 500, 300, &p);
	is_int(p.since_wall_s, 70004, "forget: since begins anew");
	reg_close(other);
	reg_close(r);
}

static void
test_probe_table(void)
{
	struct reg_probe p;
	struct reg *r;
	int fresh = 0, mine = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (uint64_t i = 0; i < 64; i++) {
		uint64_t key[2] = {8190, i};

		mine += reg_probe_begin(r, key, 1000, 500, 300, &p) ==
			REG_PROBE_MINE;
	}
	is_int(mine, 64, "probe: 64 targets with one home -> all MINE");
	is_int(reg_probe_begin(r, (const uint64_t[2]){8190, 99}, 1001, 500, 300,
			       &p),
	       REG_PROBE_NO_ROOM, "probe: all being probed -> NO_ROOM");
	for (uint64_t i = 0; i < 64; i++)
		reg_probe_put(r, (const uint64_t[2]){8190, i}, 1010 + (i ^ 5),
			      1, 9);
	is_int(reg_probe_begin(r, (const uint64_t[2]){8190, 99}, 1100, 500, 300,
			       &p),
	       REG_PROBE_MINE, "probe: no free entry -> one makes room");
	for (uint64_t i = 0; i < 64; i++) {
		uint64_t key[2] = {8190, i};

		if (i != 5)
			fresh += reg_probe_begin(r, key, 1101, 5000, 300, &p) ==
				 REG_PROBE_FRESH;
	}
	is_int(fresh, 63, "probe: ... and the others keep their results");
	reg_probe_put(r, (const uint64_t[2]){8190, 99}, 1200, 1, 4);
	is_int(reg_probe_begin(r, (const uint64_t[2]){8190, 5}, 1300, 5000, 300,
			       &p),
	       REG_PROBE_MINE, "probe: it was the one checked longest ago");
	is_int((long long)p.checked_ms, 0,
	       "probe: a key in a used entry sees nothing of the last one");
	ok(reg_verify(r, &err) == 0, "probe: verifies");
	reg_close(r);
}

static int
child_probes_and_hangs(void *arg)
{
	struct reg *r = seg_open(0);
	struct reg_probe p;

	for (uint64_t i = 0; i < 10; i++)
		if (reg_probe_begin(r, (const uint64_t[2]){100 * i, i}, 1000,
				    500, 60000, &p) != REG_PROBE_MINE)
			return 1;
	atomic_store((_Atomic int *)arg, 1);
	hold();
}

static void
test_probe_death(void)
{
	_Atomic int *begun = shared_page(4096);
	struct reg_probe p;
	struct reg *r;
	int waits = 0, mine = 0;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	pid = spawn(child_probes_and_hangs, begun);
	await(begun, 1);
	for (uint64_t i = 0; i < 10; i++)
		waits += reg_probe_begin(r, (const uint64_t[2]){100 * i, i},
					 1001, 500, 300, &p) == REG_PROBE_WAIT;
	is_int(waits, 10, "probe: a live process is at it -> WAIT");
	kill_and_reap(pid);
	for (uint64_t i = 0; i < 10; i++)
		mine += reg_probe_begin(r, (const uint64_t[2]){100 * i, i},
					1052, 500, 300, &p) == REG_PROBE_MINE;
	is_int(mine, 10, "probe: it died -> all its targets at once");
	reg_close(r);
}

#define FLIGHTS 200

static _Atomic int *probed;

static int
child_asks(void *arg)
{
	struct reg *r = seg_open(0);
	struct reg_probe p;

	(void)arg;
	gate_pass();
	for (uint64_t i = 0; i < FLIGHTS; i++) {
		uint64_t key[2] = {i * 977, i};
		enum reg_probe_turn turn;

		do {
			turn = reg_probe_begin(r, key, 1000, 500, 60000, &p);
			if (turn == REG_PROBE_WAIT)
				sched_yield();
		} while (turn == REG_PROBE_WAIT);
		if (turn == REG_PROBE_MINE) {
			atomic_fetch_add(&probed[i], 1);
			reg_probe_put(r, key, 1000, 1, (uint32_t)i);
		} else if (turn != REG_PROBE_FRESH || p.result != i) {
			return 1;
		}
	}
	reg_close(r);
	return 0;
}

static void
test_single_flight(void)
{
	struct reg *r;
	int once = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	probed = shared_page(FLIGHTS * sizeof(*probed));
	is_int(run_together(child_asks), 0,
	       "probe: 8 processes ask for 200 targets -> all get results");
	for (int i = 0; i < FLIGHTS; i++)
		once += atomic_load(&probed[i]) == 1;
	is_int(once, FLIGHTS, "probe: ... each was probed exactly once");
	ok(reg_verify(r, &err) == 0, "probe: verifies");
	reg_close(r);
}

/* Eight processes keep pushing one another's targets out of one window. */
static int
child_crowds(void *arg)
{
	uint64_t state = (uintptr_t)arg + 1, now_ms = 1000;
	struct reg *r = seg_open(0);
	struct reg_probe p;

	gate_pass();
	for (int i = 0; i < 4000; i++) {
		uint32_t n = random_next(&state) % 100;
		uint64_t key[2] = {4000, n};

		switch (reg_probe_begin(r, key, ++now_ms, 50, 10, &p)) {
		case REG_PROBE_MINE:
			reg_probe_put(r, key, now_ms, 1, n);
			break;
		case REG_PROBE_FRESH:
			if (p.result != n)
				return 1;
			break;
		default:
			break;
		}
		if (p.checked_ms && p.result != n)
			return 2;
		if (n == 0)
			reg_probe_forget(r, key);
	}
	reg_close(r);
	return 0;
}

static void
test_crowded_window(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	is_int(run_together(child_crowds), 0,
	       "probe: 100 targets in 64 entries -> never another's result");
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
	kill_and_reap(pid);
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
	gate = shared_page(4096);
	test_round_robin();
	test_turns();
	test_probes();
	test_probe_forget();
	test_probe_table();
	test_probe_death();
	test_single_flight();
	test_crowded_window();
	test_leases();
	test_lease_death();
	test_many();
	test_counters();
	test_once();
	test_once_together();
	return done_testing();
}
