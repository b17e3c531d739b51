/* SPDX-License-Identifier: MIT */
/*
 * ticket.c - how a ticket is taken and given back. What becomes of it in
 * between is decided by schedule.c.
 */
#include "agent/queue/ticket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "agent/model/model.h"
#include "agent/queue/queue.h"
#include "base/clock.h"

/* Earlier ones of the same model come first. */
static bool
at_once(const struct ag_scheduler *s, const struct ag_queue *q,
	const struct ag_model *m)
{
	return m->waiting == 0 && ag_queue_may_run(s, q, m);
}

static int
refuse_at_once(const struct ag_model *m, struct gw_err *err)
{
	uint64_t now_ms = gw_mono_ms();

	*err = m->error;
	if (m->state == AG_FAILED && m->retry_at_ms > now_ms)
		err->retry_after_s =
			(unsigned)((m->retry_at_ms - now_ms + 999) / 1000);
	return -1;
}

static int
check(const struct ag_scheduler *s, struct ag_model *m,
      const struct ag_queue *q, struct gw_err *err)
{
	uint32_t max = s->config->max_pending;

	if (ag_rule_is_hopeless(m))
		return refuse_at_once(m, err);
	if (!q) { /* no device: FAILED, so that the gateway is told */
		ag_model_examine(m);
		return refuse_at_once(m, err);
	}
	if (q->n_waiting >= max && !at_once(s, q, m))
		return gw_err_set(err, GW_ERR_DEVICE_QUEUE_FULL, 0,
				  "as many requests wait for device %s as may "
				  "(max_pending_per_device = %" PRIu32 ")",
				  q->device->id, max);
	return 0;
}

struct ag_ticket *
ag_ticket_take(struct ag_scheduler *s, struct ag_model *m,
	       void (*answered)(void *owner), void *owner, struct gw_err *err)
{
	struct ag_queue *q = ag_queue_choose(s, m);
	struct ag_ticket *t;

	if (check(s, m, q, err) < 0)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	t->number = ++s->tickets;
	t->answered = answered;
	t->owner = owner;
	t->model = m;
	t->queue = q;
	if (at_once(s, q, m)) {
		ag_ticket_run(s, q, t);
		return t;
	}
	ag_queue_join(q, t);
	/* Where to put its model is decided by how the devices are now. */
	ag_devices_refresh(s->devices, AG_SAMPLE_AGE_MS);
	ag_queue_wake(s);
	return t;
}

void
ag_ticket_drop(struct ag_scheduler *s, struct ag_ticket *t, bool lost_server)
{
	if (!t)
		return;
	if (t->state == AG_TICKET_WAITING)
		ag_queue_leave(t);
	if (t->state == AG_TICKET_GRANTED) {
		t->model->running--;
		t->model->last_used_ms = gw_mono_ms();
		if (lost_server)
			ag_model_doubt(t->model);
		ag_model_drained(t->model);
	}
	free(t);
	ag_queue_wake(s);
}
