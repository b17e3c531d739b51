/* SPDX-License-Identifier: MIT */
/*
 * render.h - fill in a template of the web server's configuration.
 */
#ifndef GW_WEBSERVER_RENDER_H
#define GW_WEBSERVER_RENDER_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* One @NAME@ of the web server's configuration and its value. */
struct gw_render_var {
	const char *name;
	const char *value;
};

/*
 * gw_render - fill in a template.
 * @name      of the template, for messages
 * @template  text with @NAME@ places; those in comment lines may be unknown
 * @out       appended to
 * @err       INTERNAL: an unknown name (with its line), or a value that could
 *            break out of a quoted string
 */
GW_MUSTCHECK int gw_render(const char *name, const char *template,
			   const struct gw_render_var *vars, size_t n,
			   struct gw_buf *out, struct gw_err *err);

#endif
