/* SPDX-License-Identifier: MIT */
/*
 * schedule_fixture.h - the agent's queues with models and devices that are only
 * remembered: no process, no vendor tool. It stands in for model.c and
 * device.c; a test says when a model is ready, crashes or is gone. The steps
 * between the states are the real ones (state.c).
 */
#ifndef TESTS_UNIT_SCHEDULE_FIXTURE_H
#define TESTS_UNIT_SCHEDULE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "agent/model/model.h"
#include "agent/model/start.h"
#include "agent/queue/queue.h"
#include "agent/queue/schedule.h"
#include "base/clock.h"
#include "tap.h"

#define N_MODELS 4
#define N_CLIENTS 40
#define TURNS_MAX 10000 /* only ends a test that would hang */

enum {
	A,
	B,
	C,
	D
};

/* A request: who takes a ticket, is called and gives it back. */
struct client {
	struct ag_ticket *ticket;
	struct gw_err err;
	unsigned answered;
	bool leaves; /* as soon as it is answered */
};

struct ag_devices {
	struct ag_device device[2];
	size_t n;
	unsigned asked;	     /* ag_devices_refresh() */
	uint32_t max_age_ms; /* of the last time */
	void (*sampled)(void *arg);
	void *arg;
};

static struct ev_loop *loop;
static struct ag_devices devices;
static struct ag_device *const gpu0 = &devices.device[0];
static struct ag_device *const gpu1 = &devices.device[1];
static struct ag_config config;
static struct ag_model_config configs[N_MODELS];
static struct ag_model model[N_MODELS];
static bool broken[N_MODELS]; /* its file is missing */
static bool looked_for[N_MODELS]; /* its files are */
static bool out_of_reach[N_MODELS]; /* ... on a file system that hangs */
static unsigned doubts[N_MODELS];
static struct ag_scheduler *s;
static struct client clients[N_CLIENTS];
static size_t n_clients;

/* ---- instead of device.c ------------------------------------------------- */

struct ag_device *
ag_devices_list(struct ag_devices *d, size_t *n)
{
	*n = d->n;
	return d->device;
}

void
ag_devices_refresh(struct ag_devices *d, uint32_t max_age_ms)
{
	d->asked++;
	d->max_age_ms = max_age_ms;
}

void
ag_devices_on_sample(struct ag_devices *d, void (*sampled)(void *arg),
		     void *arg)
{
	d->sampled = sampled;
	d->arg = arg;
}

/* ---- instead of model.c and start.c -------------------------------------- */

static int
check(const struct ag_model *m, struct gw_err *err)
{
	if (broken[m->index])
		return gw_err_set(err, GW_ERR_MODEL_START_FAILED, 0, "no file");
	for (size_t i = 0; i < devices.n; i++)
		if (ag_place_allowed(m, &devices.device[i]))
			return 0;
	return gw_err_set(err, GW_ERR_NO_DEVICE, 0, "no device");
}

static void
fails(struct ag_model *m)
{
	m->device = NULL;
	m->backoff.failures++;
	m->retry_at_ms = gw_mono_ms() + 60000;
	if (m->state != AG_FAILED)
		ag_model_enter(m, AG_FAILED, m->error.msg);
}

void
ag_model_start(struct ag_model *m, struct ag_device *d)
{
	if (check(m, &m->error) < 0) {
		fails(m);
		return;
	}
	if (looked_for[m->index] || out_of_reach[m->index])
		return;
	m->device = d;
	m->starts++;
	ag_model_enter(m, AG_STARTING, NULL);
}

bool
ag_model_is_startable(const struct ag_model *m)
{
	struct gw_err ignored;

	return check(m, &ignored) == 0 && !looked_for[m->index];
}

bool
ag_model_is_looked_for(const struct ag_model *m)
{
	return looked_for[m->index];
}

bool
ag_model_is_out_of_reach(const struct ag_model *m)
{
	return out_of_reach[m->index];
}

void
ag_model_examine(struct ag_model *m)
{
	if (m->state == AG_STOPPED && check(m, &m->error) < 0)
		fails(m);
}

void
ag_model_stop(struct ag_model *m, const char *reason)
{
	if (m->state < AG_STARTING || m->state > AG_READY)
		return;
	m->resident = false;
	ag_model_enter(m,
		       m->state == AG_READY && m->running > 0 ? AG_DRAINING
							      : AG_STOPPING,
		       reason);
}

void
ag_model_drained(struct ag_model *m)
{
	if (m->state == AG_DRAINING && m->running == 0)
		ag_model_enter(m, AG_STOPPING, m->reason);
}

void
ag_model_doubt(struct ag_model *m)
{
	doubts[m->index]++;
	m->doubtful = m->state == AG_READY;
}

static void
changed(void *arg, struct ag_model *m)
{
	(void)arg;
	if (s)
		ag_scheduler_model_changed(s, m);
}

static const struct ag_model_ops ops = {.changed = changed};
static const struct ag_model_context context = {.ops = &ops};

