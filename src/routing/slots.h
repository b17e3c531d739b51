/* SPDX-License-Identifier: MIT */
/*
 * slots.h - who of all that wait, in whichever process, gets one of the slots
 * that are free: what the registry and the nodes say now, put before
 * queue_order.h.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_SLOTS_H
#define GW_ROUTING_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reg.h"
#include "reg_queue.h"
#include "routing/choices.h"
#include "routing/queue_order.h"

struct gw_request;
struct gw_routing;

#define GW_GRANT_MS                                                            \
	250 /* a process that is called has so long to move, before            \
	     * others go first */

/* What is known of a queue besides who waits there. */
struct gw_slots_queue {
	const struct gw_config *config; /* of `model` */
	const struct gw_model *model;
	size_t first;	     /* of its candidates in `uses` */
	bool lost;	     /* nobody is left there who could be waited for ... */
	bool ejected;	     /* ... or those are full, and ejected as well */
	uint64_t longest_ms; /* somebody waits there for so long */
};

/* One reading; the memory is kept for the next. All zero = empty. */
struct gw_slots {
	struct reg_waiter *waiters;
	uint32_t *slot;	 /* by waiter: what it gets, GW_QUEUE_NO_SLOT */
	uint32_t *where; /* by waiter: its queue; as many or more: none is
			  * known */
	size_t n, cap;
	struct gw_queue_use *queues;
	struct gw_slots_queue *at; /* by queue */
	size_t n_queues, cap_queues;
	uint32_t *uses; /* candidates of the queues */
	size_t n_uses, cap_uses;
	uint32_t *free;	 /* by candidate */
	uint32_t *users; /* queues that can use it */
	uint64_t *keys;
	size_t n_candidates, cap_candidates;
	uint32_t *table; /* from `keys` to 1 + index */
	size_t cap_table;
	uint32_t *scratch;
	size_t cap_scratch;
	struct gw_choices choices;
};

/*
 * gw_slots_read - who waits.
 * @more  one that does not wait yet, with number 0; or NULL
 * Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_slots_read(struct gw_slots *s, const struct reg *reg,
			       const struct reg_waiter *more);

/*
 * gw_slots_assign - who gets what, after gw_slots_read().
 * @own  by index of the registry's: the request of this process that waits so,
 *       or NULL; REG_WAITERS_MAX of them
 * @asks  the request that `more` stood for, or NULL
 * Speaks of the nodes as the view knows them: refresh it before. Returns 0, or
 * -1 when memory is out.
 */
GW_MUSTCHECK int gw_slots_assign(struct gw_slots *s, struct gw_routing *routing,
				 struct gw_request *const *own,
				 const struct gw_request *asks,
				 uint64_t now_ms);

/*
 * gw_slots_where - at which candidate[0] alone a waiter that got a slot may take
 * it; 0 = at any of its queue, since nobody else could use those.
 */
uint64_t gw_slots_where(const struct gw_slots *s, size_t waiter);

/* gw_slots_positions - by waiter, its place in its queue from 1; valid until
 * the next reading. NULL: no memory. */
const uint32_t *gw_slots_positions(struct gw_slots *s, uint64_t now_ms);

/*
 * gw_slots_displace - one of a newcomer's queue, if there is one, makes room
 * for it: the registry knows, and its process was told.
 * @mine  set when true: it is this process's. NULL: would there be one? Nothing
 *        changes
 * False: there is none that has to. Reads anew.
 */
bool gw_slots_displace(struct gw_slots *s, struct reg *reg,
		       const struct reg_waiter *newcomer, uint64_t now_ms,
		       bool *mine);

/* What gw_queue_wait_s() and gw_queue_retry_after_s() go by. */
struct gw_slots_outlook {
	uint32_t position;
	uint64_t interval_ms, longest_ms;
};

/*
 * gw_slots_outlook - how one would stand in its queue that is not in it.
 * @queue  the registry's place of the queue
 * False: no memory. Reads anew.
 */
bool gw_slots_outlook(struct gw_slots *s, const struct reg *reg,
		      const struct reg_waiter *as,
		      struct reg_candidate_ref queue, uint64_t now_ms,
		      struct gw_slots_outlook *out);

void gw_slots_release(struct gw_slots *s);

#endif
