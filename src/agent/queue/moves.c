/* SPDX-License-Identifier: MIT */
/*
 * moves.c - what can happen to a waiting ticket: granted, refused, or sent to
 * another device. Decides nothing, and starts and ends no model.
 */
#include "agent/model/model.h"
#include "agent/queue/queue.h"
#include "base/clock.h"

void
ag_ticket_run(struct ag_scheduler *s, struct ag_queue *q, struct ag_ticket *t)
{
	struct ag_model *m = t->model;

	if (ag_queue_in_the_way(s, q, m))
		q->overtakes++;
	ev_timer_stop(s->loop, &m->idle);
	t->state = AG_TICKET_GRANTED;
	m->running++;
	m->last_used_ms = gw_mono_ms();
}

void
ag_ticket_grant(struct ag_scheduler *s, struct ag_ticket *t)
{
	ag_ticket_run(s, t->queue, t);
	ag_queue_leave(t);
	t->answered(t->owner);
}

void
ag_ticket_refuse(struct ag_ticket *t)
{
	ag_queue_leave(t);
	t->state = AG_TICKET_REFUSED;
	t->err = t->model->error;
	t->answered(t->owner);
}

void
ag_ticket_gather(struct ag_scheduler *s, const struct ag_model *m,
		 struct ag_queue *q)
{
	s->moved = true;
	for (size_t i = 0; m->waiting && i < s->n_queues; i++) {
		struct ag_ticket *t, *next;

		if (&s->queues[i] == q)
			continue;
		for (t = TAILQ_FIRST(&s->queues[i].waiting); t; t = next) {
			next = TAILQ_NEXT(t, link);
			if (t->model != m)
				continue;
			ag_queue_leave(t);
			ag_queue_join(q, t);
		}
	}
	ag_queue_wake(s);
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
