/* SPDX-License-Identifier: MIT */
/*
 * standing.h - how it stands among the candidates of an alias: who of them is
 * asked now, and who is waited for. Whoever picks and whoever waits go by it
 * alike. Pure.
 */
#ifndef GW_ROUTING_STANDING_H
#define GW_ROUTING_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "routing/choices.h"
#include "routing/history.h"
#include "routing/queue_order.h"

struct gw_standing {
	enum gw_rank best;
	bool awaited; /* one is full, and nothing else is against it ... */
	bool full;    /* ... or something else is */
};

/*
 * gw_standing_of - how the candidates stand together.
 * @h, @avoids  those that the request met, or is said to avoid, are left out;
 *              NULL, 0: none
 */
static inline struct gw_standing
gw_standing_of(const struct gw_choices *all, const struct gw_model *m,
	   const struct gw_history *h, uint64_t avoids)
{
	struct gw_standing t = {.best = GW_RANK_NEVER};

	for (size_t i = 0; i < all->n; i++) {
		const struct gw_choice *c = &all->at[i];
		enum gw_rank rank = gw_choice_rank(c);

		if (gw_was_tried(h, m, c) || gw_is_avoided(avoids, c))
			continue;
		t.best = rank < t.best ? rank : t.best;
		t.full = t.full || rank == GW_RANK_NO_SLOT;
		t.awaited = t.awaited ||
			    (rank == GW_RANK_NO_SLOT && !c->ejected);
	}
	return t;
}

/*
 * gw_standing_slots - how many requests may go there now: to those of the best rank,
 * but to one that is not well only where nobody is awaited; and to one that is
 * ejected one request, as its trial.
 */
static inline uint32_t
gw_standing_slots(const struct gw_standing *t, const struct gw_choice *c)
{
	enum gw_rank rank = gw_choice_rank(c);

	if (rank >= GW_RANK_NO_SLOT)
		return 0;
	if (rank != t->best || (rank != GW_RANK_NOW && t->awaited))
		return rank == GW_RANK_EJECTED && c->waits_for_trial;
	return c->max_concurrency ? c->max_concurrency - c->in_flight
				  : GW_QUEUE_UNBOUNDED;
}

#endif
