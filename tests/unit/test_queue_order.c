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

/* ---- classes and the order ----------------------------------------------- */

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

/* ---- who gets a slot ----------------------------------------------------- */

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
	{"what is in flight, read twice: the larger number",
	 "1",
	 {"0"},
	 "--0",
	 {W('A', 'a', 1, 0, 30), W('A', 'a', 1, 2, 20), W('A', 'b', 1, 1, 10)}},
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

/* Of a process that stands still one was called; it has more that wait. */
static void
standing_still(void)
{
	struct reg_waiter w[] = {waiter('A', 0, 0, 9), waiter('A', 0, 0, 8),
				 waiter('A', 1, 0, 7)};
	const uint32_t candidate = 0, one = 1;
	const struct gw_queue_use queue = {
		.queue = 'A', .candidates = &candidate, .n_candidates = 1};
	const struct gw_queue_slots in = {.waiters = w,
					  .n_waiters = 3,
					  .queues = &queue,
					  .n_queues = 1,
					  .free = &one,
					  .n_candidates = 1,
					  .now_ms = NOW,
					  .grace_ms = GRACE};
	uint32_t slot[3];

	for (size_t i = 0; i < 3; i++) {
		w[i].queue = 'A';
		w[i].number = i + 1;
		w[i].row = i < 2 ? 65 : 1;
		w[i].unheard = i < 2;
	}
	w[0].called_ms = NOW - GRACE + 1;
	assign(&in, slot);
	is_int(slot[0], 0, "still: called for less than the grace -> it is next");
	w[0].called_ms = NOW - GRACE;
	assign(&in, slot);
	is_int(slot[2], 0, "still: for the grace, and its process has not heard "
			   "-> all of it are passed over");
	w[0].unheard = w[1].unheard = false;
	assign(&in, slot);
	is_int(slot[1], 0, "still: its process has heard -> it alone is");
	w[0].unheard = w[1].unheard = w[1].mine = true;
	assign(&in, slot);
	is_int(slot[1], 0, "still: one of our own never is");
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

/* ---- the same by the book ------------------------------------------------ */

static uint64_t seed = 88172645463325252;

static uint32_t
random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed % n);
}

#define BOOK_WAITERS 24
#define BOOK_QUEUES 4
#define BOOK_CANDIDATES 5

struct book {
	struct reg_waiter w[BOOK_WAITERS];
	struct gw_queue_use use[BOOK_QUEUES];
	uint32_t used[BOOK_QUEUES][BOOK_CANDIDATES];
	uint32_t free[BOOK_CANDIDATES];
	struct gw_queue_slots in;
	uint32_t in_flight[BOOK_QUEUES + 1][4]; /* by queue and client */
};

static void
write_book(struct book *b)
{
	memset(b, 0, sizeof(*b));
	for (uint32_t q = 0; q < BOOK_QUEUES; q++) {
		b->use[q].queue = q + 1;
		b->use[q].candidates = b->used[q];
		for (uint32_t c = 0; c < BOOK_CANDIDATES; c++)
			if (random_below(2))
				b->used[q][b->use[q].n_candidates++] = c;
		for (unsigned client = 0; client < 4; client++)
			b->in_flight[q][client] = random_below(4);
	}
	for (uint32_t c = 0; c < BOOK_CANDIDATES; c++)
		b->free[c] =
			random_below(20) ? random_below(4) : GW_QUEUE_UNBOUNDED;
	b->in = (struct gw_queue_slots){.waiters = b->w,
					.n_waiters =
						random_below(BOOK_WAITERS + 1),
					.queues = b->use,
					.n_queues = BOOK_QUEUES,
					.free = b->free,
					.n_candidates = BOOK_CANDIDATES,
					.now_ms = NOW,
					.grace_ms = GRACE};
	for (uint32_t i = 0; i < b->in.n_waiters; i++) {
		uint32_t q = random_below(BOOK_QUEUES + 1); /* or unknown */
		uint32_t client = random_below(4);

		b->w[i] = (struct reg_waiter){
			.ref = {i, 1},
			.mine = random_below(4) == 0,
			.queue = q + 1,
			.client = client,
			.share_in_flight = b->in_flight[q][client],
			.rank = random_below(3),
			.came_ms = NOW - 10 * random_below(7000),
			.number = 1 + random_below(4),
			.called_ms = random_below(3)
					     ? 0
					     : NOW - random_below(2 * GRACE)};
	}
}

