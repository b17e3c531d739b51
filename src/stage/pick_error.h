/* SPDX-License-Identifier: MIT */
/* pick_error.h - why nobody could be chosen. Part of stage pick_node. */
#ifndef GW_STAGE_PICK_ERROR_H
#define GW_STAGE_PICK_ERROR_H

struct gw_request;

/* gw_pick_error - set r->err to the 503 that says so. Returns -1; or 0 where an
 * answer of an earlier attempt is what the client gets. */
int gw_pick_error(struct gw_request *r);

#endif
