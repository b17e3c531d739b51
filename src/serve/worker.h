/* SPDX-License-Identifier: MIT */
/*
 * worker.h - one process that serves FastCGI: its loop and everything it owns.
 *
 * State travels as (worker, request); there are no other globals. The same
 * worker serves every program that brings its endpoints and its pipeline: the
 * gateway's responders (src/responder/) and the node agent (src/agent/). What
 * only one of them has hangs on `program`.
 */
#ifndef GW_SERVE_WORKER_H
#define GW_SERVE_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "body/room.h"
#include "config/config.h"
#include "fcgi/fcgi_conn.h"
#include "serve/counters.h"
#include "serve/crowd.h"
#include "serve/endpoint.h"
#include "serve/memory.h"
#include "serve/pipeline.h"
#include "serve/turns.h"
#include "serve/via.h"
#include "upstream/transfer.h"

/* What a program's configuration calls things that messages speak of. */
struct gw_key_names {
	const char *max_body_bytes;
	const char *max_bodies_bytes;
	const char *cors_origins;	/* NULL: it answers no preflights */
	const char *default_model;	/* NULL: there is no such key */
};

struct gw_worker {
	struct ev_loop *loop;
	bool owns_loop;
	const struct gw_pipeline *pipeline;
	const struct gw_endpoint *endpoints;
	size_t n_endpoints;
	void *program;			/* whose worker it is: that program's own
					 * struct, for its stages and endpoints */
	struct gw_config *config;	/* in force; a reference */
	uint64_t max_body_bytes;	/* of the start: the web server's
					 * own limit belongs to it */
	struct gw_body_room bodies;	/* of all requests together */
	struct gw_key_names keys;
	char via[GW_VIA_NAME_BYTES]; /* what it is called in X-RoleMesh-Via */
	struct gw_upstreams *upstreams;
	struct gw_fcgi_front *front;
	struct gw_crowd crowd; /* set by the program; all zero = never */
	ev_check wakes;	  /* the log collects lines ... */
	ev_prepare sleeps; /* ... until then */
	struct gw_turns turns;
	int64_t started_wall_s;
	struct gw_request *requests; /* the open ones */
	bool ended; /* requests that are still open are cut off */
	struct gw_log_limit upstream_log;
	uint64_t random_state[2];
	struct gw_counters counters;
	struct gw_memory memory;
};

struct gw_worker_setup {
	struct ev_loop *loop;		/* borrowed; NULL = one of its own */
	const struct gw_pipeline *pipeline;
	const struct gw_endpoint *endpoints;
	size_t n_endpoints;
	struct gw_config *config;	/* a reference is kept */
	struct gw_key_names keys;	/* static strings */
	uint64_t via;			/* the instance's number, the same in
					 * all of its processes; 0 = there is
					 * but this one */
	void *program;
};

/*
 * gw_worker_new - build the loop, the FastCGI front and the side to upstreams.
 * Raises the descriptor limit to the hard one.
 * @setup  read during the call
 * @err    INTERNAL
 * Returns a worker the caller frees, or NULL.
 */
GW_MUSTCHECK struct gw_worker *
gw_worker_new(const struct gw_worker_setup *setup, struct gw_err *err);

/*
 * gw_worker_configure - another configuration is in force for new requests.
 * @fresh  the reference becomes the worker's
 */
void gw_worker_configure(struct gw_worker *w, struct gw_config *fresh);

/*
 * gw_worker_cut_requests - the time that a stop allows is over: every open
 * request is told so, in the one way still open to it (an error event, a 503, or
 * breaking off), and is accounted for. What is queued still has to leave: run
 * the loop until gw_fcgi_open_requests() is 0, for a bounded time. A client that
 * is gone from now on did not leave by itself. Not from inside a request.
 */
void gw_worker_cut_requests(struct gw_worker *w);

/*
 * gw_worker_end_requests - cut off what is still open; the front is gone then.
 * A program that gave the worker things of its own (a registry) calls it before
 * it takes them away. Safe twice.
 */
void gw_worker_end_requests(struct gw_worker *w);

/* gw_worker_free - NULL is allowed. */
void gw_worker_free(struct gw_worker *w);

/* gw_worker_random - 64 random bits (not for secrets). */
uint64_t gw_worker_random(struct gw_worker *w);

#endif
