/* SPDX-License-Identifier: MIT */
/* queue_victim.c - see queue_order.h: whom a newcomer to a full queue
 * displaces. */
#include "routing/queue_order.h"
#include "routing/queue_parts.h"

struct crowd {
	const struct reg_waiter *waiters;
	const uint32_t *waiting; /* by group */
	const uint32_t *group;	 /* by waiter */
	uint64_t now_ms;
};

/* Would @a rather go than @b? */
static bool
goes_first(const struct crowd *c, size_t a, size_t b)
{
	const struct reg_waiter *wa = &c->waiters[a], *wb = &c->waiters[b];
	uint32_t a_waiting = c->waiting[c->group[a]];
	uint32_t b_waiting = c->waiting[c->group[b]];

	if (a_waiting != b_waiting)
		return a_waiting > b_waiting;
	/* the order without what is in flight: the last of it */
	return gw_waiter_ahead(wb, 0, wa, 0, c->now_ms);
}

/*
 * May a newcomer whose client has @own waiting displace one whose client has
 * @waiting? A better class alone does not push out clients that ask for less
 * than the newcomer's: they would never get in to rise.
 */
static bool
may_displace(const struct reg_waiter *newcomer, uint32_t own,
	     const struct reg_waiter *w, uint32_t waiting, uint64_t now_ms)
{
	int32_t class = gw_waiter_class(newcomer, now_ms);
	int32_t its = gw_waiter_class(w, now_ms);

	if (class < its)
		return waiting >= own;
	return waiting > own && (class == its || waiting > 1);
}

size_t
gw_queue_victim_cells(size_t n_waiters)
{
	return gw_queue_groups_cells(n_waiters) + 2 * n_waiters;
}

size_t
gw_queue_victim(const struct reg_waiter *waiters, size_t n,
		const struct reg_waiter *newcomer, uint64_t now_ms,
		uint32_t *scratch)
{
	struct gw_queue_groups groups;
	uint32_t *waiting = gw_queue_groups_init(&groups, waiters, n, scratch);
	uint32_t *group = waiting + n;
	const struct crowd crowd = {waiters, waiting, group, now_ms};
	size_t victim = GW_QUEUE_NOBODY;
	uint32_t own = 0; /* of the newcomer's client */

	memset(waiting, 0, n * sizeof(*waiting));
	for (size_t i = 0; i < n; i++) {
		if (waiters[i].queue != newcomer->queue)
			continue;
		group[i] = gw_queue_group(&groups, (uint32_t)i);
		waiting[group[i]]++;
		own += waiters[i].client == newcomer->client;
	}
	for (size_t i = 0; i < n; i++) {
		if (waiters[i].queue != newcomer->queue ||
		    !may_displace(newcomer, own, &waiters[i], waiting[group[i]],
				  now_ms))
			continue;
		if (victim == GW_QUEUE_NOBODY || goes_first(&crowd, i, victim))
			victim = i;
	}
	return victim;
}
