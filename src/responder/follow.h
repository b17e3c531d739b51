/* SPDX-License-Identifier: MIT */
/*
 * follow.h - has the shared memory's file been taken away under this process?
 * Then it goes to the one that the name leads to now, with all that it has.
 *
 * Every process of an instance has one of these, the launcher too. Looks a few
 * times a second, and in each turn of the loop whether another process moved
 * already: what it does after that turn concerns the new segment.
 */
#ifndef GW_RESPONDER_FOLLOW_H
#define GW_RESPONDER_FOLLOW_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "reg.h"

#define GW_FOLLOW_LOOK_S 0.25	    /* so long a removed file goes unnoticed */
#define GW_FOLLOW_REFUSED_MS 1000   /* until a name that cannot be used is tried
				     * again */

/* Zeroed but for the first part, which the caller fills and outlives. */
struct gw_follow {
	struct ev_loop *loop;
	struct reg *reg; /* stays where it is: what it stands for changes */
	const char *name;
	/* Take anew in @to what is held in `reg`; NULL = nothing is. */
	void (*on_moving)(void *arg, struct reg *to);
	/* `reg` is the new segment: forget what was read from it before. */
	void (*on_moved)(void *arg);
	/* What dead processes held is free; NULL = never mind. */
	void (*on_swept)(void *arg);
	void *arg;

	ev_timer look;
	ev_check each_turn;
	uint64_t again_ms; /* not before, 0 = any time */
	bool started;
};

/*
 * gw_follow_start - begin to look. Callbacks come from the loop, never from
 * inside of one of a request. Nothing fails: what cannot be done is logged and
 * tried again.
 */
void gw_follow_start(struct gw_follow *f);

/* gw_follow_now - look at once, outside of the loop. */
void gw_follow_now(struct gw_follow *f);

/* gw_follow_stop - harmless when it was not started. */
void gw_follow_stop(struct gw_follow *f);

#endif
