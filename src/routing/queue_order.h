/* SPDX-License-Identifier: MIT */
/*
 * queue_order.h - who of all that wait is next, whom a newcomer pushes out, and
 * what a waiter is told of its place.
 *
 * Pure functions over plain values: they look at nothing else (no clock, no
 * registry, no configuration), change nothing but what they are given to write
 * to, allocate nothing and cannot fail. Any thread of any process may call
 * them, and those that read the same waiters at the same time decide the same:
 * that is what lets each process decide for itself. Nothing is granted here.
 *
 * The order: the better class (a waiting request rises one every 30 s, without
 * an end, so that nobody starves), then the client with fewer requests in
 * flight at this alias, then who came first.
 */
#ifndef GW_ROUTING_QUEUE_ORDER_H
#define GW_ROUTING_QUEUE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reg_queue.h"

#define GW_QUEUE_RISE_MS 30000	      /* waiting that is worth a class */
#define GW_QUEUE_WAIT_MAX_S 86400     /* of an estimate */
#define GW_QUEUE_RETRY_AFTER_MAX_S 60 /* and of what a refused one is told */
#define GW_QUEUE_NOBODY SIZE_MAX      /* of an index into waiters */
#define GW_QUEUE_NO_SLOT UINT32_MAX   /* of an index into candidates */
#define GW_QUEUE_UNBOUNDED UINT32_MAX /* of a number of free slots */

/*
 * gw_waiter_class - of which class it is by now.
 * @now_ms  CLOCK_MONOTONIC; one from before it came counts as when it came
 * Returns its rank less one for each whole GW_QUEUE_RISE_MS that it waits: the
 * smaller, the better, below 0 in the end; INT32_MIN at least.
 */
int32_t gw_waiter_class(const struct reg_waiter *w, uint64_t now_ms);

/*
 * gw_waiter_before - is @a served before @b?
 * A strict order of any two different waiters. Equals go by their number; one
 * that has none yet (0: a newcomer that did not join) is behind all that have
 * one, and two of the same number go by their index in the table.
 * @now_ms  CLOCK_MONOTONIC, the same for all that are compared
 */
bool gw_waiter_before(const struct reg_waiter *a, const struct reg_waiter *b,
		      uint64_t now_ms);

/* ---- who gets a slot ----------------------------------------------------- */

/* A queue, and where its waiters can be served. */
struct gw_queue_use {
	uint64_t queue;		    /* as in reg_waiter */
	const uint32_t *candidates; /* indices into `free` of gw_queue_slots,
				     * each once, the one to take first first */
	uint32_t n_candidates;	    /* may be 0: nobody of it gets anything */
};

/* Everything that who is next depends on. */
struct gw_queue_slots {
	const struct reg_waiter *waiters;  /* in any order */
	size_t n_waiters;		   /* REG_WAITERS_MAX + 1 at most */
	const struct gw_queue_use *queues; /* each once, in any order */
	size_t n_queues;		   /* waiters of others get nothing */
	const uint32_t *free; /* slots by candidate, GW_QUEUE_UNBOUNDED */
	size_t n_candidates;
	uint64_t now_ms;   /* CLOCK_MONOTONIC */
	uint64_t grace_ms; /* how long one that was called is waited for */
};

/* gw_queue_assign_cells - how much scratch gw_queue_assign() wants: uint32_t,
 * about 40 bytes a waiter. */
size_t gw_queue_assign_cells(const struct gw_queue_slots *in);

/*
 * gw_queue_assign - who gets a free slot, and where.
 * The best of all waiters takes one at a candidate that its queue can use, then
 * the best of the rest, until no slot is left that anybody could use. What is
 * assigned counts at once as in flight for the client's other waiters of that
 * queue. Of several candidates the one that the fewest queues with waiters can
 * use is taken, so that nobody is left out needlessly; of equals the first of
 * the queue's list. Hence: whoever gets none could use none that is left, or
 * was passed over.
 *
 * Passed over, as if it were not there, is a waiter of another handle that was
 * called `grace_ms` ago or longer and still waits: its process stands still. If
 * that has not even heard of it, all of its waiters are passed over.
 * One of our own never is.
 *
 * A process lets its own waiters that got something take a slot, and calls the
 * others (reg_queue_call()). One that takes its slot elsewhere than here, as a
 * strategy may want, has to look again: the rest may not fit any more. Whoever
 * asks for a slot anew is judged by the same walk: with itself among the
 * waiters (mine, number 0), it gets one, or it has to wait.
 *
 * @scratch  gw_queue_assign_cells(in) of them, any contents
 * @slot     written, `n_waiters`: a candidate, or GW_QUEUE_NO_SLOT
 * Returns how many got one.
 *
 * Takes a few steps a waiter, a candidate of a queue with waiters and a slot
 * assigned, the latter times the logarithm of all waiters: below 1 ms for a
 * full table and one slot.
 */
