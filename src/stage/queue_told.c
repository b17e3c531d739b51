/* SPDX-License-Identifier: MIT */
/* queue_told.c - what a request is told that no queue took (queue.h). */
#include "routing/routing.h"
#include "stage/queue.h"

static const struct gw_queue_stay *
stay(const struct gw_request *r)
{
	return &gw_routed(r)->pick.stay;
}

const struct gw_model *
gw_queue_refused_by(const struct gw_request *r)
{
	return stay(r)->refused_by;
}

static void
say_full(struct gw_request *r, const struct gw_model *m)
{
	if (stay(r)->displaced)
		gw_err_set(&r->err, GW_ERR_QUEUE_FULL, 0,
			   "as many requests wait for model '%s' as may "
			   "(queue.max = %u), and one of a better class, or of "
			   "a client with fewer waiting, needs the place",
			   m->alias, (unsigned)m->queue.max);
	else if (m->queue.max && m->queue.timeout_ms)
		gw_err_set(&r->err, GW_ERR_QUEUE_FULL, 0,
			   "everything that serves model '%s' is busy, and as "
			   "many requests wait for it as may (queue.max = %u)",
			   m->alias, (unsigned)m->queue.max);
	else
		gw_err_set(&r->err, GW_ERR_QUEUE_FULL, 0,
			   "everything that serves model '%s' is busy, and no "
			   "request may wait for it (queue.%s = 0)",
			   m->alias, m->queue.max ? "timeout_s" : "max");
}

int
gw_queue_error(struct gw_request *r)
{
	const struct gw_queue_stay *s = stay(r);
	const struct gw_model *m = s->refused_by;

	r->resolve.model = m;
	if (s->refused == GW_ERR_QUEUE_TIMEOUT)
		gw_err_set(&r->err, GW_ERR_QUEUE_TIMEOUT, 0,
			   "everything that serves model '%s' was busy for "
			   "queue.timeout_s = %.10g s",
			   m->alias, m->queue.timeout_ms / 1000.0);
	else
		say_full(r, m);
	r->err.retry_after_s = s->retry_after_s;
	return -1;
}
