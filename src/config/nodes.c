/* SPDX-License-Identifier: MIT */
/*
 * nodes.c - nodes that are written in the configuration: what is wrong with
 * them as a whole, and which one has an id.
 *
 * What a registration is refused for (src/nodes/node_doc.c) is a finding here,
 * so that the rest of the program can take each of them for a registered one.
 */
#include "config/internal.h"

#include <stdlib.h>
#include <string.h>

#include "config/node_limits.h"

#define PATH_BYTES 64 /* "nodes[1023].served_models[63].roles" */

/* ---- meta ---------------------------------------------------------------- */

static bool
set_meta(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	struct gw_buf json GW_CLEANUP(gw_buf_release) =
		GW_BUF_INIT(GW_NODE_META_MAX);
	size_t errors = ap->doc->diag->errors;

	if (v->kind != GW_YAML_MAP)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	if (gw_tree_json(ap, v, &json) < 0) {
		gw_apply_error(ap, v, "is at most %d bytes as JSON",
			       GW_NODE_META_MAX);
		return false;
	}
	memcpy(slot, &json.data, sizeof(json.data));
	json.data = NULL;
	return ap->doc->diag->errors == errors;
}

static void
emit_meta(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_tree.emit(e, o, source, slot);
}

static void
release_meta(void *slot)
{
	free(*(char **)slot);
}

const struct gw_kind gw_kind_meta = {
	.wanted = "a mapping",
	.set = set_meta,
	.emit = emit_meta,
	.release = release_meta,
};

/* ---- checks -------------------------------------------------------------- */

/* One node while it is checked. */
struct subject {
	struct gw_yaml *doc;
	const struct gw_static_node *node;
	const struct gw_yaml_node *map; /* where it is written */
	char path[PATH_BYTES];
	const char **asked; /* roles of aliases, sorted */
	size_t n_asked;
};

static int
compare_words(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* Returns -1 when memory is out. */
static int
collect_asked(const struct gw_config *c, struct subject *s)
{
	s->asked = calloc(c->n_models + 1, sizeof(*s->asked));
	if (!s->asked)
		return -1;
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].role)
			s->asked[s->n_asked++] = c->models[i].role;
	qsort(s->asked, s->n_asked, sizeof(*s->asked), compare_words);
	return 0;
}

static void
check_count(struct subject *s, const struct gw_yaml_node *list,
	    const char *path, size_t n, size_t max)
{
	if (n > max)
		gw_yaml_error(s->doc, list, "%s: at most %zu are possible",
			      path, max);
}

/* Not an error: the same node may be known to several gateways. */
static void
warn_unused_roles(struct subject *s, const struct gw_yaml_node *list,
		  const char *path, const struct gw_keys *roles)
{
	for (size_t i = 0; i < roles->n; i++) {
		const struct gw_yaml_node *at = list;

		if (bsearch(&roles->key[i], s->asked, s->n_asked,
			    sizeof(*s->asked), compare_words))
			continue;
		if (list && list->kind == GW_YAML_LIST && list->n == roles->n)
			at = list->child[i].value;
		gw_yaml_warning(s->doc, at,
				"%s[%zu]: no alias of type discovered has the "
				"role `%s`: it gets no requests",
				path, i, gw_yaml_show(at, roles->key[i]));
	}
}

/* A model's id is among those of the models before it? */
static void
check_model_id(struct subject *s, size_t i, const char *path,
	       const struct gw_yaml_node *map)
{
	const struct gw_static_model *all = s->node->models;
	const struct gw_yaml_node *id = gw_yaml_value(map, "model_id");

	for (size_t k = 0; all[i].model_id && k < i; k++) {
		if (!all[k].model_id ||
		    strcmp(all[k].model_id, all[i].model_id) != 0)
			continue;
		gw_yaml_error(s->doc, id,
			      "%s.model_id: another model of the node is "
			      "called `%s`",
			      path, gw_yaml_show(id, all[i].model_id));
		return;
	}
}

/* @at: what it is called in the file, where null entries count. */
static void
check_model(struct subject *s, size_t i, const struct gw_yaml_node *map,
	    size_t at)
{
	const struct gw_static_model *m = &s->node->models[i];
	const struct gw_yaml_node *roles = gw_yaml_value(map, "roles");
	char path[PATH_BYTES + 32], list[PATH_BYTES + 40];

	snprintf(path, sizeof(path), "%s.served_models[%zu]", s->path, at);
	snprintf(list, sizeof(list), "%s.roles", path);
	check_model_id(s, i, path, map);
	if (roles && roles->kind == GW_YAML_LIST && !roles->n)
		gw_yaml_error(s->doc, roles, "%s: at least one role is needed",
			      list);
	check_count(s, roles, list, m->roles.n, GW_NODE_ROLES_MAX);
	warn_unused_roles(s, roles, list, &m->roles);
}

/* The older list: each role is a model of that name, so none comes twice. */
static void
check_roles(struct subject *s, const struct gw_yaml_node *list)
{
	const struct gw_keys *roles = &s->node->roles;
	char path[PATH_BYTES + 8];

	snprintf(path, sizeof(path), "%s.roles", s->path);
	check_count(s, list, path, roles->n, GW_NODE_MODELS_MAX);
	for (size_t i = 1; i < roles->n && i < GW_NODE_MODELS_MAX; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(roles->key[i], roles->key[k]) == 0)
				gw_yaml_error(
					s->doc, list,
					"%s[%zu]: `%s` names model %zu again",
					path, i,
					gw_yaml_show(list, roles->key[i]), k);
	warn_unused_roles(s, list, path, roles);
}

