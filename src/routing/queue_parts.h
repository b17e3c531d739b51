/* SPDX-License-Identifier: MIT */
/*
 * queue_parts.h - what the files of queue_order.h share: a waiter's place in
 * the order as a value, and clients of a queue by number. Nobody else includes
 * it.
 */
#ifndef GW_ROUTING_QUEUE_PARTS_H
#define GW_ROUTING_QUEUE_PARTS_H

#include "base/hash.h"
#include "routing/queue_order.h"

#define GW_QUEUE_NONE UINT32_MAX /* of an index in scratch */

/* gw_waiter_waited_ms - 0 where the clock was read before it came. */
static inline uint64_t
gw_waiter_waited_ms(const struct reg_waiter *w, uint64_t now_ms)
{
	return now_ms > w->came_ms ? now_ms - w->came_ms : 0;
}

/*
 * gw_waiter_ahead - the order, by other numbers of requests in flight than the
 * waiters tell themselves.
 */
static inline bool
gw_waiter_ahead(const struct reg_waiter *a, uint32_t a_in_flight,
		const struct reg_waiter *b, uint32_t b_in_flight,
		uint64_t now_ms)
{
	int32_t a_class = gw_waiter_class(a, now_ms);
	int32_t b_class = gw_waiter_class(b, now_ms);

	if (a_class != b_class)
		return a_class < b_class;
	if (a_in_flight != b_in_flight)
		return a_in_flight < b_in_flight;
	if (a->came_ms != b->came_ms)
		return a->came_ms < b->came_ms;
	if (a->number != b->number) /* 0 is the last */
		return a->number - 1 < b->number - 1;
	return a->ref.index < b->ref.index;
}

/* Clients of queues, numbered as they are met: an open table. */
struct gw_queue_groups {
	const struct reg_waiter *waiters;
	uint32_t *buckets; /* n_buckets: a group, or GW_QUEUE_NONE */
	size_t n_buckets;
	uint32_t *first; /* by group: the waiter that it was made for */
	uint32_t n;
};

/* How many uint32_t gw_queue_groups_init() takes. */
static inline size_t
gw_queue_groups_cells(size_t n_waiters)
{
	return 3 * n_waiters + 1;
}

/* gw_queue_groups_init - none yet; returns what is left of @cells. */
static inline uint32_t *
gw_queue_groups_init(struct gw_queue_groups *g,
		     const struct reg_waiter *waiters, size_t n_waiters,
		     uint32_t *cells)
{
	*g = (struct gw_queue_groups){.waiters = waiters,
				      .buckets = cells,
				      .n_buckets = 2 * n_waiters + 1,
				      .first = cells + 2 * n_waiters + 1};
	memset(g->buckets, 0xff, g->n_buckets * sizeof(*g->buckets));
	return g->first + n_waiters;
}

/* gw_queue_group - the number of a waiter's client in its queue; it is `n` of
 * before where it is the first. */
static inline uint32_t
gw_queue_group(struct gw_queue_groups *g, uint32_t waiter)
{
	const struct reg_waiter *w = &g->waiters[waiter], *first;
	size_t at = gw_hash_slot((w->queue ^ w->client << 1) *
					 UINT64_C(0x9e3779b97f4a7c15),
				 g->n_buckets);

	while (g->buckets[at] != GW_QUEUE_NONE) {
		first = &g->waiters[g->first[g->buckets[at]]];
		if (first->queue == w->queue && first->client == w->client)
			return g->buckets[at];
		at = at + 1 < g->n_buckets ? at + 1 : 0;
	}
	g->first[g->n] = waiter;
	return g->buckets[at] = g->n++;
}

#endif
