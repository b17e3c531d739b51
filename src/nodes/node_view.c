/* SPDX-License-Identifier: MIT */
/*
 * node_view.c - keeps parsed registrations in step with the registry, slot by
 * slot.
 *
 * Owns the parsed documents and the lists of who serves what. It never writes
 * to the registry and never chooses.
 */
#include "nodes/node_view.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "nodes/role_lists.h"
#include "nodes/view_slots.h"

#define STATUS_DEPTH_MAX 64

struct gw_node_view {
	struct reg *reg;
	uint32_t stale_after_ms;
	bool current; /* `epoch` is what was read completely */
	uint64_t epoch;
	struct gw_view_slots slots;
	struct gw_candidate *fresh; /* the last answer */
	size_t fresh_cap;
	struct {
		bool under_way;
		bool complete; /* all was read, so far */
		uint64_t epoch;
		uint32_t slot; /* where it goes on */
	} pass;
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

uint32_t
gw_node_view_stale_after_ms(const struct gw_node_view *v)
{
	return v->stale_after_ms;
}

static void
forget_versions(struct gw_node *n)
{
	/* None that it can have. */
	n->reg.record_version = n->reg.status_version = UINT64_MAX;
}

void
gw_node_view_moved(struct gw_node_view *v)
{
	for (uint32_t slot = 0; slot < REG_NODES_MAX; slot++)
		if (v->slots.at[slot])
			forget_versions(v->slots.at[slot]);
	v->current = false;
	memset(&v->pass, 0, sizeof(v->pass)); /* it begins once more */
}

void
gw_node_view_free(struct gw_node_view *v)
{
	if (!v)
		return;
	gw_view_slots_release(&v->slots);
	free(v->fresh);
	free(v);
}

/* ---- refresh ------------------------------------------------------------- */

/* In another registry somebody else may have the place. */
static bool
same_node(const struct reg_node *a, const struct reg_node *b)
{
	return a->ref.slot == b->ref.slot &&
	       a->ref.generation == b->ref.generation &&
	       strcmp(a->id, b->id) == 0;
}

/* A payload as text, NULL when the node or the payload is gone. -1: busy. */
static int
read_payload(struct gw_node_view *v, const struct reg_node *n,
	     enum reg_payload which, char **text, size_t *len)
{
	struct reg_err err = {0};

