/* SPDX-License-Identifier: MIT */
/* taken.h - a candidate becomes the request's: one of its slots, and what has
 * to be known to ask it. Part of stage pick_node; stage.h has how it is given
 * back. */
#ifndef GW_STAGE_TAKEN_H
#define GW_STAGE_TAKEN_H

struct gw_choice;
struct gw_request;

enum gw_taken {
	GW_TAKEN,
	GW_TAKE_FULL,  /* others were faster: nothing has changed */
	GW_TAKE_FAILED /* r->err is set */
};

/* gw_pick_take - take @c; no slot of it is ever taken that it does not have. */
enum gw_taken gw_pick_take(struct gw_request *r, const struct gw_choice *c);

#endif
