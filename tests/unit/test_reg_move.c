/* SPDX-License-Identifier: MIT */
/*
 * test_reg_move.c - the file of a segment is gone: what comes along to the next
 * one, who wins where both have a node, and a death at every step of it.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "reg_nodes.h"

#define STEPS_MAX 2000

static long countdown; /* crash points to go, 0 = none at all */

void
reg_crash_point(void)
{
	if (countdown && --countdown == 0)
		raise(SIGKILL);
}

void
reg_stop_point(void)
{
}

static void
add(struct reg *r, const char *id, const char *record, uint64_t now_ms)
{
	if (reg_node_put(r, id, record, strlen(record), now_ms, 1000, NULL,
			 &err))
		ok(false, "put %s: %s", id, err.msg);
}

static void
say(struct reg *r, const char *id, const char *status, uint64_t now_ms)
{
	if (reg_node_touch(r, id, status, strlen(status), now_ms, &err))
		ok(false, "touch %s: %s", id, err.msg);
}

/* Moves as a process does. The next handle's place, or NULL. */
static bool
move(struct reg *r, struct reg_move *what)
{
	struct reg *to = reg_move_begin(r, what, &err);

	if (to)
		reg_move_end(r, to);
	return to;
}

/* A candidate that is ejected and on trial, busy, and was heard; a prefix. */
static const uint64_t KEY[2] = {11, 12};

/* How its client comes, how a queue moves, who waits. */
#define NOW_US UINT64_C(50000000)
static const uint64_t QUEUE[2] = {13, 14};

static void
know(struct reg *r)
{
	const struct reg_ejection_rules rules = {2, 5000, 20000};
	struct reg_candidate_ref c = reg_candidate_open(r, KEY, 3000);
	struct reg_candidate_ref queue = reg_candidate_open(r, QUEUE, 3000);
	struct reg_place *p = reg_candidate_at(r, c);
	static const struct reg_health well;
	struct reg_waiter w = {.queue = 5};
	struct reg_rate rate;
	uint64_t pause_ms;

	/* As if others had had the entry before. */
	c.tag += 4;
	p->load = reg_load(0, 0, 0, false, c.tag);
	p->health = reg_health(c.tag, &well);
	p->name = reg_name(c.tag, 3);
	reg_candidate_fail(r, c, &rules, 2, true, 1000, &pause_ms);
	reg_candidate_fail(r, c, &rules, 1, true, 6000, &pause_ms);
	reg_candidate_try(r, c, 16000);
	reg_candidate_busy(r, c, 8000);
	reg_candidate_byte(r, c, 900);
	reg_prefix_put(r, 77, 78, 1000);
	reg_recorder_put(r, "first", 5);
	reg_recorder_put(r, "second", 6);
	reg_edit_put(r, "edit", 4);
	if (reg_drain_set(r, 4711, true, 1000, &err))
		ok(false, "drain: %s", err.msg);
	reg_process_say(r, "mover", 12);
	for (int i = 0; i < 3; i++)
		reg_rate_take(r, c, 4, NOW_US, &rate);
	reg_rate_take(r, queue, 4, NOW_US, &rate);
	reg_queue_moved(r, queue, 1000, 4000);
	reg_queue_join(r, &w);
}

static bool
recorded(struct reg *r, uint64_t number, const char *text)
{
	char bytes[REG_RECORD_BYTES];
	size_t n = reg_recorder_read(r, number, bytes);

	return n == strlen(text) && memcmp(bytes, text, n) == 0;
}

