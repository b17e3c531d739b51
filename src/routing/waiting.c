/* SPDX-License-Identifier: MIT */
/* waiting.c - see waiting.h. Resumes requests, whatever becomes of them. */
#include "routing/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "routing/elsewhere.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve/keepalive.h"
#include "serve/pipeline.h"

static void
become_due(struct gw_waiting *w, struct gw_wait *wait)
{
	gw_ring_leave(&wait->link);
	gw_ring_put(&w->due, &wait->link);
}

/* ---- a look ------------------------------------------------------------- */

/* The request of ours that waits so, or NULL. */
static struct gw_wait *
own_wait(const struct gw_waiting *w, const struct reg_waiter *as)
{
	struct gw_request *r = as->mine && as->ref.index < REG_WAITERS_MAX
				       ? w->own[as->ref.index]
				       : NULL;

	return r ? &gw_routed(r)->pick.wait : NULL;
}

/* Calls those of others that get a slot. Returns whether one of ours does. */
static bool
call_others(struct gw_routing *routing, uint64_t now_ms)
{
	struct gw_slots *s = &routing->waiting.slots;
	bool ours = false;

	for (size_t i = 0; i < s->n; i++) {
		if (s->slot[i] == GW_QUEUE_NO_SLOT)
			continue;
		if (s->waiters[i].mine)
			ours = true;
		else
			reg_queue_call(routing->reg, &s->waiters[i], now_ms,
				       GW_GRANT_MS);
	}
	return ours;
}

/* Ours that get one. */
static void
grant(struct gw_routing *routing)
{
	struct gw_waiting *w = &routing->waiting;
	struct gw_slots *s = &w->slots;

	for (size_t i = 0; i < s->n; i++) {
		struct gw_wait *wait = own_wait(w, &s->waiters[i]);

		if (!wait)
			continue;
		if (s->slot[i] == GW_QUEUE_NO_SLOT) {
			/* What it was told means nothing any more. */
			if (s->waiters[i].called_ms)
				reg_queue_uncall(routing->reg, wait->ref);
			continue;
		}
		wait->where = gw_slots_where(s, i);
		wait->may_take = true;
		become_due(w, wait);
	}
}

static void
resume_due(struct gw_waiting *w)
{
	while (!gw_ring_is_empty(&w->due)) {
		struct gw_wait *wait = (struct gw_wait *)w->due.next;

		gw_ring_leave(&wait->link);
		gw_ring_put(&w->waits, &wait->link);
		gw_pipeline_resume(wait->request); /* may end it */
	}
}

static void
find_displaced(struct gw_routing *routing)
{
	struct gw_waiting *w = &routing->waiting;
	struct gw_ring *next;

	for (struct gw_ring *l = w->waits.next; l != &w->waits; l = next) {
		struct gw_wait *wait = (struct gw_wait *)l;

		next = l->next;
		wait->displaced =
			wait->displaced ||
			reg_queue_is_displaced(routing->reg, wait->ref);
		if (wait->displaced)
			become_due(w, wait);
	}
}

static bool
read_and_assign(struct gw_routing *routing, const struct reg_waiter *more,
		const struct gw_request *asks, uint64_t now_ms)
{
	struct gw_waiting *w = &routing->waiting;

	return gw_slots_read(&w->slots, routing->reg, more) == 0 &&
	       gw_slots_assign(&w->slots, routing, w->own, asks, now_ms) == 0;
}

/* Without memory the next look has to do. */
static bool
look(struct gw_routing *routing, uint64_t now_ms)
{
	struct gw_waiting *w = &routing->waiting;

	if (w->n == 0 && !reg_queue_any(routing->reg))
		return false;
	gw_node_view_refresh(routing->nodes);
	find_displaced(routing);
	if (gw_waiting_settles(w, now_ms))
		return false;
	if (!read_and_assign(routing, NULL, NULL, now_ms))
		return false;
	call_others(routing, now_ms);
	grant(routing);
	return true;
}

static void
on_soon(struct ev_loop *loop, ev_prepare *p, int revents)
{
	struct gw_routing *routing = p->data;

	(void)loop;
	(void)revents;
	look(routing, gw_mono_ms());
	resume_due(&routing->waiting);
}

static void
on_woken(struct ev_loop *loop, ev_io *io, int revents)
{
	struct gw_routing *routing = io->data;

	if (reg_wake_drain(routing->reg))
		on_soon(loop, &routing->waiting.soon, revents);
}

static void
look_soon(struct gw_waiting *w)
{
	if (w->loop)
		ev_feed_event(w->loop, &w->soon, EV_CUSTOM);
}

