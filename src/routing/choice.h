/* SPDX-License-Identifier: MIT */
/*
 * choice.h - what may serve a request, as routing sees it at this moment and as
 * policies choose from it. No function, no state: whoever fills choices in and
 * whoever chooses need not know each other.
 */
#ifndef GW_ROUTING_CHOICE_H
#define GW_ROUTING_CHOICE_H

#include <stdint.h>

#include "reg.h"

struct gw_node;
struct gw_node_model;

/* The first that holds; ordered from the one that says most against it. */
enum gw_state {
	GW_STATE_STALE,
	GW_STATE_DRAINING,
	GW_STATE_FAILED,
	GW_STATE_LOADING,
	GW_STATE_EJECTED,
	GW_STATE_FULL,
	GW_STATE_UNREACHABLE,
	GW_STATE_COLD,
	GW_STATE_READY,
	GW_STATE__MAX
};

struct gw_choice {
	const struct gw_node *node;	   /* NULL: a proxy's own upstream */
	const struct gw_node_model *model; /* NULL as well then */
	struct reg_candidate_ref ref;
	uint64_t key;		/* its key[0] in the registry */
	enum gw_state state;
	uint32_t in_flight;	/* requests, of all processes */
	uint32_t weight;	/* 1 .. 100 */
	uint32_t max_concurrency; /* 0 = no bound */
	uint32_t parallel;	/* requests it computes at once; 0 = unknown */
	/*
	 * 0: loaded, with a free slot (or it tells nothing); 1: not loaded, on a
	 * device with room for it; 2: loaded, without a free slot; 3: not
	 * loaded, where another model would have to go.
	 */
	uint32_t step;
};

#endif
