/* SPDX-License-Identifier: MIT */
/* unknown_model.h - the 404 for a name that no alias has. */
#ifndef GW_SERVE_UNKNOWN_MODEL_H
#define GW_SERVE_UNKNOWN_MODEL_H

#include <stddef.h>

#include "base/err.h"
#include "config/config.h"

/*
 * gw_unknown_model - MODEL_NOT_FOUND, param "model", with the names that do
 * exist as far as the message has room.
 * @name, @len  as the client sent it; may hold anything
 * Returns -1 always.
 */
int gw_unknown_model(const struct gw_config *c, const char *name, size_t len,
		     struct gw_err *err);

#endif