static bool
is_known(struct reg *r)
{
	const struct reg_ejection_rules rules = {2, 5000, 20000};
	struct reg_candidate_ref c = reg_candidate_find(r, KEY);
	const uint64_t hash = 77;
	struct reg_candidate s;
	uint64_t pause_ms = 0;
	struct reg_rate rate;
	size_t at;

	char edit[REG_RECORD_BYTES];
	struct reg_process p = {0};
	uint32_t row = 0;

	while (reg_process_next(r, &row, &p) && strcmp(p.pool, "mover") != 0)
		continue;
	if (p.note != 12 || reg_edit_newest(r) < 1 ||
	    reg_edit_read(r, 1, edit) != 4 || memcmp(edit, "edit", 4) != 0 ||
	    !reg_drain_is(r, 4711, 1000) || reg_drain_is(r, 4712, 1000))
		return false;
	if (reg_recorder_newest(r) < 2 || !recorded(r, 1, "first") ||
	    !recorded(r, 2, "second"))
		return false;
	reg_candidate_read(r, c, 16000, &s);
	reg_rate_look(r, c, 4, NOW_US, &rate);
	c = reg_candidate_find(r, QUEUE);
	if (rate.remaining != 1 ||
	    reg_queue_interval_ms(r, c, 4000, 4000) != 3000 ||
	    reg_queue_any(r) || atomic_load(&r->seg->header.number) < 1)
		return false;
	c = reg_candidate_find(r, KEY);
	return s.ejected && s.unconnected && s.failures >= 3 && !s.on_trial &&
	       s.pause_ends_ms == 16000 && s.busy_until_ms == 8000 &&
	       s.byte_ms == 900 && reg_candidate_try(r, c, 16000) &&
	       reg_candidate_fail(r, c, &rules, 1, true, 16000, &pause_ms) &&
	       pause_ms == 20000 && reg_prefix_find(r, &hash, 1, &at) == 78;
}

static struct reg *
old_segment(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	add(r, "gone", "x", 500);
	add(r, "a", "record-a", 1000);
	add(r, "b", "record-b", 1000);
	say(r, "b", "status-b", 1500);
	know(r);
	if (reg_node_remove(r, "gone", &err))
		ok(false, "remove: %s", err.msg);
	return r;
}

static void
test_removed(void)
{
	struct reg *r = old_segment(), *other = seg_open(0), *late;
	struct reg_node_ref a = node_of(r, "a").ref;
	struct reg_move what;

	ok(reg_is_current(r) && !reg_was_left(r), "move: a file with its name");
	reg_unlink(seg_name);
	ok(!reg_is_current(r) && !reg_was_left(r), "move: removed -> noticed");
	ok(move(r, &what) && what.first && what.nodes == 2,
	   "move: the first one -> carries two nodes: %s", err.msg);
	ok(reg_is_current(r) && !reg_was_left(r),
	   "move: ... is where the name is");
	ok(reg_was_left(other), "move: ... and the others know");
	is_int(count(r), 2, "move: two nodes");
	ok(reads(r, node_of(r, "a").ref, REG_RECORD, "record-a") &&
		   reads(r, node_of(r, "b").ref, REG_STATUS, "status-b"),
	   "move: ... with what they registered and said");
	ok(node_of(r, "b").seen_ms == 1500 &&
		   node_of(r, "b").registered_ms == 1000,
	   "move: ... and when");
	ok(is_known(r), "move: ... and what is known of candidates, prefixes");
	ok(node_of(r, "a").ref.slot == a.slot &&
		   node_of(r, "a").ref.generation == a.generation,
	   "move: ... where they were");
	is_int(reg_node_put(other, "lost", "x", 1, 1, 1, NULL, &err), -1,
	       "move: a change of the one that was left -> -1");
	is_int(err.code, REG_BUSY, "move: ... BUSY, until it moves itself");
	ok(move(other, &what) && !what.first && what.nodes == 0,
	   "move: the second one -> finds all of it done");
	add(other, "c", "record-c", 2000);
	ok(has(r, "c"), "move: both are in one");
	late = seg_open(0);
	ok(has(late, "a") && has(late, "c"), "move: ... and who comes later");
	is_int(reg_rows_live(r), 3, "move: ... three handles, three rows");
	ok(reg_verify(r, &err) == 0, "move: verifies %s", err.msg);
	reg_close(late);
	reg_close(other);
	reg_close(r);
}

