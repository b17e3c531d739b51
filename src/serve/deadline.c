/* SPDX-License-Identifier: MIT */
/* deadline.c - when a relayed request has waited too long; ends none itself. */
#include "serve/deadline.h"

#include "base/clock.h"
#include "serve/relay.h"
#include "serve/worker.h"

#define NEVER UINT64_MAX

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

/* The next limit to be hit if nothing more happens. */
static uint64_t
next_limit(const struct gw_request *r, enum gw_limit *which)
{
	const struct gw_timeouts *t = &r->model->timeouts;
	uint64_t next = NEVER;

	*which = GW_LIMIT_NONE;
	sooner(after(r->t_forward_ms, t->total_ms), GW_LIMIT_TOTAL, &next,
	       which);
	/* A client that reads slowly is not the upstream's silence. On a node
	 * it keeps others from the device, though. */
	if (r->relay_paused) {
		if (r->ticket)
			sooner(after(r->t_paused_ms, t->idle_ms),
			       GW_LIMIT_CLIENT, &next, which);
		return next;
	}
	if (r->t_upstream_ms)
		sooner(after(r->t_upstream_ms, t->idle_ms), GW_LIMIT_IDLE,
		       &next, which);
	else if (r->t_connected_ms)
		sooner(after(r->t_connected_ms, t->first_byte_ms),
		       GW_LIMIT_FIRST_BYTE, &next, which);
	return next;
}

static uint64_t
next_keepalive(const struct gw_request *r)
{
	if (!gw_relay_wants_keepalive(r))
		return NEVER;
	return after(r->t_client_ms, r->config->gateway.sse_keepalive_ms);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_request *r = w->data;
	enum gw_limit which;
	uint64_t now = gw_mono_ms();

	(void)loop;
	(void)revents;
	if (next_limit(r, &which) <= now)
		r->limit_hit = which;
	else if (next_keepalive(r) > now || gw_relay_keepalive(r) == 0) {
		gw_deadline_update(r);
		return;
	}
	gw_pipeline_resume(r); /* ends the request */
}

void
gw_deadline_init(struct gw_request *r)
{
	ev_init(&r->deadline, on_deadline);
	r->deadline.data = r;
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
	ev_timer_stop(loop, &r->deadline);
	if (next == NEVER)
		return;
	ev_timer_set(&r->deadline,
		     next > now ? (double)(next - now) / 1000.0 : 0., 0.);
	ev_timer_start(loop, &r->deadline);
}

void
gw_deadline_stop(struct gw_request *r)
{
	ev_timer_stop(r->worker->loop, &r->deadline);
}

void
gw_limit_error(struct gw_request *r)
{
	const struct gw_timeouts *t = &r->model->timeouts;
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
		   "the upstream of '%s' %s%s timeouts.%s = %.10g s",
		   r->model->alias, limits[r->limit_hit].what,
		   r->limit_hit == GW_LIMIT_CLIENT ? " for" : " within",
		   limits[r->limit_hit].key, limits[r->limit_hit].ms / 1000.0);
}
