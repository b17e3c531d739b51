/* SPDX-License-Identifier: MIT */
/*
 * test_queue_fair.c - an hour of 20 clients of 3 classes at one alias, by a
 * clock that is moved by hand: does anybody starve, and who gets how much?
 *
 * Nothing here is the gateway's but the order: clients keep as many requests
 * open as they like, come again after what Retry-After says when they were
 * refused, and give up after queue.timeout_s, to ask anew.
 */
#include "routing/queue_order.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "tap.h"

#define HOUR_MS UINT64_C(3600000)
#define CLIENTS 20
#define REQUESTS_MAX 512
#define CANDIDATES 2
#define GRACE_MS 250
#define NEVER UINT64_MAX

/* ---- what is played ------------------------------------------------------ */

struct kind {
	uint32_t rank;
	unsigned clients;
	unsigned open;	     /* requests that each of them has open at once */
	uint64_t service_ms; /* what one takes: half to one and a half of it */
	char equals; /* kinds of the same letter ought to get the same; 0 = any
		      */
};

#define KINDS_MAX 10

struct play {
	const char *title;
	struct kind kinds[KINDS_MAX]; /* CLIENTS in all, REQUESTS_MAX open */
	uint32_t slots[CANDIDATES];
	uint32_t queue_max;
	uint64_t timeout_ms;
	/* no client that asks for something goes longer without a slot */
	uint64_t dry_ms;
	/* and no request waits longer for one; 0 = where some are refused each
	 * time, of a client that asks for far more than it can get */
	uint64_t longest_ms;
};

struct client {
	const struct kind *kind;
	uint32_t in_flight;
	uint64_t slot_ms, dry_ms, got_ms, longest_ms;
	unsigned served, refused, displaced, timed_out;
};

enum state {
	ASKS,  /* at due_ms */
	WAITS, /* until due_ms, and asks again */
	RUNS   /* until due_ms */
};

struct request {
	struct client *client;
	enum state state;
	uint32_t candidate;
	uint64_t due_ms, first_ms, came_ms, number;
};

struct world {
	const struct play *play;
	uint64_t now_ms, random, numbers, moved_ms, interval_ms;
	struct client clients[CLIENTS];
	struct request requests[REQUESTS_MAX];
	size_t n_requests;
	uint32_t free[CANDIDATES];
	/* what must never be */
	unsigned idle, overtaken;
};

static uint64_t
random_below(struct world *w, uint64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % n;
}

/* ---- the order is asked -------------------------------------------------- */

struct seen {
	struct reg_waiter waiters[REQUESTS_MAX];
	struct request *of[REQUESTS_MAX];
	size_t n;
};

static struct reg_waiter
waiter_of(const struct world *w, const struct request *r)
{
	return (struct reg_waiter){.ref = {(uint32_t)(r - w->requests), 0},
				   .mine = true,
				   .queue = 1,
				   .client = (uint64_t)(r->client - w->clients),
				   .share_in_flight = r->client->in_flight,
				   .rank = r->client->kind->rank,
				   .came_ms = r->came_ms,
				   .number = r->number};
}

static void
read_waiters(struct world *w, struct seen *s)
{
	s->n = 0;
	for (size_t i = 0; i < w->n_requests; i++)
		if (w->requests[i].state == WAITS) {
			s->of[s->n] = &w->requests[i];
			s->waiters[s->n++] = waiter_of(w, &w->requests[i]);
		}
}

/* How long has a client asked for something and got nothing? */
static void
note_dry(struct world *w, struct client *c)
{
	uint64_t since_ms = w->now_ms;

	for (size_t i = 0; i < w->n_requests; i++) {
		const struct request *r = &w->requests[i];

		if (r->client == c && r->state != RUNS && r->first_ms &&
		    r->first_ms < since_ms)
			since_ms = r->first_ms;
	}
	if (since_ms < c->got_ms)
		since_ms = c->got_ms;
	if (w->now_ms > since_ms && w->now_ms - since_ms > c->dry_ms)
		c->dry_ms = w->now_ms - since_ms;
}

