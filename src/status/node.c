/* SPDX-License-Identifier: MIT */
/* node.c - a node: where it is, how it and its models stand, what it tells of
 * its devices. */
#include <string.h>

#include "base/json.h"
#include "probe/result.h"
#include "routing/drain.h"
#include "routing/known.h"
#include "routing/place_keys.h"
#include "status/parts.h"

/* What @from holds under @key, if it is of that type; else an empty list. */
static struct json_object *
list_of(struct json_object *from, const char *key)
{
	struct json_object *v;

	if (from && json_object_object_get_ex(from, key, &v) &&
	    json_object_is_type(v, json_type_array))
		return json_object_get(v);
	return json_object_new_array();
}

static void
copy(struct json_object *from, const char *key, struct json_object *to,
     enum json_type type)
{
	struct json_object *v;

	if (from && json_object_object_get_ex(from, key, &v) &&
	    json_object_is_type(v, type))
		json_object_object_add(to, key, json_object_get(v));
	else
		json_object_object_add(to, key, NULL);
}

/* What its last heartbeat said of a model, or NULL. */
static struct json_object *
told_of(const struct gw_node *n, const char *model_id)
{
	struct json_object *models, *v;

	if (n->status &&
	    json_object_object_get_ex(n->status, "models", &models) &&
	    json_object_is_type(models, json_type_object) &&
	    json_object_object_get_ex(models, model_id, &v) &&
	    json_object_is_type(v, json_type_object))
		return v;
	return NULL;
}

static struct json_object *
roles_of(const struct gw_node_model *m)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->n_roles; i++)
		json_object_array_add(list,
				      json_object_new_string(m->roles[i]));
	return list;
}

static struct json_object *
model_object(struct gw_status *s, const struct gw_node *n, size_t i,
	     struct gw_choice *c)
{
	const struct gw_node_model *m = &n->doc->models[i];
	struct json_object *o = json_object_new_object();
	struct json_object *told = told_of(n, m->model_id);

	gw_node_choice(s->of.routing, s->of.config, n, i, s->now_ms, c);
	gw_json_set_str(o, "model_id", m->model_id);
	json_object_object_add(o, "roles", roles_of(m));
	gw_status_place(s, c, o);
	gw_json_set_bound(o, "parallel", c->parallel);
	gw_json_set_str(o, "told",
			told ? gw_json_get_str(told, "state") : NULL);
	copy(told, "device", o, json_type_string);
	return o;
}

/* Who waits and runs at the node itself, as it tells. */
static struct json_object *
queues_of(const struct gw_node *n)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n->doc->n_models; i++) {
		const char *id = n->doc->models[i].model_id;
		struct json_object *told = told_of(n, id), *pending, *o;

		if (!told ||
		    !json_object_object_get_ex(told, "pending", &pending))
			continue;
		o = json_object_new_object();
		gw_json_set_str(o, "model", id);
		copy(told, "running", o, json_type_int);
		copy(told, "pending", o, json_type_int);
		json_object_array_add(list, o);
	}
	return list;
}

/* ---- the node itself -------------------------------------------------------
 */

#define WHY_BYTES (GW_PROBE_REASON_BYTES + 64)

struct standing {
	const char *state;
	const char *why; /* or NULL */
	bool ejected;	 /* its address is */
	uint64_t left_ms;
};

static void
stand(struct gw_status *s, const struct gw_node *n, uint64_t age_ms,
      bool drained, struct standing *out, char why[WHY_BYTES])
{
	const struct gw_routing *routing = s->of.routing;
	struct gw_probe_target target = gw_node_target(s->of.config, n);
	struct reg_candidate met;
	struct reg_probe last;
	uint64_t key[2];

	gw_address_key(n->doc->base_url, key);
	reg_candidate_read(routing->reg, reg_candidate_find(routing->reg, key),
			   s->now_ms, &met);
	gw_probe_target_key(&target, key);
	reg_probe_last(routing->reg, key, &last);
	*out = (struct standing){.state = "fresh", .ejected = met.ejected};
	if (met.ejected && met.pause_ends_ms > s->now_ms)
		out->left_ms = met.pause_ends_ms - s->now_ms;
	if (age_ms >= gw_node_view_stale_after_ms(routing->nodes)) {
		out->state = "stale";
		snprintf(why, WHY_BYTES, "no sign of life for %.1f s",
			 (double)age_ms / 1000.0);
		out->why = why;
	} else if (drained) {
		out->state = "draining";
		out->why = "drained by an operator";
	} else if (met.ejected) {
		out->state = "ejected";
		out->why = "it could not be reached repeatedly";
	} else if (last.checked_ms && !gw_probe_is_reachable(last.result)) {
		out->state = gw_probe_is_loading(last.result) ? "loading"
							      : "unreachable";
		out->why = gw_probe_reason(last.result, why, WHY_BYTES);
	}
}

struct json_object *
gw_status_node(struct gw_status *s, const struct gw_node *n)
{
	const struct gw_routing *routing = s->of.routing;
	uint64_t age_ms = gw_node_age_ms(routing->nodes, n, s->now_ms);
	bool drained = gw_is_drained(routing, n, s->now_ms);
	struct json_object *o, *models;
	struct standing standing;
	uint64_t in_flight = 0;
	char why[WHY_BYTES];

	if (age_ms == UINT64_MAX)
		return NULL;
	o = json_object_new_object();
	models = json_object_new_array();
	stand(s, n, age_ms, drained, &standing, why);
	gw_json_set_str(o, "node_id", n->doc->node_id);
	json_object_object_add(o, "fixed",
			       json_object_new_boolean(n->fixed != NULL));
	gw_json_set_str(o, "base_url", n->doc->base_url);
	gw_json_set_str(o, "state", standing.state);
	gw_json_set_str(o, "why", standing.why);
	json_object_object_add(o, "seen_age_s",
			       n->fixed ? NULL : gw_json_seconds(age_ms));
	json_object_object_add(o, "draining", json_object_new_boolean(drained));
	for (size_t i = 0; i < n->doc->n_models; i++) {
		struct gw_choice c;

		json_object_array_add(models, model_object(s, n, i, &c));
		in_flight += c.in_flight;
	}
	gw_json_set_int(o, "in_flight", (int64_t)in_flight);
	json_object_object_add(
		o, "ejected_for_s",
		standing.ejected ? gw_json_seconds(standing.left_ms) : NULL);
	json_object_object_add(o, "models", models);
	json_object_object_add(o, "devices", list_of(n->status, "devices"));
	json_object_object_add(o, "queues", queues_of(n));
	copy(n->doc->json, "meta", o, json_type_object);
	return o;
}