/* Somebody began anew before anybody noticed. */
static void
test_merge(void)
{
	struct reg *r = old_segment(), *fresh;
	struct reg_node_ref a = node_of(r, "a").ref, b = node_of(r, "b").ref;
	struct reg_node_ref moved;
	struct reg_move what;
	const struct reg_ejection_rules rules = {2, 5000, 20000};
	struct reg_candidate_ref c = reg_candidate_find(r, KEY), there;
	struct reg_candidate s;
	const uint64_t hash = 77;
	struct reg_rate rate;
	uint64_t pause_ms;
	struct reg *to;
	size_t at;

	reg_unlink(seg_name);
	fresh = seg_open(REG_SEGMENT_MIN);
	candidate(fresh, 9); /* another one, so that it has another place */
	there = reg_candidate_open(fresh, KEY, 3000);
	reg_candidate_fail(fresh, there, &rules, 1, false, 3000, &pause_ms);
	reg_rate_take(fresh, there, 4, NOW_US, &rate);
	there = reg_candidate_open(fresh, QUEUE, 3000);
	for (int i = 0; i < 2; i++)
		reg_rate_take(fresh, there, 4, NOW_US, &rate);
	atomic_store(&fresh->seg->header.number, 7);
	reg_prefix_put(fresh, 77, 79, 3000);
	reg_recorder_put(fresh, "there", 5);
	if (reg_lease_take(r, c, 0, NULL) < 0)
		ok(false, "a lease");
	add(fresh, "x", "record-x", 3000);
	add(fresh, "y", "record-y", 3000);
	add(fresh, "a", "record-a2", 3000);
	add(fresh, "b", "older", 900);
	say(fresh, "b", "older", 1700);
	to = reg_move_begin(r, &what, &err);
	ok(to && what.first, "merge: into one that exists");
	moved = reg_move_ref(r, to, a);
	ok(reads(to, moved, REG_RECORD, "record-a2"),
	   "merge: the later registration stays");
	moved = reg_move_ref(r, to, b);
	ok(reads(to, moved, REG_RECORD, "record-b") &&
		   reads(to, moved, REG_STATUS, "status-b"),
	   "merge: ... or comes, with its status");
	is_int(reg_move_ref(r, to, (struct reg_node_ref){0, 7}).slot,
	       REG_NODES_MAX, "merge: a node that left is nowhere");
	there = reg_move_candidate(r, to, c, 3000);
	ok(reg_lease_take(to, there, 0, NULL) >= 0,
	   "merge: a lease is taken anew");
	is_int(reg_move_candidate(r, to, (struct reg_candidate_ref){5, 1}, 1)
		       .index,
	       REG_CANDIDATES_MAX,
	       "merge: a candidate that never was is nowhere");
	reg_move_end(r, to);
	reg_candidate_read(r, there, 3000, &s);
	ok(s.failures == 1 && !s.ejected && s.busy_until_ms == 8000,
	   "merge: what is known of a candidate there stays");
	ok(reg_prefix_find(r, &hash, 1, &at) == 79, "merge: ... of a prefix");
	ok(recorded(r, 1, "there") && recorded(r, 2, "second"),
	   "merge: ... a record, and the others come");
	reg_recorder_put(r, "next", 4);
	ok(recorded(r, 3, "next"), "merge: ... before the next one");
	reg_rate_look(r, there, 4, NOW_US, &rate);
	is_int(rate.remaining, 1, "merge: of two buckets the emptier one");
	reg_rate_look(r, reg_candidate_find(r, QUEUE), 4, NOW_US, &rate);
	is_int(rate.remaining, 2, "merge: ... wherever it was");
	is_int((long long)atomic_load(&r->seg->header.number), 7,
	       "merge: numbers go on after the higher one");
	is_int(s.in_flight, 1, "merge: ... and the lease counts");
	is_int(count(r), 4, "merge: every node once");
	is_int((long long)node_of(r, "a").seen_ms, 3000,
	       "merge: a sign of life is never taken back");
	ok(reg_verify(r, &err) == 0, "merge: verifies %s", err.msg);
	reg_close(fresh);
	reg_close(r);
}

