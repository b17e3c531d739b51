/* SPDX-License-Identifier: MIT */
/*
 * evictions.c - whom a start would push out, for those who choose between this
 * node and others. Changes no queue and no model.
 */
#include "agent/queue/queue.h"
#include "agent/queue/schedule.h"

_Static_assert(AG_MODELS_MAX <= 64, "a bit for each model");

bool
ag_scheduler_evicts(const struct ag_scheduler *s, const struct ag_model *m)
{
	bool allowed = false;

	if (m->state >= AG_STARTING && m->state <= AG_READY)
		return false;
	if (m->state == AG_DRAINING)
		return true; /* another one needs its place */
	for (size_t i = 0; s && i < s->n_queues; i++) {
		const struct ag_device *d = s->queues[i].device;

		if (!ag_place_allowed(m, d))
			continue;
		if (ag_place_will_fit(s->models, m, d))
			return false;
		allowed = true;
	}
	return allowed;
}

void
ag_scheduler_on_evicts(struct ag_scheduler *s, void (*changed)(void *arg),
		       void *arg)
{
	s->on_evicts = changed;
	s->on_evicts_arg = arg;
}

/* Whose requests wait, and for what is not loaded yet. */
static uint64_t
expected(const struct ag_scheduler *s)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < s->models.n; i++) {
		const struct ag_model *m = &s->models.model[i];

		if (m->expected && !m->device)
			bits |= UINT64_C(1) << i;
	}
	return bits;
}

void
ag_queue_note_evictions(struct ag_scheduler *s)
{
	uint64_t before = s->evicts, now = expected(s);

	if (!s->moved && now == s->expected)
		return;
	s->moved = false;
	s->expected = now;
	s->evicts = 0;
	for (size_t i = 0; i < s->models.n; i++)
		if (ag_scheduler_evicts(s, &s->models.model[i]))
			s->evicts |= UINT64_C(1) << i;
	if (s->evicts != before && s->on_evicts)
		s->on_evicts(s->on_evicts_arg);
}
