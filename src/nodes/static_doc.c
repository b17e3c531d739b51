/* SPDX-License-Identifier: MIT */
/*
 * static_doc.c - a node of the configuration as the document that it would have
 * registered with, so that nobody behind it has to tell the two apart.
 */
#include "nodes/node_doc.h"

#include <string.h>

#include "base/json.h"

/* GW_NODE_MODELS_MAX models with all their roles and meta, each byte escaped.
 */
#define TEXT_MAX (4u << 20)
#define META_DEPTH_MAX 64

static int
add(struct json_object *to, const char *key, struct json_object *v)
{
	if (v && json_object_object_add(to, key, v) == 0)
		return 0;
	json_object_put(v);
	return -1;
}

static int
add_number(struct json_object *to, const char *key, uint32_t value)
{
	return value ? add(to, key, json_object_new_int64(value)) : 0;
}

/* `{}` says nothing: as if it was not there. */
static int
add_meta(struct json_object *to, const char *text)
{
	struct gw_err ignored = {0};

	if (!text || strcmp(text, "{}") == 0)
		return 0;
	return add(to, "meta",
		   gw_json_parse_object(text, strlen(text), META_DEPTH_MAX,
					&ignored));
}

static struct json_object *
strings(const struct gw_keys *list)
{
	struct json_object *o = json_object_new_array();

	for (size_t i = 0; o && i < list->n; i++) {
		struct json_object *v = json_object_new_string(list->key[i]);

		if (v && json_object_array_add(o, v) == 0)
			continue;
		json_object_put(v);
		json_object_put(o);
		return NULL;
	}
	return o;
}

static struct json_object *
model(const struct gw_static_model *m)
{
	gw_auto_json struct json_object *o = json_object_new_object();

	if (!o || add(o, "model_id", json_object_new_string(m->model_id)) < 0 ||
	    add(o, "roles", strings(&m->roles)) < 0 ||
	    add_number(o, "weight", m->weight) < 0 ||
	    add_number(o, "max_concurrency", m->max_concurrency) < 0 ||
	    add_number(o, "parallel", m->parallel) < 0 ||
	    add_meta(o, m->meta_json) < 0)
		return NULL;
	return GW_STEAL(o);
}

static struct json_object *
models(const struct gw_static_node *n)
{
	struct json_object *o = json_object_new_array();

	for (size_t i = 0; o && i < n->n_models; i++) {
		struct json_object *v = model(&n->models[i]);

		if (v && json_object_array_add(o, v) == 0)
			continue;
		json_object_put(v);
		json_object_put(o);
		return NULL;
	}
	return o;
}

struct gw_node_doc *
gw_node_doc_from_config(const struct gw_static_node *n)
{
	gw_auto_json struct json_object *o = json_object_new_object();
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(TEXT_MAX);

	/* A weight of 1 is what everybody has. */
	if (!o || add(o, "node_id", json_object_new_string(n->node_id)) < 0 ||
	    add(o, "base_url", json_object_new_string(n->base_url)) < 0 ||
	    add_number(o, "weight", n->weight == 1 ? 0 : n->weight) < 0 ||
	    add_number(o, "max_concurrency", n->max_concurrency) < 0 ||
	    add_meta(o, n->meta_json) < 0)
		return NULL;
	if ((n->n_models ? add(o, "served_models", models(n))
			 : add(o, "roles", strings(&n->roles))) < 0 ||
	    gw_json_text(o, &text) < 0)
		return NULL;
	return gw_node_doc_from_record(text.data, text.len);
}
