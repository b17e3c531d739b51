/* SPDX-License-Identifier: MIT */
/*
 * queue_assign.c - see queue_order.h: who gets a free slot.
 *
 * Within the waiters of one client at one queue the order never changes, since
 * they share the number in flight: each such group is a heap of its own, and
 * only its best one stands in the heap of groups. A slot moves one group there,
 * however many the client has waiting.
 */
#include "routing/queue_order.h"
#include "routing/queue_parts.h"

#define NONE GW_QUEUE_NONE
#define STILL_ROWS 1024 /* rows of the registry, or more */

struct walk {
	const struct gw_queue_slots *in;
	struct gw_queue_groups groups;
	/* pairing heaps, by waiter: the best of each group on top */
	uint32_t *child, *sibling;
	/* by group */
	uint32_t *best;	     /* NONE = nobody left */
	uint32_t *in_flight; /* with what was assigned */
	uint32_t *queue;     /* index into in->queues, NONE = none of them */
	/* the groups, a binary heap */
	uint32_t *heap;
	uint32_t n_heap;
	/* by queue: where it looks for its next slot */
	uint32_t *level; /* candidates that so many queues can use; NONE = none
			  * is left */
	uint32_t *next;	 /* of its candidates */
	uint32_t n_open; /* that have waiters, and may have a slot left */
	uint32_t *buckets; /* index into in->queues by hash, NONE = free */
	size_t n_buckets;
	/* by candidate */
	uint32_t *left;
	uint32_t *users; /* queues with waiters that can use it */
};

size_t
gw_queue_assign_cells(const struct gw_queue_slots *in)
{
	return gw_queue_groups_cells(in->n_waiters) + 6 * in->n_waiters +
	       4 * in->n_queues + 1 + 2 * in->n_candidates;
}

static void
divide(struct walk *w, uint32_t *cells)
{
	const struct gw_queue_slots *in = w->in;
	uint32_t **of_waiters[] = {&w->child,	  &w->sibling, &w->best,
				   &w->in_flight, &w->queue,   &w->heap};

	cells = gw_queue_groups_init(&w->groups, in->waiters, in->n_waiters,
				     cells);
	for (size_t i = 0; i < sizeof(of_waiters) / sizeof(*of_waiters); i++) {
		*of_waiters[i] = cells;
		cells += in->n_waiters;
	}
	w->level = cells;
	w->next = w->level + in->n_queues;
	w->buckets = w->next + in->n_queues;
	w->n_buckets = 2 * in->n_queues + 1;
	w->left = w->buckets + w->n_buckets;
	w->users = w->left + in->n_candidates;
	memset(w->level, 0, in->n_queues * sizeof(*w->level));
	memset(w->next, 0, in->n_queues * sizeof(*w->next));
	memset(w->buckets, 0xff, w->n_buckets * sizeof(*w->buckets));
	for (size_t i = 0; i < in->n_candidates; i++) {
		w->left[i] = in->free[i];
		w->users[i] = 0;
	}
}

/* ---- queues by name ------------------------------------------------------ */

static size_t
bucket_of(const struct walk *w, uint64_t queue)
{
	size_t at = gw_hash_slot(queue * UINT64_C(0x9e3779b97f4a7c15),
				 w->n_buckets);

	while (w->buckets[at] != NONE &&
	       w->in->queues[w->buckets[at]].queue != queue)
		at = at + 1 < w->n_buckets ? at + 1 : 0;
	return at;
}

static void
name_queues(struct walk *w)
{
	for (size_t i = 0; i < w->in->n_queues; i++)
		w->buckets[bucket_of(w, w->in->queues[i].queue)] = (uint32_t)i;
}

/* ---- the waiters of a group ---------------------------------------------- */

static uint32_t
meld(struct walk *w, uint32_t a, uint32_t b)
{
	const struct reg_waiter *waiters = w->in->waiters;
	uint32_t worse = b;

	if (a == NONE || b == NONE)
		return a == NONE ? b : a;
	if (gw_waiter_ahead(&waiters[b], 0, &waiters[a], 0, w->in->now_ms)) {
		worse = a;
		a = b;
	}
	w->sibling[worse] = w->child[a];
	w->child[a] = worse;
	return a;
}

/* The group without its best: its children in pairs, then all of those. */
static uint32_t
rest_of(struct walk *w, uint32_t best)
{
	uint32_t pairs = NONE, rest = NONE, at = w->child[best];

	while (at != NONE) {
		uint32_t a = at, b = w->sibling[a];

		at = b == NONE ? NONE : w->sibling[b];
		a = meld(w, a, b);
		w->sibling[a] = pairs;
		pairs = a;
	}
	while (pairs != NONE) {
		uint32_t a = pairs;

		pairs = w->sibling[a];
		rest = meld(w, rest, a);
	}
	return rest;
}

static bool
is_overdue(const struct gw_queue_slots *in, const struct reg_waiter *waiter)
{
	return !waiter->mine && waiter->called_ms &&
	       in->now_ms >= waiter->called_ms &&
	       in->now_ms - waiter->called_ms >= in->grace_ms;
}

/* Processes that were called that long ago, and did not hear. */
struct still {
	uint64_t rows[STILL_ROWS / 64];
};

static uint64_t
row_bit(const struct reg_waiter *waiter)
{
	return UINT64_C(1) << waiter->row % 64;
}

