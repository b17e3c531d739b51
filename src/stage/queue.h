/* SPDX-License-Identifier: MIT */
/*
 * queue.h - how a request waits while every candidate of its alias is full, and
 * what is counted of it then. Parts of stage pick_node.
 */
#ifndef GW_STAGE_QUEUE_H
#define GW_STAGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_choices;
struct gw_model;
struct gw_request;
struct reg;

#define GW_QUEUE_ROOM_MS 100	/* a displaced one has so long to make room */
#define GW_QUEUE_ROOM_LOOK_MS 2 /* between two looks whether it has */

enum gw_queued {
	GW_QUEUED_WAITS,   /* it is resumed when something changed for it */
	GW_QUEUED_REFUSED, /* gw_queue_error() says why */
	GW_QUEUED_FAILED   /* r->err is set: it has to end */
};

/* gw_queue_arrive - the request came; what it does from now on keeps that. */
void gw_queue_arrive(struct gw_request *r);

/* gw_queue_has_any - does anybody wait at its alias? One load where nobody waits
 * anywhere. */
bool gw_queue_has_any(const struct gw_request *r);

/*
 * gw_queue_keep - of the first @n choices, whose slots are free, those that
 * this request may take now: others may be before it. Calls those, unless the
 * request is only explained. Returns how many, now the first of @all; 0: it has
 * to wait.
 */
size_t gw_queue_keep(struct gw_request *r, struct gw_choices *all, size_t n);

/* gw_queue_wait - it waits in its alias's queue, from now on or still. */
enum gw_queued gw_queue_wait(struct gw_request *r);

/* What would become of one that waits. */
struct gw_queue_outlook {
	uint32_t position; /* from 1; 0 = no memory to find out */
	uint32_t waiting;  /* already */
	uint32_t wait_s;   /* about */
};

/* gw_queue_would_wait - would gw_queue_wait() have it wait, or refuse it? Only
 * looks, but for what gw_queue_error() needs. For a request that is explained
 * (gw_routed.explained), as for gw_queue_keep() then. Never FAILED. */
enum gw_queued gw_queue_would_wait(struct gw_request *r,
				   struct gw_queue_outlook *out);

/* gw_queue_is_in - it waits in that alias's queue. gw_queue_served - it has a
 * slot. gw_queue_leave - it waits no longer;
 * harmless where it does not. */
bool gw_queue_is_in(const struct gw_request *r, const struct gw_model *m);
void gw_queue_served(struct gw_request *r);
void gw_queue_leave(struct gw_request *r);

/* gw_queue_refused_by - the alias that refused it last, or NULL.
 * gw_queue_error - set r->err to that; returns -1. */
const struct gw_model *gw_queue_refused_by(const struct gw_request *r);
int gw_queue_error(struct gw_request *r);

/* gw_share_take, gw_share_drop - its client runs one more at this alias, in a
 * slot that others could want; and no longer. */
void gw_share_take(struct gw_request *r);
void gw_share_drop(struct gw_request *r);
void gw_share_move(struct gw_request *r, struct reg *to);

/* gw_queue_move - all of it in another segment, that of before being gone. */
void gw_queue_move(struct gw_request *r, struct reg *to);

#endif