/* Does a queue with waiters that count want candidate @c? */
static bool
wants(const struct gw_queue_use *q, uint32_t c)
{
	for (uint32_t i = 0; i < q->n_candidates; i++)
		if (q->candidates[i] == c)
			return true;
	return false;
}

/* What the header says, word by word and slowly. */
static void
by_the_book(const struct gw_queue_slots *in, uint32_t *slot)
{
	struct reg_waiter w[BOOK_WAITERS];
	uint32_t left[BOOK_CANDIDATES];
	bool out[BOOK_WAITERS], waited_at[BOOK_QUEUES + 2] = {false};

	memcpy(w, in->waiters, sizeof(w));
	memcpy(left, in->free, sizeof(left));
	for (size_t i = 0; i < in->n_waiters; i++) {
		slot[i] = NO;
		out[i] = !w[i].mine && w[i].called_ms &&
			 NOW - w[i].called_ms >= GRACE;
		if (!out[i])
			waited_at[w[i].queue] = true;
	}
	for (;;) {
		size_t best = in->n_waiters;
		const struct gw_queue_use *use = NULL;
		uint32_t taken = NO, taken_users = 0;

		for (size_t i = 0; i < in->n_waiters; i++)
			if (!out[i] && (best == in->n_waiters ||
					gw_waiter_before(&w[i], &w[best], NOW)))
				best = i;
		if (best == in->n_waiters)
			return;
		out[best] = true;
		if (w[best].queue <= BOOK_QUEUES)
			use = &in->queues[w[best].queue - 1];
		for (uint32_t i = 0; use && i < use->n_candidates; i++) {
			uint32_t c = use->candidates[i], users = 0;

			for (size_t q = 0; q < in->n_queues; q++)
				users += waited_at[q + 1] &&
					 wants(&in->queues[q], c);
			if (left[c] && (taken == NO || users < taken_users)) {
				taken = c;
				taken_users = users;
			}
		}
		if (taken == NO)
			continue;
		slot[best] = taken;
		left[taken] -= left[taken] != GW_QUEUE_UNBOUNDED;
		for (size_t i = 0; i < in->n_waiters; i++)
			w[i].share_in_flight += w[i].queue == w[best].queue &&
						w[i].client == w[best].client;
	}
}

static void
books(void)
{
	unsigned wrong = 0, given = 0;
	static struct book b;
	uint32_t slot[BOOK_WAITERS], want[BOOK_WAITERS];

	for (unsigned i = 0; i < 20000; i++) {
		size_t n;

		write_book(&b);
		n = assign(&b.in, slot);
		by_the_book(&b.in, want);
		for (size_t k = 0; k < b.in.n_waiters; k++) {
			wrong += slot[k] != want[k];
			n -= want[k] != NO;
			given += want[k] != NO;
		}
		wrong += n != 0;
	}
	is_int(wrong, 0, "assign: 20,000 scenes by chance -> by the book");
	ok(given > 20000, "assign: which gave %u slots away", given);
}

/* As many as there can be, of one client or of many, for one slot or for all.
 */
static void
crowds(void)
{
	static struct reg_waiter w[REG_WAITERS_MAX + 1];
	static uint32_t slot[GW_ARRAY_LEN(w)];
	const size_t n = GW_ARRAY_LEN(w);
	const uint32_t candidate = 0;
	const struct gw_queue_use use = {1, &candidate, 1};
	static const struct {
		uint32_t clients, free;
	} rows[] = {
		{1, 1},
		{1, GW_QUEUE_UNBOUNDED},
		{50, 1},
		{50, 300},
		{50, GW_QUEUE_UNBOUNDED},
		{REG_WAITERS_MAX + 1, 1},
		{REG_WAITERS_MAX + 1, GW_QUEUE_UNBOUNDED},
	};

	for (size_t row = 0; row < GW_ARRAY_LEN(rows); row++) {
		uint32_t free = rows[row].free;
		const struct gw_queue_slots in = {.waiters = w,
						  .n_waiters = n,
						  .queues = &use,
						  .n_queues = 1,
						  .free = &free,
						  .n_candidates = 1,
						  .now_ms = NOW,
						  .grace_ms = GRACE};
		size_t want = free < n ? free : n;

		for (size_t i = 0; i < n; i++) {
			w[i] = waiter((uint32_t)i, random_below(3), 0,
				      random_below(100000));
			w[i].client = random_below(rows[row].clients);
		}
		is_int((long long)assign(&in, slot), (long long)want,
		       "assign: a full table -> as many as there are slots");
	}
}

