/* SPDX-License-Identifier: MIT */
/* unknown_model.h - the 404 for a name that no alias has. */
#ifndef GW_SERVE_UNKNOWN_MODEL_H
#define GW_SERVE_UNKNOWN_MODEL_H

#include <stddef.h>

struct gw_request;

/*
 * gw_unknown_model - set r->err to MODEL_NOT_FOUND, param "model", with the names
 * that the client may use, as far as the message has room.
 * @name, @len  as the client sent it; may hold anything
 * Returns -1 always.
 */
int gw_unknown_model(struct gw_request *r, const char *name, size_t len);

#endif
