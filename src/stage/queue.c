/* SPDX-License-Identifier: MIT */
/* queue.c - see queue.h; who is next, routing/queue_order.h says. */
#include "stage/queue.h"

#include <stdio.h>

#include "base/clock.h"
#include "fcgi/fcgi_conn.h"
#include "routing/history.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve/deadline.h"
#include "serve/keepalive.h"
#include "serve/worker.h"

static struct gw_queue_stay *
stay(const struct gw_request *r)
{
	return &gw_routed(r)->pick.stay;
}

static struct gw_wait *
wait_of(const struct gw_request *r)
{
	return &gw_routed(r)->pick.wait;
}

static bool
is_waiting(const struct gw_request *r)
{
	return wait_of(r)->link.next != NULL;
}

/* ---- what a client runs -----------------------------------------------------
 */

static struct reg_candidate_ref
share_in(const struct gw_request *r, const struct gw_model *m, struct reg *reg,
	 uint64_t key[2])
{
	gw_share_place_key(m, r->authenticate.who, key);
	return gw_routed(r)->explained ? reg_candidate_find(reg, key)
				       : reg_candidate_open(reg, key,
							    gw_mono_ms());
}

static void
share_begin(struct gw_request *r, struct reg *reg)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	uint64_t key[2];

	p->share =
		reg_lease_take(reg, share_in(r, p->alias, reg, key), 0, NULL);
	p->shared = true;
}

void
gw_share_take(struct gw_request *r)
{
	share_begin(r, gw_routing(r)->reg);
}

void
gw_share_move(struct gw_request *r, struct reg *to)
{
	if (gw_routed(r)->pick.shared)
		share_begin(r, to);
}

void
gw_share_drop(struct gw_request *r)
{
	struct gw_picked *p = &gw_routed(r)->pick;

	if (p->shared)
		reg_lease_drop(gw_routing(r)->reg, p->share);
	p->shared = false;
}

/* ---- how it stands with the others ------------------------------------------
 */

void
gw_queue_arrive(struct gw_request *r)
{
	if (!stay(r)->came_ms)
		stay(r)->came_ms = gw_mono_ms();
}

/* As the registry knows one that waits. */
static void
describe(const struct gw_request *r, struct reg *reg, struct reg_waiter *as,
	 uint64_t share_key[2])
{
	const struct gw_client *client = r->authenticate.client;
	const struct gw_model *m = r->resolve.model;
	struct reg_candidate runs;

	*as = (struct reg_waiter){
		.ref = {.index = REG_WAITERS_MAX},
		.mine = true,
		.queue = m->key,
		.client = r->authenticate.who[0],
		.share = share_in(r, m, reg, share_key),
		.rank = client ? client->priority : GW_NORMAL,
		.came_ms = stay(r)->came_ms,
		.number = stay(r)->number,
		.avoids = gw_history_bits(gw_routed(r)->pick.history, m),
	};
	reg_candidate_read(reg, as->share, gw_mono_ms(), &runs);
	as->share_in_flight = runs.in_flight;
}

static size_t
count_unbounded(const struct gw_choices *all, size_t n)
{
	size_t unbounded = 0;

	for (size_t i = 0; i < n; i++)
		unbounded += !all->at[i].max_concurrency;
	return unbounded;
}

/* Those without a bound, for which nobody waits, and the one of @key. */
static size_t
keep_unbounded_and(struct gw_choices *all, size_t n, uint64_t key)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!all->at[i].max_concurrency || all->at[i].key == key)
			all->at[kept++] = all->at[i];
	return kept;
}

bool
gw_queue_has_any(const struct gw_request *r)
{
	struct reg *reg = gw_routing(r)->reg;
	struct reg_candidate queue;
	uint64_t key[2];

	if (!reg_queue_any(reg))
		return false;
	gw_queue_place_key(r->resolve.model, key);
	reg_candidate_read(reg, reg_candidate_find(reg, key), gw_mono_ms(),
			   &queue);
	return queue.in_flight > 0;
}

size_t
gw_queue_keep(struct gw_request *r, struct gw_choices *all, size_t n)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_wait *w = wait_of(r);
	struct reg_waiter as;
	uint64_t where = 0, share_key[2];

	if (count_unbounded(all, n) == n)
		return n;
	if (gw_waiting_settles(&routing->waiting, gw_mono_ms()))
		return keep_unbounded_and(all, n, 0);
	if (!reg_queue_any(routing->reg))
		return n;
	if (w->may_take) {
		where = w->where;
	} else {
		describe(r, routing->reg, &as, share_key);
		if (!gw_waiting_may_take(routing, r, is_waiting(r) ? NULL : &as,
					 !gw_routed(r)->explained, &where))
			return keep_unbounded_and(all, n, 0);
	}
	return where ? keep_unbounded_and(all, n, where) : n;
}

