/* SPDX-License-Identifier: MIT */
/*
 * queue.c - the queues as such: who waits where, in which order, and what is
 * true of a queue. Answers no ticket and starts no model.
 */
#include "agent/queue/queue.h"

#include "agent/model/start.h"

void
ag_queue_wake(struct ag_scheduler *s)
{
	if (ev_is_active(&s->run))
		return;
	ev_timer_set(&s->run, 0., 0.);
	ev_timer_start(s->loop, &s->run);
}

struct ag_queue *
ag_queue_of(const struct ag_scheduler *s, const struct ag_device *d)
{
	for (size_t i = 0; i < s->n_queues; i++)
		if (s->queues[i].device == d)
			return &s->queues[i];
	return NULL;
}

struct ag_load
ag_queue_load(const struct ag_scheduler *s, const struct ag_queue *q)
{
	struct ag_load load = {.waiting = q->n_waiting};

	for (size_t i = 0; i < s->models.n; i++)
		if (s->models.model[i].device == q->device)
			load.running += s->models.model[i].running;
	return load;
}

/* ---- in and out ---------------------------------------------------------- */

/* Another one is the oldest: nobody passed that one yet. */
static void
note_head(struct ag_queue *q)
{
	const struct ag_ticket *oldest = TAILQ_FIRST(&q->waiting);
	uint64_t head = oldest ? oldest->number : 0;

	if (head != q->head)
		q->overtakes = 0;
	q->head = head;
}

void
ag_queue_join(struct ag_queue *q, struct ag_ticket *t)
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
	t->model->expected = q->device;
	note_head(q);
}

void
ag_queue_leave(struct ag_ticket *t)
{
	TAILQ_REMOVE(&t->queue->waiting, t, link);
	t->queue->n_waiting--;
	if (--t->model->waiting == 0)
		t->model->expected = NULL;
	note_head(t->queue);
}

/* ---- may it run? --------------------------------------------------------- */

bool
ag_queue_in_the_way(const struct ag_scheduler *s, const struct ag_queue *q,
		    const struct ag_model *m)
{
	const struct ag_ticket *oldest = TAILQ_FIRST(&q->waiting);

	while (oldest && ag_model_is_out_of_reach(oldest->model))
		oldest = TAILQ_NEXT(oldest, link);
	if (!oldest || oldest->model == m || oldest->model->device == q->device)
		return false;
	return !ag_place_same_group(oldest->model, m) ||
	       !ag_place_fits(s->models, oldest->model, q->device);
}

bool
ag_queue_may_run(const struct ag_scheduler *s, const struct ag_queue *q,
		 const struct ag_model *m)
{
	const struct ag_turn turn = {
		.ready = m->state == AG_READY && !m->doubtful &&
			 m->device == q->device,
		.running = m->running,
		.parallel = ag_model_parallel(m),
		.in_the_way = ag_queue_in_the_way(s, q, m),
		.overtakes = q->overtakes,
	};

	return ag_rule_may_run(&turn);
}
