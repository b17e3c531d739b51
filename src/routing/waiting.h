/* SPDX-License-Identifier: MIT */
/*
 * waiting.h - the requests of this process that wait for a slot: who of them
 * may take one now, and whose process has to be told otherwise.
 *
 * Nobody hands slots out. Whoever frees one looks who is next, and wakes that
 * one's process, which looks again and takes it (reg_lease_take() is exact). A
 * look comes at the end of a turn in which a slot was freed, when another
 * process woke this one, and, as long as somebody waits here, every
 * GW_WAITING_LOOK_S: for what nobody announces (a pause that ends, a process
 * that stands still, a node that came). Where nobody waits a freed slot costs
 * one load.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_WAITING_H
#define GW_ROUTING_WAITING_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "routing/ring.h"
#include "routing/slots.h"

struct gw_request;
struct gw_routing;

#define GW_WAITING_LOOK_S 0.25
#define GW_WAITING_TELL_FIRST_MS 500 /* of waiting, before a place is told */
#define GW_WAITING_TELL_MS 1000	     /* between two places that are told */
#define GW_WAITING_KEEP_MS                                                     \
	20000 /* until what a client runs is opened anew, lest                 \
	       * its entry go to another one */

#define GW_WAITING_SETTLE_MS                                                   \
	500 /* after a move: until all processes have come along, and          \
	     * brought what they run, nobody takes a slot */

/* One that waits; part of a request. */
struct gw_wait {
	struct gw_ring link; /* first; `next` NULL: it does not wait */
	struct gw_request *request;
	struct reg_waiter_ref ref;
	uint64_t share[2]; /* what its client runs there is counted so */
	uint64_t since_ms; /* it waits */
	uint64_t kept_ms;  /* `share` was opened */
	/* What the last look said, for whoever resumed it. */
	bool displaced;	   /* a better one needs its place */
	bool may_take;	   /* it gets a slot ... */
	uint64_t where;	   /* ... at this candidate[0]; 0 = at any */
	uint32_t position; /* in its queue, from 1; 0 = not known yet ... */
	uint32_t wait_s;   /* ... and for how long, about */
	uint32_t told_position; /* which the client knows ... */
	uint64_t told_ms;	/* ... since; 0 = it was told nothing */
	bool tell;		/* it is time to tell */
};

/* One a process; part of struct gw_routing. */
struct gw_waiting {
	struct ev_loop *loop; /* NULL: not started */
	ev_io woken;
	ev_timer each;
	ev_prepare soon; /* never started: fed */
	struct gw_ring waits, due;
	size_t n;
	uint64_t moved_ms; /* the registry went elsewhere; 0 = it never did */
	struct gw_request **own; /* by index of the registry's; NULL while
				  * nobody ever waited */
	struct gw_slots slots;
};

/* gw_waiting_settles - it went there a moment ago: others may run what is not
 * counted there yet. */
static inline bool
gw_waiting_settles(const struct gw_waiting *w, uint64_t now_ms)
{
	return w->moved_ms && now_ms - w->moved_ms < GW_WAITING_SETTLE_MS;
}

/* gw_waiting_start - before anybody waits. gw_waiting_stop - nobody does any
 * more; harmless when it was not started. */
void gw_waiting_start(struct gw_routing *routing);
void gw_waiting_stop(struct gw_routing *routing);

/*
 * gw_waiting_join - a request waits from now on.
 * @as  as for reg_queue_join(), written as there
 * False: no memory, or as many wait as may in all. It leaves
 * (gw_waiting_leave()), unless gw_pipeline frees it: before. A look follows at
 * the end of this turn.
 */
GW_MUSTCHECK bool gw_waiting_join(struct gw_routing *routing,
				  struct gw_request *r, struct gw_wait *wait,
				  struct reg_waiter *as);

/* gw_waiting_leave - it waits no longer; harmless if it does not. */
void gw_waiting_leave(struct gw_routing *routing, struct gw_wait *wait);

/*
 * gw_waiting_may_take - may this request take a slot, or are others before it?
 * @calls  those others are called; false: it only wants to know
 * @as     itself, with number 0; NULL: it waits already
 * @where  set when true: at this candidate[0] alone; 0 = wherever one is free
 */
bool gw_waiting_may_take(struct gw_routing *routing, struct gw_request *r,
			 const struct reg_waiter *as, bool calls,
			 uint64_t *where);

/* gw_waiting_freed - somebody may find a slot now: look at the end of this
 * turn. One load where nobody waits. */
void gw_waiting_freed(struct gw_routing *routing);

/*
 * gw_waiting_displace - one of its queue, if there is one, makes room for a
 * newcomer: its process has it leave as soon as it can. False: there is none.
 */
bool gw_waiting_displace(struct gw_routing *routing,
			 const struct reg_waiter *as);

/*
 * gw_waiting_moving, gw_waiting_move - the registry goes elsewhere: first of
 * all, then for each that waits.
 * @as  as for gw_waiting_join(), for the new registry
 */
void gw_waiting_moving(struct gw_routing *routing);
void gw_waiting_move(struct gw_routing *routing, struct gw_wait *wait,
		     struct reg *to, struct reg_waiter *as);

#endif