/* ---- what waiters are told ---------------------------------------------- */

static bool
is_to_tell(const struct gw_wait *wait, uint64_t now_ms)
{
	if (!gw_keepalive_wanted(wait->request))
		return false;
	if (!wait->told_ms)
		return now_ms - wait->since_ms >= GW_WAITING_TELL_FIRST_MS;
	return wait->position != wait->told_position &&
	       now_ms - wait->told_ms >= GW_WAITING_TELL_MS;
}

static uint64_t
interval_of(struct gw_routing *routing, const struct gw_slots_queue *q,
	    uint64_t now_ms)
{
	uint64_t key[2];

	gw_queue_place_key(q->model, key);
	return reg_queue_interval_ms(routing->reg,
				     reg_candidate_find(routing->reg, key),
				     now_ms - q->longest_ms, now_ms);
}

/* An alias whose candidates are all ejected leaves it to its fallbacks. */
static bool
should_go(const struct gw_request *r, const struct gw_slots_queue *q)
{
	const struct gw_model *m = r->forward.named;

	m = m ? m : r->resolve.model;
	return q->lost || (q->ejected && r->forward.fallbacks < m->n_fallbacks);
}

/* Others would call it for what its alias has since a reload. */
static void
set_apart(struct gw_routing *routing, struct gw_wait *wait,
	  struct reg_waiter *as)
{
	as->avoids = UINT64_MAX;
	routing->waiting.own[wait->ref.index] = NULL;
	reg_queue_leave(routing->reg, wait->ref);
	gw_waiting_move(routing, wait, routing->reg, as);
}

/* Where ours stand whose time it is to know; and who waits for nobody. */
static void
tell(struct gw_routing *routing, uint64_t now_ms)
{
	struct gw_waiting *w = &routing->waiting;
	struct gw_slots *s = &w->slots;
	const uint32_t *positions = gw_slots_positions(s, now_ms);

	for (size_t i = 0; positions && i < s->n; i++) {
		struct gw_wait *wait = own_wait(w, &s->waiters[i]);
		const struct gw_slots_queue *q;

		if (!wait || s->where[i] >= s->n_queues)
			continue;
		if (s->waiters[i].avoids != UINT64_MAX &&
		    gw_is_elsewhere(routing, wait->request))
			set_apart(routing, wait, &s->waiters[i]);
		q = &s->at[s->where[i]];
		wait->position = positions[i];
		wait->tell = is_to_tell(wait, now_ms);
		if (wait->tell)
			wait->wait_s = gw_queue_wait_s(
				wait->position, interval_of(routing, q, now_ms),
				q->longest_ms);
		if (wait->tell || should_go(wait->request, q))
			become_due(w, wait);
	}
}

static void
keep_shares(struct gw_routing *routing, uint64_t now_ms)
{
	struct gw_waiting *w = &routing->waiting;

	for (struct gw_ring *l = w->waits.next; l != &w->waits; l = l->next) {
		struct gw_wait *wait = (struct gw_wait *)l;

		if (now_ms - wait->kept_ms < GW_WAITING_KEEP_MS)
			continue;
		wait->kept_ms = now_ms;
		reg_candidate_open(routing->reg, wait->share, now_ms);
	}
}

static void
on_each(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_routing *routing = t->data;
	uint64_t now_ms = gw_mono_ms();

	(void)loop;
	(void)revents;
	keep_shares(routing, now_ms);
	if (look(routing, now_ms))
		tell(routing, now_ms);
	resume_due(&routing->waiting);
}

/* ---- to wait ------------------------------------------------------------ */

static void
watch(struct gw_routing *routing)
{
	struct gw_waiting *w = &routing->waiting;
	int fd;

	if (!w->loop)
		return;
	ev_timer_again(w->loop, &w->each);
	if (ev_is_active(&w->woken))
		return;
	fd = reg_wake_fd(routing->reg);
	if (fd < 0)
		return; /* it looks by itself, and tries again next time */
	ev_io_set(&w->woken, fd, EV_READ);
	ev_io_start(w->loop, &w->woken);
}

bool
gw_waiting_join(struct gw_routing *routing, struct gw_request *r,
		struct gw_wait *wait, struct reg_waiter *as)
{
	struct gw_waiting *w = &routing->waiting;

