/* SPDX-License-Identifier: MIT */
/*
 * cors.h - which origins may read the pages that lighttpd makes itself.
 */
#ifndef GW_WEBSERVER_CORS_H
#define GW_WEBSERVER_CORS_H

#include <stddef.h>

#include "webserver/site.h"

/*
 * gw_site_write_cors - write cors.conf into the folder, for a configuration that
 * includes it.
 * @origins, @n  origins as browsers send them, or "*"; none: an empty file, and
 *               no such headers
 * @err          INTERNAL
 * What holds a character that no browser sends in an origin is left out.
 */
GW_MUSTCHECK int gw_site_write_cors(const struct gw_site *s,
				    const char *const *origins, size_t n,
				    struct gw_err *err);

#endif
