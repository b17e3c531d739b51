/* SPDX-License-Identifier: MIT */
/* test_queue_order.c - who is next, who has to go, and what a waiter is told.
 */
#include "routing/queue_order.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "tap.h"

#define NOW UINT64_C(100000000) /* ms */
#define GRACE 250
#define NO GW_QUEUE_NO_SLOT

/* One that waits for @waited ms at queue 1, the only one of its client. */
static struct reg_waiter
waiter(uint32_t index, uint32_t rank, uint32_t in_flight, uint64_t waited_ms)
{
	return (struct reg_waiter){.ref = {index, 1},
				   .queue = 1,
				   .client = 1000 + index,
				   .share_in_flight = in_flight,
				   .rank = rank,
				   .came_ms = NOW - waited_ms,
				   .number = 1 + index};
}

/* ---- classes and the order ------------------------------------------------
 */

static void
classes(void)
{
	static const struct {
		uint32_t rank;
		uint64_t waited_ms;
		int32_t class;
	} rows[] = {
		{0, 0, 0},	    {1, 0, 1},	    {2, 29999, 2},
		{2, 30000, 1},	    {2, 59999, 1},  {2, 60000, 0},
		{2, 89999, 0},	    {2, 90000, -1}, {0, 30000, -1},
		{0, 3600000, -120},
	};
	struct reg_waiter w;

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		w = waiter(0, rows[i].rank, 0, rows[i].waited_ms);
		ok(gw_waiter_class(&w, NOW) == rows[i].class,
		   "class: %u, %d ms of waiting -> %d", rows[i].rank,
		   (int)rows[i].waited_ms, rows[i].class);
	}
}

static void
order(void)
{
	static const struct {
		const char *title;
		struct {
			uint32_t rank, in_flight;
			uint64_t waited_ms;
		} first, second;
	} rows[] = {
		{"the better class", {0, 9, 0}, {1, 0, 29999}},
		{"the better class by waiting", {2, 9, 60000}, {1, 0, 29999}},
		{"below the best class there is", {2, 9, 90000}, {0, 0, 0}},
		{"fewer in flight", {1, 0, 0}, {1, 1, 29999}},
		{"fewer in flight, risen", {2, 3, 30000}, {1, 4, 29999}},
		{"who came first", {1, 2, 5}, {1, 2, 4}},
		{"who came first of one class", {2, 2, 30001}, {1, 2, 29999}},
		{"equals: the number", {1, 2, 5}, {1, 2, 5}},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct reg_waiter a =
			waiter(0, rows[i].first.rank, rows[i].first.in_flight,
			       rows[i].first.waited_ms);
		struct reg_waiter b =
			waiter(1, rows[i].second.rank, rows[i].second.in_flight,
			       rows[i].second.waited_ms);

		ok(gw_waiter_before(&a, &b, NOW) &&
			   !gw_waiter_before(&b, &a, NOW),
		   "order: %s -> before", rows[i].title);
	}
}

static void
order_of_equals(void)
{
	struct reg_waiter a = waiter(0, 1, 0, 5), b = waiter(1, 1, 0, 5);

	a.number = 0;
	b.number = UINT64_MAX;
	ok(gw_waiter_before(&b, &a, NOW) && !gw_waiter_before(&a, &b, NOW),
	   "order: a newcomer without a number -> behind its equals");
	a.came_ms--;
	ok(gw_waiter_before(&a, &b, NOW) && !gw_waiter_before(&b, &a, NOW),
	   "order: a moved request without a number -> where it was");
	a = b;
	a.ref.index = 0;
	ok(gw_waiter_before(&a, &b, NOW) && !gw_waiter_before(&b, &a, NOW),
	   "order: the same number -> by the index");
	ok(!gw_waiter_before(&a, &a, NOW), "order: nobody is before itself");
	a = waiter(0, 1, 0, 0);
	a.came_ms = NOW + 40000;
	is_int(gw_waiter_class(&a, NOW), 1,
	       "class: a clock that was read before it came -> its rank");
	a.came_ms = 0;
	is_int(gw_waiter_class(&a, UINT64_MAX), INT32_MIN,
	       "class: since ever -> the least there is");
	a.rank = UINT32_MAX;
	is_int(gw_waiter_class(&a, 0), INT32_MAX,
	       "class: garbage -> the greatest there is");
}

/* ---- who gets a slot
 * ---------------------------------------------------------- */

#define SCENE_MAX 8

/* The waiters of a scene; its waiters' titles are 0, 1, ... */
struct who {
	char queue;  /* 'A' .. */
	char client; /* 'a' ..; 0 = the end */
	uint32_t rank, in_flight;
	uint64_t waited_ms;
	uint64_t called_ms; /* so long ago, 0 = not called */
	bool mine;
};