	if (reg_node_read(v->reg, n->ref, which, text, len, &err) == 0 ||
	    err.code == REG_NOT_FOUND)
		return 0;
	return -1;
}

/* Reads what is registered. Returns -1 when that must be tried again; what was
 * known stays. n->doc stays NULL for a node to leave out. */
static int
update_doc(struct gw_node_view *v, struct gw_node *n,
	   const struct reg_node *found)
{
	gw_auto_free char *text = NULL;
	size_t len = 0;

	if (read_payload(v, found, REG_RECORD, &text, &len) < 0)
		return -1;
	if (n->doc && !n->hidden)
		gw_role_lists_remove(&v->slots.roles, found->ref.slot, n->doc);
	gw_node_doc_free(n->doc);
	free(n->memo);
	n->memo = NULL;
	n->reg.record_version = found->record_version;
	n->doc = gw_node_doc_from_record(text, len);
	if (!n->doc)
		return 0;
	free(n->states);
	n->states = calloc(n->doc->n_models, sizeof(*n->states));
	if (n->states &&
	    (n->hidden ||
	     gw_role_lists_add(&v->slots.roles, found->ref.slot, n->doc) == 0))
		return 0;
	gw_node_doc_free(GW_STEAL(n->doc));
	return -1;
}

/* The same for n->status, NULL when there is none. */
static int
update_status(struct gw_node_view *v, struct gw_node *n,
	      const struct reg_node *found)
{
	struct gw_err ignored = {0};
	gw_auto_free char *text = NULL;
	size_t len = 0;

	if (read_payload(v, found, REG_STATUS, &text, &len) < 0)
		return -1;
	json_object_put(n->status);
	n->status = text ? gw_json_parse_object(text, len, STATUS_DEPTH_MAX,
						&ignored)
			 : NULL;
	n->reg.status_version = found->status_version;
	return 0;
}

/*
 * A node as the walk has found it. Returns -1 when something could not be read
 * and must be tried again; *parsed when something was.
 */
static int
update_node(struct gw_node_view *v, const struct reg_node *found, bool *parsed)
{
	uint32_t slot = found->ref.slot;
	struct gw_node *n = v->slots.at[slot];
	int rc = 0;

	if (n && !same_node(&n->reg, found)) {
		gw_view_slots_drop(&v->slots, slot);
		n = NULL;
	}
	*parsed = !n || n->reg.record_version != found->record_version ||
		  n->reg.status_version != found->status_version;
	if (!*parsed)
		return 0;
	if (!n) {
		n = v->slots.at[slot] = calloc(1, sizeof(*n));
		if (!n)
			return -1;
		n->reg = *found;
		n->hidden = gw_view_slots_is_static(&v->slots, n->reg.id);
		forget_versions(n); /* nothing has been read yet */
	}
	if (n->reg.record_version != found->record_version)
		rc |= update_doc(v, n, found);
	n->reg.registered_ms = found->registered_ms;
	if (!n->doc) {
		gw_view_slots_drop(&v->slots, slot);
		return rc;
	}
	rc |= update_status(v, n, found);
	gw_model_states_read(n->status, n->doc, n->states);
	return rc;
}

static void
begin_pass(struct gw_node_view *v)
{
	v->pass.under_way = true;
	v->pass.complete = true;
	/* Before the walk: a change during it moves the epoch past this. */
	v->pass.epoch = reg_epoch(v->reg);
	v->pass.slot = 0;
}

static void
end_pass(struct gw_node_view *v)
{
	v->pass.under_way = false;
	v->epoch = v->pass.epoch;
	v->current = v->pass.complete;
}

/* Goes on with a pass, for so many nodes to parse. True when it has ended. */
static bool
walk(struct gw_node_view *v, unsigned n)
{
	while (n) {
		uint32_t from = v->pass.slot;
		struct reg_node found;
		bool more, parsed;

		more = reg_node_next(v->reg, &v->pass.slot, &found);
		for (uint32_t slot = from;
		     slot < (more ? found.ref.slot : REG_NODES_MAX); slot++)
			gw_view_slots_drop(&v->slots, slot);
		if (!more) {
			end_pass(v);
			return true;
		}
		if (update_node(v, &found, &parsed) < 0)
			v->pass.complete = false;
		n -= parsed;
	}
	return false;
}

void
gw_node_view_configure(struct gw_node_view *v, struct gw_config *config)
{
	gw_view_slots_want(&v->slots, config);
}

void
gw_node_view_refresh(struct gw_node_view *v)
{
	gw_view_slots_follow(&v->slots);
	if (v->current && v->epoch == reg_epoch(v->reg))
		return;
	begin_pass(v);
	(void)walk(v, UINT_MAX);
}

bool
gw_node_view_catch_up(struct gw_node_view *v, unsigned n)
{
	gw_view_slots_follow(&v->slots);
	if (!v->pass.under_way) {
		if (v->current && v->epoch == reg_epoch(v->reg))
			return true;
		begin_pass(v);
	}
	return walk(v, n);
}

const struct gw_node *
gw_node_view_next(const struct gw_node_view *v, uint32_t *slot)
{
	while (*slot < GW_NODE_SLOTS) {
		const struct gw_node *n = v->slots.at[(*slot)++];

		if (n && !n->hidden)
			return n;
	}
	return NULL;
}

const struct gw_node *
gw_node_view_find(const struct gw_node_view *v, struct reg_node_ref ref)
{
	const struct gw_node *n =
		ref.slot < GW_NODE_SLOTS ? v->slots.at[ref.slot] : NULL;

	return n && !n->hidden && n->reg.ref.generation == ref.generation
		       ? n
		       : NULL;
}

/* ---- freshness ----------------------------------------------------------- */

uint64_t
gw_node_age_ms(const struct gw_node_view *v, const struct gw_node *n,
	       uint64_t now_ms)
{
	uint64_t seen = n->fixed ? now_ms : reg_node_seen(v->reg, n->reg.ref);

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
	return node->states[model].state == GW_TOLD_FAILED;
}

size_t
gw_node_view_fresh(struct gw_node_view *v, const char *role, uint64_t now_ms,
		   const struct gw_candidate **out)
{
	gw_node_view_refresh(v);
	return gw_node_view_known_fresh(v, role, now_ms, out);
}

size_t
gw_node_view_known_fresh(struct gw_node_view *v, const char *role,
			 uint64_t now_ms, const struct gw_candidate **out)
{
	const struct gw_role_list *l = gw_role_list(&v->slots.roles, role);
	const struct gw_node *last = NULL;
	bool last_fresh = false;
	size_t n = 0;

	*out = NULL;
	if (!l || !fresh_room(v, l->n))
		return 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct gw_node *node = v->slots.at[l->places[i].slot];

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

size_t
gw_node_view_serving(const struct gw_node_view *v, const char *role)
{
	const struct gw_role_list *l = gw_role_list(&v->slots.roles, role);

	return l ? l->n : 0;
}

const struct gw_node *
gw_node_view_server(const struct gw_node_view *v, const char *role, size_t i,
		    size_t *model)
{
	const struct gw_role_list *l = gw_role_list(&v->slots.roles, role);

	if (!l || i >= l->n)
		return NULL;
	*model = l->places[i].model;
	return v->slots.at[l->places[i].slot];
}

void
gw_node_view_count(struct gw_node_view *v, const char *role, uint64_t now_ms,
		   struct gw_role_count *out)
{
	const struct gw_role_list *l = gw_role_list(&v->slots.roles, role);
	const struct gw_node *last = NULL;
	bool fresh = false;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; l && i < l->n; i++) {
		const struct gw_node *node = v->slots.at[l->places[i].slot];

		if (node != last) {
			uint64_t seen =
				node->fixed
					? now_ms
					: reg_node_seen(v->reg, node->reg.ref);

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
