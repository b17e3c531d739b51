/* SPDX-License-Identifier: MIT */
/*
 * routing.h - what the gateway adds to a worker and to a request, to know where
 * requests can go. Its stages and endpoints find both here; src/serve knows
 * neither.
 */
#ifndef GW_ROUTING_ROUTING_H
#define GW_ROUTING_ROUTING_H

#include <stdbool.h>
#include <stdint.h>

#include "nodes/node_view.h"
#include "reg.h"
#include "routing/states.h"
#include "serve/worker.h"

struct gw_availability;
struct gw_listing;
struct gw_prober;

#define GW_POLICIES_MAX 4 /* enum gw_strategy has as many */

/* One a process: the `program` of its worker. */
struct gw_routing {
	struct gw_worker *worker;
	struct reg *reg;
	struct gw_node_view *nodes;
	struct gw_prober *prober; /* NULL: nobody is probed */
	void *policy_state[GW_POLICIES_MAX]; /* by enum gw_strategy, the policy's */
	struct gw_states states;
};

/* stage pick_node: the node of a discovered alias. */
struct gw_picked {
	bool chosen;
	struct reg_node_ref node; /* the one chosen last */
	int32_t lease;		  /* reg_lease_take() */
	bool leased;		  /* `lease` is to be dropped; it may be -1 */
	struct reg_node_ref tried[GW_PICK_ATTEMPTS]; /* those left before it */
	unsigned n_tried;
};

/* One a request: its `own`. */
struct gw_routed {
	struct gw_picked pick;
	struct gw_availability *availability; /* endpoints: models, ready */
	struct gw_listing *listing;	      /* endpoint models */
};

static inline struct gw_routing *
gw_routing(const struct gw_request *r)
{
	return r->worker->program;
}

static inline struct gw_routed *
gw_routed(const struct gw_request *r)
{
	return r->own;
}

#endif
