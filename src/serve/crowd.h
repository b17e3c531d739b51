/* SPDX-License-Identifier: MIT */
/*
 * crowd.h - are the web server's connections getting scarce? lighttpd keeps an
 * idle one for a minute, and lets nobody new in once it has as many as it may.
 * From half of that on each answer closes its connection instead: idle ones can
 * never take all places.
 *
 * Counted are the descriptors that it has open: an idle connection is one, an
 * active one up to three. One thread a process; nothing blocks.
 */
#ifndef GW_SERVE_CROWD_H
#define GW_SERVE_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct gw_crowd {
	pid_t server;
	unsigned limit;     /* 0: nothing is known of a limit */
	unsigned processes; /* that answer for this server */
	unsigned open;      /* at the last count */
	unsigned since;	    /* answers since then */
	uint64_t next_us;   /* no count before that: it takes time, too */
};

/*
 * gw_crowd_watch - this is the server from now on.
 * @server     its process, of the same user
 * @limit      connections it may have, 0 = unknown: it is never crowded
 * @processes  that answer for it, 1 or more
 */
void gw_crowd_watch(struct gw_crowd *c, pid_t server, unsigned limit,
		    unsigned processes);

/* gw_crowd_is - before each answer: should it close its connection? */
bool gw_crowd_is(struct gw_crowd *c);

#endif
