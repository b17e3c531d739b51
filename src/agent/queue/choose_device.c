/* SPDX-License-Identifier: MIT */
/* choose_device.c - on which device a model should run; changes nothing. */
#include "agent/agent.h"
#include "agent/queue/queue.h"

struct ag_queue *
ag_queue_of(const struct ag_scheduler *s, const struct ag_device *d)
{
	for (size_t i = 0; i < s->n_queues; i++)
		if (s->queues[i].device == d)
			return &s->queues[i];
	return NULL;
}

struct ag_load
ag_scheduler_load(const struct ag_scheduler *s, const struct ag_device *d)
{
	const struct ag_queue *q = ag_queue_of(s, d);
	struct ag_load load = {.waiting = q ? q->n_waiting : 0};

	for (size_t i = 0; i < s->models.n; i++)
		if (s->models.model[i].device == d)
			load.running += s->models.model[i].running;
	return load;
}

struct rank {
	bool room;
	unsigned requests;
	int64_t free_mib;
};

static bool
is_better(const struct rank *a, const struct rank *b)
{
	if (a->room != b->room)
		return a->room;
	if (a->requests != b->requests)
		return a->requests < b->requests;
	return a->free_mib > b->free_mib;
}

static struct rank
rank_device(const struct ag_scheduler *s, const struct ag_model *m,
	    const struct ag_device *d)
{
	struct ag_load load = ag_scheduler_load(s, d);

	return (struct rank){
		.room = ag_place_fits(s->models, m, d),
		.requests = load.waiting + load.running,
		.free_mib = d->sample.memory_free_mib,
	};
}

struct ag_queue *
ag_queue_best(const struct ag_scheduler *s, const struct ag_model *m)
{
	struct ag_queue *best = NULL;
	struct rank best_rank = {0};

	for (size_t i = 0; i < s->n_queues; i++) {
		struct rank r;

		if (!ag_place_allowed(m, s->queues[i].device))
			continue;
		r = rank_device(s, m, s->queues[i].device);
		if (best && !is_better(&r, &best_rank))
			continue;
		best = &s->queues[i];
		best_rank = r;
	}
	return best;
}

struct ag_device *
ag_scheduler_room_for(struct ag_scheduler *s, const struct ag_model *m)
{
	struct ag_queue *q = ag_queue_best(s, m);

	if (!q || !ag_place_fits(s->models, m, q->device))
		return NULL;
	return q->device;
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
