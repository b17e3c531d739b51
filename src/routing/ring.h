/* SPDX-License-Identifier: MIT */
/* ring.h - a list that anything can leave from where it is. Its head is a link
 * like any other. One thread. */
#ifndef GW_ROUTING_RING_H
#define GW_ROUTING_RING_H

#include <stdbool.h>
#include <stddef.h>

struct gw_ring {
	struct gw_ring *prev, *next; /* NULL: in none */
};

static inline void
gw_ring_init(struct gw_ring *ring)
{
	ring->prev = ring->next = ring;
}

static inline bool
gw_ring_is_empty(const struct gw_ring *ring)
{
	return ring->next == ring;
}

/* gw_ring_put - as the last one of @ring; @l is in none. */
static inline void
gw_ring_put(struct gw_ring *ring, struct gw_ring *l)
{
	l->prev = ring->prev;
	l->next = ring;
	ring->prev->next = l;
	ring->prev = l;
}

/* gw_ring_leave - the ring it is in. */
static inline void
gw_ring_leave(struct gw_ring *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->prev = l->next = NULL;
}

#endif
