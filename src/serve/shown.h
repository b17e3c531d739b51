/* SPDX-License-Identifier: MIT */
/*
 * shown.h - what the client of a request may be told.
 *
 * A key that opens some of the models is told of these alone: no answer names
 * another one, its role, its nodes or its upstream. Whoever is known to have no
 * such limit is told everything: a key without `models`, an operator's key, and
 * anybody where no key is asked for.
 *
 * All functions: pure looks at the request and its configuration, by the one
 * thread that has them; nothing allocates or blocks.
 */
#ifndef GW_SERVE_SHOWN_H
#define GW_SERVE_SHOWN_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"

struct gw_request;

/* gw_shown_all - may it be told of every model, and of what is no model's? */
bool gw_shown_all(const struct gw_request *r);

/*
 * gw_shown_model - may it use this model, and so be told of it?
 * @m  of the request's configuration; or NULL, of which there is nothing to
 * tell
 */
bool gw_shown_model(const struct gw_request *r, const struct gw_model *m);

/*
 * gw_shown_error - the request's error as the client may read it.
 * @out  filled with r->err. Where a fallback had to do with it that the client
 *       may not be told of, its message is the general meaning of its code
 * The log has the whole.
 */
void gw_shown_error(const struct gw_request *r, struct gw_err *out);

#endif