/* ---- to come and to go ------------------------------------------------------
 */

static void
open_place(const struct gw_request *r, struct reg *reg)
{
	uint64_t key[2];

	gw_queue_place_key(stay(r)->alias, key);
	stay(r)->place = reg_candidate_open(reg, key, gw_mono_ms());
}

bool
gw_queue_is_in(const struct gw_request *r, const struct gw_model *m)
{
	return is_waiting(r) && stay(r)->alias == m;
}

void
gw_queue_leave(struct gw_request *r)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_queue_stay *s = stay(r);

	/* What is to be looked at again, or ended, is this wait alone. */
	if (is_waiting(r) || s->room_until_ms)
		r->deadline.wake_ms = 0;
	if (is_waiting(r)) {
		uint64_t ms = gw_mono_ms() - wait_of(r)->since_ms;

		s->waited_ms += ms;
		r->queue.waited_us += gw_mono_us() - r->queue.begun_us;
		r->queue.begun_us = 0;
		gw_waiting_leave(routing, wait_of(r));
	}
	if (s->entered)
		reg_lease_drop(routing->reg, s->lease);
	s->entered = false;
	s->room_until_ms = 0;
}

void
gw_queue_served(struct gw_request *r)
{
	if (is_waiting(r))
		reg_queue_moved(gw_routing(r)->reg, stay(r)->place,
				wait_of(r)->since_ms, gw_mono_ms());
	gw_queue_leave(r);
}

static void
note_refusal(struct gw_request *r, const struct reg_waiter *as,
	     enum gw_code code)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_queue_stay *s = stay(r);
	struct gw_slots_outlook out;

	s->retry_after_s = GW_QUEUE_RETRY_AFTER_MAX_S;
	if (gw_slots_outlook(&routing->waiting.slots, routing->reg, as,
			     s->place, gw_mono_ms(), &out))
		s->retry_after_s = gw_queue_retry_after_s(
			out.position, out.interval_ms, out.longest_ms);
	s->refused = code;
	s->refused_by = r->resolve.model;
}

static enum gw_queued
refuse(struct gw_request *r, enum gw_code code)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_queue_stay *s = stay(r);
	struct reg_waiter as;
	uint64_t share_key[2];

	s->displaced = is_waiting(r) && wait_of(r)->displaced;
	gw_queue_leave(r);
	describe(r, routing->reg, &as, share_key);
	note_refusal(r, &as, code);
	gw_counters_count(&r->worker->counters,
			  code == GW_ERR_QUEUE_TIMEOUT ? GW_COUNT_QUEUE_TIMEOUTS
						       : GW_COUNT_QUEUE_FULL,
			  1);
	return GW_QUEUED_REFUSED;
}

static bool
may_wait(const struct gw_model *m)
{
	return m->queue.max && m->queue.timeout_ms;
}

/* A place is taken by one who waits, or about to be: whoever was displaced
 * needs a moment to give it back. */
static enum gw_queued
find_room(struct gw_request *r, const struct reg_waiter *as)
{
	struct gw_queue_stay *s = stay(r);
	uint64_t now_ms = gw_mono_ms();

	if (!s->room_until_ms) {
		if (!gw_waiting_displace(gw_routing(r), as))
			return refuse(r, GW_ERR_QUEUE_FULL);
		s->room_until_ms = now_ms + GW_QUEUE_ROOM_MS;
	} else if (now_ms >= s->room_until_ms) {
		return refuse(r, GW_ERR_QUEUE_FULL);
	}
	gw_deadline_wake(r, now_ms + GW_QUEUE_ROOM_LOOK_MS);
	return GW_QUEUED_WAITS;
}