static void
test_the_rest(void)
{
	const uint64_t key[2] = {77, 5}, other_key[2] = {77, 6};
	struct reg *r = old_segment(), *second = seg_open(0), *fresh;
	struct reg_probe p = {0};
	struct reg_move what;
	uint32_t turn;

	for (int i = 0; i < 5; i++) {
		if (reg_turn_open(r, "role", &turn, &err))
			ok(false, "turn: %s", err.msg);
		reg_turn_next(r, turn);
	}
	if (reg_probe_begin(r, other_key, 1000, 10, 100, &p) == REG_PROBE_MINE)
		reg_probe_put(r, other_key, 1000, 60, 2);
	if (reg_probe_begin(r, key, 1000, 10, 100, &p) == REG_PROBE_MINE)
		reg_probe_put(r, key, 1000, 70, 3);
	reg_once(r, 2, 9);
	reg_counter_add(r, 0, 10);
	reg_counter_add(second, 0, 100);
	reg_gauge_add(r, 1, 4);
	reg_unlink(seg_name);
	fresh = seg_open(REG_SEGMENT_MIN);
	reg_counter_add(fresh, 0, 1000);
	if (reg_probe_begin(fresh, (uint64_t[2]){77, 9}, 1, 1, 1, &p) !=
	    REG_PROBE_MINE)
		ok(false, "probe of another target");
	ok(move(r, &what), "rest: moved");
	is_int((long long)reg_counter_sum(r, 0), 1110, "rest: counters add up");
	is_int(reg_gauge_sum(r, 1), 4, "rest: gauges come along");
	ok(!reg_once(r, 2, 9), "rest: what was announced stays announced");
	reg_probe_last(r, key, &p);
	ok(p.checked_ms == 1000 && p.result == 3 && p.since_wall_s == 70,
	   "rest: a probe's result comes along");
	if (reg_turn_open(r, "role", &turn, &err))
		ok(false, "turn: %s", err.msg);
	is_int((long long)reg_turn_next(r, turn), 5, "rest: turns go on");
	reg_counter_add(second, 0, 10000);
	ok(move(second, &what), "rest: moved, the second one");
	is_int((long long)reg_counter_sum(r, 0), 11110,
	       "rest: ... with what it had counted since, and nothing twice");
	ok(reg_verify(r, &err) == 0, "rest: verifies %s", err.msg);
	reg_close(fresh);
	reg_close(second);
	reg_close(r);
}

/* A name that comes back to what was left leads to a new one. */
static void
test_left(void)
{
	struct reg *r = old_segment(), *late;
	char away[160], path[128];
	struct reg_move what;

	snprintf(path, sizeof(path), "/dev/shm%s", seg_name);
	snprintf(away, sizeof(away), "%s.away", path);
	ok(rename(path, away) == 0 && !reg_is_current(r), "left: renamed");
	ok(move(r, &what), "left: moved");
	if (reg_node_remove(r, "a", &err))
		ok(false, "remove: %s", err.msg);
	ok(rename(away, path) == 0 && !reg_is_current(r), "left: renamed back");
	late = seg_open(0);
	ok(!has(late, "a"), "left: a starting process -> nothing of the past");
	ok(move(r, &what) && has(late, "b") && !has(late, "a"),
	   "left: moved there");
	reg_close(late);
	reg_close(r);
}

static void
test_refused(void)
{
	struct reg *r = old_segment();
	struct reg_move what;
	char path[96];
	int fd;

	reg_unlink(seg_name);
	snprintf(path, sizeof(path), "/dev/shm%s", seg_name);
	fd = shm_open(seg_name, O_RDWR | O_CREAT | O_EXCL, 0600);
	ok(fd >= 0 && fchmod(fd, 0666) == 0, "refused: a stranger's file");
	ok(!move(r, &what) && err.code == REG_LAYOUT, "refused: %s", err.msg);
	add(r, "c", "record-c", 2000);
	ok(!reg_was_left(r) && count(r) == 3, "refused: goes on where it was");
	close(fd);
	unlink(path);
	ok(mkdir(path, 0700) == 0 && !move(r, &what), "refused: a folder: %s",
	   err.msg);
	rmdir(path);
	ok(move(r, &what) && what.nodes == 3, "refused: gone -> moves");
	reg_close(r);
}

