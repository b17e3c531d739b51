/* SPDX-License-Identifier: MIT */
/*
 * memory.h - memory goes back to the system when the load has fallen.
 *
 * What requests free stays in malloc's heap, between blocks that are still in
 * use: 120 to 180 MB of a thousand clients that did not read. To give it back
 * takes time (some 15 us a request) and faults to get it again, so it is done
 * when fewer requests are open than a moment ago, and not while their number
 * goes up and down: in bites as it falls below what the last second saw, and
 * once more when it stays low. Below GW_MEMORY_FALL_LEAST requests nothing
 * here runs at all.
 */
#ifndef GW_SERVE_MEMORY_H
#define GW_SERVE_MEMORY_H

#include <ev.h>

#define GW_MEMORY_LOOK_S 1.0	/* the second that is spoken of */
#define GW_MEMORY_FALL_LEAST 64 /* requests that are worth it at the end */
#define GW_MEMORY_BITE 128	/* ... and in a fall: 2 ms */

struct gw_memory {
	struct ev_loop *loop;
	ev_timer look;	   /* each second, while something can be given back */
	ev_prepare turn;   /* each turn of the loop, for as long */
	unsigned high;	   /* most requests open since memory was given back */
	unsigned peak;	   /* most since the last look */
	unsigned low;	   /* fewest in the second before that */
	unsigned low_now;  /* fewest since the last look */
	unsigned given;	   /* how often it was, for tests */
	unsigned (*open)(void *arg);
	void *arg;
};

/*
 * gw_memory_init - set malloc up; nothing else happens before gw_memory_note().
 * @open  how many requests are open now; called with @arg on the loop
 */
void gw_memory_init(struct gw_memory *m, struct ev_loop *loop,
		    unsigned (*open)(void *arg), void *arg);

/* gw_memory_stop - also for one that was never begun, all zero. */
void gw_memory_stop(struct gw_memory *m);

/* gw_memory_note - one more request is open: so many are now. */
void gw_memory_note(struct gw_memory *m, unsigned open);

#endif
