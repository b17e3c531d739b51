/* SPDX-License-Identifier: MIT */
/*
 * choice.h - what may serve a request, as routing sees it at this moment and as
 * policies choose from it. No function, no state: whoever fills choices in and
 * whoever chooses need not know each other.
 */
#ifndef GW_ROUTING_CHOICE_H
#define GW_ROUTING_CHOICE_H

#include <stdbool.h>
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

/* What a candidate is called in the registry. */
struct gw_place_keys {
	uint64_t candidate[2]; /* a model behind an address */
	uint64_t address[2];   /* whatever the model */
	uint64_t probe[2];     /* of the address, with key and TLS */
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
	uint32_t step;		/* enum gw_model_step: smaller is taken first */
	struct reg_candidate_ref address; /* its upstream's, whatever the model */
	struct gw_place_keys keys;
	uint64_t pause_ends_ms; /* ejected: CLOCK_MONOTONIC */
	bool ejected;		/* whatever its state is called */
	bool unreachable;	/* the last probe says so */
	bool waits_for_trial;	/* ejected, its pause is over, and nobody tries */
	bool no_slot;		/* max_concurrency requests are there */
};

/* How readily a choice is asked; a later one only where no earlier one is. */
enum gw_rank {
	GW_RANK_NOW,
	GW_RANK_UNREACHABLE,
	GW_RANK_LOADING,
	GW_RANK_FULL,
	GW_RANK_EJECTED,
	GW_RANK_NO_SLOT, /* cannot be asked now, but is worth waiting for */
	GW_RANK_NEVER
};

#endif
