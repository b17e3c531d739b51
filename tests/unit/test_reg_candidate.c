/* SPDX-License-Identifier: MIT */
/*
 * test_reg_candidate.c - the table of candidates: one entry a key, whoever asks
 * and however many at once; entries of the past go to others, and what is done
 * with old references is done to nobody.
 */
#include "reg_stops.h"

#define ROOM 128 /* entries that a key could have */
#define KEEP REG_CANDIDATE_KEEP_MS
#define NOW_MS UINT64_C(10000000)

static const struct reg_ejection_rules rules = {3, 5000, 10000};

/* Keys that all have the same two windows. */
static const uint64_t *
key_of(uint64_t i)
{
	static uint64_t keys[ROOM + 1]
			    [2]; /* more than one is in use at a time */

	keys[i][0] = 5000 + i * REG_CANDIDATES_MAX;
	keys[i][1] = 100 + i * REG_CANDIDATES_MAX;
	return keys[i];
}

static struct reg_candidate_ref
open_at(struct reg *r, uint64_t i, uint64_t now_ms)
{
	return reg_candidate_open(r, key_of(i), now_ms);
}

static bool
same(struct reg_candidate_ref a, struct reg_candidate_ref b)
{
	return a.index == b.index && a.tag == b.tag;
}

static bool
is_none(struct reg_candidate_ref c)
{
	return c.index == REG_CANDIDATES_MAX;
}

/* Entries that have this key, with or without a name: 1 at most. */
static unsigned
entries_of(const struct reg *r, uint64_t i)
{
	const uint64_t *key = key_of(i);
	unsigned n = 0;

	for (uint32_t k = 0; k < REG_CANDIDATES_MAX; k++) {
		struct reg_place *p = &r->seg->places[k];

		n += p->key[0] == key[0] && p->key[1] == key[1] && p->name &&
		     reg_load_is(p->load, reg_name_tag(p->name));
	}
	return n;
}

static struct reg_candidate
state_of(const struct reg *r, struct reg_candidate_ref c, uint64_t now_ms)
{
	struct reg_candidate s;

	reg_candidate_read(r, c, now_ms, &s);
	return s;
}

static bool
eject(struct reg *r, struct reg_candidate_ref c, uint64_t now_ms)
{
	uint64_t pause_ms;

	return reg_candidate_fail(r, c, &rules, 3, false, now_ms, &pause_ms);
}

static void
test_open(void)
{
	struct reg_candidate_ref a, b, none = {REG_CANDIDATES_MAX, 0};
	struct reg *one, *two;

	seg_new();
	one = seg_open(REG_SEGMENT_MIN);
	two = seg_open(0);
	a = open_at(one, 0, NOW_MS);
	ok(!is_none(a) && a.tag, "open: a new key has an entry");
	ok(same(a, open_at(one, 0, NOW_MS)) && same(a, open_at(two, 0, NOW_MS)),
	   "open: ... the same one for all");
	b = open_at(two, 1, NOW_MS);
	ok(!is_none(b) && b.index != a.index, "open: another key, another one");
	ok(!same(a, reg_candidate_open(one, (uint64_t[2]){key_of(0)[0], 1},
				       NOW_MS)) &&
		   !same(a,
			 reg_candidate_open(one, (uint64_t[2]){1, key_of(0)[1]},
					    NOW_MS)),
	   "open: half a key is another key");
	eject(one, a, NOW_MS);
	ok(state_of(two, a, NOW_MS).ejected &&
		   !state_of(two, b, NOW_MS).ejected,
	   "open: all see one candidate's state, and of no other one");
	reg_candidate_busy(one, none, 5);
	reg_candidate_byte(one, none, 5);
	reg_candidate_untry(one, none);
	ok(!eject(one, none, 5) && !reg_candidate_succeed(one, none, 5) &&
		   !reg_candidate_pardon(one, none, 5) &&
		   !reg_candidate_try(one, none, 5) &&
		   !state_of(one, none, 5).ejected,
	   "none: every call tolerates it");
	ok(!eject(one, (struct reg_candidate_ref){7, 0}, 5) &&
		   !eject(one, (struct reg_candidate_ref){a.index, a.tag + 1},
			  5),
	   "none: so does a reference that was never given");
	reg_close(two);
	reg_close(one);
}

