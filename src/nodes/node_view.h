/* SPDX-License-Identifier: MIT */
/*
 * node_view.h - this process's parsed view of the registry.
 *
 * Refreshed when reg_epoch() moved; only nodes whose record or status changed
 * are parsed again. Candidates of a role come in the same order in every
 * process (slot, then model), which is what makes round robin exact across
 * processes.
 *
 * Nodes of the configuration are in it like registered ones, behind them. They
 * are always fresh, and hide a registered one with the same id.
 *
 * One thread a process. Nothing here blocks or takes a lock.
 */
#ifndef GW_NODES_NODE_VIEW_H
#define GW_NODES_NODE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/model_state.h"
#include "nodes/node_doc.h"
#include "reg.h"

struct gw_node_view;

/* Slots that nodes can have: those of the registry, and one for each node of the
 * configuration. */
#define GW_NODE_SLOTS (REG_NODES_MAX + 1 + GW_STATIC_NODES_MAX)

/* One node as last seen. Valid until the next gw_node_view_refresh() or
 * gw_node_view_catch_up(). */
struct gw_node {
	struct reg_node reg;
	struct gw_node_doc *doc;    /* never NULL */
	struct json_object *status; /* metrics of its last heartbeat, or NULL */
	struct gw_model_state *states; /* what the status says of each of the
					* doc's models; never NULL */
	void *memo; /* who looks at nodes may keep something here, in one piece
		     * of malloc's; freed with the doc */
	bool hidden; /* in no list: a node of the configuration has its id */
	/* Of one that is written in the configuration, else NULL: */
	const struct gw_static_node *fixed;
	struct gw_config *config; /* `fixed` is of it; borrowed */
};

/* One way to serve a role: a node and one of its models. */
struct gw_candidate {
	const struct gw_node *node;
	const struct gw_node_model *model;
};

/* How the ways to serve a role stand right now. */
struct gw_role_count {
	size_t nodes;		 /* registered nodes with the role */
	size_t fresh;		 /* of them fresh */
	size_t candidates;	 /* what gw_node_view_fresh() gives */
	uint64_t newest_seen_ms; /* last sign of life of any of them */
	uint64_t newest_registered_ms;
};

/*
 * gw_node_view_new - an empty view; the first refresh fills it.
 * @reg             borrowed, outlives the view
 * @stale_after_ms  age from which a node is stale
 * Returns a view the caller frees, or NULL (no memory).
 */
GW_MUSTCHECK struct gw_node_view *gw_node_view_new(struct reg *reg,
						   uint32_t stale_after_ms);
void gw_node_view_free(struct gw_node_view *v);

/* gw_node_view_stale_after_ms - the age from which a node is stale. */
uint32_t gw_node_view_stale_after_ms(const struct gw_node_view *v);

/*
 * gw_node_view_configure - the nodes of the configuration are now those of @config.
 * @config  a reference is taken, and kept for as long as one of its nodes is shown
 * In force with the next refresh, for which all of them are built anew.
 */
void gw_node_view_configure(struct gw_node_view *v, struct gw_config *config);

/*
 * gw_node_view_refresh - catch up with the registry; cheap when nothing moved.
 * A node that keeps changing while it is read stays as it was known, and the
 * next call tries again; so does one after memory ran out, which may leave
 * nodes out until then. A damaged record is left out.
 */
void gw_node_view_refresh(struct gw_node_view *v);

/*
 * gw_node_view_moved - the registry is another one: the next refresh reads all of
 * it anew. Until then what was known stays, for who is in the middle of it: in the
 * new registry most nodes have the place that they had.
 */
void gw_node_view_moved(struct gw_node_view *v);

/*
 * gw_node_view_catch_up - the same in pieces, for who must not hold up others
 * while thousands of nodes are parsed.
 * @n  nodes to parse at most, above 0
 * Returns true when all was looked at since the first of these calls (what has
 * changed behind it comes with the next one); false: call again soon. Until then
 * the view has old and new nodes side by side.
 */
bool gw_node_view_catch_up(struct gw_node_view *v, unsigned n);

/*
 * gw_node_view_next - walk the nodes in slot order; does not refresh.
 * @slot  in: first slot to look at; out: the slot after the one found
 * Returns a node, NULL at the end.
 */
const struct gw_node *gw_node_view_next(const struct gw_node_view *v,
					uint32_t *slot);

/* gw_node_view_find - a node by its reference; NULL when it is gone. */
const struct gw_node *gw_node_view_find(const struct gw_node_view *v,
					struct reg_node_ref ref);

/* gw_node_age_ms - since its last sign of life, read from the registry
 * now; UINT64_MAX when it is gone. 0 for one of the configuration. */
uint64_t gw_node_age_ms(const struct gw_node_view *v, const struct gw_node *n,
			uint64_t now_ms);

/* gw_node_is_fresh - is it registered and younger than the limit? */
bool gw_node_is_fresh(const struct gw_node_view *v, const struct gw_node *n,
		      uint64_t now_ms);

/*
 * gw_node_view_fresh - the candidates of a role: models that have it, are not
 * reported as failed, and whose node is fresh now.
 * @out  storage owned by the view, valid until the next call
 * Refreshes first. Returns their number.
 */
size_t gw_node_view_fresh(struct gw_node_view *v, const char *role,
			  uint64_t now_ms, const struct gw_candidate **out);

/* gw_node_view_known_fresh - the same of the nodes as the last refresh saw
 * them; whether they are fresh is of now. */
size_t gw_node_view_known_fresh(struct gw_node_view *v, const char *role,
				uint64_t now_ms,
				const struct gw_candidate **out);

/*
 * gw_node_view_serving - how many pairs of node and model serve a role, fresh
 * and stale; gw_node_view_server - the @i-th of them, in the order of candidates.
 * Both speak of what the last refresh saw.
 * @model  set to the model's index in the node's doc
 * Returns NULL behind the last one.
 */
size_t gw_node_view_serving(const struct gw_node_view *v, const char *role);
const struct gw_node *gw_node_view_server(const struct gw_node_view *v,
					  const char *role, size_t i,
					  size_t *model);

/*
 * gw_node_view_count - why a role has the candidates it has.
 * Does not refresh: it speaks of what the last refresh saw.
 */
void gw_node_view_count(struct gw_node_view *v, const char *role,
			uint64_t now_ms, struct gw_role_count *out);

#endif
