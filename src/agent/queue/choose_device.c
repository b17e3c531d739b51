/* SPDX-License-Identifier: MIT */
/* choose_device.c - on which device a model should run; changes nothing. */
#include "agent/queue/queue.h"

static struct ag_seat
seat_on(const struct ag_scheduler *s, const struct ag_model *m,
	const struct ag_queue *q)
{
	struct ag_load load = ag_queue_load(s, q);

	return (struct ag_seat){
		.room = ag_place_fits(s->models, m, q->device),
		.requests = load.waiting + load.running,
		.free_mib = q->device->sample.memory_free_mib,
	};
}

struct ag_queue *
ag_queue_best(const struct ag_scheduler *s, const struct ag_model *m)
{
	struct ag_queue *best = NULL;
	struct ag_seat best_seat = {0};

	for (size_t i = 0; i < s->n_queues; i++) {
		struct ag_seat seat;

		if (!ag_place_allowed(m, s->queues[i].device))
			continue;
		seat = seat_on(s, m, &s->queues[i]);
		if (best && !ag_rule_is_better(&seat, &best_seat))
			continue;
		best = &s->queues[i];
		best_seat = seat;
	}
	return best;
}

/* Where the model is or is expected, else the best place. */
struct ag_queue *
ag_queue_choose(const struct ag_scheduler *s, const struct ag_model *m)
{
	const struct ag_ticket *t;

	if (m->device)
		return ag_queue_of(s, m->device);
	for (size_t i = 0; m->waiting && i < s->n_queues; i++) {
		TAILQ_FOREACH(t, &s->queues[i].waiting, link)
		{
			if (t->model == m)
				return &s->queues[i];
		}
	}
	return ag_queue_best(s, m);
}
