/* SPDX-License-Identifier: MIT */
/*
 * prober.h - the probes of one process, one a target.
 *
 * A waiter asks about one target. Many waiters share a probe; a probe whose
 * waiters all left still publishes its result if it is already under way.
 */
#ifndef GW_PROBE_PROBER_H
#define GW_PROBE_PROBER_H

#include <stdbool.h>

#include "base/err.h"
#include "probe/question.h"

#define GW_PROBES_IN_FLIGHT_MAX 512 /* of one process; the rest queue */
/* Of them such as began just now: their answers may all come at one moment, and
 * what they take is what others wait for. The older ones hang. */
#define GW_PROBES_YOUNG_MAX 32
#define GW_PROBE_YOUNG_MS 100
#define GW_PROBE_OLD_MAX_MS 60000   /* a result that has run out still serves */

struct ev_loop;
struct gw_prober;
struct gw_upstreams;
struct reg;

/* What the probes of a process work with; all of it outlives the prober. */
struct gw_prober_setup {
	struct ev_loop *loop;
	struct gw_upstreams *upstreams;
	struct reg *reg;
	const char *via; /* for X-RoleMesh-Via; NULL = no such header */
	void (*on_sent)(
		void *arg); /* one more was sent; NULL = nobody counts */
	/* A result was published; NULL = nobody asks. Must not come back here,
	 * nor refresh a view of nodes: somebody may be at it. */
	void (*on_result)(void *arg, const char *base_url,
			  const uint64_t key[2], uint32_t result);
	void *arg;
};

/*
 * gw_prober_new - the one prober of a process.
 * @setup  copied
 * Returns a prober the caller frees, or NULL: no memory.
 */
GW_MUSTCHECK struct gw_prober *
gw_prober_new(const struct gw_prober_setup *setup);

/*
 * gw_prober_free - end all probes without publishing; NULL is allowed.
 * Every run must be freed before, and what it was set up with after it.
 */
void gw_prober_free(struct gw_prober *p);

/* gw_prober_loop - the one it was set up with. */
struct ev_loop *gw_prober_loop(const struct gw_prober *p);

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

/*
 * gw_prober_recall - what was known of a target, and is not over
 * GW_PROBE_OLD_MAX_MS old. Asks nobody. False: nothing.
 */
bool gw_prober_recall(struct gw_prober *p, const struct gw_probe_target *target,
		      struct gw_probe_outcome *out);

/*
 * gw_prober_settle - the same for a waiter, which then waits no longer; its
 * probe goes on, for whoever asks next. False: it still waits.
 */
bool gw_prober_settle(struct gw_prober *p, struct gw_probe_waiter *waiter,
		      struct gw_probe_outcome *out);

/*
 * gw_prober_look - have a target asked about, unless a result is young enough or
 * it is its turn later than at once: nobody waits, who wants to know finds the
 * result in the registry.
 */
void gw_prober_look(struct gw_prober *p, const struct gw_probe_target *target,
		    struct gw_probe_limits limits);

/* gw_prober_leave - stop waiting; nothing happens to one that does not. */
void gw_prober_leave(struct gw_prober *p, struct gw_probe_waiter *waiter);

#endif
