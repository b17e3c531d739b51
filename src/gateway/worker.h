/* SPDX-License-Identifier: MIT */
/*
 * worker.h - one responder process: its loop and everything it owns.
 *
 * State travels as (worker, request); there are no other globals. The same
 * worker serves any program that brings its own endpoints and pipeline.
 */
#ifndef GW_GATEWAY_WORKER_H
#define GW_GATEWAY_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "config/config.h"
#include "config/watch.h"
#include "endpoint/endpoint.h"
#include "fcgi/fcgi_conn.h"
#include "gateway/instance.h"
#include "gateway/pipeline.h"
#include "nodes/node_view.h"
#include "reg.h"
#include "upstream/transfer.h"

enum gw_counter {
#define COUNTER(name, word, text) GW_COUNT_##name,
#include "gateway/counters.def"
	GW_COUNT__MAX
};

enum gw_gauge {
#define GAUGE(name, word, text) GW_GAUGE_##name,
#include "gateway/counters.def"
	GW_GAUGE__MAX
};

struct gw_prober;

struct gw_worker {
	struct ev_loop *loop;
	const struct gw_pipeline *pipeline;
	const struct gw_endpoint *endpoints;
	size_t n_endpoints;
	struct gw_instance *instance;	/* borrowed */
	struct gw_config *config;	/* in force; a reference */
	uint64_t max_body_bytes;	/* of the start: the web server's
					 * own limit belongs to it */
	struct gw_config_watch *watch;
	struct reg *reg;
	struct gw_node_view *nodes;
	struct gw_upstreams *upstreams;
	struct gw_fcgi_front *front;
	int64_t started_wall_s;
	bool draining;
	bool ended; /* requests that are still open are cut off */
	pid_t spawner;			/* end when it is gone; 0 = none */
	ev_signal on_term;
	ev_timer spawner_check;
	ev_timer drain_limit;
	uint32_t drain_left_ms;
	struct gw_log_limit upstream_log;
	uint64_t random_state[2];
	struct gw_prober *prober;	/* made by the first probe */
	void *policy_state[2];		/* by enum gw_strategy, the policy's */
};

/*
 * gw_worker_new - load the configuration, attach to the shared memory and build
 * the loop.
 * @instance  lives as long as the worker
 * @err       what failed and what to do
 * Returns a worker the caller frees, or NULL. Configuration findings are
 * printed to stderr.
 */
GW_MUSTCHECK struct gw_worker *gw_worker_new(struct gw_instance *instance,
					     struct gw_err *err);
void gw_worker_free(struct gw_worker *w);

/*
 * gw_worker_run - serve a listening socket until told to end.
 * SIGTERM, a vanished spawner: no new requests; open ones may finish within
 * gateway.shutdown_grace_s. Returns 0.
 */
int gw_worker_run(struct gw_worker *w, int listen_fd, struct gw_err *err);

/* gw_worker_random - 64 random bits (not for secrets). */
uint64_t gw_worker_random(struct gw_worker *w);

/* gw_worker_count / gw_worker_gauge - this process's row. */
void gw_worker_count(struct gw_worker *w, enum gw_counter c, uint64_t n);
void gw_worker_gauge(struct gw_worker *w, enum gw_gauge g, int64_t n);

#endif
