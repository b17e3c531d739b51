/* SPDX-License-Identifier: MIT */
/* report.c - devices and models as JSON; changes nothing. */
#include "agent/report.h"

#include <inttypes.h>

#include "agent/queue/share.h"
#include "base/clock.h"
#include "base/json.h"
#include "nodes/node_doc.h"

/* ---- pieces -------------------------------------------------------------- */

static void
set_number(struct json_object *o, const char *key, int64_t value)
{
	if (value == AG_UNKNOWN)
		json_object_object_add(o, key, NULL);
	else
		gw_json_set_int(o, key, value);
}

static void
set_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static struct json_object *
strings(const struct gw_keys *keys)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < keys->n; i++)
		json_object_array_add(list,
				      json_object_new_string(keys->key[i]));
	return list;
}

/* Text that the configuration wrote as JSON. */
static void
set_parsed(struct json_object *o, const char *key, const char *json)
{
	if (json)
		json_object_object_add(o, key, json_tokener_parse(json));
}

/* ---- devices ------------------------------------------------------------- */

static struct json_object *
device_object(struct ag_agent *a, const struct ag_device *d)
{
	struct json_object *o = json_object_new_object();
	struct ag_load load = ag_scheduler_load(a->scheduler, d);
	const struct ag_sample *s = &d->sample;

	gw_json_set_str(o, "id", d->id);
	gw_json_set_str(o, "name", s->name[0] ? s->name : NULL);
	set_number(o, "memory_total_mib", s->memory_total_mib);
	set_number(o, "memory_free_mib", s->memory_free_mib);
	set_number(o, "utilisation_pct", s->utilisation_pct);
	if (d->missing)
		set_bool(o, "missing", true);
	gw_json_set_int(o, "running", load.running);
	gw_json_set_int(o, "pending", load.waiting);
	return o;
}

static void
add_gpu_details(struct json_object *o, const struct ag_device *d)
{
	const struct ag_sample *s = &d->sample;

	if (d->kind != AG_DEVICE_GPU)
		return;
	gw_json_set_str(o, "uuid", s->uuid[0] ? s->uuid : NULL);
	set_number(o, "temperature_c", s->temperature_c);
	set_number(o, "power_w",
		   s->power_mw == AG_UNKNOWN ? AG_UNKNOWN
					     : (s->power_mw + 500) / 1000);
}

static struct json_object *
devices_array(struct ag_agent *a, bool details)
{
	struct json_object *list = json_object_new_array();
	const struct ag_device *d;
	size_t n;

	d = ag_devices_list(a->devices, &n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = device_object(a, &d[i]);

		if (details)
			add_gpu_details(o, &d[i]);
		json_object_array_add(list, o);
	}
	return list;
}

/* ---- models -------------------------------------------------------------- */

static void
shares_of(const struct ag_agent *a, struct ag_share *out)
{
	const struct ag_device *d;
	size_t n;

	d = ag_devices_list(a->devices, &n);
	ag_shares_of(a->models, d, n, a->config->max_pending, out);
}

/* By what the gateway chooses between nodes, and how much it sends here. */
static void
add_state(const struct ag_agent *a, struct json_object *o,
	  const struct ag_model *m, const struct ag_share *share)
{
	gw_json_set_str(o, "state", ag_state_word(m->state));
	gw_json_set_int(o, "parallel", ag_model_parallel(m));
	gw_json_set_int(o, "max_concurrency",
			ag_share_bound(m, share, m->state == AG_READY));
	set_bool(o, "evicts", ag_scheduler_evicts(a->scheduler, m));
}

static void
add_use(struct json_object *o, const struct ag_model *m)
{
	gw_json_set_str(o, "device", m->device ? m->device->id : NULL);
	gw_json_set_int(o, "running", m->running);
	gw_json_set_int(o, "pending", m->waiting);
}

static struct json_object *
last_exit_object(const struct ag_model *m)
{
	struct json_object *o;

	if (!m->last_exit_wall_s)
		return NULL;
	o = json_object_new_object();
	gw_json_set_int(o, "at", m->last_exit_wall_s);
	if (m->last_exit.exec_errno)
		gw_json_set_str(o, "error", strerror(m->last_exit.exec_errno));
	else if (m->last_exit.signal)
		gw_json_set_int(o, "signal", m->last_exit.signal);
	else
		gw_json_set_int(o, "status", m->last_exit.status);
	return o;
}

static struct json_object *
output_array(const struct ag_output_ring *r)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < r->n; i++)
		json_object_array_add(list, json_object_new_string(
						    ag_output_ring_line(r, i)));
	return list;
}

static void
add_failure(struct json_object *o, const struct ag_model *m)
{
	uint64_t now_ms = gw_mono_ms();

	if (m->state != AG_FAILED)
		return;
	gw_json_set_str(o, "error", m->error.msg);
	gw_json_set_int(
		o, "retry_in_s",
		m->retry_at_ms > now_ms
			? (int64_t)((m->retry_at_ms - now_ms + 999) / 1000)
			: 0);
}

static struct json_object *
inventory_model(const struct ag_agent *a, const struct ag_model *m,
		const struct ag_share *share)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "model_id", m->config->model_id);
	add_state(a, o, m, share);
	add_use(o, m);
	gw_json_set_int(o, "since", m->since_wall_s);
	gw_json_set_str(o, "reason", m->reason[0] ? m->reason : NULL);
	set_number(o, "pid", m->pid ? m->pid : AG_UNKNOWN);
	set_number(o, "port", m->port ? (int64_t)m->port : AG_UNKNOWN);
	gw_json_set_int(o, "starts", m->starts);
	gw_json_set_int(o, "crashes", m->crashes);
	json_object_object_add(o, "last_exit", last_exit_object(m));
	add_failure(o, m);
	json_object_object_add(o, "roles", strings(&m->config->roles));
	json_object_object_add(o, "output", output_array(&m->output));
	return o;
}

