/* SPDX-License-Identifier: MIT */
/*
 * model_state.h - how a node's models stand, as its last heartbeat told, and how
 * soon one of them could serve. Pure: it reads documents and compares numbers.
 *
 * What strangers tell is believed only in the shape that the node agent gives it;
 * anything else says nothing. All functions: any thread, they cannot fail.
 */
#ifndef GW_NODES_MODEL_STATE_H
#define GW_NODES_MODEL_STATE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "nodes/node_doc.h"

/* metrics.models.<model_id>.state, several of an agent's words in one. */
enum gw_model_told {
	GW_TOLD_UNKNOWN,  /* not told */
	GW_TOLD_STOPPED,  /* "stopped" */
	GW_TOLD_STARTING, /* "starting", "loading": the agent keeps requests
			   * until it is ready */
	GW_TOLD_READY,	  /* "ready" */
	GW_TOLD_STOPPING, /* "draining", "stopping" */
	GW_TOLD_FAILED,	  /* "failed": the agent refuses requests */
	GW_TOLD__MAX
};

struct gw_model_state {
	uint8_t state;	   /* enum gw_model_told */
	bool told;	   /* it is known: the node reports states */
	bool evicts;	   /* to be loaded it would push another model out */
	bool alone;	   /* ... of the only device of its node */
	uint32_t parallel; /* slots; 0 = not known */
	uint32_t max_concurrency; /* requests in flight at most, as told last;
				   * 0 = no bound */
};

/*
 * How soon a model could serve one more request; smaller is taken first, so that
 * hosts with a device for one model settle, one model a host, instead of swapping
 * at every request. What is on its way up needs no further start and pushes nobody
 * out, but what is ready answers sooner.
 */
enum gw_model_step {
	GW_MODEL_STEP_FREE,	/* loaded, with a free slot; or nothing is told */
	GW_MODEL_STEP_STARTING, /* will be soon, with a free slot then */
	GW_MODEL_STEP_ROOM,	/* not loaded, on a device with room for it */
	GW_MODEL_STEP_BUSY,	/* loaded or starting, no free slot */
	GW_MODEL_STEP_SWAPPING, /* not loaded, another one has to go, and does
				 * already, for a request that is there */
	GW_MODEL_STEP_EVICTS,	/* not loaded, and another one would have to go;
				 * or full, or failed */
	GW_MODEL_STEP__MAX
};

/*
 * gw_model_states_read - the states of a registration's models.
 * @metrics  of a heartbeat; NULL = none came. A number of slots or a bound that it
 *           lacks is that of the registration
 * @out      one for each of @doc's models, written in full
 */
void gw_model_states_read(struct json_object *metrics,
			  const struct gw_node_doc *doc,
			  struct gw_model_state *out);

/*
 * gw_node_model_step - the step of a candidate.
 * @in_flight        its requests now, over all processes
 * @max_concurrency  of them at most; 0 = no bound
 * Returns one of enum gw_model_step. One that was sent a request while it was
 * not loaded counts as starting: the node has not come to tell so yet.
 */
uint32_t gw_node_model_step(const struct gw_model_state *s, uint32_t in_flight,
			    uint32_t max_concurrency);

#endif
