/* SPDX-License-Identifier: MIT */
/*
 * render.c - fill in a template of the web server's configuration.
 *
 * Must not let a value out of the quotes that the template has around it.
 */
#include "webserver/render.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* An @NAME@ and where it stands. */
struct place {
	const char *text;
	size_t len;
	const char *file;
	unsigned line;
};

static const char *
find_var(const struct gw_render_var *vars, size_t n, const char *name,
	 size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(vars[i].name) == len &&
		    memcmp(vars[i].name, name, len) == 0)
			return vars[i].value;
	return NULL;
}

/* Length of "@NAME@" at @p, or 0. */
static size_t
place_len(const char *p)
{
	size_t n = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return n > 0 && p[1 + n] == '@' ? n + 2 : 0;
}

static bool
breaks_out(const char *value)
{
	for (; *value; value++)
		if (*value == '"' || *value == '\\' ||
		    iscntrl((unsigned char)*value))
			return true;
	return false;
}

static int
no_room(struct gw_err *err)
{
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			  "the filled-in configuration is too large");
}

static int
put_value(const struct place *at, const struct gw_render_var *vars, size_t n,
	  struct gw_buf *out, struct gw_err *err)
{
	const char *value = find_var(vars, n, at->text + 1, at->len - 2);

	if (!value)
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "%s:%u: nothing is known as %.*s", at->file,
				  at->line, (int)at->len, at->text);
	if (breaks_out(value))
		return gw_err_set(err, GW_ERR_INTERNAL, 0,
				  "the value of %.*s has a quote, a backslash "
				  "or a control character",
				  (int)at->len, at->text);
	return gw_buf_puts(out, value) < 0 ? no_room(err) : 0;
}

int
gw_render(const char *name, const char *template,
	  const struct gw_render_var *vars, size_t n, struct gw_buf *out,
	  struct gw_err *err)
{
	unsigned line = 1;
	bool comment = false, line_start = true;

	for (const char *p = template; *p;) {
		size_t len = *p == '@' && !comment ? place_len(p) : 0;

		if (len > 0) {
			const struct place at = {p, len, name, line};

			if (put_value(&at, vars, n, out, err) < 0)
				return -1;
			p += len;
			continue;
		}
		if (line_start && *p == '#')
			comment = true;
		line_start = line_start && isblank((unsigned char)*p);
		if (*p == '\n') {
			line++;
			line_start = true;
			comment = false;
		}
		if (gw_buf_append(out, p++, 1) < 0)
			return no_room(err);
	}
	return 0;
}