struct json_object *
ag_report_inventory(struct ag_agent *a)
{
	struct json_object *o = json_object_new_object();
	struct json_object *models = json_object_new_array();
	struct ag_share shares[AG_MODELS_MAX];

	shares_of(a, shares);
	for (size_t i = 0; i < a->models.n; i++)
		json_object_array_add(
			models,
			inventory_model(a, &a->models.model[i], &shares[i]));
	gw_json_set_str(o, "node_id", a->config->node_id);
	gw_json_set_int(o, "started", a->started_wall_s);
	json_object_object_add(o, "devices", devices_array(a, true));
	json_object_object_add(o, "models", models);
	json_object_object_add(o, "dispatcher",
			       ag_gateway_line_report(a->line));
	json_object_object_add(o, "counters",
			       gw_counters_document(&a->worker->counters));
	return o;
}

struct json_object *
ag_report_model(const struct ag_agent *a, const struct ag_model *m)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "id", m->config->model_id);
	gw_json_set_str(o, "object", "model");
	gw_json_set_int(o, "created", a->started_wall_s);
	gw_json_set_str(o, "owned_by", "rolemesh");
	gw_json_set_str(o, "state", ag_state_word(m->state));
	json_object_object_add(o, "roles", strings(&m->config->roles));
	set_parsed(o, "meta", m->config->meta_json);
	return o;
}

/* ---- for the gateway ----------------------------------------------------- */

static struct json_object *
served_models(const struct ag_agent *a)
{
	struct json_object *list = json_object_new_array();
	struct ag_share shares[AG_MODELS_MAX];

	shares_of(a, shares);
	for (size_t i = 0; i < a->models.n; i++) {
		const struct ag_model *model = &a->models.model[i];
		const struct ag_model_config *m = model->config;
		struct json_object *o;

		if (m->roles.n == 0)
			continue;
		o = json_object_new_object();
		gw_json_set_str(o, "model_id", m->model_id);
		json_object_object_add(o, "roles", strings(&m->roles));
		if (m->parallel || model->slots)
			gw_json_set_int(o, "parallel",
					ag_model_parallel(model));
		gw_json_set_int(o, "max_concurrency",
				ag_share_bound(model, &shares[i], true));
		set_parsed(o, "meta", m->meta_json);
		json_object_array_add(list, o);
	}
	return list;
}

/* Is it at most @max bytes as text? */
static bool
fits(struct json_object *o, size_t max)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(max);

	return gw_json_text(o, &text) == 0;
}

static struct json_object *
capacity(struct ag_agent *a, bool names)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	const struct ag_device *d;
	size_t n;

	d = ag_devices_list(a->devices, &n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *device = json_object_new_object();

		gw_json_set_str(device, "id", d[i].id);
		if (names)
			gw_json_set_str(device, "name",
					d[i].sample.name[0] ? d[i].sample.name
							    : NULL);
		set_number(device, "memory_total_mib",
			   d[i].sample.memory_total_mib);
		json_object_array_add(list, device);
	}
	json_object_object_add(o, "devices", list);
	gw_json_set_int(o, "max_pending_per_device", a->config->max_pending);
	return o;
}

static struct json_object *
node_meta(struct ag_agent *a, bool names)
{
	struct json_object *meta = json_object_new_object();

	gw_json_set_str(meta, "agent", "rolemesh-node-agent");
	json_object_object_add(meta, "capacity", capacity(a, names));
	return meta;
}

struct json_object *
ag_report_registration(struct ag_agent *a)
{
	struct json_object *o = json_object_new_object();
	struct json_object *meta = node_meta(a, true);

	gw_json_set_str(o, "node_id", a->config->node_id);
	gw_json_set_str(o, "base_url", a->config->advertise_url);
	json_object_object_add(o, "served_models", served_models(a));
	/* Many devices with long names: better without than refused. */
	if (!fits(meta, GW_NODE_META_MAX)) {
		json_object_put(meta);
		meta = node_meta(a, false);
	}
	json_object_object_add(o, "meta", meta);
	return o;
}

/* How much a heartbeat says; the next step says less. */
enum detail {
	ALL,
	STATES,
	FAILED_ONLY,
	NOTHING
};

static struct json_object *
metrics(struct ag_agent *a, enum detail detail, const struct ag_share *shares)
{
	struct json_object *o = json_object_new_object();
	struct json_object *models = json_object_new_object();

	for (size_t i = 0; i < a->models.n; i++) {
		const struct ag_model *m = &a->models.model[i];
		struct json_object *one;

		if (detail == NOTHING ||
		    (detail == FAILED_ONLY && m->state != AG_FAILED))
			continue;
		one = json_object_new_object();
		add_state(a, one, m, &shares[i]);
		if (detail == ALL)
			add_use(one, m);
		json_object_object_add(models, m->config->model_id, one);
	}
	if (detail == ALL)
		json_object_object_add(o, "devices", devices_array(a, false));
	json_object_object_add(o, "models", models);
	return o;
}

struct json_object *
ag_report_heartbeat(struct ag_agent *a)
{
	struct json_object *o = json_object_new_object();
	struct ag_share shares[AG_MODELS_MAX];

	shares_of(a, shares);
	gw_json_set_str(o, "node_id", a->config->node_id);
	for (enum detail detail = ALL;; detail++) {
		struct json_object *m = metrics(a, detail, shares);

		if (detail == NOTHING || fits(m, GW_NODE_METRICS_MAX)) {
			json_object_object_add(o, "metrics", m);
			return o;
		}
		json_object_put(m);
	}
}