#define W(queue, client, rank, in_flight, waited_ms)                           \
	{                                                                      \
		queue, client, rank, in_flight, waited_ms, 0, false            \
	}
#define CALLED(queue, client, rank, in_flight, waited_ms, called_ms)           \
	{                                                                      \
		queue, client, rank, in_flight, waited_ms, called_ms, false    \
	}
#define MINE(queue, client, rank, in_flight, waited_ms, called_ms)             \
	{                                                                      \
		queue, client, rank, in_flight, waited_ms, called_ms, true     \
	}

static uint32_t
slots_of(char c)
{
	return c == '*' ? GW_QUEUE_UNBOUNDED : (uint32_t)(c - '0');
}

/* gw_queue_assign() with scratch that held something else before. */
static size_t
assign(const struct gw_queue_slots *in, uint32_t *slot)
{
	size_t cells = gw_queue_assign_cells(in), assigned;
	uint32_t *scratch = malloc(cells * sizeof(*scratch));

	memset(scratch, 0xa5, cells * sizeof(*scratch));
	assigned = gw_queue_assign(in, scratch, slot);
	free(scratch);
	return assigned;
}

struct scene {
	const char *title;
	const char *free;   /* a digit a candidate, '*' = no bound */
	const char *use[4]; /* a digit a candidate, by queue */
	const char *want;   /* a digit a waiter, '-' = nothing */
	struct who who[SCENE_MAX + 1];
};

static size_t
waiters_of(const struct who *who, struct reg_waiter *w)
{
	size_t n = 0;

	for (; who[n].client; n++)
		w[n] = (struct reg_waiter){
			.ref = {(uint32_t)n, 1},
			.mine = who[n].mine,
			.queue = (uint64_t)who[n].queue,
			.client = (uint64_t)who[n].client,
			.share_in_flight = who[n].in_flight,
			.rank = who[n].rank,
			.came_ms = NOW - who[n].waited_ms,
			.number = 1 + n,
			.called_ms =
				who[n].called_ms ? NOW - who[n].called_ms : 0,
		};
	return n;
}

/* Whatever order the waiters are read in. */
static void
scene(const struct scene *s)
{
	struct reg_waiter w[SCENE_MAX], turned[SCENE_MAX];
	size_t n = waiters_of(s->who, w), n_free = strlen(s->free), got = 0;
	uint32_t free[8], used[4][8], slot[SCENE_MAX];
	struct gw_queue_use use[4];
	size_t n_queues = 0;
	char all[SCENE_MAX + 1] = "";
	bool same = true;

	for (size_t i = 0; i < n_free; i++)
		free[i] = slots_of(s->free[i]);
	for (; n_queues < 4 && s->use[n_queues]; n_queues++) {
		const char *digits = s->use[n_queues];

		use[n_queues] = (struct gw_queue_use){
			.queue = 'A' + n_queues,
			.candidates = used[n_queues],
			.n_candidates = (uint32_t)strlen(digits)};
		for (size_t i = 0; digits[i]; i++)
			used[n_queues][i] = (uint32_t)(digits[i] - '0');
	}
	for (size_t turn = 0; turn < 2 * n; turn++) {
		const struct gw_queue_slots in = {
			.waiters = turned,
			.n_waiters = n,
			.queues = use,
			.n_queues = n_queues,
			.free = free,
			.n_candidates = n_free,
			.now_ms = NOW,
			.grace_ms = GRACE,
		};

		for (size_t i = 0; i < n; i++)
			turned[i] = w[turn < n ? (i + turn) % n
					       : (2 * n - 1 - i + turn) % n];
		got = assign(&in, slot);
		for (size_t i = 0; i < n; i++) {
			all[turned[i].ref.index] =
				slot[i] == NO ? '-' : (char)('0' + slot[i]);
			got -= slot[i] != NO;
		}
		same &= got == 0 && strcmp(all, s->want) == 0;
		if (!same)
			break;
	}
	if (!ok(same, "assign: %s -> %s", s->title, s->want))
		printf("# got: %s\n", all);
}

