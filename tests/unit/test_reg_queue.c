/* SPDX-License-Identifier: MIT */
/*
 * test_reg_queue.c - who waits: read whole or not at all, called and displaced
 * by one of all, and gone when it left; also when others are at it at each
 * step.
 */
#include "reg_stops.h"
#include "reg_waiters.h"

static uint32_t
mark_of(const struct reg *r)
{
	return reg_mark_above(atomic_load(&r->seg->header.mark));
}

/* ---- one at a time --------------------------------------------------------
 */

static void
test_join(void)
{
	struct reg *r, *second;
	struct reg_waiter w, one, two;
	struct reg_place *p;
	uint64_t load;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	ok(!reg_queue_any(r) && read_all(r) == 0,
	   "join: nobody waits at first");
	w = waiter_of(5);
	w.share = candidate(r, 1);
	w.number = 0;
	w.called_ms = 9;
	lease_take(r, 1);
	lease_take(second, 1);
	reg_queue_join(r, &w);
	ok(w.ref.index < REG_WAITERS_MAX && w.ref.sequence && w.mine &&
		   w.row == r->row && w.row_generation == r->row_generation &&
		   w.number == 1 && w.called_ms == 0,
	   "join: says what it is");
	one = read_of(r, w.ref);
	ok(one.queue == 5 && one.client == 16 && one.rank == 1 &&
		   one.came_ms == 1005 && one.number == 1 &&
		   one.called_ms == 0 && one.mine && one.row == r->row &&
		   one.row_generation == r->row_generation,
	   "join: read as it joined");
	ok(one.share.index == w.share.index && one.share.tag == w.share.tag &&
		   one.share_in_flight == 2,
	   "join: ... with what its client has there");
	ok(reg_queue_any(r) && reg_queue_any(second), "join: somebody waits");
	one = read_of(second, w.ref);
	ok(one.queue == 5 && !one.mine && one.row == r->row &&
		   one.share_in_flight == 2,
	   "join: read by another process");
	w = waiter_of(6);
	w.number = 0;
	w.rank = 77;
	w.share.tag = 3;
	reg_queue_join(second, &w);
	two = read_of(r, w.ref);
	ok(w.number == 2 && two.number == 2 && two.rank == REG_RANKS - 1 &&
		   two.share_in_flight == 0 && !two.mine && n_seen == 2,
	   "join: the next number; a rank too high is the last; no share");
	w = waiter_of(7);
	w.share = (struct reg_candidate_ref){candidate(r, 1).index, 99};
	reg_queue_join(r, &w);
	two = read_of(r, w.ref);
	ok(is_whole(&two) && two.share_in_flight == 0,
	   "join: its own number; of an entry that was given away: none");
	is_int((long long)reg_queue_read(r, seen, 2), 2, "read: room for two");
	is_int((long long)reg_queue_read(r, seen, 0), 0, "read: room for none");
	w.share.tag = candidate(r, 1).tag;
	reg_queue_join(r, &w);
	is_int(read_of(r, w.ref).share_in_flight, 2, "join: ... of it: two");
	p = reg_candidate_at(r, w.share);
	load = atomic_load(&p->load);
	atomic_store(&p->load, load + 1); /* it is being given away */
	is_int(read_of(r, w.ref).share_in_flight, 0,
	       "join: ... of one that is about to be: none");
	atomic_store(&p->load, load);
	ok(reg_verify(r, &err) == 0, "join: verifies");
	reg_close(second);
	is_int((long long)read_all(r), 3, "close: its waiters are gone");
	is_int(waiters_of_others(r), 0, "close: ... and free");
	reg_close(r);
}

static void
test_leave(void)
{
	struct reg *r, *second;
	struct reg_waiter_ref a, b, c;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	a = join(r, 1);
	b = join(r, 2);
	c = join(r, 3);
	is_int(mark_of(r), 3, "leave: three wait");
	reg_queue_leave(second, b);
	is_int((long long)read_all(second), 3, "leave: not by another process");
	reg_queue_leave(r, b);
	reg_queue_leave(r, b);
	reg_queue_leave(r, no_waiter);
	ok(read_all(second) == 2 && saw(a) && !saw(b) && saw(c),
	   "leave: the one, once");
	b = join(second, 4);
	ok(b.index == 1 && b.sequence == 1 + 1,
	   "leave: its entry goes to the next one, who is another");
	reg_queue_leave(r, (struct reg_waiter_ref){b.index, 1});
	ok(read_of(r, b).queue == 4, "leave: with an old reference -> nothing");
	reg_queue_leave(second, b);
	reg_queue_leave(r, c);
	is_int(mark_of(r), 1, "leave: the last ones -> readers look at less");
	reg_queue_leave(r, a);
	ok(!reg_queue_any(r) && mark_of(r) == 0, "leave: nobody waits");
	atomic_store(&r->seg->header.mark, reg_mark(1, 900));
	sweep_now(r);
	ok(!reg_queue_any(r), "leave: a mark left too high -> swept");
	reg_close(second);
	reg_close(r);
}