static bool
is_empty(const struct gw_yaml_node *v)
{
	return gw_yaml_is_null(v) || (v->kind == GW_YAML_LIST && !v->n);
}

static void
check_served(struct subject *s)
{
	const struct gw_yaml_node *served =
		gw_yaml_value(s->map, "served_models");
	const struct gw_yaml_node *roles = gw_yaml_value(s->map, "roles");

	size_t n = 0;

	for (size_t k = 0; n < s->node->n_models; k++)
		if (!gw_yaml_is_null(served->child[k].value))
			check_model(s, n++, served->child[k].value, k);
	if (n)
		return; /* they win over the older list */
	if (is_empty(served) && is_empty(roles))
		gw_yaml_error(s->doc, s->map,
			      "`%s.served_models` is missing (or the shorter "
			      "list `roles`)",
			      s->path);
	else if (served && served->kind == GW_YAML_LIST && served->n)
		gw_yaml_error(s->doc, served,
			      "%s.served_models: at least one model is needed",
			      s->path);
	else
		check_roles(s, roles);
}

static void
check_node(struct subject *s)
{
	check_served(s);
	gw_place_warn(s->doc, &(struct gw_place){
				      .path = s->path,
				      .url_key = "base_url",
				      .base_url = s->node->base_url,
				      .map = s->map,
				      .ca_path = s->node->tls.ca.path,
				      .tls_insecure = s->node->tls_insecure,
			      });
}

/* ---- by id --------------------------------------------------------------- */

/* Those of one id in the order of the file. */
static int
compare(const void *x, const void *y)
{
	const struct gw_static_node *a =
		*(const struct gw_static_node *const *)x;
	const struct gw_static_node *b =
		*(const struct gw_static_node *const *)y;
	int order = strcmp(a->node_id, b->node_id);

	if (order)
		return order;
	return a < b ? -1 : a > b;
}

/* Where node @i of the configuration is written; null entries are none. */
static size_t
written_at(const struct gw_yaml_node *list, size_t i)
{
	size_t k = 0;

	while (gw_yaml_is_null(list->child[k].value) || i--)
		k++;
	return k;
}

static void
report_twice(const struct gw_config *c, struct gw_yaml *doc,
	     const struct gw_static_node *first,
	     const struct gw_static_node *again)
{
	const struct gw_yaml_node *list = gw_yaml_value(doc->root, "nodes");
	size_t at = written_at(list, (size_t)(first - c->nodes));
	size_t here = written_at(list, (size_t)(again - c->nodes));
	const struct gw_yaml_node *there = list->child[at].value;
	const struct gw_yaml_node *id =
		gw_yaml_value(list->child[here].value, "node_id");

	gw_yaml_error(doc, id,
		      "nodes[%zu].node_id: `%s` is the id of nodes[%zu] "
		      "already (%s:%u:%u)",
		      here, gw_yaml_show(id, again->node_id), at,
		      doc->paths[there->file], there->line, there->column);
}

static int
index_nodes(const struct gw_config *c, struct gw_config_internal *in)
{
	size_t n = 0, kept = 0;

	in->nodes = calloc(c->n_nodes + 1, sizeof(*in->nodes));
	if (!in->nodes)
		return -1;
	for (size_t i = 0; i < c->n_nodes; i++)
		if (c->nodes[i].node_id)
			in->nodes[n++] = &c->nodes[i];
	qsort(in->nodes, n, sizeof(*in->nodes), compare);
	for (size_t i = 0; i < n; i++) {
		if (kept && strcmp(in->nodes[kept - 1]->node_id,
				   in->nodes[i]->node_id) == 0)
			report_twice(c, &in->doc, in->nodes[kept - 1],
				     in->nodes[i]);
		else
			in->nodes[kept++] = in->nodes[i];
	}
	in->n_nodes = kept;
	return 0;
}

const struct gw_static_node *
gw_config_static_node(const struct gw_config *c, const char *node_id)
{
	const struct gw_config_internal *in = c->internal;
	size_t from = 0, to = in ? in->n_nodes : 0;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = strcmp(in->nodes[middle]->node_id, node_id);

		if (order == 0)
			return in->nodes[middle];
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

int
gw_nodes_settle(struct gw_config *c, struct gw_config_internal *in)
{
	const struct gw_yaml_node *list = gw_yaml_value(in->doc.root, "nodes");
	struct subject s = {.doc = &in->doc};
	size_t n = 0;

	if (collect_asked(c, &s) < 0)
		return -1;
	for (size_t k = 0; n < c->n_nodes; k++) {
		s.map = list->child[k].value;
		if (gw_yaml_is_null(s.map))
			continue;
		c->nodes[n].tls_insecure = !c->nodes[n].tls.verify;
		s.node = &c->nodes[n++];
		snprintf(s.path, sizeof(s.path), "nodes[%zu]", k);
		if (s.map->kind == GW_YAML_MAP) /* else it was said */
			check_node(&s);
	}
	free(s.asked);
	return index_nodes(c, in);
}