static const struct scene scenes[] = {
	{"one slot: the first of two",
	 "1",
	 {"0"},
	 "-0",
	 {W('A', 'a', 1, 0, 10), W('A', 'b', 1, 0, 20)}},
	{"two slots: both",
	 "2",
	 {"0"},
	 "00",
	 {W('A', 'a', 1, 0, 10), W('A', 'b', 1, 0, 20)}},
	{"no slot: nobody",
	 "0",
	 {"0"},
	 "--",
	 {W('A', 'a', 1, 0, 10), W('A', 'b', 1, 0, 20)}},
	{"no candidate: nobody", "1", {""}, "-", {W('A', 'a', 1, 0, 10)}},
	{"a queue that is not known: nobody",
	 "1",
	 {"0"},
	 "-0",
	 {W('B', 'a', 0, 0, 99), W('A', 'a', 1, 0, 10)}},
	{"no bound: all",
	 "*",
	 {"0"},
	 "0000",
	 {W('A', 'a', 1, 0, 10), W('A', 'a', 2, 0, 20), W('A', 'b', 0, 9, 30),
	  W('A', 'b', 1, 9, 40)}},
	{"the better class before the earlier",
	 "1",
	 {"0"},
	 "-0",
	 {W('A', 'a', 1, 0, 29999), W('A', 'b', 0, 0, 0)}},
	{"a class risen",
	 "1",
	 {"0"},
	 "0-",
	 {W('A', 'a', 1, 0, 30001), W('A', 'b', 0, 0, 0)}},
	{"fewer in flight before the earlier",
	 "1",
	 {"0"},
	 "-0",
	 {W('A', 'a', 1, 1, 29999), W('A', 'b', 1, 0, 0)}},
	{"what was assigned counts as in flight",
	 "2",
	 {"0"},
	 "0-0",
	 {W('A', 'a', 1, 0, 30), W('A', 'a', 1, 0, 20), W('A', 'b', 1, 0, 10)}},
	{"and again: by turns",
	 "4",
	 {"0"},
	 "0000--",
	 {W('A', 'a', 1, 0, 60), W('A', 'a', 1, 0, 50), W('A', 'b', 1, 0, 25),
	  W('A', 'b', 1, 0, 24), W('A', 'a', 1, 0, 40), W('A', 'b', 1, 0, 22)}},
	{"but not to the client's waiters at another queue",
	 "21",
	 {"0", "0"},
	 "0-0",
	 {W('A', 'a', 1, 0, 30), W('A', 'a', 1, 0, 10), W('B', 'a', 1, 0, 20)}},
	{"nor over a class",
	 "2",
	 {"0"},
	 "00-",
	 {W('A', 'a', 0, 5, 30), W('A', 'a', 0, 5, 20),
	  W('A', 'b', 1, 0, 29999)}},
	{"a client's own in order",
	 "2",
	 {"0"},
	 "-0-0",
	 {W('A', 'a', 1, 3, 10), W('A', 'a', 1, 3, 40), W('A', 'a', 1, 3, 20),
	  W('A', 'a', 1, 3, 30)}},
	{"passed over: called and still there",
	 "1",
	 {"0"},
	 "-0",
	 {CALLED('A', 'a', 1, 0, 999, GRACE), W('A', 'b', 1, 0, 0)}},
	{"not yet: called a moment ago",
	 "1",
	 {"0"},
	 "0-",
	 {CALLED('A', 'a', 1, 0, 999, GRACE - 1), W('A', 'b', 1, 0, 0)}},
	{"never: one of our own",
	 "1",
	 {"0"},
	 "0-",
	 {MINE('A', 'a', 1, 0, 999, 9 * GRACE), W('A', 'b', 1, 0, 0)}},
	{"passed over, and its client's others are not",
	 "1",
	 {"0"},
	 "-0-",
	 {CALLED('A', 'a', 1, 0, 999, GRACE), W('A', 'a', 1, 0, 998),
	  W('A', 'b', 1, 0, 0)}},
	{"passed over, the only one: a slot stays free",
	 "1",
	 {"0"},
	 "-",
	 {CALLED('A', 'a', 1, 0, 999, GRACE)}},
	{"a shared slot: the best of two heads",
	 "1",
	 {"0", "0"},
	 "-0",
	 {W('A', 'a', 1, 0, 10), W('B', 'b', 1, 0, 20)}},
	{"a shared slot: by class",
	 "1",
	 {"0", "0"},
	 "0-",
	 {W('A', 'a', 0, 3, 10), W('B', 'b', 1, 0, 20)}},
	{"a shared slot: by what runs at each one's own",
	 "1",
	 {"0", "0"},
	 "0--",
	 {W('A', 'a', 1, 0, 10), W('B', 'a', 1, 1, 20), W('B', 'b', 1, 2, 30)}},
	{"a slot of one's own is taken, the shared one left",
	 "11",
	 {"01", "0"},
	 "10",
	 {W('A', 'a', 1, 0, 20), W('B', 'b', 1, 0, 10)}},
	{"even where it is the last of the list",
	 "111",
	 {"012", "01"},
	 "210",
	 {W('A', 'a', 1, 0, 30), W('B', 'b', 1, 0, 10), W('B', 'c', 1, 0, 20)}},
	{"one that two want is taken before one that three want",
	 "111",
	 {"01", "12", "1"},
	 "021",
	 {W('A', 'a', 1, 0, 30), W('B', 'b', 1, 0, 20), W('C', 'c', 1, 0, 10)}},
	{"the shared one where one's own is full",
	 "10",
	 {"01", "0"},
	 "0-",
	 {W('A', 'a', 1, 0, 20), W('B', 'b', 1, 0, 10)}},
	{"the shared one once one's own are taken",
	 "11",
	 {"01", "0"},
	 "10-",
	 {W('A', 'a', 1, 0, 30), W('A', 'b', 1, 0, 20), W('B', 'b', 1, 0, 10)}},
	{"a queue that nobody waits at has no say",
	 "11",
	 {"01", "0"},
	 "0",
	 {W('A', 'a', 1, 0, 20)}},
	{"nor one that is passed over whole",
	 "11",
	 {"01", "0"},
	 "0-",
	 {W('A', 'a', 1, 0, 20), CALLED('B', 'b', 1, 0, 999, GRACE)}},
	{"of equal candidates the first of the list",
	 "111",
	 {"201"},
	 "2",
	 {W('A', 'a', 1, 0, 20)}},
	{"a full queue does not hold up another one",
	 "01",
	 {"0", "1"},
	 "-1",
	 {W('A', 'a', 0, 0, 99), W('B', 'b', 2, 7, 1)}},
	{"three queues, two slots: the two best heads",
	 "11",
	 {"01", "0", "1"},
	 "-01",
	 {W('A', 'a', 2, 0, 9), W('B', 'b', 1, 0, 8), W('C', 'c', 1, 0, 7)}},
};

