/* SPDX-License-Identifier: MIT */
/*
 * node_view.c - keeps parsed registrations in step with the registry.
 *
 * Owns the parsed documents and the lists of who serves what. It never writes
 * to the registry and never chooses.
 */
#include "nodes/node_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "nodes/role_lists.h"

#define STATUS_DEPTH_MAX 64

_Static_assert(GW_NODE_MODELS_MAX <= 64, "failed_models has one bit a model");

struct gw_node_view {
	struct reg *reg;
	uint32_t stale_after_ms;
	bool current; /* `epoch` is what was read completely */
	uint64_t epoch;
	struct gw_node *nodes; /* in slot order */
	size_t n;
	struct gw_role_lists lists;
	struct gw_candidate *fresh; /* the last answer */
	size_t fresh_cap;
};

struct gw_node_view *
gw_node_view_new(struct reg *reg, uint32_t stale_after_ms)
{
	struct gw_node_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->reg = reg;
	v->stale_after_ms = stale_after_ms;
	return v;
}

static void
release_node(struct gw_node *n)
{
	gw_node_doc_free(n->doc);
	json_object_put(n->status);
	n->doc = NULL;
	n->status = NULL;
}

static void
release_nodes(struct gw_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		release_node(&nodes[i]);
	free(nodes);
}

uint32_t
gw_node_view_stale_after_ms(const struct gw_node_view *v)
{
	return v->stale_after_ms;
}

void
gw_node_view_free(struct gw_node_view *v)
{
	if (!v)
		return;
	gw_role_lists_drop(&v->lists);
	release_nodes(v->nodes, v->n);
	free(v->fresh);
	free(v);
}

/* ---- refresh ------------------------------------------------------------- */

/* metrics.models.<model_id>.state; anything of another shape says nothing. */
static bool
says_failed(struct json_object *status, const char *model_id)
{
	struct json_object *models, *model;
	const char *state;

	if (!json_object_object_get_ex(status, "models", &models) ||
	    !json_object_is_type(models, json_type_object) ||
	    !json_object_object_get_ex(models, model_id, &model) ||
	    !json_object_is_type(model, json_type_object))
		return false;
	state = gw_json_get_str(model, "state");
	return state && strcmp(state, "failed") == 0;
}

static void
note_failed(struct gw_node *n)
{
	n->failed_models = 0;
	for (size_t i = 0; n->status && i < n->doc->n_models; i++)
		if (says_failed(n->status, n->doc->models[i].model_id))
			n->failed_models |= UINT64_C(1) << i;
}

static bool
same_node(const struct reg_node *a, const struct reg_node *b)
{
	return a->ref.slot == b->ref.slot &&
	       a->ref.generation == b->ref.generation;
}

/* A payload as text, NULL when the node or the payload is gone. -1: busy. */
static int
read_payload(struct gw_node_view *v, const struct gw_node *n,
	     enum reg_payload which, char **text, size_t *len)
{
	struct reg_err err = {0};

	if (reg_node_read(v->reg, n->reg.ref, which, text, len, &err) == 0 ||
	    err.code == REG_NOT_FOUND)
		return 0;
	return -1;
}

/* Sets n->doc, NULL when the node is gone or its record damaged. */
static int
fill_doc(struct gw_node_view *v, struct gw_node *n, struct gw_node *old,
	 bool *relist)
{
	gw_auto_free char *text = NULL;
	size_t len = 0;

	n->doc = NULL;
	if (old && old->reg.record_version == n->reg.record_version) {
		n->doc = GW_STEAL(old->doc);
		return 0;
	}
	if (read_payload(v, n, REG_RECORD, &text, &len) == 0) {
		*relist = true;
		n->doc = gw_node_doc_from_record(text, len);
		return 0;
	}
	if (old) {
		n->doc = GW_STEAL(old->doc);
		n->reg.record_version = old->reg.record_version;
	}
	return -1;
}

/* Sets n->status, NULL when there is none. */
static int
fill_status(struct gw_node_view *v, struct gw_node *n, struct gw_node *old)
{
	struct gw_err ignored = {0};
	gw_auto_free char *text = NULL;
	size_t len = 0;

	n->status = NULL;
	if (old && old->reg.status_version == n->reg.status_version) {
		n->status = GW_STEAL(old->status);
		return 0;
	}
	if (read_payload(v, n, REG_STATUS, &text, &len) == 0) {
		if (text)
			n->status = gw_json_parse_object(
				text, len, STATUS_DEPTH_MAX, &ignored);
		return 0;
	}
	/* Another version next time, whatever happens until then. */
	n->reg.status_version = UINT64_MAX;
	if (old)
		n->status = GW_STEAL(old->status);
	return -1;
}

/*
 * Fills @n for the node in n->reg, taking from @old (the same node at the last
 * refresh, or NULL) what has not changed. Returns -1 when something could not
 * be read and must be tried again; the old value stands in for it. n->doc stays
 * NULL for a node to leave out.
 */
static int
fill_node(struct gw_node_view *v, struct gw_node *n, struct gw_node *old,
	  bool *relist)
{
	int rc = fill_doc(v, n, old, relist);

	n->status = NULL;
	if (!n->doc)
		return rc;
	rc |= fill_status(v, n, old);
	note_failed(n);
	return rc;
}

