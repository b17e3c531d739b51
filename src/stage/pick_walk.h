/* SPDX-License-Identifier: MIT */
/*
 * pick_walk.h - the order in which candidates are thought of: those of the
 * alias that a request names, then of its fallback list, at last even those
 * that are ejected. What is done at each place of the way is the caller's:
 * stage pick_node takes and waits, explain.c looks how that would go. So there
 * is one order, and what is explained is what happens.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_STAGE_PICK_WALK_H
#define GW_STAGE_PICK_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/step.h"
#include "stage/queue.h"
#include "stage/taken.h"

struct gw_choice;
struct gw_choices;
struct gw_policy;
struct gw_request;

/* Static. */
struct gw_pick_acts {
	/* The pause of an ejected candidate is over, and nobody tries it: does
	 * this request? */
	bool (*try_it)(struct gw_request *r, const struct gw_choice *c);
	/* Which of @k > 1 candidates that are equally good? 0 .. @k - 1 */
	size_t (*choose)(struct gw_request *r, const struct gw_policy *policy,
			 const struct gw_choice *c, size_t k);
	/* As gw_queue_keep(). */
	size_t (*keep)(struct gw_request *r, struct gw_choices *all, size_t n);
	/* As gw_pick_take() and gw_queue_wait(). */
	enum gw_taken (*take)(struct gw_request *r, const struct gw_choice *c);
	enum gw_queued (*wait)(struct gw_request *r);
};

/*
 * gw_pick_walk - go that way once, from the alias at hand (resolve.model) on.
 * @r  what it met before counts: candidates that had an attempt are left out
 * Moves resolve.model and forward.fallbacks along; asks the nodes' view anew.
 * Returns NEXT: one was taken; or there is nobody, and r->err says why or an
 * earlier answer is relayed. WAIT: it waits in the queue of the alias at hand.
 * FINISH: r->err is set.
 */
enum gw_step gw_pick_walk(struct gw_request *r,
			  const struct gw_pick_acts *acts);

#endif
