/* SPDX-License-Identifier: MIT */
/* deadline.c - when a relayed request has waited too long; ends none itself. */
#include "gateway/deadline.h"

#include "gateway/relay.h"
#include "gateway/worker.h"

#define NEVER 1e100

static double
after_ms(ev_tstamp start, uint32_t ms)
{
	return ms ? start + ms / 1000.0 : NEVER;
}

static void
sooner(double at, enum gw_limit limit, double *next, enum gw_limit *which)
{
	if (at < *next) {
		*next = at;
		*which = limit;
	}
}

/* The next limit to be hit if nothing more happens. */
static double
next_limit(const struct gw_request *r, enum gw_limit *which)
{
	const struct gw_timeouts *t = &r->model->timeouts;
	double next = NEVER;

	*which = GW_LIMIT_NONE;
	sooner(after_ms(r->t_forward, t->total_ms), GW_LIMIT_TOTAL, &next,
	       which);
	/* A client that reads slowly is not the upstream's silence. */
	if (r->relay_paused)
		return next;
	if (r->t_upstream > 0)
		sooner(after_ms(r->t_upstream, t->idle_ms), GW_LIMIT_IDLE,
		       &next, which);
	else if (r->t_connected > 0)
		sooner(after_ms(r->t_connected, t->first_byte_ms),
		       GW_LIMIT_FIRST_BYTE, &next, which);
	return next;
}

static double
next_keepalive(const struct gw_request *r)
{
	ev_tstamp quiet = r->t_client > 0 ? r->t_client : r->t_start;

	if (!gw_relay_wants_keepalive(r))
		return NEVER;
	return after_ms(quiet, r->config->gateway.sse_keepalive_ms);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_request *r = w->data;
	enum gw_limit which;
	double now = ev_now(loop);

	(void)revents;
	if (next_limit(r, &which) <= now) {
		r->limit_hit = which;
		gw_pipeline_resume(r);
		return;
	}
	if (next_keepalive(r) <= now)
		gw_relay_keepalive(r);
	gw_deadline_update(r);
}

void
gw_deadline_update(struct gw_request *r)
{
	struct ev_loop *loop = r->worker->loop;
	double now = ev_now(loop), next, keepalive;
	enum gw_limit which;

	if (!ev_is_active(&r->deadline)) {
		ev_init(&r->deadline, on_deadline);
		r->deadline.data = r;
	}
	next = next_limit(r, &which);
	keepalive = next_keepalive(r);
	if (keepalive < next)
		next = keepalive;
	ev_timer_stop(loop, &r->deadline);
	if (next >= NEVER)
		return;
	/* In mid-event no comment may be sent: look again a little later. */
	ev_timer_set(&r->deadline, next > now + 0.005 ? next - now : 0.005, 0.);
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
		[GW_LIMIT_CONNECT] = {"could not be connected", "connect_s",
				      t->connect_ms},
		[GW_LIMIT_FIRST_BYTE] = {"sent no first byte", "first_byte_s",
					 t->first_byte_ms},
		[GW_LIMIT_IDLE] = {"fell silent", "idle_s", t->idle_ms},
		[GW_LIMIT_TOTAL] = {"did not finish", "total_s", t->total_ms},
	};

	gw_err_set(&r->err, GW_ERR_UPSTREAM_TIMEOUT, 0,
		   "the upstream of '%s' %s within timeouts.%s = %.10g s",
		   r->model->alias, limits[r->limit_hit].what,
		   limits[r->limit_hit].key, limits[r->limit_hit].ms / 1000.0);
}
