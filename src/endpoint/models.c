/* SPDX-License-Identifier: MIT */
/*
 * models.c - /v1/models: the usable aliases as OpenAI's list, and beside it,
 * under `rolemesh`, what operators want to know: what is unusable and why, the
 * nodes, and the counters of all processes.
 *
 * Says nothing about where nodes are: clients hold only a client key.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "probe/probe.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "serve/reply.h"

static const char *const type_names[] = {
	[GW_MODEL_PROXY] = "proxy",
	[GW_MODEL_DISCOVERED] = "discovered",
};

static struct json_object *
unusable_model(const struct gw_model *m, const struct gw_usable *u)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "id", m->openai_model_name);
	gw_json_set_str(o, "alias", m->alias);
	gw_json_set_str(o, "type", type_names[m->type]);
	gw_json_set_str(o, "reason", u->reason);
	gw_json_set_int(o, "since", u->since_wall_s);
	gw_json_set_age(o, u->age_ms);
	return o;
}

/* One decimal: it is read by people, and changes with every look. */
static struct json_object *
tenths(uint64_t ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%u", ms / 1000,
		 (unsigned)(ms % 1000 / 100));
	return json_object_new_double_s((double)ms / 1000.0, text);
}

/* Adds a reference to what the registration holds under @key, if anything. */
static void
show_field(struct json_object *to, const struct gw_node_doc *d, const char *key)
{
	struct json_object *v;

	if (json_object_object_get_ex(d->json, key, &v))
		json_object_object_add(to, key, json_object_get(v));
}

static struct json_object *
node_object(struct gw_request *r, const struct gw_node *n, uint64_t age_ms,
	    uint32_t in_flight)
{
	bool fresh = age_ms < gw_node_view_stale_after_ms(gw_routing(r)->nodes);
	struct json_object *o = json_object_new_object();
	char reason[GW_PROBE_REASON_BYTES];
	uint64_t result_age_ms;
	bool reachable;

	gw_json_set_str(o, "node_id", n->doc->node_id);
	gw_json_set_str(o, "status", fresh ? "fresh" : "stale");
	json_object_object_add(o, "last_seen_s", tenths(age_ms));
	if (fresh) {
		reachable = gw_availability_node(gw_routed(r)->availability, n,
						 reason, sizeof(reason),
						 &result_age_ms);
		json_object_object_add(o, "reachable",
				       json_object_new_boolean(reachable));
		if (!reachable)
			gw_json_set_str(o, "reason", reason);
		gw_json_set_age(o, result_age_ms);
	}
	gw_json_set_int(o, "in_flight", in_flight);
	show_field(o, n->doc, "served_models");
	show_field(o, n->doc, "meta");
	if (n->status)
		json_object_object_add(o, "metrics",
				       json_object_get(n->status));
	return o;
}

static struct json_object *
all_nodes(struct gw_request *r)
{
	struct gw_routing *routing = gw_routing(r);
	struct json_object *list = json_object_new_array();
	gw_auto_free uint32_t *leases = calloc(REG_NODES_MAX, sizeof(*leases));
	const struct gw_node *nodes;
	uint64_t now_ms = gw_mono_ms();
	size_t n;

	if (leases)
		reg_lease_count(routing->reg, leases);
	gw_node_view_refresh(routing->nodes);
	nodes = gw_node_view_all(routing->nodes, &n);
	for (size_t i = 0; i < n; i++) {
		uint64_t age =
			gw_node_age_ms(routing->nodes, &nodes[i], now_ms);
		uint32_t slot = nodes[i].reg.ref.slot;

		if (age == UINT64_MAX)
			continue;
		json_object_array_add(list,
				      node_object(r, &nodes[i], age,
						  leases ? leases[slot] : 0));
	}
	return list;
}

static struct json_object *
build(struct gw_request *r)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *data = json_object_new_array();
	struct json_object *ours = json_object_new_object();
	struct json_object *unusable = json_object_new_array();

	for (size_t i = 0; i < r->config->n_models; i++) {
		const struct gw_model *m = &r->config->models[i];
		struct gw_usable u;

		gw_availability_model(gw_routed(r)->availability, m, &u);
		if (u.usable)
			json_object_array_add(data, gw_usable_object(r, m, &u));
		else
			json_object_array_add(unusable, unusable_model(m, &u));
	}
	gw_json_set_str(ours, "default_model", r->config->default_model);
	json_object_object_add(ours, "unavailable_models", unusable);
	json_object_object_add(ours, "nodes", all_nodes(r));
	json_object_object_add(ours, "counters",
			       gw_counters_document(&r->worker->counters));
	gw_json_set_str(doc, "object", "list");
	json_object_object_add(doc, "data", data);
	json_object_object_add(doc, "rolemesh", ours);
	return doc;
}

enum gw_step
gw_answer_models(struct gw_request *r)
{
	enum gw_step step = gw_await_availability(r, NULL);

	if (step != GW_NEXT)
		return step;
	gw_reply_json(r, 200, build(r));
	return GW_FINISH;
}