static void
runs(struct world *w, struct request *r, uint32_t candidate)
{
	struct client *c = r->client;
	uint64_t service_ms = c->kind->service_ms / 2 +
			      random_below(w, c->kind->service_ms + 1);

	note_dry(w, c);
	if (w->now_ms - r->first_ms > c->longest_ms)
		c->longest_ms = w->now_ms - r->first_ms;
	w->free[candidate]--;
	c->in_flight++;
	c->served++;
	c->got_ms = w->now_ms;
	c->slot_ms += service_ms;
	r->state = RUNS;
	r->candidate = candidate;
	r->due_ms = w->now_ms + service_ms;
}

/* One that came later is served before one that waits only by its class, and
 * that ends: by the 30 s of a class each, and 30 s that make no class yet. */
static bool
may_overtake(const struct reg_waiter *later, const struct reg_waiter *w)
{
	uint64_t classes =
		w->rank + 1 > later->rank ? w->rank + 1 - later->rank : 0;

	return later->came_ms < w->came_ms + 30000 * classes;
}

static void
look(struct world *w)
{
	static const uint32_t both[CANDIDATES] = {0, 1};
	static const struct gw_queue_use use = {1, both, CANDIDATES};
	static uint32_t scratch[16 * REQUESTS_MAX], slot[REQUESTS_MAX];
	static struct seen s;
	struct gw_queue_slots in;
	size_t given = 0;

	if (w->free[0] + w->free[1] == 0)
		return;
	read_waiters(w, &s);
	in = (struct gw_queue_slots){.waiters = s.waiters,
				     .n_waiters = s.n,
				     .queues = &use,
				     .n_queues = 1,
				     .free = w->free,
				     .n_candidates = CANDIDATES,
				     .now_ms = w->now_ms,
				     .grace_ms = GRACE_MS};
	if (gw_queue_assign_cells(&in) > GW_ARRAY_LEN(scratch))
		abort();
	gw_queue_assign(&in, scratch, slot);
	for (size_t i = 0; i < s.n; i++) {
		if (slot[i] == GW_QUEUE_NO_SLOT)
			continue;
		for (size_t j = 0; j < s.n; j++)
			w->overtaken +=
				slot[j] == GW_QUEUE_NO_SLOT &&
				!may_overtake(&s.waiters[i], &s.waiters[j]);
		if (s.of[i]->due_ms != NEVER) { /* it did wait */
			uint64_t since_ms = w->now_ms - w->moved_ms;

			w->interval_ms += since_ms / 8;
			w->interval_ms -= w->interval_ms / 8;
			w->moved_ms = w->now_ms;
		}
		runs(w, s.of[i], slot[i]);
		given++;
	}
	w->idle += given < s.n && w->free[0] + w->free[1] > 0;
}

/* ---- what happens -------------------------------------------------------- */

static void
asks_again(struct world *w, struct request *r, uint32_t position)
{
	r->state = ASKS;
	r->due_ms = w->now_ms + random_below(w, 1000) +
		    UINT64_C(1000) *
			    gw_queue_retry_after_s(position, w->interval_ms,
						   w->now_ms - w->moved_ms);
}

static size_t
waiting(const struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_requests; i++)
		n += w->requests[i].state == WAITS;
	return n;
}

