/* SPDX-License-Identifier: MIT */
/* queue_order.c - see queue_order.h: the order itself, and places in it. */
#include "routing/queue_order.h"

#include "routing/queue_parts.h"

int32_t
gw_waiter_class(const struct reg_waiter *w, uint64_t now_ms)
{
	uint64_t risen = gw_waiter_waited_ms(w, now_ms) / GW_QUEUE_RISE_MS;
	uint64_t rank = w->rank < INT32_MAX ? w->rank : INT32_MAX;

	/* the garbage that a damaged segment may hold has a class, too */
	if (risen >= rank + INT32_MAX)
		return INT32_MIN;
	return (int32_t)((int64_t)rank - (int64_t)risen);
}

bool
gw_waiter_before(const struct reg_waiter *a, const struct reg_waiter *b,
		 uint64_t now_ms)
{
	return gw_waiter_ahead(a, a->share_in_flight, b, b->share_in_flight,
			       now_ms);
}

void
gw_queue_place(const struct reg_waiter *waiters, size_t n,
	       const struct reg_waiter *which, uint64_t now_ms,
	       struct gw_queue_place *place)
{
	*place = (struct gw_queue_place){
		.position = 1,
		.waiting = 1,
		.longest_ms = gw_waiter_waited_ms(which, now_ms)};
	for (size_t i = 0; i < n; i++) {
		const struct reg_waiter *w = &waiters[i];
		uint64_t waited_ms = gw_waiter_waited_ms(w, now_ms);

		if (w == which || w->queue != which->queue)
			continue;
		place->waiting++;
		place->position += gw_waiter_before(w, which, now_ms);
		if (waited_ms > place->longest_ms)
			place->longest_ms = waited_ms;
	}
}

/* ---- all places: a heap sort, which needs nothing but the indices -------- */

struct sorted {
	const struct reg_waiter *waiters;
	uint32_t *at;
	uint64_t now_ms;
};

/* By queue first: each queue's waiters lie together then. */
static bool
is_before(const struct sorted *s, uint32_t a, uint32_t b)
{
	const struct reg_waiter *wa = &s->waiters[a], *wb = &s->waiters[b];

	if (wa->queue != wb->queue)
		return wa->queue < wb->queue;
	return gw_waiter_before(wa, wb, s->now_ms);
}

/* Let what is at @i sink to its place among the first @n; the last on top. */
static void
sink(const struct sorted *s, size_t i, size_t n)
{
	uint32_t moved = s->at[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n &&
		    is_before(s, s->at[child], s->at[child + 1]))
			child++;
		if (!is_before(s, moved, s->at[child]))
			break;
		s->at[i] = s->at[child];
	}
	s->at[i] = moved;
}

static void
sort(const struct sorted *s, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		sink(s, i, n);
	for (size_t last = n; last-- > 1;) {
		uint32_t top = s->at[0];

		s->at[0] = s->at[last];
		s->at[last] = top;
		sink(s, 0, last);
	}
}

void
gw_queue_positions(const struct reg_waiter *waiters, size_t n, uint64_t now_ms,
		   uint32_t *scratch, uint32_t *position)
{
	const struct sorted s = {waiters, scratch, now_ms};
	uint32_t place = 0;

	for (size_t i = 0; i < n; i++)
		scratch[i] = (uint32_t)i;
	sort(&s, n);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 &&
		    waiters[scratch[i]].queue != waiters[scratch[i - 1]].queue)
			place = 0;
		position[scratch[i]] = ++place;
	}
}

/* ---- what that means in time --------------------------------------------- */

uint32_t
gw_queue_wait_s(uint32_t position, uint64_t interval_ms, uint64_t longest_ms)
{
	const uint64_t max_ms = (uint64_t)GW_QUEUE_WAIT_MAX_S * 1000;
	uint64_t each_ms = interval_ms ? interval_ms : longest_ms;
	uint64_t wait_ms;

	if (each_ms > max_ms) /* so that the product has room */
		each_ms = max_ms;
	wait_ms = position * each_ms;
	if (wait_ms > max_ms)
		return GW_QUEUE_WAIT_MAX_S;
	return wait_ms ? (uint32_t)((wait_ms + 999) / 1000) : 1;
}

uint32_t
gw_queue_retry_after_s(uint32_t position, uint64_t interval_ms,
		       uint64_t longest_ms)
{
	uint32_t s = gw_queue_wait_s(position, interval_ms, longest_ms);

	return s < GW_QUEUE_RETRY_AFTER_MAX_S ? s : GW_QUEUE_RETRY_AFTER_MAX_S;
}
