/* SPDX-License-Identifier: MIT */
/*
 * status.h - how a gateway stands, as one document: its processes, aliases with
 * their candidates, nodes, clients. What /rolemesh/status answers and
 * /rolemesh/events repeats; needs neither a request nor an event loop.
 *
 * All of it is what is known at that moment: nobody is asked, nothing changes,
 * also on a registry that is mapped for reading alone. Made in pieces, so it
 * may show neighbouring moments; each node that is there all the time is in it,
 * once.
 *
 * Nothing secret is in it: no key, no digest of one, no body.
 *
 * One thread a process; nothing blocks, but /proc is read, once a process.
 */
#ifndef GW_STATUS_STATUS_H
#define GW_STATUS_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "config/config.h"
#include "serve/counters.h"

struct gw_routing;
struct gw_status;

#define GW_STATUS_TEXT_MAX (64u << 20) /* bytes of the document */

/* What it is made from; borrowed, and outlives the maker. */
struct gw_status_source {
	/* Its registry and view of the nodes count; without a worker (NULL) it
	 * is that of a program that only looks. */
	struct gw_routing *routing;
	struct gw_config *config; /* sealed; an empty one where there is none.
				   * A reference is kept */
	const struct gw_counters *counters;
	int64_t started_wall_s; /* 0 = not known */
};

/*
 * gw_status_new - begin.
 * Returns a maker the caller frees, or NULL: no memory.
 */
GW_MUSTCHECK struct gw_status *
gw_status_new(const struct gw_status_source *source);

enum gw_status_step {
	GW_STATUS_MORE,	 /* call again */
	GW_STATUS_DONE,	 /* gw_status_text() is the document */
	GW_STATUS_FAILED /* no memory, or it is over GW_STATUS_TEXT_MAX */
};

/*
 * gw_status_go_on - one piece.
 * @budget_us  after so long a piece ends; one thing at least is done.
 * UINT64_MAX: all of it
 */
GW_MUSTCHECK enum gw_status_step gw_status_go_on(struct gw_status *s,
						 uint64_t budget_us);

/* gw_status_text - one line of JSON, without a line feed; the maker's. */
const struct gw_buf *gw_status_text(const struct gw_status *s);

/* gw_status_free - NULL is allowed. */
void gw_status_free(struct gw_status *s);

#endif
