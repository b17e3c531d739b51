/* SPDX-License-Identifier: MIT */
/*
 * schedule.c - what happens next on each device: which waiting request runs,
 * which model is started, and which one has to go.
 *
 * All of it is decided in on_run(), from what is true at that moment; events
 * only ask for it to be called.
 */
#include "agent/queue/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/model/model.h"
#include "agent/model/start.h"
#include "agent/queue/queue.h"
#include "base/log.h"

/* One ticket that can be answered or moved now; false when there is none. */
static bool
answer_one(struct ag_scheduler *s, struct ag_queue *q)
{
	struct ag_ticket *t;

	TAILQ_FOREACH(t, &q->waiting, link)
	{
		if (ag_rule_is_hopeless(t->model)) {
			ag_ticket_refuse(t);
			return true;
		}
		if (ag_queue_may_run(s, q, t->model)) {
			ag_ticket_grant(s, t);
			return true;
		}
		if (ag_ticket_is_stranded(t)) {
			ag_ticket_rescue(s, t);
			return true;
		}
	}
	return false;
}

/* Something on the device is on its way up or down: wait for what becomes of
 * it. */
static bool
is_changing(const struct ag_scheduler *s, const struct ag_device *d)
{
	for (size_t i = 0; i < s->models.n; i++) {
		const struct ag_model *m = &s->models.model[i];

		if (m->device == d && (m->state != AG_READY || m->doubtful))
			return true;
	}
	return false;
}

static void
make_room(struct ag_scheduler *s, struct ag_queue *q, struct ag_model *m)
{
	struct ag_model *victim = ag_place_victim(s->models, m, q->device);
	const struct ag_eviction e = {
		.any = victim != NULL,
		.shares = victim && ag_place_same_group(victim, m),
		.unsettled = ag_place_unsettled(s->models, q->device),
		.running = victim ? victim->running : 0,
		.overtakes = q->overtakes,
	};
	enum ag_room_step step = ag_rule_make_room(&e);
	char reason[AG_REASON_BYTES];

	if (step == AG_ROOM_MEASURE)
		ag_devices_refresh(s->devices, AG_SETTLE_MS);
	if (step != AG_ROOM_END)
		return;
	/* What cannot be started takes nobody's place. */
	if (!ag_model_is_startable(m)) {
		ag_model_start(m, q->device);
		return;
	}
	snprintf(reason, sizeof(reason), "%s needs its place",
		 m->config->model_id);
	ag_model_stop(victim, reason);
}

/* All who waited for what is being loaded have left: others need the device. */
static void
give_up_loading(struct ag_scheduler *s, const struct ag_device *d)
{
	for (size_t i = 0; i < s->models.n; i++) {
		struct ag_model *m = &s->models.model[i];

		if (m->device == d && m->waiting == 0 && !m->resident &&
		    (m->state == AG_STARTING || m->state == AG_LOADING))
			ag_model_stop(m, "nobody waits for it any more");
	}
}

/*
 * Its device is busy, perhaps for long. Did another one become free since it
 * was chosen? Then they all go there.
 */
static bool
go_elsewhere(struct ag_scheduler *s, struct ag_queue *q,
	     const struct ag_model *m)
{
	struct ag_queue *best = ag_queue_best(s, m);
	struct ag_detour d;

	if (!best)
		return false;
	d = (struct ag_detour){
		.same = best == q,
		.running = ag_queue_load(s, q).running,
		.changing = is_changing(s, best->device),
		.fits = ag_place_fits(s->models, m, best->device),
		.load = ag_queue_load(s, best),
	};
	if (!ag_rule_goes_elsewhere(&d))
		return false;
	ag_ticket_gather(s, m, best);
	return true;
}

/*
 * Models that wait to be started, in the order of their oldest request. What
 * does not fit beside what is there ends the walk: later ones would take the
 * place it waits for.
 */
static void
start_next(struct ag_scheduler *s, struct ag_queue *q)
{
	struct ag_ticket *t;

	TAILQ_FOREACH(t, &q->waiting, link)
	{
		struct ag_model *m = t->model;

		if (m->state != AG_STOPPED || ag_model_is_out_of_reach(m))
			continue;
		if (ag_place_fits(s->models, m, q->device)) {
			ag_model_start(m, q->device);
			/* Or a later one takes its place meanwhile. */
			if (ag_model_is_looked_for(m))
				return;
			continue;
		}
		if (go_elsewhere(s, q, m))
			return;
		if (is_changing(s, q->device))
			give_up_loading(s, q->device);
		else
			make_room(s, q, m);
		return;
	}
}

static void
on_idle(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ag_model *m = t->data;

	(void)loop;
	(void)revents;
	if (m->running == 0 && m->waiting == 0)
		ag_model_stop(m, "unused for idle_unload_s");
}