static void
test_displace(void)
{
	struct reg *r, *second;
	struct reg_waiter_ref a, b;
	struct reg_waiter w;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	a = join(r, 1);
	b = join(r, 2);
	w = read_of(second, a);
	ok(!reg_queue_is_displaced(r, a) && reg_queue_displaced(r, 1) == 0,
	   "displace: nobody is");
	ok(reg_queue_displace(second, &w), "displace: true");
	ok(!reg_queue_displace(r, &w), "displace: ... once");
	ok(reg_queue_is_displaced(r, a) && !reg_queue_is_displaced(r, b),
	   "displace: it is, no other");
	ok(reg_queue_displaced(second, 1) == 1 &&
		   reg_queue_displaced(second, 2) == 0,
	   "displace: counts at its queue alone");
	ok(read_all(r) == 1 && saw(b), "displace: not read any more");
	ok(!reg_queue_call(second, &w, 5000, 0), "displace: not called either");
	ok(reg_verify(r, &err) == 0, "displace: verifies");
	reg_queue_leave(r, a);
	ok(!reg_queue_is_displaced(r, a) && reg_queue_displaced(r, 1) == 0,
	   "displace: left -> counts no more");
	ok(!reg_queue_displace(second, &w), "displace: who left -> false");
	a = join(r, 3);
	ok(a.index == w.ref.index && !reg_queue_displace(second, &w) &&
		   read_of(r, a).queue == 3,
	   "displace: nor who has its entry now");
	w.ref = no_waiter;
	ok(!reg_queue_displace(second, &w) &&
		   !reg_queue_is_displaced(r, no_waiter),
	   "displace: none -> false");
	reg_close(second);
	reg_close(r);
}

static void
test_call(void)
{
	struct reg *r, *second;
	struct reg_waiter w;
	struct reg_waiter_ref a;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	second = seg_open(0);
	a = join(r, 1);
	w = read_of(second, a);
	ok(reg_queue_call(second, &w, 5000, 250), "call: true");
	is_int((long long)read_of(r, a).called_ms, 5000, "call: says when");
	ok(!reg_queue_call(r, &w, 5249, 250),
	   "call: 249 ms later -> not again");
	ok(!reg_queue_call(r, &w, 4999, 250), "call: by a clock behind -> not");
	ok(reg_queue_call(r, &w, 5250, 250), "call: 250 ms later -> again");
	is_int((long long)read_of(r, a).called_ms, 5250, "call: the last one");
	reg_queue_uncall(second, a);
	is_int((long long)read_of(r, a).called_ms, 5250,
	       "uncall: by another process -> nothing");
	reg_queue_uncall(r, a);
	reg_queue_uncall(r, no_waiter);
	is_int((long long)read_of(r, a).called_ms, 0, "uncall: not called");
	ok(reg_queue_call(second, &w, 5251, 250), "uncall: called anew");
	reg_queue_leave(r, a);
	ok(!reg_queue_call(second, &w, 9000, 250), "call: who left -> false");
	a = join(r, 1);
	is_int((long long)read_of(r, a).called_ms, 0,
	       "call: who has its entry now was not called");
	ok(!reg_queue_call(second, &w, 9000, 250), "call: ... and is not");
	/* A caller comes late, with what it meant for the one before. */
	atomic_store(&r->seg->waits[a.index].called, reg_stamp(1, 5251));
	w = read_of(second, a);
	is_int((long long)w.called_ms, 0, "call: of the one before -> none");
	ok(reg_queue_call(second, &w, 5252, 250) &&
		   read_of(r, a).called_ms == 5252,
	   "call: ... and it can be called");
	reg_close(second);
	reg_close(r);
}

/* ---- overtaken at every step ----------------------------------------------
 */