/* ---- who has to go ------------------------------------------------------- */

static size_t
victim_of(const struct reg_waiter *w, size_t n,
	  const struct reg_waiter *newcomer)
{
	size_t cells = gw_queue_victim_cells(n), victim;
	uint32_t *scratch = malloc(cells * sizeof(*scratch));

	memset(scratch, 0xa5, cells * sizeof(*scratch));
	victim = gw_queue_victim(w, n, newcomer, NOW, scratch);
	free(scratch);
	return victim;
}

static const struct refusal {
	const char *title;
	struct who newcomer;
	char want; /* a digit, '-' = nobody */
	struct who who[SCENE_MAX + 1];
} refusals[] = {
	{"nobody waits", W('A', 'z', 0, 0, 0), '-', {W(0, 0, 0, 0, 0)}},
	/* of the same class */
	{"its equal, one each",
	 W('A', 'z', 1, 0, 0),
	 '0',
	 {W('A', 'a', 1, 0, 9)}},
	{"as many as its own",
	 W('A', 'z', 1, 0, 0),
	 '-',
	 {W('A', 'a', 1, 0, 9), W('A', 'z', 1, 0, 8)}},
	{"more than its own: the latest",
	 W('A', 'z', 1, 0, 0),
	 '1',
	 {W('A', 'a', 1, 0, 9), W('A', 'a', 1, 0, 7), W('A', 'a', 1, 0, 8),
	  W('A', 'z', 1, 0, 1)}},
	{"fewer than its own",
	 W('A', 'z', 1, 0, 0),
	 '-',
	 {W('A', 'a', 1, 0, 9), W('A', 'z', 1, 0, 8), W('A', 'z', 1, 0, 1)}},
	{"who waits most",
	 W('A', 'z', 1, 0, 0),
	 '3',
	 {W('A', 'a', 1, 0, 9), W('A', 'a', 1, 0, 2), W('A', 'b', 1, 0, 6),
	  W('A', 'b', 1, 0, 4), W('A', 'b', 1, 0, 5)}},
	{"of two that wait most the latest",
	 W('A', 'z', 1, 0, 0),
	 '2',
	 {W('A', 'a', 1, 0, 9), W('A', 'a', 1, 0, 4), W('A', 'b', 1, 0, 3),
	  W('A', 'b', 1, 0, 8)}},
	{"of two that wait most, whatever runs, the latest",
	 W('A', 'z', 1, 0, 0),
	 '2',
	 {W('A', 'a', 1, 7, 9), W('A', 'a', 1, 7, 8), W('A', 'b', 1, 0, 3),
	  W('A', 'b', 1, 0, 4)}},
	{"what is in flight does not count",
	 W('A', 'z', 1, 9, 0),
	 '1',
	 {W('A', 'a', 1, 0, 9), W('A', 'a', 1, 0, 5), W('A', 'b', 1, 7, 1)}},
	{"its own, of the same class",
	 W('A', 'z', 1, 0, 0),
	 '-',
	 {W('A', 'z', 1, 0, 9), W('A', 'z', 1, 0, 8)}},
	/* of a worse class */
	{"a worse class, one each",
	 W('A', 'z', 0, 0, 0),
	 '0',
	 {W('A', 'a', 1, 0, 9)}},
	{"a worse class, as many as its own",
	 W('A', 'z', 0, 0, 0),
	 '0',
	 {W('A', 'a', 1, 0, 9), W('A', 'z', 0, 0, 8)}},
	{"a worse class that asks for less",
	 W('A', 'z', 0, 0, 0),
	 '-',
	 {W('A', 'a', 2, 0, 9), W('A', 'z', 0, 0, 8), W('A', 'z', 0, 0, 7)}},
	{"a worse class, risen to its own by 30 s",
	 W('A', 'z', 0, 0, 0),
	 '-',
	 {W('A', 'a', 1, 0, 30000), W('A', 'z', 0, 0, 8)}},
	{"a worse class, just not risen",
	 W('A', 'z', 0, 0, 0),
	 '0',
	 {W('A', 'a', 1, 0, 29999), W('A', 'z', 0, 0, 8)}},
	{"of as many the worse class",
	 W('A', 'z', 0, 0, 0),
	 '0',
	 {W('A', 'a', 2, 0, 9), W('A', 'b', 1, 0, 2), W('A', 'c', 0, 0, 1)}},
	{"who waits most before the worst class",
	 W('A', 'z', 0, 0, 0),
	 '2',
	 {W('A', 'a', 2, 0, 9), W('A', 'b', 0, 0, 8), W('A', 'b', 0, 0, 7)}},
	/* of a better class */
	{"a better class, one each",
	 W('A', 'z', 2, 0, 0),
	 '-',
	 {W('A', 'a', 1, 0, 9), W('A', 'b', 0, 0, 8)}},
	{"a better class that has more than one",
	 W('A', 'z', 2, 0, 0),
	 '1',
	 {W('A', 'a', 1, 0, 9), W('A', 'a', 1, 0, 8)}},
	{"a better class that has as many",
	 W('A', 'z', 2, 0, 0),
	 '-',
	 {W('A', 'a', 1, 0, 9), W('A', 'a', 1, 0, 8), W('A', 'z', 2, 0, 7),
	  W('A', 'z', 2, 0, 6)}},
	{"better by its waiting, one each",
	 W('A', 'z', 1, 0, 0),
	 '-',
	 {W('A', 'a', 1, 0, 30000)}},
	{"a moved request, risen: a later one of its own",
	 W('A', 'z', 1, 0, 30000),
	 '1',
	 {W('A', 'a', 1, 0, 9), W('A', 'z', 1, 0, 8)}},
	/* of another queue */
	{"another queue's",
	 W('A', 'z', 0, 0, 0),
	 '-',
	 {W('B', 'a', 2, 0, 9), W('B', 'a', 2, 0, 8)}},
	{"another queue's do not count",
	 W('A', 'z', 1, 0, 0),
	 '3',
	 {W('B', 'a', 1, 0, 9), W('B', 'a', 1, 0, 8), W('A', 'b', 1, 0, 7),
	  W('A', 'b', 1, 0, 6), W('A', 'a', 1, 0, 5), W('B', 'z', 1, 0, 4),
	  W('B', 'z', 1, 0, 3)}},
};

