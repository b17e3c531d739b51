/* SPDX-License-Identifier: MIT */
/* deadline.c - when a relayed request has waited too long; ends none itself. */
#include "serve/deadline.h"

#include "base/clock.h"
#include "serve/keepalive.h"
#include "serve/pipeline.h"
#include "serve/worker.h"

#define NEVER UINT64_MAX
#define OVERDUE_S (-0.001) /* in the very next turn, however short this one */

static uint64_t
after(uint64_t start_ms, uint32_t ms)
{
	return ms ? start_ms + ms : NEVER;
}

static void
sooner(uint64_t at_ms, enum gw_limit limit, uint64_t *next_ms,
       enum gw_limit *which)
{
	if (at_ms < *next_ms) {
		*next_ms = at_ms;
		*which = limit;
	}
}

/* total_s of the alias that the request named covers all that is done for it,
 * fallbacks too; theirs what they do. @whose is set where there is one. */
static uint64_t
total_end(const struct gw_request *r, const struct gw_model **whose)
{
	const struct gw_model *m = r->resolve.model;
	const struct gw_model *named = r->forward.named ? r->forward.named : m;
	uint64_t whole = after(r->deadline.begun_ms, named->timeouts.total_ms);
	uint64_t from = r->deadline.turned_ms > r->deadline.begun_ms
				? r->deadline.turned_ms
				: r->deadline.begun_ms;
	uint64_t own = after(from, m->timeouts.total_ms);

	*whose = own < whole ? m : named;
	return own < whole ? own : whole;
}

/* The next limit to be hit if nothing more happens. */
static uint64_t
next_limit(const struct gw_request *r, enum gw_limit *which)
{
	const struct gw_timeouts *t = &r->resolve.model->timeouts;
	const struct gw_model *whose;
	uint64_t next = NEVER;

	*which = GW_LIMIT_NONE;
	sooner(total_end(r, &whose), GW_LIMIT_TOTAL, &next, which);
	/* A client that reads slowly is not the upstream's silence. On a node
	 * it keeps others from the device, though. */
	if (r->relay.paused) {
		if (r->worker->pipeline->limits_readers)
			sooner(after(r->relay.paused_ms, t->idle_ms),
			       GW_LIMIT_CLIENT, &next, which);
		return next;
	}
	if (r->relay.last_ms)
		sooner(after(r->relay.last_ms, t->idle_ms), GW_LIMIT_IDLE,
		       &next, which);
	else if (r->relay.connected_us)
		sooner(after(r->relay.connected_us / 1000, t->first_byte_ms),
		       GW_LIMIT_FIRST_BYTE, &next, which);
	return next;
}

static uint64_t
next_keepalive(const struct gw_request *r)
{
	uint64_t last_ms = r->reply.last_ms > r->deadline.skipped_ms
				   ? r->reply.last_ms
				   : r->deadline.skipped_ms;

	if (!gw_keepalive_wanted(r))
		return NEVER;
	return after(last_ms, r->config->gateway.sse_keepalive_ms);
}

/* A comment is due. One that has no place waits for a whole interval. */
static int
keep_alive(struct gw_request *r, uint64_t now_ms)
{
	if (gw_keepalive_has_place(r))
		return gw_keepalive_send(r);
	r->deadline.skipped_ms = now_ms;
	return 0;
}

/*
 * A limit has passed. This process may have been stopped, or slow: what came
 * meanwhile waits in a socket. The loop looks at its sockets once more before
 * the limit counts.
 */
static bool
looked_again(struct gw_request *r)
{
	if (r->deadline.doubted)
		return true;
	r->deadline.doubted = true;
	ev_timer_stop(r->worker->loop, &r->deadline.timer);
	ev_timer_set(&r->deadline.timer, OVERDUE_S, 0.);
	ev_timer_start(r->worker->loop, &r->deadline.timer);
	return false;
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_request *r = w->data;
	enum gw_limit which;
	uint64_t now = gw_mono_ms();

	(void)loop;
	(void)revents;
	if (next_limit(r, &which) <= now) {
		if (!looked_again(r))
			return;
		r->deadline.hit = which;
	} else if (r->deadline.wake_ms && r->deadline.wake_ms <= now) {
		r->deadline.wake_ms = 0;
	} else if (next_keepalive(r) > now || keep_alive(r, now) == 0) {
		gw_deadline_update(r);
		return;
	}
	gw_pipeline_resume(r); /* may end the request */
}

