/* SPDX-License-Identifier: MIT */
/*
 * test_reg_drain.c - nodes that get no new requests, and what processes say of
 * themselves.
 */
#include "internal.h"
#include "reg_test.h"

#define DAY_MS REG_DRAIN_KEEP_MS
#define WINDOW 64

static struct reg_err err;

static bool
set(struct reg *r, uint64_t key, bool drained, uint64_t now_ms)
{
	return reg_drain_set(r, key, drained, now_ms, &err) == 0;
}

static void
test_drain(void)
{
	struct reg *a, *b;

	seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	b = seg_open(0);
	ok(!reg_drain_any(a) && !reg_drain_is(a, 5, 1000), "drain: nobody is");
	ok(set(a, 5, true, 1000) && reg_drain_is(b, 5, 1000) &&
		   !reg_drain_is(b, 6, 1000),
	   "drain: one is, all know");
	ok(set(b, 5, true, 2000) && reg_drain_is(a, 5, 2000),
	   "drain: once more -> the same");
	ok(set(b, 6, false, 2000), "undrain: one that is not");
	ok(set(b, 0, true, 2000) && reg_drain_is(a, 0, 2000),
	   "drain: a hash of 0");
	ok(reg_verify(a, &err) == 0, "drain: verifies %s", err.msg);
	reg_close(a);
	ok(reg_drain_is(b, 5, 2000), "drain: survives the process");
	ok(set(b, 5, false, 2000) && !reg_drain_is(b, 5, 2000) &&
		   reg_drain_is(b, 0, 2000),
	   "undrain: that one alone");
	ok(set(b, 0, false, 2000) && !reg_drain_any(b),
	   "undrain: the last one -> nobody searches any more");
	reg_close(b);
}

static void
test_day(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	ok(set(r, 5, true, 1000), "day: drained");
	ok(reg_drain_is(r, 5, 999 + DAY_MS) &&
		   !reg_drain_is(r, 5, 1000 + DAY_MS),
	   "day: unseen for 24 h -> no longer");
	reg_drain_seen(r, 5, 1000 + DAY_MS / 2);
	ok(reg_drain_is(r, 5, 1000 + DAY_MS), "day: seen -> longer");
	reg_drain_seen(r, 5, 1000 + 2 * (uint64_t)DAY_MS);
	ok(!reg_drain_is(r, 5, 1000 + 2 * (uint64_t)DAY_MS),
	   "day: seen after it ran out -> it stays so");
	reg_drain_seen(r, 6, 1000);
	ok(!reg_drain_is(r, 6, 1000),
	   "day: seen, but not drained -> it is not");
	reg_close(r);
}

static void
test_room(void)
{
	struct reg *r;
	unsigned n = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	/* All of them have one home. */
	while (n <= WINDOW &&
	       set(r, 7 + (uint64_t)n * REG_DRAINED_MAX, true, 1000))
		n++;
	is_int(n, WINDOW, "room: a window full");
	is_int(err.code, REG_FULL, "room: ... then FULL");
	ok(set(r, 7, false, 1000) &&
		   set(r, 7 + 1000 * (uint64_t)REG_DRAINED_MAX, true, 1000),
	   "room: one was undrained -> its place");
	ok(!reg_drain_is(r, 7, 1000),
	   "room: ... and it is not drained by that");
	ok(set(r, 7, true, 1000 + DAY_MS),
	   "room: those that ran out make room");
	ok(reg_verify(r, &err) == 0, "room: verifies %s", err.msg);
	reg_close(r);
}

static void
test_processes(void)
{
	struct reg *a, *b;
	struct reg_process p;
	uint32_t row = 0;

	seg_new();
	a = seg_open(REG_SEGMENT_MIN);
	b = seg_open(0);
	reg_process_say(a, "inference", 77);
	reg_process_say(b, "0123456789abcdef and more", 78);
	reg_gauge_add(b, 1, 5);
	ok(reg_process_next(a, &row, &p) && strcmp(p.pool, "inference") == 0 &&
		   p.note == 77 && p.pid == (uint32_t)getpid(),
	   "process: the first one");
	ok(reg_process_next(a, &row, &p) &&
		   strcmp(p.pool, "0123456789abcdef") == 0 && p.note == 78 &&
		   p.gauges[1] == 5 && p.row == 1,
	   "process: the second one, what is too long is cut");
	ok(!reg_process_next(a, &row, &p), "process: no others");
	reg_process_say(b, "a\nb", 78);
	row = 1;
	ok(reg_process_next(a, &row, &p) && strcmp(p.pool, "a?b") == 0,
	   "process: letters alone");
	reg_close(b);
	row = 1;
	ok(!reg_process_next(a, &row, &p), "process: gone -> not there");
	b = seg_open(0);
	row = 1;
	ok(reg_process_next(a, &row, &p) && p.pool[0] == '\0' && p.note == 0,
	   "process: the next owner of the row says nothing yet");
	reg_close(b);
	reg_close(a);
}

static void
test_edits(void)
{
	char out[REG_RECORD_BYTES];
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	ok(reg_edit_newest(r) == 0, "edits: none");
	for (int i = 0; i < REG_EDITS_MAX + 2; i++)
		reg_edit_put(r, &i, sizeof(i));
	ok(reg_edit_newest(r) == REG_EDITS_MAX + 2 &&
		   reg_edit_read(r, 3, out) == sizeof(int) &&
		   !reg_edit_read(r, 2, out),
	   "edits: the last 16 are kept");
	ok(reg_recorder_newest(r) == 0, "edits: apart from requests");
	ok(reg_verify(r, &err) == 0, "edits: verify %s", err.msg);
	reg_close(r);
}

int
main(void)
{
	test_drain();
	test_day();
	test_room();
	test_processes();
	test_edits();
	return done_testing();
}
