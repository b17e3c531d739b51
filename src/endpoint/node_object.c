/* SPDX-License-Identifier: MIT */
/*
 * node_object.c - see node_object.h. Says nothing about where nodes are:
 * clients hold only a client key. What a node says of itself as a whole
 * (`meta`, `metrics`) may name all of its models, so only who sees all gets it.
 */
#include "endpoint/node_object.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "endpoint/shared.h"
#include "probe/probe.h"
#include "routing/availability.h"
#include "routing/choices.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve/shown.h"

/* ---- whose roles they are -------------------------------------------------
 */

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
gw_own_roles(const struct gw_request *r, struct gw_own_roles *out)
{
	const struct gw_config *c = r->config;

	*out = (struct gw_own_roles){.all = gw_shown_all(r)};
	if (out->all)
		return 0;
	out->role = calloc(c->n_models ? c->n_models : 1, sizeof(*out->role));
	if (!out->role)
		return -1;
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].type == GW_MODEL_DISCOVERED &&
		    gw_shown_model(r, &c->models[i]))
			out->role[out->n++] = c->models[i].role;
	qsort(out->role, out->n, sizeof(*out->role), compare);
	return 0;
}

static bool
is_own_role(const struct gw_own_roles *own, const char *role)
{
	return own->all || (own->n && bsearch(&role, own->role, own->n,
					      sizeof(*own->role), compare));
}

static bool
is_own_model(const struct gw_own_roles *own, const struct gw_node_model *m)
{
	for (size_t i = 0; i < m->n_roles; i++)
		if (is_own_role(own, m->roles[i]))
			return true;
	return own->all;
}

static bool
is_own_node(const struct gw_own_roles *own, const struct gw_node *n)
{
	for (size_t i = 0; i < n->doc->n_models; i++)
		if (is_own_model(own, &n->doc->models[i]))
			return true;
	return own->all;
}

/* ---- the object ------------------------------------------------------------
 */

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

/* How each of its models stands, as requests would find it. */
static struct json_object *
states_of(struct gw_request *r, const struct gw_own_roles *own,
	  const struct gw_node *n)
{
	struct json_object *o = json_object_new_object();
	uint64_t now_ms = gw_mono_ms();
	struct gw_choice c;

	for (size_t i = 0; i < n->doc->n_models; i++) {
		if (!is_own_model(own, &n->doc->models[i]))
			continue;
		gw_node_choice(gw_routing(r), r->config, n, i, now_ms, &c);
		gw_json_set_str(o, n->doc->models[i].model_id,
				gw_state_name(c.state));
	}
	return o;
}

/* Requests that run there, of all processes. */
static uint32_t
in_flight_at(const struct gw_request *r, const struct gw_own_roles *own,
	     const struct gw_node *n)
{
	const struct reg *reg = gw_routing(r)->reg;
	uint32_t sum = 0;

	for (size_t i = 0; i < n->doc->n_models; i++) {
		struct gw_place_keys keys;
		struct reg_candidate state;

		if (!is_own_model(own, &n->doc->models[i]))
			continue;
		gw_node_keys(r->config, n, i, &keys);
		reg_candidate_read(reg, reg_candidate_find(reg, keys.candidate),
				   gw_mono_ms(), &state);
		sum += state.in_flight;
	}
	return sum;
}

static struct json_object *
own_roles_of(const struct gw_own_roles *own, const struct gw_node_model *m)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->n_roles; i++)
		if (is_own_role(own, m->roles[i]))
			json_object_array_add(
				list, json_object_new_string(m->roles[i]));
	return list;
}

/* The entry of a registration, but with the client's roles alone. */
static struct json_object *
own_entry(const struct gw_own_roles *own, const struct gw_node_model *m,
	  struct json_object *entry)
{
	struct json_object *o = json_object_new_object();

	json_object_object_foreach(entry, key, v)
	{
		json_object_object_add(o, key,
				       strcmp(key, "roles") == 0
					       ? own_roles_of(own, m)
					       : json_object_get(v));
	}
	return o;
}

/* The doc's models are the entries of its `served_models`, in this order. */
static struct json_object *
own_served_models(const struct gw_own_roles *own, const struct gw_node_doc *d)
{
	struct json_object *list = json_object_new_array(), *all;

	if (!json_object_object_get_ex(d->json, "served_models", &all))
		return list;
	for (size_t i = 0; i < d->n_models; i++)
		if (is_own_model(own, &d->models[i]))
			json_object_array_add(
				list,
				own_entry(own, &d->models[i],
					  json_object_array_get_idx(all, i)));
	return list;
}

static void
show_reachable(struct gw_request *r, const struct gw_node *n,
	       struct json_object *o)
{
	char reason[GW_PROBE_REASON_BYTES];
	uint64_t age_ms;
	bool reachable = gw_availability_node(gw_routed(r)->availability, n,
					      reason, sizeof(reason), &age_ms);

	json_object_object_add(o, "reachable",
			       json_object_new_boolean(reachable));
	if (!reachable)
		gw_json_set_str(o, "reason", reason);
	gw_json_set_age(o, age_ms);
}

/* What follows the states. */
static void
show_registration(struct json_object *o, const struct gw_own_roles *own,
		  const struct gw_node *n)
{
	if (n->fixed)
		json_object_object_add(o, "static",
				       json_object_new_boolean(true));
	show_field(o, n->doc, "weight");
	show_field(o, n->doc, "max_concurrency");
	if (!own->all) {
		json_object_object_add(o, "served_models",
				       own_served_models(own, n->doc));
		return;
	}
	show_field(o, n->doc, "served_models");
	show_field(o, n->doc, "meta");
	if (n->status)
		json_object_object_add(o, "metrics",
				       json_object_get(n->status));
}

struct json_object *
gw_node_object(struct gw_request *r, const struct gw_own_roles *own,
	       const struct gw_node *n, uint64_t age_ms)
{
	bool fresh = age_ms < gw_node_view_stale_after_ms(gw_routing(r)->nodes);
	struct json_object *o;

	if (!is_own_node(own, n))
		return NULL;
	o = json_object_new_object();
	gw_json_set_str(o, "node_id", n->doc->node_id);
	gw_json_set_str(o, "status", fresh ? "fresh" : "stale");
	json_object_object_add(o, "last_seen_s", tenths(age_ms));
	if (fresh)
		show_reachable(r, n, o);
	gw_json_set_int(o, "in_flight", in_flight_at(r, own, n));
	json_object_object_add(o, "states", states_of(r, own, n));
	show_registration(o, own, n);
	return o;
}