void
gw_deadline_init(struct gw_request *r)
{
	ev_init(&r->deadline.timer, on_deadline);
	/* After the sockets that are ready in the same turn. */
	ev_set_priority(&r->deadline.timer, EV_MINPRI);
	r->deadline.timer.data = r;
}

void
gw_deadline_update(struct gw_request *r)
{
	struct ev_loop *loop = r->worker->loop;
	uint64_t now = gw_mono_ms(), next, keepalive;
	enum gw_limit which;

	next = next_limit(r, &which);
	keepalive = next_keepalive(r);
	if (keepalive < next)
		next = keepalive;
	if (r->deadline.wake_ms && r->deadline.wake_ms < next)
		next = r->deadline.wake_ms;
	r->deadline.doubted = false;
	ev_timer_stop(loop, &r->deadline.timer);
	if (next == NEVER)
		return;
	ev_timer_set(&r->deadline.timer,
		     next > now ? (double)(next - now) / 1000.0 : 0., 0.);
	ev_timer_start(loop, &r->deadline.timer);
}

void
gw_deadline_wake(struct gw_request *r, uint64_t at_ms)
{
	r->deadline.wake_ms = at_ms;
	gw_deadline_update(r);
}

uint64_t
gw_deadline_left_ms(const struct gw_request *r)
{
	const struct gw_model *whose;
	uint64_t end_ms = total_end(r, &whose);
	uint64_t now = gw_mono_ms();

	if (end_ms == NEVER)
		return NEVER;
	return end_ms > now ? end_ms - now : 0;
}

void
gw_deadline_stop(struct gw_request *r)
{
	r->deadline.wake_ms = 0;
	ev_timer_stop(r->worker->loop, &r->deadline.timer);
}

void
gw_deadline_begin(struct gw_request *r)
{
	if (r->deadline.begun_ms == 0)
		r->deadline.begun_ms = gw_mono_ms();
}

void
gw_deadline_turn(struct gw_request *r)
{
	r->deadline.turned_ms = gw_mono_ms();
}

static const struct gw_model *
whose_limit(const struct gw_request *r, enum gw_limit hit)
{
	const struct gw_model *m = r->resolve.model;

	if (hit == GW_LIMIT_TOTAL)
		total_end(r, &m);
	return m;
}

void
gw_limit_error(struct gw_request *r, enum gw_limit hit)
{
	const struct gw_model *m = whose_limit(r, hit);
	const struct gw_timeouts *t = &m->timeouts;
	const struct {
		const char *what, *key;
		uint32_t ms;
	} limits[GW_LIMIT__MAX] = {
		[GW_LIMIT_CLIENT] = {"waited for a client that did not read",
				     "idle_s", t->idle_ms},
		[GW_LIMIT_CONNECT] = {"could not be connected", "connect_s",
				      t->connect_ms},
		[GW_LIMIT_FIRST_BYTE] = {"sent no first byte", "first_byte_s",
					 t->first_byte_ms},
		[GW_LIMIT_IDLE] = {"fell silent", "idle_s", t->idle_ms},
		[GW_LIMIT_TOTAL] = {"did not finish", "total_s", t->total_ms},
	};

	gw_err_set(&r->err, GW_ERR_UPSTREAM_TIMEOUT, 0,
		   "the upstream of '%s' %s%s timeouts.%s = %.10g s", m->alias,
		   limits[hit].what,
		   hit == GW_LIMIT_CLIENT ? " for" : " within", limits[hit].key,
		   limits[hit].ms / 1000.0);
}