static void
start_idle_timers(struct ag_scheduler *s)
{
	uint32_t idle_ms = s->config->idle_unload_ms;

	for (size_t i = 0; idle_ms && i < s->models.n; i++) {
		struct ag_model *m = &s->models.model[i];

		if (m->state != AG_READY || m->running || m->waiting ||
		    ev_is_active(&m->idle))
			continue;
		ev_timer_set(&m->idle, idle_ms / 1000., 0.);
		ev_timer_start(s->loop, &m->idle);
	}
}

/* In the order of the configuration, once their files are known to be there. */
static void
preload(struct ag_scheduler *s)
{
	for (size_t i = 0; i < s->models.n; i++) {
		struct ag_model *m = &s->models.model[i];
		struct ag_device *d;
		char id[300];

		if (!m->preload_due || ag_model_is_out_of_reach(m))
			continue;
		if (ag_model_is_looked_for(m))
			return;
		if (m->state == AG_STOPPED) {
			d = ag_scheduler_room_for(s, m);
			if (d)
				ag_model_start(m, d);
			if (ag_model_is_looked_for(m))
				return;
			m->resident = d;
			if (!d)
				gw_log(GW_EV_PRELOAD_SKIPPED, NULL, "model=%s",
				       gw_log_quote(
					       id, sizeof(id),
					       m->config->model_id,
					       strlen(m->config->model_id)));
		}
		m->preload_due = false;
	}
}

static void
on_run(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ag_scheduler *s = t->data;

	(void)loop;
	(void)revents;
	preload(s);
	for (size_t i = 0; i < s->n_queues; i++) {
		while (answer_one(s, &s->queues[i]))
			;
		start_next(s, &s->queues[i]);
	}
	start_idle_timers(s);
	ag_queue_note_evictions(s);
}

/* ---- what others tell and ask -------------------------------------------- */

void
ag_scheduler_wake(struct ag_scheduler *s)
{
	if (s)
		ag_queue_wake(s);
}

void
ag_scheduler_model_changed(struct ag_scheduler *s, struct ag_model *m)
{
	s->moved = true;
	if (m->state != AG_READY)
		ev_timer_stop(s->loop, &m->idle);
	/* It may come up elsewhere than its requests had waited for it. */
	if (m->device)
		ag_ticket_gather(s, m, ag_queue_of(s, m->device));
	ag_queue_wake(s);
}

struct ag_load
ag_scheduler_load(const struct ag_scheduler *s, const struct ag_device *d)
{
	const struct ag_queue *q = s ? ag_queue_of(s, d) : NULL;

	return q ? ag_queue_load(s, q) : (struct ag_load){0};
}

struct ag_device *
ag_scheduler_room_for(struct ag_scheduler *s, const struct ag_model *m)
{
	struct ag_queue *q = ag_queue_best(s, m);

	if (!q || !ag_place_fits(s->models, m, q->device))
		return NULL;
	return q->device;
}

void
ag_scheduler_preload(struct ag_scheduler *s)
{
	for (size_t i = 0; i < s->models.n; i++)
		s->models.model[i].preload_due =
			s->models.model[i].config->preload;
	ag_queue_wake(s);
}

static void
on_sample(void *arg)
{
	struct ag_scheduler *s = arg;

	s->moved = true;
	ag_scheduler_wake(s);
}

struct ag_scheduler *
ag_scheduler_new(struct ev_loop *loop, const struct ag_config *config,
		 struct ag_devices *devices, struct ag_models models)
{
	struct ag_scheduler *s = calloc(1, sizeof(*s));
	struct ag_device *device;

	if (!s)
		return NULL;
	s->loop = loop;
	s->config = config;
	s->devices = devices;
	s->models = models;
	device = ag_devices_list(devices, &s->n_queues);
	s->queues = calloc(s->n_queues ? s->n_queues : 1, sizeof(*s->queues));
	if (!s->queues) {
		free(s);
		return NULL;
	}
	for (size_t i = 0; i < s->n_queues; i++) {
		s->queues[i].device = &device[i];
		TAILQ_INIT(&s->queues[i].waiting);
	}
	for (size_t i = 0; i < s->models.n; i++) {
		ev_timer_init(&s->models.model[i].idle, on_idle, 0., 0.);
		s->models.model[i].idle.data = &s->models.model[i];
	}
	ev_timer_init(&s->run, on_run, 0., 0.);
	s->run.data = s;
	ag_devices_on_sample(devices, on_sample, s);
	return s;
}

void
ag_scheduler_free(struct ag_scheduler *s)
{
	if (!s)
		return;
	ag_devices_on_sample(s->devices, NULL, NULL);
	ev_timer_stop(s->loop, &s->run);
	for (size_t i = 0; i < s->models.n; i++)
		ev_timer_stop(s->loop, &s->models.model[i].idle);
	free(s->queues);
	free(s);
}