static void
victim(const struct refusal *s)
{
	struct who newcomer[] = {s->newcomer, W(0, 0, 0, 0, 0)};
	struct reg_waiter w[SCENE_MAX], turned[SCENE_MAX], z[1];
	size_t n = waiters_of(s->who, w), got;
	bool same = true;
	char digit = '-';

	waiters_of(newcomer, z);
	z->number = 0;
	for (size_t turn = 0; same && turn < 2 * n + 1; turn++) {
		for (size_t i = 0; i < n; i++)
			turned[i] = w[turn < n ? (i + turn) % n
					       : (2 * n - 1 - i + turn) % n];
		got = victim_of(turned, n, z);
		digit = got == GW_QUEUE_NOBODY
				? '-'
				: (char)('0' + turned[got].ref.index);
		same = digit == s->want;
	}
	if (!ok(same, "victim: %s -> %c", s->title, s->want))
		printf("# got: %c\n", digit);
}

/* Clients send whatever they like; as long as they are fewer than the places,
 * each has one in that nobody takes away. */
static void
everybody_gets_in(void)
{
	struct reg_waiter w[16];
	unsigned count[15] = {0}, refused = 0, emptied = 0, others = 0;

	for (unsigned i = 0; i < GW_ARRAY_LEN(w); i++) {
		w[i] = waiter(i, 0, 0, 100000 - i);
		w[i].client = 0;
		count[0]++;
	}
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t client = random_below(15);
		struct reg_waiter z = waiter(0, client % 3, 0, 99000 - i / 2);
		size_t v;

		z.client = client;
		v = victim_of(w, GW_ARRAY_LEN(w), &z);
		if (v == GW_QUEUE_NOBODY) {
			refused += count[client] == 0;
			continue;
		}
		emptied += --count[w[v].client] == 0;
		others += client != w[v].client;
		count[client]++;
		z.ref.index = (uint32_t)v;
		w[v] = z;
	}
	ok(refused == 0 && emptied == 0,
	   "victim: fewer clients than places -> each keeps one");
	ok(others > 100, "victim: which took %u displaced ones", others);
}

/* ---- what a waiter is told ----------------------------------------------- */

