/* SPDX-License-Identifier: MIT */
/*
 * ticket.c - the way of a request's ticket: taken, waiting, granted or refused,
 * dropped. Starts and ends no model.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/queue/queue.h"
#include "base/clock.h"
#include "upstream/transfer.h"

/* ---- may it run? --------------------------------------------------------- */

/* Does the oldest waiter need @m to go away? */
static bool
is_in_the_way(const struct ag_scheduler *s, const struct ag_queue *q,
	      const struct ag_model *m)
{
	const struct ag_ticket *oldest = TAILQ_FIRST(&q->waiting);

	if (!oldest || oldest->model == m || oldest->model->device == q->device)
		return false;
	return !ag_place_same_group(oldest->model, m) ||
	       !ag_place_fits(s->models, oldest->model, q->device);
}

/* May one more request of this model run now? */
bool
ag_queue_may_run(const struct ag_scheduler *s, const struct ag_queue *q,
		 const struct ag_model *m)
{
	return m->state == AG_READY && !m->doubtful && m->device == q->device &&
	       m->running < m->config->parallel &&
	       (q->overtakes < AG_OVERTAKES_MAX || !is_in_the_way(s, q, m));
}

bool
ag_queue_is_hopeless(const struct ag_model *m)
{
	return m->failing ||
	       (m->state == AG_FAILED &&
		!(m->resident && m->starts > 0 && m->backoff.failures <= 1));
}

/* ---- moves --------------------------------------------------------------- */

static void
note_head(struct ag_queue *q)
{
	const struct ag_ticket *oldest = TAILQ_FIRST(&q->waiting);
	uint64_t head = oldest ? oldest->number : 0;

	if (head != q->head)
		q->overtakes = 0;
	q->head = head;
}

static void
leave_queue(struct ag_ticket *t)
{
	TAILQ_REMOVE(&t->queue->waiting, t, link);
	t->queue->n_waiting--;
	t->model->waiting--;
	note_head(t->queue);
}

/* In the order of arrival: tickets of a model may come from another queue. */
static void
join_queue(struct ag_queue *q, struct ag_ticket *t)
{
	struct ag_ticket *before = TAILQ_LAST(&q->waiting, ag_tickets);

	while (before && before->number > t->number)
		before = TAILQ_PREV(before, ag_tickets, link);
	if (before)
		TAILQ_INSERT_AFTER(&q->waiting, before, t, link);
	else
		TAILQ_INSERT_HEAD(&q->waiting, t, link);
	t->queue = q;
	q->n_waiting++;
	t->model->waiting++;
	note_head(q);
}

static void
begin_running(struct ag_scheduler *s, struct ag_queue *q, struct ag_ticket *t)
{
	struct ag_model *m = t->model;

	if (is_in_the_way(s, q, m))
		q->overtakes++;
	ev_timer_stop(s->agent->loop, &m->idle);
	t->state = AG_TICKET_GRANTED;
	m->running++;
	m->last_used_ms = gw_mono_ms();
}

void
ag_ticket_grant(struct ag_scheduler *s, struct ag_ticket *t)
{
	begin_running(s, t->queue, t);
	leave_queue(t);
	gw_pipeline_resume(t->request);
}

void
ag_ticket_refuse(struct ag_ticket *t)
{
	leave_queue(t);
	t->state = AG_TICKET_REFUSED;
	t->request->err = t->model->error;
	gw_pipeline_resume(t->request);
}

void
ag_ticket_gather(struct ag_scheduler *s, const struct ag_model *m,
		 struct ag_queue *q)
{
	for (size_t i = 0; m->waiting && i < s->n_queues; i++) {
		struct ag_ticket *t, *next;

		if (&s->queues[i] == q)
			continue;
		for (t = TAILQ_FIRST(&s->queues[i].waiting); t; t = next) {
			next = TAILQ_NEXT(t, link);
			if (t->model != m)
				continue;
			leave_queue(t);
			join_queue(q, t);
		}
	}
	ag_scheduler_wake(s);
}

void
ag_scheduler_model_changed(struct ag_scheduler *s, struct ag_model *m)
{
	if (m->state != AG_READY)
		ev_timer_stop(s->agent->loop, &m->idle);
	/* It may come up elsewhere than its requests had waited for it. */
	if (m->device)
		ag_ticket_gather(s, m, ag_queue_of(s, m->device));
	ag_scheduler_wake(s);
}

bool
ag_ticket_is_stranded(const struct ag_ticket *t)
{
	return !t->model->device &&
	       !ag_place_allowed(t->model, t->queue->device);
}

void
ag_ticket_rescue(struct ag_scheduler *s, struct ag_ticket *t)
{
	struct ag_queue *q = ag_queue_best(s, t->model);

	if (q) {
		ag_ticket_gather(s, t->model, q);
		return;
	}
	/* FAILED from here on, so that the gateway sends no more of them. */
	ag_model_examine(t->model);
	ag_ticket_refuse(t);
}

/* ---- taken and dropped --------------------------------------------------- */

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
	uint32_t max = s->agent->config->max_pending;

	if (ag_queue_is_hopeless(m))
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
ag_ticket_take(struct ag_scheduler *s, struct ag_model *m, struct gw_request *r,
	       struct gw_err *err)
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
	t->request = r;
	t->model = m;
	t->queue = q;
	if (at_once(s, q, m)) {
		begin_running(s, q, t);
		return t;
	}
	join_queue(q, t);
	/* Where to put its model is decided by how the devices are now. */
	ag_devices_refresh(s->agent->devices, AG_SAMPLE_AGE_MS);
	ag_scheduler_wake(s);
	return t;
}

/* It ended, and not because the client or a limit wanted it to. */
static bool
lost_its_server(const struct gw_request *r)
{
	return r->relay.done && r->relay.failure != GW_TRANSFER_OK;
}

void
ag_ticket_drop(struct ag_scheduler *s, struct ag_ticket *t)
{
	if (!t)
		return;
	if (t->state == AG_TICKET_WAITING)
		leave_queue(t);
	if (t->state == AG_TICKET_GRANTED) {
		t->model->running--;
		t->model->last_used_ms = gw_mono_ms();
		if (lost_its_server(t->request))
			ag_model_doubt(t->model);
		ag_model_drained(t->model);
	}
	free(t);
	ag_scheduler_wake(s);
}