/* Nothing at all, and no slots at all. */
static void
nothing(void)
{
	struct reg_waiter w = waiter(0, 1, 0, 10);
	const uint32_t one = 1, candidate = 0;
	const struct gw_queue_use use = {1, &candidate, 1};
	struct gw_queue_slots in = {.queues = &use,
				    .n_queues = 1,
				    .free = &one,
				    .n_candidates = 1,
				    .now_ms = NOW,
				    .grace_ms = GRACE};
	uint32_t slot = 7;

	is_int((long long)assign(&in, &slot), 0, "assign: nobody -> nothing");
	is_int(slot, 7, "assign: nobody -> nothing is written");
	in.waiters = &w;
	in.n_waiters = 1;
	in.n_queues = 0;
	is_int((long long)assign(&in, &slot), 0, "assign: no queue -> nothing");
	is_int(slot, NO, "assign: no queue -> said so");
	in.n_queues = 1;
	is_int((long long)assign(&in, &slot), 1, "assign: one -> one");
	w.called_ms = NOW + 5;
	is_int((long long)assign(&in, &slot), 1,
	       "assign: called after the clock was read -> not passed over");
}

/* A newcomer is one more waiter: it passes nobody, and waits for no reason. */
static void
newcomers(void)
{
	static const struct {
		const char *title;
		struct who newcomer;
		bool gets;
	} rows[] = {
		{"behind its equals", MINE('A', 'z', 1, 0, 0, 0), false},
		{"of a better class", MINE('A', 'z', 0, 0, 0, 0), true},
		{"of a worse class", MINE('A', 'z', 2, 0, 0, 0), false},
		{"of a client with more in flight", MINE('A', 'z', 1, 2, 0, 0),
		 false},
		{"of a client with fewer", MINE('A', 'z', 1, 0, 0, 0), false},
		{"moved, and here before", MINE('A', 'z', 1, 0, 9, 0), true},
		{"with a slot of its own", MINE('B', 'z', 2, 9, 0, 0), true},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct who who[] = {W('A', 'a', 1, 0, 5), rows[i].newcomer,
				    W(0, 0, 0, 0, 0)};
		const uint32_t free[] = {1, 1}, zero = 0, first = 1;
		const struct gw_queue_use use[] = {{'A', &zero, 1},
						   {'B', &first, 1}};
		struct reg_waiter w[2];
		uint32_t slot[2];
		const struct gw_queue_slots in = {.waiters = w,
						  .n_waiters =
							  waiters_of(who, w),
						  .queues = use,
						  .n_queues = 2,
						  .free = free,
						  .n_candidates = 2,
						  .now_ms = NOW,
						  .grace_ms = GRACE};

		w[1].number = 0;
		w[1].ref.index = REG_WAITERS_MAX;
		assign(&in, slot);
		ok((slot[1] != NO) == rows[i].gets, "newcomer: %s -> %s",
		   rows[i].title, rows[i].gets ? "at once" : "waits");
	}
}

int
main(void)
{
	classes();
	order();
	order_of_equals();
	for (size_t i = 0; i < GW_ARRAY_LEN(scenes); i++)
		scene(&scenes[i]);
	nothing();
	newcomers();
	return done_testing();
}