static void
places(void)
{
	static const struct who who[] = {
		W('A', 'a', 1, 0, 500), W('A', 'b', 1, 1, 900),
		W('A', 'c', 0, 5, 10),	W('B', 'd', 0, 0, 9000),
		W('A', 'e', 2, 0, 100), W('B', 'f', 2, 0, 7),
		W('A', 'g', 2, 0, 99),	W(0, 0, 0, 0, 0)};
	static const uint32_t want[] = {2, 3, 1, 1, 4, 2, 5};
	struct reg_waiter w[SCENE_MAX], z;
	size_t n = waiters_of(who, w);
	uint32_t scratch[SCENE_MAX], position[SCENE_MAX];
	struct gw_queue_place place;
	unsigned wrong = 0;

	gw_queue_positions(w, n, NOW, scratch, position);
	for (size_t i = 0; i < n; i++) {
		bool a = w[i].queue == 'A';

		gw_queue_place(w, n, &w[i], NOW, &place);
		wrong += place.position != want[i] || position[i] != want[i];
		wrong += place.waiting != (a ? 5 : 2);
		wrong += place.longest_ms != (a ? 900 : 9000);
	}
	is_int(wrong, 0, "place: of each waiter -> by the order, in its queue");
	z = w[6];
	z.came_ms = NOW;
	z.number = 0;
	gw_queue_place(w, n, &z, NOW, &place);
	ok(place.position == 6 && place.waiting == 6 && place.longest_ms == 900,
	   "place: of a newcomer -> counted as well");
	gw_queue_place(w, 0, &z, NOW + 5, &place);
	ok(place.position == 1 && place.waiting == 1 && place.longest_ms == 5,
	   "place: alone -> the first, and waits longest");
	gw_queue_positions(w, 0, NOW, scratch, position);
	gw_queue_positions(w, 1, NOW, scratch, position);
	is_int(position[0], 1, "place: of one -> 1");
}

static void
all_places(void)
{
	static struct book b;
	uint32_t scratch[BOOK_WAITERS], position[BOOK_WAITERS];
	struct gw_queue_place place;
	unsigned wrong = 0;

	for (unsigned i = 0; i < 5000; i++) {
		write_book(&b);
		gw_queue_positions(b.w, b.in.n_waiters, NOW, scratch, position);
		for (size_t k = 0; k < b.in.n_waiters; k++) {
			gw_queue_place(b.w, b.in.n_waiters, &b.w[k], NOW,
				       &place);
			wrong += place.position != position[k];
		}
	}
	is_int(wrong, 0, "place: of all at once -> as of each");
}

static void
waits(void)
{
	static const struct {
		uint32_t position;
		uint64_t interval_ms, longest_ms;
		uint32_t wait_s, retry_after_s;
	} rows[] = {
		{1, 1000, 0, 1, 1},
		{1, 1, 0, 1, 1},
		{3, 4000, 99, 12, 12},
		{1, 1001, 0, 2, 2},
		{3, 333, 0, 1, 1},
		{3, 334, 0, 2, 2},
		{60, 1000, 0, 60, 60},
		{61, 1000, 0, 61, 60},
		{64, 120000, 0, 7680, 60},
		{4, 0, 500, 2, 2},
		{4, 0, 501, 3, 3},
		{4, 0, 0, 1, 1},
		{1, 0, 59001, 60, 60},
		{1, 86400000, 0, 86400, 60},
		{1, 86400001, 0, 86400, 60},
		{2, 43200001, 0, 86400, 60},
		{2, UINT64_C(1) << 63, 0, 86400, 60},
		{UINT32_MAX, UINT64_MAX, UINT64_MAX, 86400, 60},
		{UINT32_MAX, 0, UINT64_MAX, 86400, 60},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		uint32_t wait_s =
			gw_queue_wait_s(rows[i].position, rows[i].interval_ms,
					rows[i].longest_ms);
		uint32_t after_s = gw_queue_retry_after_s(rows[i].position,
							  rows[i].interval_ms,
							  rows[i].longest_ms);

		ok(wait_s == rows[i].wait_s && after_s == rows[i].retry_after_s,
		   "wait: the %u., one each %llu ms, the first for %llu -> "
		   "%u s, Retry-After %u",
		   rows[i].position, (unsigned long long)rows[i].interval_ms,
		   (unsigned long long)rows[i].longest_ms, wait_s, after_s);
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
	standing_still();
	newcomers();
	books();
	crowds();
	for (size_t i = 0; i < GW_ARRAY_LEN(refusals); i++)
		victim(&refusals[i]);
	everybody_gets_in();
	places();
	all_places();
	waits();
	return done_testing();
}