static void
find_still(const struct gw_queue_slots *in, struct still *still)
{
	*still = (struct still){0};
	for (size_t i = 0; i < in->n_waiters; i++) {
		const struct reg_waiter *waiter = &in->waiters[i];

		if (waiter->unheard && is_overdue(in, waiter))
			still->rows[waiter->row % STILL_ROWS / 64] |=
				row_bit(waiter);
	}
}

static bool
is_passed_over(const struct gw_queue_slots *in, const struct still *still,
	       const struct reg_waiter *waiter)
{
	return is_overdue(in, waiter) ||
	       (!waiter->mine &&
		(still->rows[waiter->row % STILL_ROWS / 64] & row_bit(waiter)));
}

static void
gather(struct walk *w, uint32_t *slot)
{
	const struct gw_queue_slots *in = w->in;
	struct still still;

	find_still(in, &still);
	for (uint32_t i = 0; i < in->n_waiters; i++) {
		const struct reg_waiter *waiter = &in->waiters[i];
		uint32_t before = w->groups.n, g;

		slot[i] = GW_QUEUE_NO_SLOT;
		if (is_passed_over(in, &still, waiter))
			continue;
		g = gw_queue_group(&w->groups, i);
		if (w->groups.n > before) {
			w->best[g] = NONE;
			w->in_flight[g] = 0;
			w->queue[g] = w->buckets[bucket_of(w, waiter->queue)];
		}
		/* read one after the other, they may differ for a moment */
		if (waiter->share_in_flight > w->in_flight[g])
			w->in_flight[g] = waiter->share_in_flight;
		w->child[i] = w->sibling[i] = NONE;
		w->best[g] = meld(w, w->best[g], i);
	}
}

/* ---- the groups ---------------------------------------------------------- */

static bool
is_ahead(const struct walk *w, uint32_t a, uint32_t b)
{
	const struct reg_waiter *waiters = w->in->waiters;

	return gw_waiter_ahead(&waiters[w->best[a]], w->in_flight[a],
			       &waiters[w->best[b]], w->in_flight[b],
			       w->in->now_ms);
}

static void
sink(struct walk *w, size_t i)
{
	uint32_t moved = w->heap[i];

	for (size_t child; (child = 2 * i + 1) < w->n_heap; i = child) {
		if (child + 1 < w->n_heap &&
		    is_ahead(w, w->heap[child + 1], w->heap[child]))
			child++;
		if (!is_ahead(w, w->heap[child], moved))
			break;
		w->heap[i] = w->heap[child];
	}
	w->heap[i] = moved;
}

/* Groups of queues that are known, and how many queues want each candidate. */
static void
line_up(struct walk *w)
{
	for (uint32_t g = 0; g < w->groups.n; g++) {
		const struct gw_queue_use *q;

		if (w->queue[g] == NONE)
			continue;
		w->heap[w->n_heap++] = g;
		q = &w->in->queues[w->queue[g]];
		if (w->level[w->queue[g]]++)
			continue; /* its queue has been counted */
		w->n_open++;
		for (uint32_t i = 0; i < q->n_candidates; i++)
			w->users[q->candidates[i]]++;
	}
	for (size_t i = 0; i < w->in->n_queues; i++)
		w->level[i] = 0;
	for (size_t i = w->n_heap / 2; i-- > 0;)
		sink(w, i);
}

/* ---- slots --------------------------------------------------------------- */

/*
 * The next candidate with a free slot, those first that few others want. Slots
 * only get fewer: what a queue went past is not looked at again.
 */
static uint32_t
slot_for(struct walk *w, uint32_t queue)
{
	const struct gw_queue_use *q = &w->in->queues[queue];
	uint32_t level = w->level[queue], next_level;

	while (level != NONE) {
		for (uint32_t i = w->next[queue]; i < q->n_candidates; i++) {
			uint32_t c = q->candidates[i];

			if (w->users[c] == level && w->left[c] > 0) {
				w->next[queue] = i;
				return c;
			}
		}
		next_level = NONE;
		for (uint32_t i = 0; i < q->n_candidates; i++) {
			uint32_t c = q->candidates[i];

			if (w->left[c] > 0 && w->users[c] > level &&
			    w->users[c] < next_level)
				next_level = w->users[c];
		}
		w->level[queue] = level = next_level;
		w->next[queue] = 0;
		w->n_open -= level == NONE;
	}
	return NONE;
}

size_t
gw_queue_assign(const struct gw_queue_slots *in, uint32_t *scratch,
		uint32_t *slot)
{
	struct walk w = {.in = in};
	size_t assigned = 0;

	divide(&w, scratch);
	name_queues(&w);
	gather(&w, slot);
	line_up(&w);
	while (w.n_heap > 0 && w.n_open > 0) {
		uint32_t g = w.heap[0], waiter = w.best[g];
		uint32_t c = slot_for(&w, w.queue[g]);

		if (c != NONE) {
			slot[waiter] = c;
			assigned++;
			if (w.left[c] != GW_QUEUE_UNBOUNDED)
				w.left[c]--;
			w.in_flight[g]++;
			w.best[g] = rest_of(&w, waiter);
		}
		/* no slot for it is none for whoever else is in its group */
		if (c == NONE || w.best[g] == NONE)
			w.heap[0] = w.heap[--w.n_heap];
		if (w.n_heap > 0)
			sink(&w, 0);
	}
	return assigned;
}
