/* SPDX-License-Identifier: MIT */
/*
 * models.c - /v1/models: the usable aliases as OpenAI's list, and beside it,
 * under `rolemesh`, what is unusable and why, the nodes, and what became of the
 * last edit of the configuration.
 *
 * There may be thousands of nodes: the answer is built piece by piece, with
 * other requests in between. It may show neighbouring moments, but each node
 * that is there all the time is in it, once.
 *
 * A client that may use some of the models finds nothing in it of the others.
 */
#include "endpoint/models.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "config/reload.h"
#include "endpoint/node_object.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "serve/long_answer.h"
#include "serve/shown.h"
#include "serve/turns.h"

#define TEXT_MAX (48u << 20) /* of a full registry */
/* Pieces, one a turn of the event loop; GW_PIECE_US may make them smaller. */
#define MODELS_A_TURN 64
#define NODES_A_TURN 64

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

/* ---- in pieces ----------------------------------------------------------- */

/* How far a list is. */
struct gw_listing {
	size_t next_model;
	struct json_object *usable, *unusable;
	struct gw_own_roles own;    /* whose nodes are shown */
	struct reg_node_ref *nodes; /* registered when their turn began ... */
	size_t n_nodes, next_node;  /* ... each is shown once, or is gone */
	bool shown;		    /* one at least */
	bool complete;
	struct gw_buf text;
	struct gw_buf tail; /* what comes behind the nodes */
};

void
gw_listing_free(struct gw_listing *l)
{
	if (!l)
		return;
	json_object_put(l->usable);
	json_object_put(l->unusable);
	free(l->own.role);
	free(l->nodes);
	gw_buf_release(&l->text);
	gw_buf_release(&l->tail);
	free(l);
}

static struct gw_listing *
listing_new(void)
{
	struct gw_listing *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->usable = json_object_new_array();
	l->unusable = json_object_new_array();
	gw_buf_init(&l->text, TEXT_MAX);
	gw_buf_init(&l->tail, TEXT_MAX);
	return l;
}

static void
list_models(struct gw_request *r, struct gw_listing *l)
{
	uint64_t begun_us = gw_mono_us();

	for (int i = 0; i < MODELS_A_TURN && !gw_turn_is_over(begun_us) &&
			l->next_model < r->config->n_models;
	     i++) {
		const struct gw_model *m = &r->config->models[l->next_model++];
		struct gw_usable u;

		if (!gw_shown_model(r, m))
			continue;
		gw_availability_model(gw_routed(r)->availability, m, &u);
		if (u.usable)
			json_object_array_add(l->usable,
					      gw_usable_object(r, m, &u));
		else
			json_object_array_add(l->unusable,
					      unusable_model(m, &u));
	}
}

/* The default model, as far as the client may know of it. */
static const char *
default_model(const struct gw_request *r)
{
	const char *alias = r->config->default_model;

	return alias && gw_shown_model(r, gw_config_model(r->config, alias,
							  strlen(alias)))
		       ? alias
		       : NULL;
}

/* All but the nodes, and which those are. Returns 0 / -1. */
static int
begin_nodes(struct gw_request *r, struct gw_listing *l)
{
	struct gw_routing *routing = gw_routing(r);
	gw_auto_json struct json_object *doc = json_object_new_object();
	struct json_object *ours = json_object_new_object();
	struct json_object *nodes = json_object_new_array();
	const struct gw_node *n;
	struct gw_reload reload;
	uint32_t slot = 0;

	gw_json_set_str(doc, "object", "list");
	json_object_object_add(doc, "data", GW_STEAL(l->usable));
	json_object_object_add(doc, "rolemesh", ours);
	gw_json_set_str(ours, "default_model", default_model(r));
	json_object_object_add(ours, "unavailable_models",
			       GW_STEAL(l->unusable));
	json_object_object_add(ours, "nodes", nodes);
	/* What is wrong with an edit may name any model. */
	if (gw_shown_all(r)) {
		gw_reload_read(routing->reg, &reload);
		json_object_object_add(ours, "last_reload",
				       gw_reload_object(&reload));
	}
	if (gw_own_roles(r, &l->own) < 0 ||
	    gw_json_text_around(doc, nodes, &l->text, &l->tail) < 0 ||
	    gw_buf_puts(&l->tail, "\n") < 0)
		return -1;
	l->nodes = calloc(GW_NODE_SLOTS, sizeof(*l->nodes));
	while (l->nodes && (n = gw_node_view_next(routing->nodes, &slot)))
		l->nodes[l->n_nodes++] = n->reg.ref;
	return l->nodes ? 0 : -1;
}

/* Returns 0 / -1. */
static int
show_node(struct gw_request *r, struct gw_listing *l, struct reg_node_ref ref)
{
	struct gw_node_view *v = gw_routing(r)->nodes;
	const struct gw_node *n = gw_node_view_find(v, ref);
	uint64_t age_ms = n ? gw_node_age_ms(v, n, gw_mono_ms()) : UINT64_MAX;
	gw_auto_json struct json_object *o = NULL;

	if (age_ms == UINT64_MAX)
		return 0;
	o = gw_node_object(r, &l->own, n, age_ms);
	if (!o)
		return 0;
	if (gw_json_element(o, !l->shown, &l->text) < 0)
		return -1;
	l->shown = true;
	return 0;
}

static int
list_nodes(struct gw_request *r, struct gw_listing *l)
{
	uint64_t begun_us = gw_mono_us();

	for (int i = 0; i < NODES_A_TURN && !gw_turn_is_over(begun_us) &&
			l->next_node < l->n_nodes;
	     i++)
		if (show_node(r, l, l->nodes[l->next_node++]) < 0)
			return -1;
	if (l->next_node < l->n_nodes)
		return 0;
	l->complete = true;
	return gw_buf_append(&l->text, l->tail.data, l->tail.len);
}

/* One piece. Returns 0 / -1. */
static int
go_on(struct gw_request *r, struct gw_listing *l)
{
	if (l->next_model < r->config->n_models) {
		list_models(r, l);
		if (l->next_model < r->config->n_models)
			return 0;
	}
	if (!l->nodes && begin_nodes(r, l) < 0)
		return -1;
	return list_nodes(r, l);
}

enum gw_step
gw_answer_models(struct gw_request *r)
{
	enum gw_step step = gw_await_availability(r, NULL, GW_ASK_ALL);
	struct gw_listing *l = gw_routed(r)->listing;

	if (step != GW_NEXT)
		return step;
	if (!l)
		l = gw_routed(r)->listing = listing_new();
	if (!l || (!l->complete && go_on(r, l) < 0)) {
		gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
			   "no memory for the list of models and nodes, or it "
			   "is over %u bytes",
			   TEXT_MAX);
		return GW_FINISH;
	}
	return l->complete ? gw_long_answer_send(r, &l->text)
			   : gw_long_answer_again(r);
}
