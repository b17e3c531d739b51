/* SPDX-License-Identifier: MIT */
/*
 * test_reg_target.c - probe targets: who probes, what the others get, and what
 * happens to the target of a process that died, hangs, or was too late.
 */
#include "reg_test.h"

static struct reg_err err;

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

/* Keys with one half in common whose entries lie side by side. */
static void
test_probe_keys(void)
{
	static const uint64_t keys[][2] = {
		{20, 1}, {21, 1}, {20 + REG_PROBES_MAX, 1}, {20, 2}};
	int mine = 0, fresh = 0, own = 0;
	struct reg_probe p;
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (uint32_t i = 0; i < 4; i++) {
		mine += reg_probe_begin(r, keys[i], 1000, 500, 300, &p) ==
			REG_PROBE_MINE;
		reg_probe_put(r, keys[i], 1000, 1, i);
	}
	for (uint32_t i = 0; i < 4; i++) {
		fresh += reg_probe_begin(r, keys[i], 1001, 500, 300, &p) ==
			 REG_PROBE_FRESH;
		own += p.result == i;
	}
	ok(mine == 4 && fresh == 4 && own == 4,
	   "probe: keys that are half the same -> each its own result");
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

static int
child_probes_and_leaves(void *unused)
{
	struct reg *r = seg_open(0);
	struct reg_probe p;

	(void)unused;
	return reg_probe_begin(r, key_a, 1000, 500, 60000, &p) !=
	       REG_PROBE_MINE;
}

/* A live process in a dead one's row holds only what it took itself. */
static void
test_probe_heir(void)
{
	struct reg_probe p;
	struct reg *r, *heir;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	is_int(reap(spawn(child_probes_and_leaves, NULL)), 0,
	       "probe: a process takes a target and dies");
	heir = seg_open(0);
	is_int(heir->row, 1, "probe: ... its row has a new owner");
	reg_probe_put(heir, key_a, 1001, 1, 4);
	is_int(reg_probe_begin(heir, key_a, 1002, 500, 300, &p), REG_PROBE_MINE,
	       "probe: ... who may not publish a result");
	reg_close(heir);
	reg_close(r);

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	reap(spawn(child_probes_and_leaves, NULL));
	heir = seg_open(0);
	is_int(reg_probe_begin(r, key_a, 1001, 500, 300, &p), REG_PROBE_MINE,
	       "probe: ... and holds nothing of it");
	reg_close(heir);
	reg_close(r);
}

/* What is remembered of a dead owner says nothing of the next one. */
static void
test_probe_remembered(void)
{
	_Atomic int *begun = shared_page(4096);
	const uint64_t key[2] = {300, 3};
	struct reg_probe p;
	struct reg *r;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	reap(spawn(child_probes_and_leaves, NULL));
	is_int(reg_probe_begin(r, key_a, 1001, 500, 300, &p), REG_PROBE_MINE,
	       "probe: a dead owner is found out");
	pid = spawn(child_probes_and_hangs, begun);
	await(begun, 1);
	is_int(reg_probe_begin(r, key, 1002, 500, 300, &p), REG_PROBE_WAIT,
	       "probe: ... the next one in its row lives");
	kill_and_reap(pid);
	is_int(reg_probe_begin(r, key, 1051, 500, 300, &p), REG_PROBE_WAIT,
	       "probe: ... and is believed to for 50 ms");
	is_int(reg_probe_begin(r, key, 1052, 500, 300, &p), REG_PROBE_MINE,
	       "probe: ... and no longer");
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

int
main(void)
{
	test_probes();
	test_probe_forget();
	test_probe_table();
	test_probe_keys();
	test_probe_death();
	test_probe_heir();
	test_probe_remembered();
	test_single_flight();
	test_crowded_window();
	return done_testing();
}
