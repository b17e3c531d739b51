/* SPDX-License-Identifier: MIT */
/*
 * node_doc.c - checks what nodes send and builds what the registry stores.
 *
 * One builder serves both directions: what is stored is itself a valid
 * registration. It knows neither requests nor the registry's own functions.
 */
#include "nodes/node_doc.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "config/url.h"
#include "nodes/node_fields.h"
#include "reg.h"

#define RECORD_DEPTH_MAX 64

/* Copies an optional `meta` from @from to @to. */
static int
take_meta(struct json_object *to, struct json_object *from, const char *param,
	  struct gw_err *err)
{
	struct json_object *meta = gw_field(from, "meta");

	if (!meta)
		return 0;
	if (gw_field_object(meta, GW_NODE_META_MAX, param, err) < 0)
		return -1;
	json_object_object_add(to, "meta", json_object_get(meta));
	return 0;
}

/* Copies an optional number from @from to @to, and into @out. */
static int
take_number(struct json_object *to, struct json_object *from, const char *at,
	    const char *key, uint32_t least, uint32_t most, uint32_t *out,
	    struct gw_err *err)
{
	struct json_object *v = gw_field(from, key);
	char param[64];

	snprintf(param, sizeof(param), "%s%s%s", at, *at ? "." : "", key);
	if (gw_field_integer(v, least, most, param, out, err) < 0)
		return -1;
	if (v)
		json_object_object_add(to, key, json_object_get(v));
	return 0;
}

/* What a node says about all of its models, or a model about itself. */
static int
take_share(struct json_object *to, struct json_object *from, const char *at,
	   uint32_t *weight, uint32_t *max_concurrency, struct gw_err *err)
{
	uint32_t own = 0;

	if (take_number(to, from, at, "weight", 1, GW_NODE_WEIGHT_MAX, weight,
			err) < 0 ||
	    take_number(to, from, at, "max_concurrency", 0,
			GW_NODE_REQUESTS_MAX, &own, err) < 0)
		return -1;
	if (own)
		*max_concurrency = own;
	return 0;
}

