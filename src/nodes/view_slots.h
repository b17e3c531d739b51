/* SPDX-License-Identifier: MIT */
/*
 * view_slots.h - the places of a view: those of the registry, and behind them
 * one for each node of the configuration. For node_view.c alone.
 *
 * A node of the configuration is in the place of its position in the file, so in
 * the same one in every process. A registered node with the id of one is hidden:
 * known, but in no list.
 */
#ifndef GW_NODES_VIEW_SLOTS_H
#define GW_NODES_VIEW_SLOTS_H

#include "nodes/node_view.h"
#include "nodes/role_lists.h"

/* REG_NODES_MAX itself is no place: it means nowhere. */
#define GW_STATIC_SLOT (REG_NODES_MAX + 1)

/* All zero is empty. */
struct gw_view_slots {
	struct gw_node *at[GW_NODE_SLOTS]; /* NULL = no node */
	struct gw_role_lists roles;	   /* of nodes that are not hidden */
	struct gw_config *config;	   /* whose nodes are in place; or NULL */
	struct gw_config *wanted; /* whose nodes shall be; NULL = as it is */
};

/* gw_view_slots_release - free all nodes. */
void gw_view_slots_release(struct gw_view_slots *s);

/* gw_view_slots_drop - the node of a slot is gone, if there is one. */
void gw_view_slots_drop(struct gw_view_slots *s, uint32_t slot);

/*
 * gw_view_slots_want - these are the nodes of the configuration from now on.
 * @config  a reference is taken
 */
void gw_view_slots_want(struct gw_view_slots *s, struct gw_config *config);

/*
 * gw_view_slots_follow - put them in place; cheap when they are. Without memory
 * some may be missing until the next call.
 */
void gw_view_slots_follow(struct gw_view_slots *s);

/* gw_view_slots_is_static - is a node of the configuration called so? */
bool gw_view_slots_is_static(const struct gw_view_slots *s,
			     const char *node_id);

#endif
