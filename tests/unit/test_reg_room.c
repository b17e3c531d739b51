/* SPDX-License-Identifier: MIT */
/*
 * test_reg_room.c - when slots or blocks are short: who makes room, in which
 * order, and who never does.
 */
#include "reg_nodes.h"

static void
test_slots_full(void)
{
	char id[32], evicted[REG_NODE_ID_MAX + 1];
	struct reg *r;
	int failed = 0;

	seg_new();
	r = seg_open(0);
	for (int i = 0; i < REG_NODES_MAX; i++) {
		snprintf(id, sizeof(id), "node-%d", i);
		failed += put(r, id, "a registration", 1000 + (uint64_t)i) != 0;
	}
	is_int(failed, 0, "full: 4,096 nodes -> all registered");
	is_int(count(r), REG_NODES_MAX, "full: ... and all found");
	evicted[0] = 'x';
	ok(reg_node_put(r, "one more", "x", 1, 1500, 1000, evicted, &err) ==
			   -1 &&
		   err.code == REG_FULL && evicted[0] == '\0',
	   "full: none stale -> FULL: %s", err.msg);
	is_int(reg_node_touch(r, "node-0", NULL, 0, 6000, &err), 0,
	       "full: the oldest gives a sign of life");
	is_int(reg_node_put(r, "one more", "x", 1, 6000, 1000, evicted, &err),
	       0, "full: stale ones -> 0");
	is_str(evicted, "node-1", "full: ... the longest-stale makes room");
	ok(!has(r, "node-1") && has(r, "node-0") && has(r, "one more"),
	   "full: ... and no other");
	is_int(reg_node_put(r, "one more", "y", 1, 6001, 0, evicted, &err), 0,
	       "full: replacing -> 0");
	is_str(evicted, "", "full: ... pushes nobody out");
	ok(reg_verify(r, &err) == 0, "full: verifies");
	reg_close(r);
}

/* The size that nobody chose has room for what the limits promise. */
static void
test_default_room(void)
{
	static const char bytes[900];
	char id[32];
	struct reg *r;
	int failed = 0;

	ok(REG_DEFAULT_BYTES <= 18u << 20, "room: 18 MiB by default");
	seg_new();
	r = seg_open(0);
	for (int i = 0; i < REG_NODES_MAX; i++) {
		snprintf(id, sizeof(id), "node-%d", i);
		failed += reg_node_put(r, id, bytes, sizeof(bytes), 1000, 1000,
				       NULL, &err) != 0 ||
			  reg_node_touch(r, id, bytes, sizeof(bytes), 1000,
					 &err) != 0;
	}
	is_int(failed, 0,
	       "room: 4,096 nodes of 900 bytes, with as much of metrics");
	reg_close(r);
}

static void
test_blocks_full(void)
{
	char evicted[REG_NODE_ID_MAX + 1], bytes[32768];
	const size_t quarter = sizeof(bytes) / 4;
	struct reg *r;

	/* 64 blocks, one of them never used: 63 of 504 bytes. */
	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memset(bytes, 'x', sizeof(bytes));
	for (int i = 0; i < 3; i++) {
		char id[] = {(char)('a' + i), '\0'};

		ok(reg_node_put(r, id, bytes, quarter, 100 + (uint64_t)i, 1000,
				NULL, &err) == 0,
		   "room: node %s takes 17 of 63 blocks", id);
	}
	ok(reg_node_put(r, "d", bytes, quarter, 200, 1000, evicted, &err) ==
			   -1 &&
		   err.code == REG_FULL && count(r) == 3,
	   "room: too few blocks, none stale -> FULL: %s", err.msg);
	ok(reg_node_touch(r, "a", bytes, quarter, 205, &err) == -1 &&
		   err.code == REG_FULL,
	   "room: status without room -> FULL: %s", err.msg);
	is_int((long long)node_of(r, "a").seen_ms, 205,
	       "room: ... and yet a sign of life");
	ok(reg_node_put(r, "a", bytes, quarter, 210, 1000, evicted, &err) ==
			   -1 &&
		   err.code == REG_FULL,
	   "room: replacing without room for both -> FULL");
	ok(reg_node_put(r, "e", bytes, sizeof(bytes), 1150, 1000, evicted,
			&err) == -1 &&
		   count(r) == 3,
	   "room: not enough even without the stale -> nobody is pushed out");
	ok(reg_node_put(r, "d", bytes, quarter, 1100, 1000, evicted, &err) ==
			   -1 &&
		   count(r) == 3,
	   "room: 1 ms before one is stale -> FULL");
	is_int(reg_node_put(r, "d", bytes, quarter, 1101, 1000, evicted, &err),
	       0, "room: one stale -> 0");
	is_str(evicted, "b", "room: ... it is pushed out");
	ok(reg_verify(r, &err) == 0, "room: verifies");
	reg_close(r);
}

/* Who is the longest-stale, and registers again, does not go itself. */
static void
test_stale_newcomer(void)
{
	char evicted[REG_NODE_ID_MAX + 1], bytes[8192];
	struct reg *r;
	int failed = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memset(bytes, 'x', sizeof(bytes));
	for (int i = 0; i < 3; i++) {
		char id[] = {(char)('a' + i), '\0'};

		failed +=
			reg_node_put(r, id, bytes, sizeof(bytes),
				     100 + (uint64_t)i, 1000, NULL, &err) != 0;
	}
	is_int(failed, 0, "room: three nodes fill it");
	is_int(reg_node_put(r, "a", bytes, sizeof(bytes), 5000, 1000, evicted,
			    &err),
	       0, "room: the stalest registers again -> 0");
	is_str(evicted, "b", "room: ... the next one makes room");
	ok(has(r, "a") && has(r, "c") && count(r) == 2,
	   "room: ... and no other");
	reg_close(r);
}

static void
test_several_evictions(void)
{
	char evicted[REG_NODE_ID_MAX + 1], bytes[16384];
	struct reg *r;
	int failed = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memset(bytes, 'x', sizeof(bytes));
	for (int i = 0; i < 60; i++) {
		char id[16];

		snprintf(id, sizeof(id), "small-%d", i);
		failed += put(r, id, "x", 1000 - (uint64_t)i) != 0;
	}
	is_int(failed, 0, "room: 60 small nodes");
	is_int(reg_node_put(r, "large", bytes, sizeof(bytes), 9000, 1000,
			    evicted, &err),
	       0, "room: a large one when all are stale -> 0");
	is_str(evicted, "small-59", "room: ... the longest-stale is named");
	ok(count(r) == 31 && has(r, "small-0") && !has(r, "small-40"),
	   "room: ... and no more than needed are pushed out (%u left)",
	   count(r));
	/* A stale node never makes room for itself. */
	is_int(reg_node_put(r, "large", "x", 1, 99000, 1000, NULL, &err), 0,
	       "room: a stale node registers again -> 0");
	ok(count(r) == 30 && has(r, "large"),
	   "room: ... old and new record must both fit -> one more goes");
	ok(reg_verify(r, &err) == 0, "room: verifies");
	reg_close(r);
}

int
main(void)
{
	test_slots_full();
	test_default_room();
	test_blocks_full();
	test_stale_newcomer();
	test_several_evictions();
	return done_testing();
}