static struct reg_waiter_ref mine[3], theirs[3];
static struct reg_waiter victim;
static unsigned hits;

static void
prepare_none(void)
{
	for (int i = 0; i < 3; i++)
		mine[i] = theirs[i] = no_waiter;
	hits = 0;
}

static void
prepare_mine(void)
{
	prepare_none();
	for (uint64_t i = 0; i < 3; i++)
		mine[i] = join(me, 10 + i);
}

static void
prepare_theirs(void)
{
	prepare_none();
	for (uint64_t i = 0; i < 3; i++)
		theirs[i] = join(other, 20 + i);
	victim = read_of(me, theirs[1]);
}

static void
join_three(void)
{
	for (uint64_t i = 0; i < 3; i++)
		mine[i] = join(me, 10 + i);
}

static void
leave_three(void)
{
	for (int i = 2; i >= 0; i--) {
		reg_queue_leave(me, mine[i]);
		mine[i] = no_waiter;
	}
}

static void
others_come_and_go(void)
{
	for (uint64_t i = 0; i < 3; i++)
		theirs[i] = join(other, 20 + i);
	reg_queue_leave(other, theirs[2]);
	reg_queue_leave(other, theirs[0]);
	theirs[0] = theirs[2] = no_waiter;
}

static void
others_join_one(void)
{
	theirs[0] = join(other, 20);
}

static void
others_go(void)
{
	for (int i = 2; i >= 0; i--) {
		reg_queue_leave(other, theirs[i]);
		theirs[i] = no_waiter;
	}
}

static void
others_sweep(void)
{
	hits += sweep_now(other) != 0;
}

/* Whoever waits is read, by both, and nobody else is. */
static const char *
judge_all(void)
{
	size_t want = 0;

	if (hits)
		return "a living one was swept";
	for (int i = 0; i < 3; i++)
		want += (mine[i].index < REG_WAITERS_MAX) +
			(theirs[i].index < REG_WAITERS_MAX);
	if (read_all(other) != want || read_all(me) != want)
		return "not as many are read as wait";
	for (uint64_t i = 0; i < 3; i++) {
		const struct reg_waiter *w;

		if (mine[i].index < REG_WAITERS_MAX &&
		    (!(w = saw(mine[i])) || !is_whole(w) || w->queue != 10 + i))
			return "one of mine is not read whole";
		if (theirs[i].index < REG_WAITERS_MAX &&
		    (!(w = saw(theirs[i])) || !is_whole(w) ||
		     w->queue != 20 + i))
			return "one of theirs is not read whole";
	}
	if (want && !reg_queue_any(me))
		return "some wait, and nobody knows";
	leave_three();
	others_go();
	sweep_now(me);
	return reg_queue_any(me) ? "nobody waits, and the mark stays" : NULL;
}

/* One leaves, and another one has its entry. */
static void
others_change_places(void)
{
	reg_queue_leave(other, theirs[1]);
	theirs[0] = join(other, 77);
}

static void
read_them(void)
{
	read_all(me);
}

static const char *
judge_read(void)
{
	const struct reg_waiter *left = saw(theirs[1]), *came = saw(theirs[0]);

	for (size_t i = 0; i < n_seen; i++)
		if (!is_whole(&seen[i]))
			return "read a mixture";
	if (left && left->queue != 21)
		return "read the next one as the one before";
	if (came && came->queue != 77 && came->queue != 20)
		return "read the one before as the next one";
	return saw(theirs[2]) ? NULL : "did not read one that waits";
}

static void
others_displace_one(void)
{
	hits += reg_queue_displace(other, &victim);
}

static void
displace_one(void)
{
	hits += reg_queue_displace(me, &victim);
}

static const char *
judge_displaced(void)
{
	if (hits != 1)
		return "not displaced by one of the two";
	return reg_queue_is_displaced(other, theirs[1]) ? NULL
							: "not displaced";
}

static const char *
judge_displaced_or_left(void)
{
	if (read_of(me, theirs[0]).queue == 20) /* nobody overtook */
		return judge_displaced();
	return saw(theirs[0]) && n_seen == 3 ? NULL
					     : "another one was displaced";
}

static void
leave_victim(void)
{
	reg_queue_leave(me, mine[1]);
}

static void
clear_mine(void)
{
	reg_queue_clear(me);
}