static enum gw_queued
enter(struct gw_request *r)
{
	struct gw_routing *routing = gw_routing(r);
	const struct gw_model *m = r->resolve.model;
	struct gw_queue_stay *s = stay(r);
	struct gw_wait *w = wait_of(r);
	struct reg_waiter as;
	bool full = false;

	if (s->alias != m) {
		s->alias = m;
		s->waited_ms = 0;
	}
	open_place(r, routing->reg);
	if (!may_wait(m))
		return refuse(r, GW_ERR_QUEUE_FULL);
	describe(r, routing->reg, &as, w->share);
	s->lease = reg_lease_take(routing->reg, s->place, m->queue.max, &full);
	if (full)
		return find_room(r, &as);
	if (s->lease < 0)
		return refuse(r, GW_ERR_QUEUE_FULL);
	s->entered = true;
	r->queue.begun_us = gw_mono_us();
	if (!gw_waiting_join(routing, r, w, &as)) {
		r->queue.begun_us = 0;
		return refuse(r, GW_ERR_QUEUE_FULL);
	}
	s->number = as.number;
	gw_fcgi_limit_client(r->conn, m->timeouts.client_idle_ms);
	gw_counters_count(&r->worker->counters, GW_COUNT_QUEUED, 1);
	return GW_QUEUED_WAITS;
}

/* ---- while it waits ---------------------------------------------------------
 */

static int
tell(struct gw_request *r)
{
	struct gw_wait *w = wait_of(r);
	char text[64];
	int n;

	w->tell = false;
	w->told_ms = gw_mono_ms();
	if (!gw_keepalive_has_place(r))
		return 0;
	w->told_position = w->position;
	n = snprintf(text, sizeof(text), ": queued position=%u wait_s=%u\n\n",
		     (unsigned)w->position, (unsigned)w->wait_s);
	return gw_keepalive_comment(r, text, (size_t)n);
}

enum gw_queued
gw_queue_wait(struct gw_request *r)
{
	struct gw_wait *w = wait_of(r);
	uint64_t end_ms;

	w->may_take = false;
	r->phase = GW_PHASE_QUEUE;
	gw_deadline_begin(r);
	if (!is_waiting(r)) {
		enum gw_queued entered = enter(r);

		if (!is_waiting(r))
			return entered;
	}
	if (w->displaced)
		return refuse(r, GW_ERR_QUEUE_FULL);
	/* Nobody is refused early: the millisecond in which it came had begun
	 * already. */
	end_ms = w->since_ms + stay(r)->alias->queue.timeout_ms + 1;
	end_ms -= stay(r)->waited_ms < end_ms ? stay(r)->waited_ms : end_ms;
	if (gw_mono_ms() >= end_ms)
		return refuse(r, GW_ERR_QUEUE_TIMEOUT);
	if (w->tell && tell(r) < 0)
		return GW_QUEUED_FAILED;
	gw_deadline_wake(r, end_ms);
	return GW_QUEUED_WAITS;
}

void
gw_queue_move(struct gw_request *r, struct reg *to)
{
	struct gw_queue_stay *s = stay(r);
	struct reg_waiter as;

	if (!s->entered)
		return;
	open_place(r, to);
	s->lease = reg_lease_take(to, s->place, 0, NULL);
	describe(r, to, &as, wait_of(r)->share);
	gw_waiting_move(gw_routing(r), wait_of(r), to, &as);
}

enum gw_queued
gw_queue_would_wait(struct gw_request *r, struct gw_queue_outlook *out)
{
	struct gw_routing *routing = gw_routing(r);
	const struct gw_model *m = r->resolve.model;
	struct gw_slots *slots = &routing->waiting.slots;
	struct gw_slots_outlook seen;
	struct reg_candidate queue;
	struct reg_waiter as;
	uint64_t key[2], now_ms = gw_mono_ms();

	gw_queue_place_key(m, key);
	stay(r)->place = reg_candidate_find(routing->reg, key);
	reg_candidate_read(routing->reg, stay(r)->place, now_ms, &queue);
	describe(r, routing->reg, &as, key);
	*out = (struct gw_queue_outlook){.waiting = queue.in_flight};
	if (!may_wait(m) ||
	    (queue.in_flight >= m->queue.max &&
	     !gw_slots_displace(slots, routing->reg, &as, now_ms, NULL))) {
		note_refusal(r, &as, GW_ERR_QUEUE_FULL);
		return GW_QUEUED_REFUSED;
	}
	if (gw_slots_outlook(slots, routing->reg, &as, stay(r)->place, now_ms,
			     &seen)) {
		out->position = seen.position;
		out->wait_s = gw_queue_wait_s(seen.position, seen.interval_ms,
					      seen.longest_ms);
	}
	return GW_QUEUED_WAITS;
}
