/* SPDX-License-Identifier: MIT */
/*
 * find.h - where the parts of an installed program lie.
 */
#ifndef GW_WEBSERVER_FIND_H
#define GW_WEBSERVER_FIND_H

#include <limits.h>

#include "base/err.h"

/*
 * gw_find_program - a helper program: beside this very program (a build
 * folder), else where `make install` puts it.
 * @variable  environment variable that wins over both
 * @err       INTERNAL, with the path that was tried last and @variable
 */
GW_MUSTCHECK int gw_find_program(const char *name, const char *variable,
				 char out[PATH_MAX], struct gw_err *err);

/*
 * gw_find_data - a file or folder among the web server files, e.g. "errors".
 * @err  INTERNAL, with what to install or to set
 * ROLEMESH_DATADIR, else "lighttpd" beside this program, else the installed one.
 */
GW_MUSTCHECK int gw_find_data(const char *name, char out[PATH_MAX],
			      struct gw_err *err);

/*
 * gw_find_lighttpd - the web server: LIGHTTPD, else the usual places.
 * @err  INTERNAL, with what to install or to set
 */
GW_MUSTCHECK int gw_find_lighttpd(char out[PATH_MAX], struct gw_err *err);

#endif
