/* SPDX-License-Identifier: MIT */
/*
 * role_lists.h - who serves a role, for node_view.c: built when first asked
 * for, kept until the nodes or their models change. Fresh or failed is not its
 * business.
 */
#ifndef GW_NODES_ROLE_LISTS_H
#define GW_NODES_ROLE_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "nodes/node_view.h"

#define GW_ROLE_BUCKETS 64

/* By index: the array of nodes moves while a list stays valid. */
struct gw_role_place {
	uint32_t node;
	uint32_t model;
};

/* The places of one role, in the order of nodes, then models. */
struct gw_role_list {
	struct gw_role_list *next;
	struct gw_role_place *places;
	size_t n;
	char role[];
};

/* All zero is empty. */
struct gw_role_lists {
	struct gw_role_list *bucket[GW_ROLE_BUCKETS];
};

/*
 * gw_role_list - the list of a role among @n nodes.
 * Returns a list that stays until gw_role_lists_drop(), or NULL (no memory).
 */
const struct gw_role_list *gw_role_list(struct gw_role_lists *all,
					const struct gw_node *nodes, size_t n,
					const char *role);

/* gw_role_lists_drop - forget all lists. */
void gw_role_lists_drop(struct gw_role_lists *all);

#endif