/* Room for one more; doubles so that a large registry costs few copies. */
static bool
grow(struct gw_node **nodes, size_t n, size_t *cap)
{
	size_t want = *cap ? *cap * 2 : 16;
	struct gw_node *more;

	if (n < *cap)
		return true;
	more = realloc(*nodes, want * sizeof(*more));
	if (!more)
		return false;
	*nodes = more;
	*cap = want;
	return true;
}

/* The entry of the last refresh for a slot; both walks go in slot order. */
static struct gw_node *
old_entry(struct gw_node_view *v, size_t *at, const struct reg_node *node)
{
	while (*at < v->n && v->nodes[*at].reg.ref.slot < node->ref.slot)
		(*at)++;
	if (*at < v->n && same_node(&v->nodes[*at].reg, node))
		return &v->nodes[*at];
	return NULL;
}

void
gw_node_view_refresh(struct gw_node_view *v)
{
	/* Before the walk: a change during it moves the epoch past this. */
	uint64_t epoch = reg_epoch(v->reg);
	struct gw_node *nodes = NULL, node = {0};
	size_t n = 0, cap = 0, at = 0;
	bool relist = false, complete = true;
	uint32_t slot = 0;

	if (v->current && epoch == v->epoch)
		return;
	while (reg_node_next(v->reg, &slot, &node.reg)) {
		struct gw_node *old = old_entry(v, &at, &node.reg);

		if (!grow(&nodes, n, &cap)) {
			complete = false;
			break;
		}
		if (fill_node(v, &node, old, &relist) < 0)
			complete = false;
		if (node.doc)
			nodes[n++] = node;
	}
	if (relist || n != v->n)
		gw_role_lists_drop(&v->lists);
	release_nodes(v->nodes, v->n);
	v->nodes = nodes;
	v->n = n;
	v->epoch = epoch;
	v->current = complete;
}

const struct gw_node *
gw_node_view_all(const struct gw_node_view *v, size_t *n)
{
	*n = v->n;
	return v->nodes;
}

/* ---- freshness ----------------------------------------------------------- */

uint64_t
gw_node_age_ms(const struct gw_node_view *v, const struct gw_node *n,
	       uint64_t now_ms)
{
	uint64_t seen = reg_node_seen(v->reg, n->reg.ref);

	if (seen == 0)
		return UINT64_MAX;
	return now_ms > seen ? now_ms - seen : 0;
}

bool
gw_node_is_fresh(const struct gw_node_view *v, const struct gw_node *n,
		 uint64_t now_ms)
{
	return gw_node_age_ms(v, n, now_ms) < v->stale_after_ms;
}

/* ---- roles --------------------------------------------------------------- */

static const struct gw_role_list *
list_of(struct gw_node_view *v, const char *role)
{
	return gw_role_list(&v->lists, v->nodes, v->n, role);
}

static bool
fresh_room(struct gw_node_view *v, size_t n)
{
	struct gw_candidate *more;

	if (n <= v->fresh_cap)
		return true;
	more = realloc(v->fresh, n * sizeof(*more));
	if (!more)
		return false;
	v->fresh = more;
	v->fresh_cap = n;
	return true;
}

static bool
has_failed(const struct gw_node *node, uint32_t model)
{
	return node->failed_models >> model & 1;
}

size_t
gw_node_view_fresh(struct gw_node_view *v, const char *role, uint64_t now_ms,
		   const struct gw_candidate **out)
{
	const struct gw_role_list *l;
	const struct gw_node *last = NULL;
	bool last_fresh = false;
	size_t n = 0;

	gw_node_view_refresh(v);
	l = list_of(v, role);
	*out = NULL;
	if (!l || !fresh_room(v, l->n))
		return 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct gw_node *node = &v->nodes[l->places[i].node];

		if (node != last)
			last_fresh = gw_node_is_fresh(v, node, now_ms);
		last = node;
		if (!last_fresh || has_failed(node, l->places[i].model))
			continue;
		v->fresh[n++] = (struct gw_candidate){
			node, &node->doc->models[l->places[i].model]};
	}
	*out = v->fresh;
	return n;
}

void
gw_node_view_count(struct gw_node_view *v, const char *role, uint64_t now_ms,
		   struct gw_role_count *out)
{
	const struct gw_role_list *l = list_of(v, role);
	const struct gw_node *last = NULL;
	bool fresh = false;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; l && i < l->n; i++) {
		const struct gw_node *node = &v->nodes[l->places[i].node];

		if (node != last) {
			uint64_t seen = reg_node_seen(v->reg, node->reg.ref);

			fresh = gw_node_is_fresh(v, node, now_ms);
			out->nodes++;
			out->fresh += fresh;
			if (seen > out->newest_seen_ms)
				out->newest_seen_ms = seen;
			if (node->reg.registered_ms > out->newest_registered_ms)
				out->newest_registered_ms =
					node->reg.registered_ms;
		}
		last = node;
		out->candidates +=
			fresh && !has_failed(node, l->places[i].model);
	}
}
