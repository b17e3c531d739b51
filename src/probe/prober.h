/* SPDX-License-Identifier: MIT */
/*
 * prober.h - the probes of one process, one a target; private to probe.c.
 *
 * A waiter asks about one target. Many waiters share a probe; a probe whose
 * waiters all left still publishes its result if it is already under way.
 */
#ifndef GW_PROBE_PROBER_H
#define GW_PROBE_PROBER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "probe/probe.h"

struct gw_probe_job;

/* One question in the caller's storage. */
struct gw_probe_waiter {
	LIST_ENTRY(gw_probe_waiter) link;
	struct gw_probe_job *job; /* NULL: not waiting */
	/* Runs on the event loop, outside libcurl; may ask, leave and free. */
	void (*answer)(struct gw_probe_waiter *w, struct gw_probe_outcome o);
};

/* Limits of a probe, from the configuration. */
struct gw_probe_limits {
	uint32_t timeout_ms;
	uint32_t ttl_ms;
};

/* gw_prober_new - @w is borrowed; NULL: no memory. */
GW_MUSTCHECK struct gw_prober *gw_prober_new(struct gw_worker *w);

/*
 * gw_prober_ask - what is known of a target, or wait for it.
 * @waiter  zeroed but for `answer`, which must be set
 * @out     filled when the outcome is known at once
 * Returns true when it is; else @waiter waits until its answer or
 * gw_prober_leave().
 */
bool gw_prober_ask(struct gw_prober *p, const struct gw_probe_target *target,
		   struct gw_probe_limits limits,
		   struct gw_probe_waiter *waiter,
		   struct gw_probe_outcome *out);

/* gw_prober_leave - stop waiting; nothing happens to one that does not. */
void gw_prober_leave(struct gw_prober *p, struct gw_probe_waiter *waiter);

#endif
