/* SPDX-License-Identifier: MIT */
/*
 * parts.c - puts the agent's parts together. None of them knows another one
 * that is not below it: what goes up goes through here.
 */
#include "agent/parts.h"

#include "agent/report.h"

_Static_assert(AG_CHILDREN_MAX >= AG_MODELS_MAX, "room for every model");

/* ---- for the models ------------------------------------------------------ */

static void
model_settled(void *arg, struct ag_model *m)
{
	struct ag_agent *a = arg;

	(void)m;
	ag_scheduler_wake(a->scheduler);
}

static void
children_changed(void *arg)
{
	const struct ag_agent *a = arg;
	struct ag_child child[AG_MODELS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < a->models.n; i++) {
		const struct ag_model *m = &a->models.model[i];

		if (m->pid)
			child[n++] = (struct ag_child){
				.name = m->config->model_id,
				.pid = m->pid,
				.start_time = m->start_time,
			};
	}
	ag_children_write(&a->children, child, n);
}

static void
model_changed(void *arg, struct ag_model *m)
{
	struct ag_agent *a = arg;

	if (a->scheduler)
		ag_scheduler_model_changed(a->scheduler, m);
	/* It chooses between nodes by what is loaded where. */
	ag_gateway_line_urgent(a->line);
	if (m->state == AG_READY)
		children_changed(a);
	a->on_model_changed(a->run);
}

static struct ag_device *
room_for(void *arg, const struct ag_model *m)
{
	struct ag_agent *a = arg;

	return ag_scheduler_room_for(a->scheduler, m);
}

/* The first request for a model may come long before anything of it is started:
 * its place is taken from then on. */
static void
evicts_changed(void *arg)
{
	const struct ag_agent *a = arg;

	ag_gateway_line_urgent(a->line);
}

static const struct ag_model_ops model_ops = {
	.changed = model_changed,
	.settled = model_settled,
	.children_changed = children_changed,
	.room_for = room_for,
};

/* ---- for the line to the gateway ----------------------------------------- */

static struct json_object *
registration(void *arg)
{
	return ag_report_registration(arg);
}

static struct json_object *
heartbeat(void *arg)
{
	struct ag_agent *a = arg;
	struct json_object *doc = ag_report_heartbeat(a);

	/* So that the next one tells what is true then. */
	ag_devices_refresh(a->devices, AG_SAMPLE_AGE_MS);
	return doc;
}

static uint64_t
random_bits(void *arg)
{
	const struct ag_agent *a = arg;

	return gw_worker_random(a->worker);
}

static const struct ag_gateway_line_ops line_ops = {
	.registration = registration,
	.heartbeat = heartbeat,
	.random = random_bits,
};

/* ---- the whole ----------------------------------------------------------- */

int
ag_parts_new(struct ag_agent *a, void (*on_ready)(void *arg), void *arg,
	     struct gw_err *err)
{
	struct ag_gateway_line_setup line = {
		.loop = a->loop,
		.upstreams = a->worker->upstreams,
		.config = a->config,
		.ops = &line_ops,
		.arg = a,
	};

	a->line = ag_gateway_line_new(&line);
	if (!a->line)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	a->devices = ag_devices_new(a->loop, a->guard, &a->config->devices,
				    on_ready, arg, err);
	if (!a->devices)
		return -1;
	a->context = (struct ag_model_context){
		.loop = a->loop,
		.upstreams = a->worker->upstreams,
		.config = a->config,
		.devices = a->devices,
		.guard = a->guard,
		.mark = a->children.mark,
		.ops = &model_ops,
		.arg = a,
	};
	return ag_models_new(&a->context, &a->models, err);
}

int
ag_parts_begin(struct ag_agent *a, struct gw_err *err)
{
	a->scheduler =
		ag_scheduler_new(a->loop, a->config, a->devices, a->models);
	if (!a->scheduler)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	ag_scheduler_on_evicts(a->scheduler, evicts_changed, a);
	return 0;
}

void
ag_parts_free(struct ag_agent *a)
{
	ag_gateway_line_free(a->line);
	a->line = NULL;
	ag_scheduler_free(a->scheduler);
	a->scheduler = NULL;
	ag_models_free(&a->models);
	ag_devices_free(a->devices);
	a->devices = NULL;
}