size_t gw_queue_assign(const struct gw_queue_slots *in, uint32_t *scratch,
		       uint32_t *slot);

/* ---- who has to go ------------------------------------------------------- */

/* gw_queue_victim_cells - scratch of gw_queue_victim(), in uint32_t. */
size_t gw_queue_victim_cells(size_t n_waiters);

/*
 * gw_queue_victim - whom a newcomer to a full queue displaces.
 * One of a client that has more waiting at this queue than the newcomer's; or
 * as many, and the newcomer is of a better class. Of those that are of a better
 * class than the newcomer each client keeps one. Among all whom this leaves it
 * is one whose client waits most; of several such clients, and of a client's
 * waiters, one of the worst class, and of those the latest. It can be one of
 * the newcomer's own client, where the newcomer was moved and has risen.
 *
 * Hence, while fewer clients wait than the queue has places, each gets one in,
 * whatever its class, and keeps it: there it rises, and nobody starves.
 * @waiters   of any queues, the newcomer not among them
 * @newcomer  its queue, client, rank and came_ms count; a moved request keeps
 *            what it waited
 * @now_ms    CLOCK_MONOTONIC
 * @scratch   gw_queue_victim_cells(n) of them, any contents
 * Returns an index into @waiters, or GW_QUEUE_NOBODY: the newcomer is refused.
 * Takes time linear in @n.
 */
size_t gw_queue_victim(const struct reg_waiter *waiters, size_t n,
		       const struct reg_waiter *newcomer, uint64_t now_ms,
		       uint32_t *scratch);

/* ---- what a waiter is told ----------------------------------------------- */

/* A waiter in its queue. */
struct gw_queue_place {
	uint32_t position;   /* from 1, by the order */
	uint32_t waiting;    /* all of its queue, it included */
	uint64_t longest_ms; /* how long somebody of its queue waits, at most */
};

/*
 * gw_queue_place - where a waiter stands.
 * @waiters  of any queues; @which need not be among them, but if so at that
 *           very address
 * @now_ms   CLOCK_MONOTONIC
 * Takes time linear in @n: for one; gw_queue_positions() does it for all.
 */
void gw_queue_place(const struct reg_waiter *waiters, size_t n,
		    const struct reg_waiter *which, uint64_t now_ms,
		    struct gw_queue_place *place);

/*
 * gw_queue_positions - what gw_queue_place() says of the position, for all.
 * @scratch   @n of them, any contents
 * @position  written, @n of them, as @waiters are ordered
 * Takes time n times its logarithm, whatever the order.
 */
void gw_queue_positions(const struct reg_waiter *waiters, size_t n,
			uint64_t now_ms, uint32_t *scratch, uint32_t *position);

/*
 * gw_queue_wait_s - how long it will wait, from how fast its queue moves.
 * @interval_ms  between two that got a slot; 0 = not known yet: then nobody got
 *               one since the first of them came, and it is taken to be that
 * @longest_ms   as in struct gw_queue_place
 * Returns whole seconds, rounded up: 1 .. GW_QUEUE_WAIT_MAX_S.
 */
uint32_t gw_queue_wait_s(uint32_t position, uint64_t interval_ms,
			 uint64_t longest_ms);

/* gw_queue_retry_after_s - the same for who is refused:
 * 1 .. GW_QUEUE_RETRY_AFTER_MAX_S. */
uint32_t gw_queue_retry_after_s(uint32_t position, uint64_t interval_ms,
				uint64_t longest_ms);

#endif
