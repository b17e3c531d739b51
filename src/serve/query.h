/* SPDX-License-Identifier: MIT */
/*
 * query.h - what stands behind the '?' of a request: NAME=VALUE, joined by '&'.
 */
#ifndef GW_SERVE_QUERY_H
#define GW_SERVE_QUERY_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"

struct gw_request;

#define GW_QUERY_VALUE_MAX 256 /* bytes of a value, percent escapes decoded */

/* One that is known, and what came for it. */
struct gw_query_field {
	const char *name;
	bool given;
	char value[GW_QUERY_VALUE_MAX + 1]; /* UTF-8, no control bytes */
};

/*
 * gw_query_read - fill in what a request says of the fields that an endpoint
 * knows. A '+' is a space.
 * @fields, @n  names set, all else zero
 * Returns 0; or -1 with r->err INVALID_REQUEST, which names the field: one that
 * is unknown or there twice, or a value that is too long or no text.
 */
GW_MUSTCHECK int gw_query_read(struct gw_request *r,
			       struct gw_query_field *fields, size_t n);

#endif
