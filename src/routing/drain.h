/* SPDX-License-Identifier: MIT */
/*
 * drain.h - nodes that an operator took out of service: they get no new
 * requests, whether or not they register anew. Kept in the registry
 * (reg_drain_set()); those that ran out there were unseen for a day.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_DRAIN_H
#define GW_ROUTING_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/node_view.h"

struct gw_routing;

/* gw_drain_key - what a node is called there. */
uint64_t gw_drain_key(const char *node_id);

/* gw_is_drained - a node of the view, right now; gw_is_drained_id - whoever is
 * called so. One load where nobody is. */
bool gw_is_drained(const struct gw_routing *routing, const struct gw_node *n,
		   uint64_t now_ms);
bool gw_is_drained_id(const struct gw_routing *routing, const char *node_id,
		      uint64_t now_ms);

/* gw_drained_all - is every one of these candidates of a drained node? Of none:
 * true. */
bool gw_drained_all(const struct gw_routing *routing,
		    const struct gw_candidate *c, size_t n, uint64_t now_ms);

/* gw_drain_seen - it was looked at: one that lives stays drained. */
void gw_drain_seen(struct gw_routing *routing, const struct gw_node *n,
		   uint64_t now_ms);

#endif