static void
asks(struct world *w, struct request *r)
{
	static uint32_t scratch[16 * REQUESTS_MAX];
	static struct seen s;
	struct reg_waiter newcomer;
	size_t victim;

	if (!r->first_ms)
		r->first_ms = w->now_ms;
	r->came_ms = w->now_ms;
	r->number = 0;
	r->state = WAITS;
	r->due_ms = NEVER;
	look(w);
	if (r->state == RUNS)
		return;
	r->state = ASKS;
	if (waiting(w) >= w->play->queue_max) {
		read_waiters(w, &s);
		newcomer = waiter_of(w, r);
		if (gw_queue_victim_cells(s.n) > GW_ARRAY_LEN(scratch))
			abort();
		victim = gw_queue_victim(s.waiters, s.n, &newcomer, w->now_ms,
					 scratch);
		if (victim == GW_QUEUE_NOBODY) {
			r->client->refused++;
			asks_again(w, r, (uint32_t)s.n + 1);
			return;
		}
		s.of[victim]->client->displaced++;
		asks_again(w, s.of[victim], (uint32_t)s.n);
	}
	r->state = WAITS;
	r->number = ++w->numbers;
	r->due_ms = w->now_ms + w->play->timeout_ms;
}

static void
happens(struct world *w, struct request *r)
{
	switch (r->state) {
	case ASKS:
		asks(w, r);
		break;
	case WAITS:
		r->client->timed_out++;
		asks_again(w, r, 1);
		break;
	case RUNS:
		r->client->in_flight--;
		w->free[r->candidate]++;
		r->state = ASKS;
		r->first_ms = 0;
		r->due_ms = w->now_ms + 1 + random_below(w, 20);
		look(w);
		break;
	}
}

static void
play(struct world *w, const struct play *p, uint64_t seed)
{
	struct client *c = w->clients;

	memset(w, 0, sizeof(*w));
	w->play = p;
	w->random = seed;
	w->now_ms = w->moved_ms = 1000000;
	memcpy(w->free, p->slots, sizeof(w->free));
	for (const struct kind *k = p->kinds; k->clients; k++)
		for (unsigned i = 0; i < k->clients; i++, c++) {
			c->kind = k;
			for (unsigned j = 0; j < k->open; j++)
				w->requests[w->n_requests++] = (struct request){
					.client = c,
					.due_ms = w->now_ms +
						  random_below(w, 1000)};
		}
	while (w->now_ms < 1000000 + HOUR_MS) {
		struct request *next = w->requests;

		for (size_t i = 1; i < w->n_requests; i++)
			if (w->requests[i].due_ms < next->due_ms)
				next = &w->requests[i];
		w->now_ms = next->due_ms;
		happens(w, next);
	}
	for (size_t i = 0; i < CLIENTS; i++) /* who still asks, too */
		note_dry(w, &w->clients[i]);
}

/* ---- what came of it ----------------------------------------------------- */

static void
print(const struct world *w)
{
	for (const struct client *c = w->clients; c < w->clients + CLIENTS; c++)
		printf("# class %u, %2u open, %4llu ms: %5u served, %7.1f s of "
		       "slots, %5.1f s without, %6.1f s the longest; %u "
		       "refused, %u displaced, "
		       "%u timed out\n",
		       c->kind->rank, c->kind->open,
		       (unsigned long long)c->kind->service_ms, c->served,
		       (double)c->slot_ms / 1000, (double)c->dry_ms / 1000,
		       (double)c->longest_ms / 1000, c->refused, c->displaced,
		       c->timed_out);
}

/* The share of each client among its equals, in percent of the fair one: the
 * one that is farthest from 100. */
static double
farthest_share(const struct world *w, char equals)
{
	double sum = 0, farthest = 100;
	unsigned n = 0;

	for (size_t i = 0; i < CLIENTS; i++)
		if (w->clients[i].kind->equals == equals) {
			sum += (double)w->clients[i].slot_ms;
			n++;
		}
	for (size_t i = 0; i < CLIENTS; i++)
		if (w->clients[i].kind->equals == equals) {
			double share =
				100.0 * n * (double)w->clients[i].slot_ms / sum;
			double off = share > 100 ? share - 100 : 100 - share;
			double most = farthest > 100 ? farthest - 100
						     : 100 - farthest;

			if (off > most)
				farthest = share;
		}
	return farthest;
}

