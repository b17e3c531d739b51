/* SPDX-License-Identifier: MIT */
/*
 * cors.c - which origins may read the pages that lighttpd makes itself.
 *
 * A page in a browser sees nothing of a 413 without these headers, not even its
 * status. The program's own answers bring theirs. Must not write anything but
 * origins of harmless characters into lighttpd's configuration.
 */
#include "webserver/cors.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define CORS_CONF "cors.conf"
#define CORS_CONF_MAX (4u << 20)
#define ORIGIN_LETTERS                                                         \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"       \
	"-._~:/[]"

/*
 * What lighttpd refuses while it reads a request never comes to mod_setenv,
 * unless by way of an error handler. Nothing is served at this path: the page
 * of the first error is sent after all, with the headers set on the way. The
 * program's configuration keeps the path from what is behind lighttpd.
 */
static const char head[] = "server.modules += (\"mod_setenv\")\n"
			   "server.error-handler = \"/rolemesh-error\"\n"
			   "$HTTP[\"url\"] == \"/rolemesh-error\" {\n";

static bool
is_any(const char *origin)
{
	return strcmp(origin, "*") == 0;
}

static int
put_headers(struct gw_buf *out, const char *origin)
{
	return gw_buf_printf(out,
			     "\tsetenv.set-response-header = (\n"
			     "\t\t\"Access-Control-Allow-Origin\" => \"%s\",\n"
			     "\t\t\"Access-Control-Expose-Headers\" => "
			     "\"Retry-After\",\n"
			     "\t\t\"Vary\" => \"Origin\"\n"
			     "\t)\n",
			     origin);
}

/* To a request from @origin, @allowed may read the page. */
static int
put_origin(struct gw_buf *out, const char *origin, const char *allowed)
{
	if (gw_buf_printf(out, "$REQUEST_HEADER[\"Origin\"] == \"%s\" {\n",
			  origin) < 0 ||
	    put_headers(out, allowed) < 0)
		return -1;
	return gw_buf_puts(out, "}\n");
}

/*
 * Headers that are too large for lighttpd are not read at all, the Origin among
 * them: where there is only one, it is the one; else anybody may read the page,
 * which says nothing but that.
 */
static int
put_list(struct gw_buf *out, const char *const *origins, size_t n)
{
	if (put_origin(out, "", n == 1 ? origins[0] : "*") < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (put_origin(out, origins[i], origins[i]) < 0)
			return -1;
	return 0;
}

static int
put_all(struct gw_buf *out, const char *const *origins, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any = any || is_any(origins[i]);
	if (gw_buf_puts(out, head) < 0 ||
	    (any ? put_headers(out, "*") : put_list(out, origins, n)) < 0)
		return -1;
	return gw_buf_puts(out, "}\n");
}

/* Copies those that can stand in a quoted string; returns how many. */
static size_t
take_harmless(const char *const *origins, size_t n, const char **out)
{
	size_t taken = 0;

	for (size_t i = 0; i < n; i++)
		if (is_any(origins[i]) ||
		    !origins[i][strspn(origins[i], ORIGIN_LETTERS)])
			out[taken++] = origins[i];
	return taken;
}

int
gw_site_write_cors(const struct gw_site *s, const char *const *origins,
		   size_t n, struct gw_err *err)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(CORS_CONF_MAX);
	gw_auto_free const char **harmless = calloc(n + 1, sizeof(*harmless));
	char path[PATH_MAX];

	if (harmless)
		n = take_harmless(origins, n, harmless);
	if (!harmless || (n > 0 && put_all(&out, harmless, n) < 0))
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "no memory for the list of origins");
	snprintf(path, sizeof(path), "%s/" CORS_CONF, s->folder.path);
	if (gw_file_write(path, out.data, out.len) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "cannot write %s: %s", path, strerror(errno));
	return 0;
}
