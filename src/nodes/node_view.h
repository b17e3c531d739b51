/* SPDX-License-Identifier: MIT */
/*
 * node_view.h - this process's parsed view of the registry.
 *
 * Refreshed when reg_epoch() moved; only nodes whose record changed are parsed
 * again. Candidates of a role come in the same order in every process (slot,
 * then model), which is what makes round robin exact across processes.
 */
#ifndef GW_NODES_NODE_VIEW_H
#define GW_NODES_NODE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/node_doc.h"
#include "reg.h"

struct gw_node_view;

/* One node as last seen. Valid until the next gw_node_view_refresh(). */
struct gw_view_node {
	struct reg_node reg;
	struct gw_node_doc *doc;
};

/* One way to serve a role: a node and one of its models. */
struct gw_candidate {
	const struct gw_view_node *node;
	const struct gw_node_model *model;
};

GW_MUSTCHECK struct gw_node_view *gw_node_view_new(struct reg *reg,
						   uint32_t stale_after_ms);
void gw_node_view_free(struct gw_node_view *v);

/* gw_node_view_refresh - catch up with the registry; cheap when nothing moved. */
void gw_node_view_refresh(struct gw_node_view *v);

/* gw_node_view_all - every node in slot order; @n set. */
const struct gw_view_node *gw_node_view_all(const struct gw_node_view *v,
					    size_t *n);

/* gw_view_node_age_ms - since its last sign of life, read from the registry
 * now; UINT64_MAX when it is gone. */
uint64_t gw_view_node_age_ms(const struct gw_node_view *v,
			     const struct gw_view_node *n, uint64_t now_ms);

/*
 * gw_node_view_fresh - the candidates of a role whose node is fresh now.
 * @out  storage owned by the view, valid until the next call
 * Refreshes first. Returns their number.
 */
size_t gw_node_view_fresh(struct gw_node_view *v, const char *role,
			  uint64_t now_ms, const struct gw_candidate **out);

#endif