static void
test_full(void)
{
	struct reg_candidate_ref first, c;
	struct reg *r;
	unsigned made = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	first = open_at(r, 0, NOW_MS);
	for (uint64_t i = 1; i < ROOM; i++)
		made += !is_none(open_at(r, i, NOW_MS + 1000));
	is_int(made, ROOM - 1, "full: 128 keys of the same homes");
	ok(is_none(open_at(r, ROOM, NOW_MS + KEEP)) &&
		   is_none(open_at(r, ROOM, NOW_MS + KEEP + 999)),
	   "full: all used within a minute -> none");
	eject(r, first, NOW_MS);
	ok(is_none(open_at(r, ROOM, NOW_MS + KEEP + 1000)),
	   "full: unused for a minute, but ejected -> stays");
	reg_candidate_succeed(r, first, NOW_MS);
	c = open_at(r, ROOM, NOW_MS + KEEP + 1000);
	ok(c.index == first.index && c.tag != first.tag,
	   "full: ... neither -> its entry goes to the newcomer");
	ok(!state_of(r, c, NOW_MS).failures, "full: who begins anew");
	eject(r, c, NOW_MS);
	reg_candidate_busy(r, first, NOW_MS + 5000);
	reg_candidate_byte(r, first, NOW_MS + 5000);
	ok(!eject(r, first, NOW_MS) && !state_of(r, first, NOW_MS).ejected &&
		   !reg_candidate_succeed(r, first, NOW_MS) &&
		   state_of(r, c, NOW_MS).failures == 3 &&
		   state_of(r, c, NOW_MS).busy_until_ms == 0 &&
		   state_of(r, c, NOW_MS).byte_ms == 0,
	   "full: and what is done with the old reference, is done to nobody");
	ok(!is_none(open_at(r, 1, NOW_MS + KEEP + 1000)) &&
		   !same(open_at(r, 0, NOW_MS + KEEP + 5000), first),
	   "full: each is found, or made again");
	ok(reg_verify(r, &err) == 0, "full: verifies");
	reg_close(r);
}

static struct reg_candidate_ref
open_named(struct reg *r, const char *url, const char *model, uint64_t now_ms)
{
	uint64_t key[2] = {GW_HASH_INIT, ~GW_HASH_INIT};

	for (int i = 0; i < 2; i++) {
		key[i] = gw_hash_more(key[i], url, strlen(url) + 1);
		key[i] = gw_hash_more(key[i], model, strlen(model));
	}
	return reg_candidate_open(r, key, now_ms);
}

/* Of all that may go, the one unused for longest. */
static void
test_oldest(void)
{
	struct reg_candidate_ref oldest;
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (uint64_t i = 0; i < ROOM; i++)
		open_at(r, i, NOW_MS);
	oldest = open_at(r, 77, NOW_MS);
	for (uint64_t i = 0; i < ROOM; i++)
		if (i != 77)
			open_at(r, i, NOW_MS + 2000);
	is_int(open_at(r, ROOM, NOW_MS + KEEP + 4000).index, oldest.index,
	       "oldest: it makes room, however old the others are");
	reg_close(r);
}

/* Of 14,000 nodes two records each. */
static void
test_many(void)
{
	struct reg *r;
	unsigned none = 0, moved = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (unsigned i = 0; i < 14000; i++) {
		struct reg_candidate_ref c;
		char url[64];

		snprintf(url, sizeof(url), "http://10.0.%u.%u:8080", i / 256,
			 i % 256);
		none += is_none(open_named(r, url, "", NOW_MS));
		c = open_named(r, url, "model", NOW_MS);
		none += is_none(c);
		moved += !same(c, open_named(r, url, "model", NOW_MS + 1));
	}
	is_int(none + moved, 0, "many: 28,000 of 32,768 have room, all in use");
	reg_close(r);
}

/* ---- several processes ----------------------------------------------------
 */

static struct reg_candidate_ref *refs; /* shared: PROCESSES times ROOM */

static int
child_opens(void *arg)
{
	struct reg *r = seg_open(0);
	uintptr_t me_too = (uintptr_t)arg;

	gate_pass();
	for (uint64_t i = 0; i < ROOM; i++) {
		uint64_t which = me_too % 2 ? i : ROOM - 1 - i;
		struct reg_candidate_ref *c = &refs[me_too * ROOM + which];

		do
			*c = open_at(r, which, NOW_MS);
		while (is_none(*c));
	}
	return 0;
}

static void
test_together(void)
{
	struct reg *r;
	unsigned others = 0, entries = 0;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	refs = shared_page(sizeof(*refs) * PROCESSES * ROOM);
	is_int(run_together(child_opens), 0, "together: 8 processes, 128 keys");
	for (unsigned i = 0; i < PROCESSES * ROOM; i++)
		others += !same(refs[i], refs[i % ROOM]);
	for (uint64_t i = 0; i < ROOM; i++)
		entries += entries_of(r, i);
	is_int(others, 0, "together: all have the same references");
	is_int(entries, ROOM, "together: and every key one entry");
	reg_close(r);
}

/* ---- at every step --------------------------------------------------------
 */

static struct reg_candidate_ref mine, theirs;

static void
prepare_full(void)
{
	for (uint64_t i = 0; i < ROOM; i++)
		open_at(me, i, NOW_MS + (i ? 100000 : 0));
}

static void
nothing(void)
{
}

