/* SPDX-License-Identifier: MIT */
/*
 * role_lists.h - who serves a role, for node_view.c: kept in step node by node,
 * so that what one registration costs depends on it alone, not on how many nodes
 * and roles there are. Fresh or failed is not its business.
 */
#ifndef GW_NODES_ROLE_LISTS_H
#define GW_NODES_ROLE_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nodes/node_doc.h"

/* One model of the node in a slot. */
struct gw_role_place {
	uint32_t slot;
	uint32_t model;
};

/* The places of one role, in the order of slots, then models; never empty. */
struct gw_role_list {
	struct gw_role_list *next;
	struct gw_role_place *places;
	size_t n;
	size_t cap;
	char role[];
};

/* All zero is empty. */
struct gw_role_lists {
	struct gw_role_list **bucket;
	size_t n_buckets;
	size_t n;
};

/* gw_role_list - the list of a role, NULL when nobody serves it; valid until
 * the next call that changes the lists. */
const struct gw_role_list *gw_role_list(const struct gw_role_lists *all,
					const char *role);

/*
 * gw_role_lists_add - a node has come.
 * @slot  where it is; holds none in the lists
 * Returns 0, or -1 when memory is out: nothing of it is in the lists then.
 */
GW_MUSTCHECK int gw_role_lists_add(struct gw_role_lists *all, uint32_t slot,
				   const struct gw_node_doc *d);

/* gw_role_lists_remove - the node of @slot, which came with @d, is gone. */
void gw_role_lists_remove(struct gw_role_lists *all, uint32_t slot,
			  const struct gw_node_doc *d);

/* gw_role_lists_release - free it all. */
void gw_role_lists_release(struct gw_role_lists *all);

#endif