/* ---- deaths -------------------------------------------------------------- */

static long death_step;
static bool into_existing;

static int
child_moves(void *unused)
{
	struct reg_move what;
	struct reg *r;

	(void)unused;
	r = seg_open(0);
	reg_unlink(seg_name);
	if (into_existing) {
		add(seg_open(REG_SEGMENT_MIN), "x", "record-x", 3000);
	}
	countdown = death_step;
	return move(r, &what) ? 0 : 1;
}

static const char *
die_at(long step, bool *through)
{
	struct reg *r = old_segment();
	const char *complaint = NULL;
	struct reg_move what;
	int status;

	add(r, "large", "0123456789", 1000);
	death_step = step;
	status = reap(spawn(child_moves, NULL));
	*through = status == 0;
	if (status != 0 && status != 128 + SIGKILL)
		complaint = "the child failed by itself";
	else if (!move(r, &what))
		complaint = err.msg;
	else if (count(r) != (into_existing ? 4 : 3))
		complaint = "nodes are missing, or there twice";
	else if (!reads(r, node_of(r, "a").ref, REG_RECORD, "record-a") ||
		 !reads(r, node_of(r, "large").ref, REG_RECORD, "0123456789"))
		complaint = "a registration is damaged";
	else if (!is_known(r))
		complaint = "candidates or prefixes are not as they were";
	else if (reg_verify(r, &err))
		complaint = err.msg;
	else if (reg_epoch(r) % 2)
		complaint = "an epoch that no longer moves";
	else if (reg_rows_live(r) != 1)
		complaint = "the dead one's row still counts";
	reg_close(r);
	return complaint;
}

static void
test_deaths(bool existing)
{
	const char *complaint = NULL;
	bool through = false;
	long step = 0;

	into_existing = existing;
	while (!through && !complaint && ++step < STEPS_MAX)
		complaint = die_at(step, &through);
	ok(!complaint && through && step > 20,
	   "death: moving into %s segment, at each of %ld steps",
	   existing ? "another's" : "a new", step - 1);
	if (complaint)
		printf("# step %ld: %s\n", step, complaint);
}

/* ---- all at once --------------------------------------------------------- */

static _Atomic int *movers;

static int
child_moves_with_others(void *unused)
{
	struct reg *r = seg_open(0);
	struct reg_move what = {0};
	bool moved;

	(void)unused;
	gate_pass();
	if (atomic_fetch_add(&movers[0], 1) == 0)
		reg_unlink(seg_name);
	do {
		while (reg_is_current(r) && !reg_was_left(r))
			sched_yield();
		moved = move(r, &what);
	} while (!moved && err.code == REG_BUSY);
	atomic_fetch_add(&movers[1], moved && what.first);
	atomic_fetch_add(&movers[2],
			 moved && reg_is_current(r) && count(r) == 2);
	return 0;
}

static void
test_together(void)
{
	struct reg *r = old_segment();

	movers = shared_page(4096);
	reg_close(r); /* its nodes stay */
	is_int(run_together(child_moves_with_others), 0,
	       "together: 8 processes notice at one moment");
	is_int(atomic_load(&movers[1]), 1, "together: one carries over");
	is_int(atomic_load(&movers[2]), PROCESSES,
	       "together: all are in one, with its nodes");
	r = seg_open(0);
	is_int(count(r), 2, "together: ... so is who comes later");
	reg_close(r);
}

int
main(void)
{
	test_removed();
	test_merge();
	test_the_rest();
	test_left();
	test_refused();
	test_deaths(false);
	test_deaths(true);
	test_together();
	return done_testing();
}