/* Adds a model with its id and room for @n_roles; returns NULL: no memory. */
static struct gw_node_model *
add_model(struct gw_node_doc *d, struct json_object *id, size_t n_roles)
{
	struct gw_node_model *m = &d->models[d->n_models];

	m->model_id = strdup(json_object_get_string(id));
	m->model_json = strdup(json_object_to_json_string_ext(
		id, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	m->roles = calloc(n_roles, sizeof(*m->roles));
	m->weight = d->weight;
	m->max_concurrency = d->max_concurrency;
	d->n_models++;
	return m->model_id && m->model_json && m->roles ? m : NULL;
}

static int
add_role(struct gw_node_model *m, const char *role, struct gw_err *err)
{
	m->roles[m->n_roles] = strdup(role);
	if (!m->roles[m->n_roles])
		return gw_field_no_memory(err);
	m->n_roles++;
	return 0;
}

static int
check_model_id(const struct gw_node_doc *d, struct json_object *v,
	       const char *param, struct gw_err *err)
{
	const char *id;

	if (gw_field_name(v, GW_NODE_NAME_MAX, param, &id, err) < 0)
		return -1;
	for (size_t i = 0; i < d->n_models; i++)
		if (strcmp(d->models[i].model_id, id) == 0)
			return gw_field_refuse(err, param,
					       "names model %zu again", i);
	return 0;
}

/* One entry of served_models. */
static int
read_model(struct gw_node_doc *d, struct json_object *o, size_t i,
	   struct json_object *list, struct gw_err *err)
{
	char at[32], param[64];
	gw_auto_json struct json_object *kept = json_object_new_object();
	struct json_object *id, *roles;
	struct gw_node_model *m;

	snprintf(at, sizeof(at), "served_models.%zu", i);
	if (!json_object_is_type(o, json_type_object))
		return gw_field_refuse(err, at, "must be an object");
	snprintf(param, sizeof(param), "%s.model_id", at);
	id = gw_field(o, "model_id");
	if (check_model_id(d, id, param, err) < 0)
		return -1;
	snprintf(param, sizeof(param), "%s.roles", at);
	roles = gw_field(o, "roles");
	if (!roles)
		return gw_field_refuse(err, param, "is required");
	if (gw_field_list(roles, GW_NODE_ROLES_MAX, param, "strings", err) < 0)
		return -1;
	m = add_model(d, id, json_object_array_length(roles));
	if (!m || !kept)
		return gw_field_no_memory(err);
	for (size_t k = 0; k < json_object_array_length(roles); k++) {
		const char *role;

		snprintf(param, sizeof(param), "%s.roles.%zu", at, k);
		if (gw_field_name(json_object_array_get_idx(roles, k),
				  GW_NODE_NAME_MAX, param, &role, err) < 0 ||
		    add_role(m, role, err) < 0)
			return -1;
	}
	json_object_object_add(kept, "model_id", json_object_get(id));
	json_object_object_add(kept, "roles", json_object_get(roles));
	snprintf(param, sizeof(param), "%s.meta", at);
	if (take_share(kept, o, at, &m->weight, &m->max_concurrency, err) < 0 ||
	    take_number(kept, o, at, "parallel", 0, GW_NODE_REQUESTS_MAX,
			&m->parallel, err) < 0 ||
	    take_meta(kept, o, param, err) < 0)
		return -1;
	json_object_array_add(list, GW_STEAL(kept));
	return 0;
}

/* One entry of the legacy list: a model that is called like its role. */
static int
read_legacy_role(struct gw_node_doc *d, struct json_object *role, size_t i,
		 struct json_object *list, struct gw_err *err)
{
	char param[64];
	struct json_object *kept, *roles;
	struct gw_node_model *m;

	snprintf(param, sizeof(param), "roles.%zu", i);
	if (check_model_id(d, role, param, err) < 0)
		return -1;
	m = add_model(d, role, 1);
	if (!m)
		return gw_field_no_memory(err);
	if (add_role(m, m->model_id, err) < 0)
		return -1;
	kept = json_object_new_object();
	roles = json_object_new_array();
	json_object_array_add(roles, json_object_get(role));
	json_object_object_add(kept, "model_id", json_object_get(role));
	json_object_object_add(kept, "roles", roles);
	json_object_array_add(list, kept);
	return 0;
}

typedef int read_entry_fn(struct gw_node_doc *d, struct json_object *entry,
			  size_t i, struct json_object *list,
			  struct gw_err *err);

static int
read_models(struct gw_node_doc *d, struct json_object *body, struct gw_err *err)
{
	struct json_object *served = gw_field(body, "served_models");
	struct json_object *from = served ? served : gw_field(body, "roles");
	struct json_object *list;
	read_entry_fn *read_entry = served ? read_model : read_legacy_role;

	if (!from)
		return gw_field_refuse(
			err, "served_models",
			"is required (or the older list `roles`)");
	if (gw_field_list(from, GW_NODE_MODELS_MAX,
			  served ? "served_models" : "roles",
			  served ? "objects" : "strings", err) < 0)
		return -1;
	d->models = calloc(json_object_array_length(from), sizeof(*d->models));
	list = json_object_new_array();
	if (!d->models || !list) {
		json_object_put(list);
		return gw_field_no_memory(err);
	}
	json_object_object_add(d->json, "served_models", list);
	for (size_t i = 0; i < json_object_array_length(from); i++)
		if (read_entry(d, json_object_array_get_idx(from, i), i, list,
			       err) < 0)
			return -1;
	return 0;
}

static int
read_base_url(struct gw_node_doc *d, struct json_object *body,
	      struct gw_err *err)
{
	struct json_object *v = gw_field(body, "base_url");

	if (!v)
		return gw_field_refuse(err, "base_url", "is required");
	if (!json_object_is_type(v, json_type_string))
		return gw_field_refuse(err, "base_url", "must be a string");
	if (gw_base_url(json_object_get_string(v),
			(size_t)json_object_get_string_len(v), &d->base_url,
			err) < 0) {
		gw_err_prefix(err, "base_url: ");
		return gw_err_param(err, "base_url");
	}
	return 0;
}

/* A stored address is normalised already; doing so twice could eat a "/v1". */
static int
copy_base_url(struct gw_node_doc *d, struct json_object *body,
	      struct gw_err *err)
{
	const char *url = gw_json_get_str(body, "base_url");

	if (!url)
		return gw_field_refuse(err, "base_url", "is required");
	d->base_url = strdup(url);
	return d->base_url ? 0 : gw_field_no_memory(err);
}

typedef int read_url_fn(struct gw_node_doc *d, struct json_object *body,
			struct gw_err *err);

static struct gw_node_doc *
build(struct json_object *body, read_url_fn *read_url, struct gw_err *err)
{
	struct gw_node_doc *d = calloc(1, sizeof(*d));
	const char *id;

	if (!d || !(d->json = json_object_new_object())) {
		gw_field_no_memory(err);
		goto fail;
	}
	if (gw_node_id_from_wire(body, &id, err) < 0 ||
	    read_url(d, body, err) < 0)
		goto fail;
	d->node_id = strdup(id);
	if (!d->node_id) {
		gw_field_no_memory(err);
		goto fail;
	}
	gw_json_set_str(d->json, "node_id", d->node_id);
	gw_json_set_str(d->json, "base_url", d->base_url);
	d->weight = 1;
	if (take_share(d->json, body, "", &d->weight, &d->max_concurrency,
		       err) < 0 ||
	    read_models(d, body, err) < 0 ||
	    take_meta(d->json, body, "meta", err) < 0)
		goto fail;
	return d;
fail:
	gw_node_doc_free(d);
	return NULL;
}

struct gw_node_doc *
gw_node_doc_from_wire(struct json_object *body, struct gw_err *err)
{
	return build(body, read_base_url, err);
}

struct gw_node_doc *
gw_node_doc_from_record(const char *text, size_t len)
{
	struct gw_err err = {0};
	gw_auto_json struct json_object *body = NULL;

	if (!text)
		return NULL;
	body = gw_json_parse_object(text, len, RECORD_DEPTH_MAX, &err);
	return body ? build(body, copy_base_url, &err) : NULL;
}

void
gw_node_doc_free(struct gw_node_doc *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_models; i++) {
		struct gw_node_model *m = &d->models[i];

		for (size_t k = 0; k < m->n_roles; k++)
			free(m->roles[k]);
		free(m->roles);
		free(m->model_id);
		free(m->model_json);
	}
	free(d->models);
	free(d->node_id);
	free(d->base_url);
	json_object_put(d->json);
	free(d);
}

bool
gw_node_model_serves(const struct gw_node_model *m, const char *role)
{
	for (size_t i = 0; i < m->n_roles; i++)
		if (strcmp(m->roles[i], role) == 0)
			return true;
	return false;
}

int
gw_node_id_from_wire(struct json_object *body, const char **id,
		     struct gw_err *err)
{
	return gw_field_name(gw_field(body, "node_id"), REG_NODE_ID_MAX,
			     "node_id", id, err);
}

int
gw_node_metrics_from_wire(struct json_object *body, struct gw_buf *out,
			  struct gw_err *err)
{
	struct json_object *metrics = gw_field(body, "metrics");

	if (!metrics)
		return 0;
	if (gw_field_object(metrics, GW_NODE_METRICS_MAX, "metrics", err) < 0)
		return -1;
	if (gw_json_text(metrics, out) < 0)
		return gw_field_no_memory(err);
	return 0;
}