static void
judge(const struct world *w, uint64_t seed)
{
	const struct play *p = w->play;
	uint64_t dry_ms = 0, longest_ms = 0, slot_ms = 0, slots = 0;
	unsigned unserved = 0;
	char equals[KINDS_MAX + 1] = "";

	for (size_t i = 0; i < CLIENTS; i++) {
		const struct client *c = &w->clients[i];

		unserved += c->served == 0;
		slot_ms += c->slot_ms;
		if (c->dry_ms > dry_ms)
			dry_ms = c->dry_ms;
		if (c->longest_ms > longest_ms)
			longest_ms = c->longest_ms;
		if (c->kind->equals && !strchr(equals, c->kind->equals))
			equals[strlen(equals)] = c->kind->equals;
	}
	for (size_t i = 0; i < CANDIDATES; i++)
		slots += p->slots[i];
	print(w);
	ok(unserved == 0 && dry_ms <= p->dry_ms,
	   "%s, %llu: nobody starves: %.1f s without a slot at most, of %.0f",
	   p->title, (unsigned long long)seed, (double)dry_ms / 1000,
	   (double)p->dry_ms / 1000);
	if (p->longest_ms)
		ok(longest_ms <= p->longest_ms,
		   "%s, %llu: no request waits longer than %.0f s: %.1f",
		   p->title, (unsigned long long)seed,
		   (double)p->longest_ms / 1000, (double)longest_ms / 1000);
	for (const char *e = equals; *e; e++) {
		double share = farthest_share(w, *e);

		ok(share > 90 && share < 110,
		   "%s, %llu: equals %c: within 10 %% of fair: %.1f %%",
		   p->title, (unsigned long long)seed, *e, share);
	}
	ok(w->idle == 0 && slot_ms > slots * HOUR_MS * 97 / 100,
	   "%s, %llu: nothing waits while a slot is free", p->title,
	   (unsigned long long)seed);
	ok(w->overtaken == 0,
	   "%s, %llu: only a better class comes later and is served before",
	   p->title, (unsigned long long)seed);
}

/* Each client's appetite and what it ought to be compared with. */
#define CROWD(ms)                                                              \
	{                                                                      \
		{0, 2, 50, ms, 'a'}, {0, 3, 6, ms, 'b'}, {0, 2, 1, ms, 'c'},   \
			{1, 2, 50, ms, 'd'}, {1, 3, 6, ms, 'e'},               \
			{1, 2, 1, ms, 'f'}, {2, 2, 50, ms, 'g'},               \
			{2, 2, 6, ms, 'h'}, {2, 2, 1, ms, 'i'},                \
	}

static const struct play plays[] = {
	{"a queue with room for all",
	 CROWD(1000),
	 {10, 6},
	 REQUESTS_MAX,
	 HOUR_MS,
	 75000,
	 120000},
	{"a queue of 64", CROWD(1000), {10, 6}, 64, 120000, 75000, 0},
	{"few slots", CROWD(2000), {3, 1}, 64, 120000, 75000, 0},
	/* Where a client can have several slots at once it is the slots that
	 * are shared evenly, whoever has more waiting, and however long they
	 * take. */
	{"slots for several each",
	 {{0, 5, 1, 500, 'a'},
	  {1, 3, 40, 1000, 'b'},
	  {1, 3, 15, 1000, 'b'},
	  {1, 3, 20, 3000, 'b'},
	  {2, 6, 6, 1000, 'c'}},
	 {24, 16},
	 REQUESTS_MAX,
	 120000,
	 45000,
	 60000},
};

int
main(void)
{
	static const uint64_t seeds[] = {12345, 67890, 424242};
	static struct world w;

	for (size_t i = 0; i < GW_ARRAY_LEN(plays); i++)
		for (size_t k = 0; k < GW_ARRAY_LEN(seeds); k++) {
			play(&w, &plays[i], seeds[k]);
			judge(&w, seeds[k]);
		}
	return done_testing();
}
