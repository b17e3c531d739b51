/* SPDX-License-Identifier: MIT */
/*
 * keepalive.h - SSE comments for a client whose upstream says nothing yet.
 */
#ifndef GW_SERVE_KEEPALIVE_H
#define GW_SERVE_KEEPALIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct gw_request;

/*
 * gw_keepalive_wanted - may SSE comments be sent to this client now or later?
 * False for answers that are no event stream.
 */
bool gw_keepalive_wanted(const struct gw_request *r);

/*
 * gw_keepalive_has_place - may a comment stand here? Not in the middle of an
 * event, and not behind bytes that the client has not taken yet.
 */
bool gw_keepalive_has_place(const struct gw_request *r);

/*
 * gw_keepalive_send - send one SSE comment where one has its place, committing
 * 200 first when nothing was sent yet.
 * Returns 0, or -1 with r->err set: the request must end.
 */
GW_MUSTCHECK int gw_keepalive_send(struct gw_request *r);

/* gw_keepalive_comment - the same with @n bytes of another comment, its empty line
 * included. */
GW_MUSTCHECK int gw_keepalive_comment(struct gw_request *r, const char *text,
				      size_t n);

#endif
