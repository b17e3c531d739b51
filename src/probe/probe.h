/* SPDX-License-Identifier: MIT */
/*
 * probe.h - is an upstream reachable? One process asks, all know.
 *
 * A probe is GET <base>/v1/models with the Bearer that requests use; any 2xx is
 * reachable. Results are shared through the registry for gateway.probe_ttl_s,
 * and only one process (and in it only one probe) asks an upstream at a time.
 *
 * A process has one prober. A run asks it about several targets at once and is
 * told when all are answered; giving up a run leaves probes that are under way
 * alone, because other runs and other processes wait for their results.
 *
 * One thread a process; nothing blocks. No callback runs from inside a function
 * of this header.
 */
#ifndef GW_PROBE_PROBE_H
#define GW_PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GW_PROBES_IN_FLIGHT_MAX 512 /* of one process; the rest queue */
#define GW_PROBE_REASON_BYTES 128

struct gw_config;
struct gw_worker;
struct gw_prober;
struct gw_probe_run;

struct gw_probe_target {
	const char *base_url; /* without "/v1" */
	const char *bearer;   /* or NULL */
};

struct gw_probe_outcome {
	uint32_t result;      /* for gw_probe_reason() */
	int64_t since_wall_s; /* when the result became what it is */
};

/*
 * gw_probe_run - ask about several upstreams.
 * @w        its prober is made when it has none
 * @config   time-out and ttl; only read during the call
 * @targets  copied; duplicates are asked once
 * @on_done  called once on the event loop when every target has an outcome, at
 *           the latest after twice the probe time-out plus 1 s; never before
 *           this returns, and not at all when everything was known already
 *           (see gw_probe_run_is_done)
 * Returns a run the caller frees, or NULL with err INTERNAL (no memory).
 */
GW_MUSTCHECK struct gw_probe_run *
gw_probe_run(struct gw_worker *w, const struct gw_config *config,
	     const struct gw_probe_target *targets, size_t n,
	     void (*on_done)(void *arg), void *arg, struct gw_err *err);

/* gw_probe_run_is_done - has every target an outcome? */
bool gw_probe_run_is_done(const struct gw_probe_run *run);

/* gw_probe_run_outcome - of target @i of the call; the run is done. */
struct gw_probe_outcome gw_probe_run_outcome(const struct gw_probe_run *run,
					     size_t i);

/*
 * gw_probe_run_free - forget a run, done or not; on_done will not be called.
 * NULL is allowed. Probes under way go on and publish what they find.
 */
void gw_probe_run_free(struct gw_probe_run *run);

/*
 * gw_prober_free - end all probes without publishing; NULL is allowed.
 * Every run must be freed before, and the process's gw_upstreams after it.
 */
void gw_prober_free(struct gw_prober *p);

/* gw_probe_is_reachable - does a result mean that requests can be sent? */
bool gw_probe_is_reachable(uint32_t result);

/*
 * gw_probe_reason - a result in words: "ok", "connection refused", "HTTP 503:
 * it may be loading its model".
 * @out  storage of @cap bytes (GW_PROBE_REASON_BYTES are enough)
 * Returns @out.
 */
const char *gw_probe_reason(uint32_t result, char *out, size_t cap);

/* gw_probe_key - the name of a target in the registry's probe table. */
void gw_probe_key(const char *base_url, const char *bearer, uint64_t key[2]);

#endif
