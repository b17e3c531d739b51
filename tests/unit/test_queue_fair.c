/* SPDX-License-Identifier: MIT */
/*
 * test_queue_fair.c - an hour of 20 clients of 3 classes at one alias, by a clock
 * that is moved by hand: does anybody starve, and who gets how much?
 *
 * Nothing here is the gateway's but the order: clients keep as many requests
 * open as they like, come again after what Retry-After says when they were
 * refused, and go away after queue.timeout_s.
 */
#include "routing/queue_order.h"

#include "base/cleanup.h"
#include "tap.h"

#define HOUR_MS UINT64_C(3600000)
#define CLIENTS 20
#define REQUESTS_MAX 512
#define CANDIDATES 2
#define GRACE_MS 250
#define NEVER UINT64_MAX

/* ---- what is played ------------------------------------------------------- */

struct kind {
	uint32_t rank;
	unsigned open;	  /* requests that such a client has open at once */
	unsigned clients;
};

struct play {
	const char *title;
	struct kind kinds[9]; /* CLIENTS of them in all */
	uint32_t slots[CANDIDATES];
	uint64_t service_ms; /* 0.1 to 1.9 times that, evenly */
	uint32_t queue_max;
	uint64_t timeout_ms;
	uint64_t longest_ms;	/* from asking first to the slot, whatever
				 * happens in between: nobody waits longer */
};

struct client {
	const struct kind *kind;
	uint32_t in_flight;
	uint64_t slot_ms, longest_ms;
	unsigned served, refused, displaced, timed_out;
};

enum state {
	ASKS,	 /* at due_ms */
	WAITS,	 /* until due_ms */
	RUNS	 /* until due_ms */
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
	unsigned idle_slots, late, overtaken;
};

static uint64_t
random_below(struct world *w, uint64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % n;
}

/* ---- the order is asked ------------------------------------------------------ */

struct seen {
	struct reg_waiter waiters[REQUESTS_MAX];
	struct request *of[REQUESTS_MAX];
	size_t n;
};

static struct reg_waiter
waiter_of(const struct world *w, const struct request *r)
{
	return (struct reg_waiter){
		.ref = {(uint32_t)(r - w->requests), 0},
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

static void
runs(struct world *w, struct request *r, uint32_t candidate)
{
	uint64_t service_ms =
		w->play->service_ms / 10 +
		random_below(w, w->play->service_ms * 18 / 10 + 1);
	struct client *c = r->client;

	if (w->now_ms - r->first_ms > c->longest_ms)
		c->longest_ms = w->now_ms - r->first_ms;
	w->free[candidate]--;
	c->in_flight++;
	c->served++;
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
	uint64_t classes = w->rank + 1 > later->rank
				   ? w->rank + 1 - later->rank
				   : 0;

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
		if (slot[i] == GW_QUEUE_NO_SLOT) {
			w->idle_slots += w->free[0] + w->free[1] > 0;
			continue;
		}
		for (size_t j = 0; j < s.n; j++)
			w->overtaken += slot[j] == GW_QUEUE_NO_SLOT &&
					!may_overtake(&s.waiters[i],
						      &s.waiters[j]);
		if (s.of[i]->due_ms != NEVER) { /* it did wait */
			uint64_t since_ms = w->now_ms - w->moved_ms;

			w->interval_ms += since_ms / 8;
			w->interval_ms -= w->interval_ms / 8;
			w->moved_ms = w->now_ms;
		}
		runs(w, s.of[i], slot[i]);
	}
}

/* ---- what happens -------------------------------------------------------------- */

static void
asks_again(struct world *w, struct request *r, uint32_t position)
{
	r->state = ASKS;
	r->due_ms = w->now_ms + random_below(w, 1000) +
		    UINT64_C(1000) * gw_queue_retry_after_s(
					     position, w->interval_ms,
					     w->now_ms - w->moved_ms);
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
	read_waiters(w, &s);
	r->state = WAITS;
	r->due_ms = NEVER;
	look(w);
	if (r->state == RUNS)
		return;
	if (s.n >= w->play->queue_max) {
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
		w->late += next->due_ms < w->now_ms;
		w->now_ms = next->due_ms;
		happens(w, next);
	}
	/* who still waits has waited, too */
	for (size_t i = 0; i < w->n_requests; i++) {
		struct request *r = &w->requests[i];

		if (r->state != RUNS && r->first_ms &&
		    w->now_ms - r->first_ms > r->client->longest_ms)
			r->client->longest_ms = w->now_ms - r->first_ms;
	}
}

int
main(void)
{
	static struct world w;
	static const struct play plays[] = {
	{"a queue with room for all",
	 {{0, 30, 2}, {0, 6, 3}, {0, 1, 2}, {1, 30, 2}, {1, 6, 3}, {1, 1, 2}, {2, 30, 2}, {2, 6, 2}, {2, 1, 2}},
	 {10, 6}, 1000, 10000, HOUR_MS, 90000},
	{"a queue of 64",
	 {{0, 30, 2}, {0, 6, 3}, {0, 1, 2}, {1, 30, 2}, {1, 6, 3}, {1, 1, 2}, {2, 30, 2}, {2, 6, 2}, {2, 1, 2}},
	 {10, 6}, 1000, 64, 120000, 90000},
	{"few slots, long",
	 {{0, 30, 2}, {0, 6, 3}, {0, 1, 2}, {1, 30, 2}, {1, 6, 3}, {1, 1, 2}, {2, 30, 2}, {2, 6, 2}, {2, 1, 2}},
	 {3, 1}, 2000, 64, 120000, 90000},
	};
	for (unsigned p = 0; p < 3; p++) {
		unsigned long t = cpu_ms();
		play(&w, &plays[p], 12345);
		printf("%s: idle %u late %u overtaken %u cpu %lu interval %lu\n", plays[p].title, w.idle_slots, w.late, w.overtaken, cpu_ms() - t, (unsigned long)w.interval_ms);
		for (int i = 0; i < CLIENTS; i++) {
			struct client *c = &w.clients[i];
			printf("  rank %u open %2u: served %5u slot_s %7.1f longest %6.1f refused %6u displaced %5u timed out %u\n", c->kind->rank, c->kind->open, c->served, (double)c->slot_ms / 1000, (double)c->longest_ms / 1000, c->refused, c->displaced, c->timed_out);
		}
	}
	return 0;
}