static const char *
judge_cleared(void)
{
	if (reg_queue_displaced(me, 11) || read_all(me) || reg_queue_any(me))
		return "something of mine is left";
	return NULL;
}

static void
others_displace_mine(void)
{
	struct reg_waiter w = {.ref = mine[1], .row = me->row};

	reg_queue_displace(other, &w);
}

static const char *
judge_left(void)
{
	if (reg_queue_displaced(me, 11))
		return "displaced by who came too late";
	return read_all(me) == 2 && !saw(mine[1]) ? NULL : "did not leave";
}

static void
call_one(void)
{
	hits += reg_queue_call(me, &victim, 5000, 250);
}

static void
others_call_one(void)
{
	hits += reg_queue_call(other, &victim, 5001, 250);
}

static const char *
judge_called(void)
{
	uint64_t called = read_of(me, theirs[1]).called_ms;

	if (hits != 1)
		return "not called by one of the two";
	return called == 5000 || called == 5001 ? NULL : "not called";
}

static const char *
judge_not_called(void)
{
	struct reg_waiter w = read_of(me, theirs[0]);

	if (w.queue == 20) /* nobody overtook */
		return judge_called();
	if (w.queue != 77 || w.called_ms)
		return "the next one was called";
	return reg_queue_call(other, &w, 6000, 250) ? NULL : "cannot be called";
}

/* It joins, and then looks for a place; another one frees the place, and then
 * looks who waits. */
static struct reg_candidate_ref place;
static int32_t held, got;
static bool overtook;

static void
prepare_place(void)
{
	prepare_none();
	place = candidate(me, 1);
	held = reg_lease_take(other, place, 1, NULL);
	got = -1;
	overtook = false;
}

static void
join_and_look(void)
{
	mine[0] = join(me, 10);
	got = reg_lease_take(me, place, 1, NULL);
}

static void
others_free_and_look(void)
{
	overtook = true;
	reg_lease_drop(other, held);
	if (reg_queue_any(other))
		hits += read_all(other) == 1;
}

static const char *
judge_place(void)
{
	if (held < 0)
		return "no place to free";
	return got >= 0 || hits || !overtook ? NULL
					     : "waits for a place that is free";
}

static void
free_and_look(void)
{
	reg_lease_drop(me, held);
	if (reg_queue_any(me))
		hits += read_all(me) == 1;
}

static void
prepare_my_place(void)
{
	prepare_place();
	reg_lease_drop(other, held);
	held = reg_lease_take(me, place, 1, NULL);
}

static void
others_join_and_look(void)
{
	overtook = true;
	theirs[0] = join(other, 20);
	got = reg_lease_take(other, place, 1, NULL);
}

static const struct overtaking overtakings[] = {
	{"join: others come and go", prepare_none, others_come_and_go,
	 join_three, judge_all},
	{"join: another one joins", prepare_none, others_join_one, join_three,
	 judge_all},
	{"join: others go", prepare_theirs, others_go, join_three, judge_all},
	{"join: others sweep", prepare_none, others_sweep, join_three,
	 judge_all},
	{"leave: others come and go", prepare_mine, others_come_and_go,
	 leave_three, judge_all},
	{"leave: another one joins", prepare_mine, others_join_one, leave_three,
	 judge_all},
	{"leave: others sweep", prepare_mine, others_sweep, leave_three,
	 judge_all},
	{"leave: it is displaced", prepare_mine, others_displace_mine,
	 leave_victim, judge_left},
	{"clear: one is displaced", prepare_mine, others_displace_mine,
	 clear_mine, judge_cleared},
	{"read: one leaves, another has its entry", prepare_theirs,
	 others_change_places, read_them, judge_read},
	{"displace: another one does", prepare_theirs, others_displace_one,
	 displace_one, judge_displaced},
	{"displace: it leaves, another has its entry", prepare_theirs,
	 others_change_places, displace_one, judge_displaced_or_left},
	{"call: it leaves, another has its entry", prepare_theirs,
	 others_change_places, call_one, judge_not_called},
	{"call: another one does", prepare_theirs, others_call_one, call_one,
	 judge_called},
	{"join, look for a place: it is freed", prepare_place,
	 others_free_and_look, join_and_look, judge_place},
	{"free a place, look who waits: one joins", prepare_my_place,
	 others_join_and_look, free_and_look, judge_place},
};

int
main(void)
{
	test_join();
	test_leave();
	test_displace();
	test_call();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	return done_testing();
}