static void
open_new(void)
{
	mine = open_at(me, ROOM, NOW_MS + 100000);
}

static void
others_open_new(void)
{
	theirs = open_at(other, ROOM, NOW_MS + 100000);
}

/* Who is overtaken while it holds the lock leaves none to the other. */
static const char *
judge_new(void)
{
	if (is_none(mine))
		return "no entry";
	if (!is_none(theirs) && !same(mine, theirs))
		return "two entries";
	if (entries_of(me, ROOM) != 1)
		return "not one entry of the key";
	if (state_of(me, mine, NOW_MS).failures)
		return "not well from the beginning";
	return NULL;
}

static void
open_known(void)
{
	mine = open_at(me, 0, NOW_MS + 100000);
}

static void
others_take_it(void)
{
	others_open_new();
	if (!is_none(theirs))
		eject(other, theirs, NOW_MS + 100000);
}

/* Found, or made again elsewhere: never what another one has now. */
static const char *
judge_known(void)
{
	struct reg_place *p = reg_candidate_at(me, mine);

	if (p && (p->key[0] != key_of(0)[0] || p->key[1] != key_of(0)[1]))
		return "another one's entry";
	if (state_of(me, mine, NOW_MS + 100000).ejected)
		return "another one's state";
	return NULL;
}

static void
prepare_ref(void)
{
	prepare_full();
	mine = open_at(me, 0, NOW_MS);
}

static void
fail_late(void)
{
	eject(me, mine, NOW_MS + 100000);
	reg_candidate_succeed(me, mine, NOW_MS + 100000);
	reg_candidate_busy(me, mine, NOW_MS + 200000);
	reg_candidate_byte(me, mine, NOW_MS + 100000);
	reg_candidate_try(me, mine, NOW_MS + 200000);
}

static const char *
judge_late(void)
{
	struct reg_candidate s;

	if (is_none(theirs))
		return NULL; /* it was ejected then, and stayed */
	s = state_of(other, theirs, NOW_MS + 100000);
	if (s.failures || s.ejected || s.busy_until_ms || s.byte_ms)
		return "a newcomer has the failures of whoever was there";
	if (other->seg->places[theirs.index].trial &&
	    reg_trial_is(other->seg->places[theirs.index].trial, theirs.tag))
		return "a newcomer is on trial";
	return NULL;
}

static const struct overtaking overtakings[] = {
	{"open: another one opens the same new key", nothing, others_open_new,
	 open_new, judge_new},
	{"open: ... where an entry has to be given away", prepare_full,
	 others_open_new, open_new, judge_new},
	{"open: its entry is given away", prepare_full, others_take_it,
	 open_known, judge_known},
	{"fail, succeed, busy, byte, try: the entry is given away", prepare_ref,
	 others_open_new, fail_late, judge_late},
};

/* ---- deaths ---------------------------------------------------------------
 */

static long step_of_death;

static int
child_dies(void *unused)
{
	struct reg *r = seg_open(0);

	(void)unused;
	case_countdown = step_of_death;
	open_at(r, ROOM, NOW_MS + 100000);
	return 0;
}

static const char *
judge_death(struct reg *r)
{
	struct reg_candidate_ref c;

	if (entries_of(r, ROOM) > 1)
		return "two entries";
	c = open_at(r, ROOM, NOW_MS + 100000);
	if (is_none(c) || state_of(r, c, NOW_MS).failures)
		return "no entry for the next one";
	for (uint64_t i = 1; i < ROOM; i++)
		if (is_none(open_at(r, i, NOW_MS + 100000)) ||
		    entries_of(r, i) != 1)
			return "another key lost its entry";
	return reg_verify(r, &err) ? err.msg : NULL;
}

static void
test_deaths(bool full)
{
	const char *complaint = NULL;
	int status = 1;

	for (step_of_death = 1; status && !complaint && step_of_death < 1000;
	     step_of_death++) {
		struct reg *r;

		case_segment = seg_new();
		r = me = seg_open(REG_SEGMENT_MIN);
		if (full)
			prepare_full();
		status = reap(spawn(child_dies, NULL));
		if (status && status != 128 + SIGKILL)
			complaint = "it failed by itself";
		else
			complaint = judge_death(r);
		reg_close(r);
	}
	ok(!complaint && step_of_death > 5,
	   "death: at each of %ld steps of making an entry%s",
	   step_of_death - 2, full ? " out of another one's" : "");
	if (complaint)
		printf("# step %ld: %s\n", step_of_death - 1, complaint);
}

int
main(void)
{
	test_open();
	test_full();
	test_oldest();
	test_many();
	test_together();
	for (size_t i = 0; i < sizeof(overtakings) / sizeof(*overtakings); i++)
		test_overtaking(&overtakings[i]);
	test_deaths(false);
	test_deaths(true);
	return done_testing();
}
