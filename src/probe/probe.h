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
 * alone, because other runs and other processes wait for their results. A run
 * waits for GW_PROBE_RENEW_MS where an older result is known, which then serves:
 * one upstream that hangs must not make everybody wait, each time.
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
#include "probe/prober.h"
#include "probe/result.h"

#define GW_PROBE_RENEW_MS 250

struct gw_config;
struct gw_probe_run;

/*
 * gw_probe_run_new - ask about several upstreams, in as many calls as the caller
 * likes: thousands at one time would hold up others.
 * @config   time-out and ttl; only read during the call
 * @n        targets there will be
 * @on_done  see gw_probe_run_wait()
 * Returns a run the caller frees, or NULL with err INTERNAL (no memory).
 */
GW_MUSTCHECK struct gw_probe_run *
gw_probe_run_new(struct gw_prober *p, const struct gw_config *config, size_t n,
		 void (*on_done)(void *arg), void *arg, struct gw_err *err);

/*
 * gw_probe_run_ask - ask about target @i, below @n, at most once.
 * @target  copied; one that was asked already is not asked again
 */
void gw_probe_run_ask(struct gw_probe_run *run, size_t i,
		      const struct gw_probe_target *target);

/*
 * gw_probe_run_any - one reachable target is enough for this run: with that it
 * is done after GW_PROBE_RENEW_MS, whatever is not known of the others by then.
 */
void gw_probe_run_any(struct gw_probe_run *run);

/* gw_probe_run_recall - the same without a question to anybody: what is known,
 * if it is not too old. */
void gw_probe_run_recall(struct gw_probe_run *run, size_t i,
			 const struct gw_probe_target *target);

/*
 * gw_probe_run_wait - all have been asked; to be called once.
 * Unless the run is done already, on_done is called once, on the event loop,
 * when every target has an outcome, at the latest after twice the probe time-out
 * plus 1 s; never before this returns.
 */
void gw_probe_run_wait(struct gw_probe_run *run);

/* gw_probe_run_is_done - has every target that was asked an outcome? */
bool gw_probe_run_is_done(const struct gw_probe_run *run);

/* gw_probe_run_outcome - of target @i, which was asked; it is done. */
struct gw_probe_outcome gw_probe_run_outcome(const struct gw_probe_run *run,
					     size_t i);

/*
 * gw_probe_run_free - forget a run, done or not; on_done will not be called.
 * NULL is allowed. Probes under way go on and publish what they find.
 */
void gw_probe_run_free(struct gw_probe_run *run);

#endif
