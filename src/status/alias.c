/* SPDX-License-Identifier: MIT */
/*
 * alias.c - an alias and its candidates. What their states are is known to
 * routing/choices.c, whether the alias is usable to routing/known.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "routing/known.h"
#include "routing/place_keys.h"
#include "status/parts.h"

static const char *const strategies[] = {
	[GW_ROUND_ROBIN] = "round_robin",
	[GW_RANDOM] = "random",
	[GW_LEAST_BUSY] = "least_busy",
	[GW_AFFINITY] = "affinity",
};

/* ---- a place ---------------------------------------------------------------
 */

void
gw_status_place(struct gw_status *s, const struct gw_choice *c,
		struct json_object *o)
{
	uint64_t left_ms =
		c->pause_ends_ms > s->now_ms ? c->pause_ends_ms - s->now_ms : 0;
	char why[GW_CHOICE_WHY_BYTES];

	gw_json_set_str(o, "state", gw_state_name(c->state));
	gw_json_set_str(o, "why", gw_choice_why(s->of.routing, c, s->now_ms, why));
	gw_json_set_int(o, "in_flight", c->in_flight);
	gw_json_set_bound(o, "max_concurrency", c->max_concurrency);
	gw_json_set_int(o, "weight", c->weight);
	json_object_object_add(o, "ejected_for_s",
			       c->ejected ? gw_json_seconds(left_ms) : NULL);
}

struct json_object *
gw_status_candidate(struct gw_status *s, const struct gw_model *m, size_t i)
{
	struct gw_routing *routing = s->of.routing;
	const struct gw_node *n = NULL;
	struct json_object *o;
	struct gw_choice c;
	size_t model = 0;

	if (m->type == GW_MODEL_PROXY) {
		if (i > 0)
			return NULL;
		gw_proxy_choice(routing, s->of.config, m, s->now_ms, &c);
	} else {
		n = gw_node_view_server(routing->nodes, m->role, i, &model);
		if (!n)
			return NULL;
		gw_node_choice(routing, s->of.config, n, model, s->now_ms, &c);
	}
	o = json_object_new_object();
	gw_json_set_str(o, "node", n ? n->doc->node_id : NULL);
	gw_json_set_str(o, "model", c.model ? c.model->model_id : NULL);
	gw_status_place(s, &c, o);
	s->in_flight += c.in_flight;
	return o;
}

/* ---- the alias -------------------------------------------------------------
 */

/* Unix milliseconds since which it is unusable, 0 = not known. */
static int64_t
since_ms(const struct gw_status *s, const struct gw_model *m,
	 const struct gw_usable *u)
{
	const struct reg *reg = s->of.routing->reg;
	uint64_t key = gw_known_key(m);

	if (reg_told(reg, key) == REG_TOLD_BAD)
		return gw_wall_ms() -
		       (int64_t)(s->now_ms - reg_told_since_ms(reg, key));
	return u->since_wall_s * 1000;
}

static struct json_object *
fallbacks_of(const struct gw_model *m)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < m->n_fallbacks; i++)
		json_object_array_add(
			list, json_object_new_string(m->fallbacks[i]->alias));
	return list;
}

struct json_object *
gw_status_alias(struct gw_status *s, const struct gw_model *m)
{
	struct json_object *o = json_object_new_object();
	const char *first = s->of.config->default_model;
	struct gw_usable u;
	bool usable = gw_known_usable(s->of.routing, s->of.config, m, &u);
	bool found = m->type == GW_MODEL_DISCOVERED;

	gw_json_set_str(o, "name", m->alias);
	gw_json_set_str(o, "type", found ? "discovered" : "proxy");
	gw_json_set_str(o, "role", m->role);
	gw_json_set_str(o, "strategy", found ? strategies[m->strategy] : NULL);
	json_object_object_add(
		o, "default",
		json_object_new_boolean(first && strcmp(first, m->alias) == 0));
	gw_json_set_str(o, "state",
			!usable ? "unusable"
			: u.via ? "by_fallback"
				: "usable");
	gw_json_set_str(o, "why",
			u.reason[0] && (!usable || u.via) ? u.reason : NULL);
	gw_status_set_time(o, "since", usable ? 0 : since_ms(s, m, &u));
	gw_json_set_str(o, "via", usable ? u.via : NULL);
	json_object_object_add(o, "fallback", fallbacks_of(m));
	s->in_flight = 0;
	return o;
}

struct json_object *
gw_status_alias_end(struct gw_status *s, const struct gw_model *m)
{
	const struct reg *reg = s->of.routing->reg;
	struct json_object *o = json_object_new_object();
	struct json_object *queue = json_object_new_object();
	struct reg_candidate place;
	uint64_t key[2];

	gw_queue_place_key(m, key);
	reg_candidate_read(reg, reg_candidate_find(reg, key), s->now_ms,
			   &place);
	gw_json_set_int(o, "in_flight", (int64_t)s->in_flight);
	gw_json_set_int(o, "queued", place.in_flight);
	gw_json_set_int(queue, "max", m->queue.max);
	json_object_object_add(queue, "timeout_s",
			       gw_json_seconds(m->queue.timeout_ms));
	json_object_object_add(o, "queue", queue);
	return o;
}
