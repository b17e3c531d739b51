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
#include "routing/choices.h"
#include "routing/states.h"
#include "routing/waiting.h"
#include "serve/worker.h"

struct gw_availability;
struct gw_events;
struct gw_explained;
struct gw_listing;
struct gw_model_order;
struct gw_prober;
struct gw_recorded;
struct gw_status;
struct gw_viewer;

#define GW_POLICIES_MAX 4 /* enum gw_strategy has as many */

/* One a process: the `program` of its worker. */
struct gw_routing {
	struct gw_worker *worker;
	struct reg *reg;
	struct gw_node_view *nodes;
	struct gw_prober *prober; /* NULL: nobody is probed */
	void *policy_state[GW_POLICIES_MAX]; /* by enum gw_strategy, the policy's */
	struct gw_states states;
	struct gw_choices choices; /* for who asks next */
	struct gw_proxy_memo {
		uint64_t config; /* fingerprint */
		struct gw_place_keys *keys; /* one a model of it */
	} proxies; /* place_keys.c's */
	struct gw_waiting waiting;
	struct gw_events *events; /* endpoint events; NULL: nobody looked */
};

/* One that answered 500, which may have been the request's fault. */
struct gw_blamed {
	uint64_t candidate[2];
};

/* One that had an attempt. */
struct gw_tried {
	uint64_t key; /* candidate[0] */
	const struct gw_model *alias;
	bool lost; /* without any answer: no alias has it asked again */
};

/* What a request met; r->forward.history, which most requests never need. */
struct gw_history {
	struct gw_tried tried[GW_ATTEMPTS_MAX]; /* candidates left for others */
	unsigned n_tried;
	uint64_t unreached[GW_ATTEMPTS_MAX]; /* address[0] of those that could
					      * not be connected */
	unsigned n_unreached;
	struct gw_blamed blamed[GW_ATTEMPTS_MAX];
	unsigned n_blamed;
};

/* stage/queue.c: a request and the queues of its aliases. */
struct gw_queue_stay {
	uint64_t came_ms; /* the request, whatever it did since */
	uint64_t number;  /* the registry's, since it waited first; 0 = none */
	const struct gw_model *alias; /* whose queue it was in last */
	uint64_t waited_ms;	      /* there, before */
	bool entered;		      /* `lease` is its place there */
	int32_t lease;
	struct reg_candidate_ref place; /* what is counted so */
	uint64_t room_until_ms; /* one was displaced for it; 0 = none */
	const struct gw_model *refused_by; /* the last one that did, or NULL */
	enum gw_code refused;
	bool displaced; /* ... by another request */
	unsigned retry_after_s;
};

/* stage pick_node, and its side of failover: the candidate of a request. */
struct gw_picked {
	bool chosen;
	bool leased;	/* `lease` is to be dropped; it may be -1 */
	bool shared;	/* so is `share`: what its client runs at the alias */
	bool trial;	/* it is the trial of an ejected candidate */
	bool failed, loading, lost; /* what came of it, if it is known */
	bool in_line;	/* it had no free slot when it was chosen */
	bool left_line;	/* for one that had; a request does that once */
	int32_t lease;	/* reg_lease_take() */
	int32_t share;
	uint64_t begun_ms; /* when it was chosen */
	uint64_t recorded_ms; /* when affinity was told of it last */
	struct gw_config *config; /* a reference: what the target borrows from
				   * a node of the configuration; or NULL */
	struct gw_place_keys keys;
	struct reg_candidate_ref ref, address;
	const struct gw_model *alias; /* whose candidate it is */
	struct gw_history *history; /* NULL: nothing went wrong yet */
	struct gw_queue_stay stay;
	struct gw_wait wait;
};

/* stage limit_client: the place of the request among its client's. */
struct gw_limited {
	bool leased; /* `lease` is to be dropped */
	int32_t lease;
};

/* One a request: its `own`. */
struct gw_routed {
	struct gw_limited limited;
	struct gw_picked pick;
	struct gw_availability *availability; /* endpoints: models, ready */
	struct gw_listing *listing;	      /* endpoint models */
	struct gw_recorded *recorded;	      /* endpoint requests */
	struct gw_status *status;	      /* endpoint status */
	struct gw_viewer *viewer;	      /* endpoint events */
	struct gw_model_order *order;	      /* endpoint nodes */
	struct gw_explained *explained; /* endpoint explain: nothing is done,
					 * all is only looked at */
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