/* ---- the beginning and the end of a test --------------------------------- */

static void
reset(size_t n_devices)
{
	static const char *const ids[] = {"a", "b", "c", "d"};

	memset(&devices, 0, sizeof(devices));
	memset(&config, 0, sizeof(config));
	memset(configs, 0, sizeof(configs));
	memset(model, 0, sizeof(model));
	memset(broken, 0, sizeof(broken));
	memset(looked_for, 0, sizeof(looked_for));
	memset(out_of_reach, 0, sizeof(out_of_reach));
	memset(doubts, 0, sizeof(doubts));
	memset(clients, 0, sizeof(clients));
	n_clients = 0;
	config.max_pending = N_CLIENTS;
	devices.n = n_devices;
	for (size_t i = 0; i < 2; i++) {
		struct ag_device *d = &devices.device[i];

		snprintf(d->id, sizeof(d->id), "gpu:%zu", i);
		d->sample.memory_total_mib = 1000;
		d->sample.memory_free_mib = 1000;
	}
	for (size_t i = 0; i < N_MODELS; i++) {
		configs[i].model_id = (char *)ids[i];
		configs[i].parallel = 1;
		model[i].config = &configs[i];
		model[i].context = &context;
		model[i].index = i;
	}
}

static void
begin(size_t n_devices)
{
	const struct ag_models all = {.model = model, .n = N_MODELS};

	reset(n_devices);
	if (!loop)
		loop = ev_default_loop(0);
	s = ag_scheduler_new(loop, &config, &devices, all);
}

/* Until nobody wants to look at the queues any more. */
static void
settle(void)
{
	for (unsigned i = 0; i < TURNS_MAX && ev_is_active(&s->run); i++)
		ev_run(loop, EVRUN_ONCE);
}

__attribute__((unused)) static void
end(void)
{
	for (size_t i = 0; i < n_clients; i++)
		ag_ticket_drop(s, clients[i].ticket, false);
	ag_scheduler_free(s);
	s = NULL;
}

/* ---- what happens to models ---------------------------------------------- */

__attribute__((unused)) static void
in_group(size_t i, uint64_t mib)
{
	configs[i].group = (char *)"g";
	configs[i].memory_mib = mib;
}

/* It is started, by whomever, and ready; measured once it is settled. */
__attribute__((unused)) static void
is_ready(size_t i, struct ag_device *d)
{
	if (model[i].state == AG_STOPPED || model[i].state == AG_FAILED)
		ag_model_start(&model[i], d);
	model[i].resident = true;
	ag_model_enter(&model[i], AG_READY, NULL);
	model[i].since_ms = d->sampled_ms;
	settle();
}

/* Its process ended, as it was asked to. */
__attribute__((unused)) static void
is_gone(size_t i)
{
	model[i].device = NULL;
	ag_model_enter(&model[i], AG_STOPPED, NULL);
	settle();
}

__attribute__((unused)) static void
crashes(size_t i)
{
	gw_err_set(&model[i].error, GW_ERR_MODEL_START_FAILED, 0, "crashed");
	fails(&model[i]);
	settle();
}

__attribute__((unused)) static void
is_sampled(void)
{
	gpu0->sampled_ms += 10;
	gpu1->sampled_ms += 10;
	devices.sampled(devices.arg);
	settle();
}

/* ---- requests ------------------------------------------------------------ */

static void
leave(struct client *c, bool lost_server)
{
	ag_ticket_drop(s, c->ticket, lost_server);
	c->ticket = NULL;
}

static void
on_answered(void *owner)
{
	struct client *c = owner;

	c->answered++;
	if (c->leaves)
		leave(c, false);
}

/* Before the loop turns. */
static struct client *
arrives(size_t i)
{
	struct client *c = &clients[n_clients++];

	c->ticket = ag_ticket_take(s, &model[i], on_answered, c, &c->err);
	return c;
}

__attribute__((unused)) static struct client *
asks(size_t i)
{
	struct client *c = arrives(i);

	settle();
	return c;
}

__attribute__((unused)) static void
ends(struct client *c)
{
	leave(c, false);
	settle();
}

static bool
runs(const struct client *c)
{
	return c->ticket && c->ticket->state == AG_TICKET_GRANTED;
}

static bool
waits(const struct client *c)
{
	return c->ticket && c->ticket->state == AG_TICKET_WAITING &&
	       c->answered == 0;
}

__attribute__((unused)) static bool
waits_at(const struct client *c, const struct ag_device *d)
{
	return waits(c) && c->ticket->queue->device == d;
}

__attribute__((unused)) static bool
is_refused(const struct client *c, enum gw_code code)
{
	return c->ticket && c->ticket->state == AG_TICKET_REFUSED &&
	       c->answered == 1 && c->ticket->err.code == code;
}

__attribute__((unused)) static bool
all_run(struct client *const *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!runs(c[i]))
			return false;
	return true;
}

#endif