	if (!w->own)
		w->own = calloc(REG_WAITERS_MAX, sizeof(*w->own));
	if (!w->own)
		return false;
	if (w->n == 0)
		watch(routing); /* before anybody could call it */
	wait->ref = reg_queue_join(routing->reg, as);
	if (wait->ref.index >= REG_WAITERS_MAX) {
		if (w->n == 0 && w->loop)
			ev_timer_stop(w->loop, &w->each);
		return false;
	}
	w->own[wait->ref.index] = r;
	w->n++;
	wait->request = r;
	wait->since_ms = wait->kept_ms = gw_mono_ms();
	wait->displaced = wait->may_take = wait->tell = false;
	wait->position = 0;
	gw_ring_put(&w->waits, &wait->link);
	/* A slot may have become free before anybody could see it wait. */
	look_soon(w);
	return true;
}

void
gw_waiting_leave(struct gw_routing *routing, struct gw_wait *wait)
{
	struct gw_waiting *w = &routing->waiting;

	if (!wait->link.next)
		return;
	gw_ring_leave(&wait->link);
	if (wait->ref.index < REG_WAITERS_MAX)
		w->own[wait->ref.index] = NULL;
	reg_queue_leave(routing->reg, wait->ref);
	wait->may_take = wait->tell = false;
	if (--w->n == 0 && w->loop)
		ev_timer_stop(w->loop, &w->each);
	/* It may have been the one that was next. */
	gw_waiting_freed(routing);
}

bool
gw_waiting_may_take(struct gw_routing *routing, struct gw_request *r,
		    const struct reg_waiter *as, bool calls, uint64_t *where)
{
	struct gw_waiting *w = &routing->waiting;
	const struct gw_slots *s = &w->slots;
	uint64_t now_ms = gw_mono_ms();

	*where = 0;
	if (!read_and_assign(routing, as, r, now_ms))
		return true; /* whatever order that makes: the slot is free */
	if (calls && call_others(routing, now_ms) && w->n)
		look_soon(w);
	for (size_t i = s->n; i-- > 0;) {
		const struct reg_waiter *it = &s->waiters[i];

		if (as ? i != s->n - 1
		       : !it->mine || !own_wait(w, it) ||
				    own_wait(w, it)->request != r)
			continue;
		if (s->slot[i] == GW_QUEUE_NO_SLOT)
			return false;
		*where = gw_slots_where(s, i);
		return true;
	}
	return false;
}

void
gw_waiting_freed(struct gw_routing *routing)
{
	if (reg_queue_any(routing->reg))
		look_soon(&routing->waiting);
}

/* ---- who has to go ------------------------------------------------------ */

bool
gw_waiting_displace(struct gw_routing *routing, const struct reg_waiter *as)
{
	struct gw_waiting *w = &routing->waiting;
	bool mine;

	if (!gw_slots_displace(&w->slots, routing->reg, as, gw_mono_ms(),
			       &mine))
		return false;
	if (mine)
		look_soon(w);
	return true;
}

/* ---- life --------------------------------------------------------------- */

void
gw_waiting_moving(struct gw_routing *routing)
{
	struct gw_waiting *w = &routing->waiting;

	w->moved_ms = gw_mono_ms();
	if (w->own)
		memset(w->own, 0, REG_WAITERS_MAX * sizeof(*w->own));
}

void
gw_waiting_move(struct gw_routing *routing, struct gw_wait *wait,
		struct reg *to, struct reg_waiter *as)
{
	struct gw_waiting *w = &routing->waiting;

	if (!wait->link.next)
		return;
	wait->ref = reg_queue_join(to, as);
	if (wait->ref.index < REG_WAITERS_MAX)
		w->own[wait->ref.index] = wait->request;
	else
		wait->displaced = true; /* there is no room for it */
	look_soon(w);
}

void
gw_waiting_start(struct gw_routing *routing)
{
	struct gw_waiting *w = &routing->waiting;

	w->loop = routing->worker->loop;
	gw_ring_init(&w->waits);
	gw_ring_init(&w->due);
	ev_init(&w->woken, on_woken);
	w->woken.data = routing;
	ev_init(&w->each, on_each);
	w->each.repeat = GW_WAITING_LOOK_S;
	w->each.data = routing;
	ev_prepare_init(&w->soon, on_soon);
	/* After all that came in this turn. */
	ev_set_priority(&w->soon, EV_MINPRI);
	w->soon.data = routing;
}

void
gw_waiting_stop(struct gw_routing *routing)
{
	struct gw_waiting *w = &routing->waiting;

	if (w->loop) {
		ev_io_stop(w->loop, &w->woken);
		ev_timer_stop(w->loop, &w->each);
		ev_clear_pending(w->loop, &w->soon);
	}
	free(w->own);
	gw_slots_release(&w->slots);
	*w = (struct gw_waiting){0};
}
