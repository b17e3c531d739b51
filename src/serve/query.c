/* SPDX-License-Identifier: MIT */
/* query.c - see query.h. Reads REQUEST_URI, as every web server passes it on.
 */
#include "serve/query.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "fcgi/fcgi_conn.h"
#include "serve/request.h"

#define SHOWN_MAX 64 /* bytes of a name that nobody knows */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes @len bytes; false: too long, a broken escape, or no text. */
static bool
decode(const char *p, size_t len, char *out, size_t max)
{
	const char *end = p + len;
	size_t n = 0;

	while (p < end) {
		char c = *p++;

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int hi = end - p >= 2 ? hex(p[0]) : -1;
			int lo = hi >= 0 ? hex(p[1]) : -1;

			if (lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			p += 2;
		}
		if (n == max || iscntrl((unsigned char)c))
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return gw_utf8_valid(out, n);
}

static int
bad_field(struct gw_request *r, const char *name, const char *why)
{
	gw_err_set(&r->err, GW_ERR_INVALID_REQUEST, 0, "the query's '%s' %s",
		   name, why);
	return gw_err_param(&r->err, name);
}

static int
unknown(struct gw_request *r, const char *p, size_t len)
{
	char quoted[4 * SHOWN_MAX + 3];

	gw_log_quote(quoted, sizeof(quoted), p,
		     len < SHOWN_MAX ? len : SHOWN_MAX);
	return gw_err_set(&r->err, GW_ERR_INVALID_REQUEST, 0,
			  "there is nothing called %s to ask for here", quoted);
}

/* One NAME=VALUE. */
static int
take(struct gw_request *r, const char *p, size_t len,
     struct gw_query_field *fields, size_t n)
{
	const char *equals = memchr(p, '=', len);
	size_t name_len = equals ? (size_t)(equals - p) : len;

	for (size_t i = 0; i < n; i++) {
		struct gw_query_field *f = &fields[i];

		if (strlen(f->name) != name_len ||
		    memcmp(f->name, p, name_len) != 0)
			continue;
		if (f->given)
			return bad_field(r, f->name, "is there twice");
		f->given = true;
		if (!decode(p + name_len + !!equals, len - name_len - !!equals,
			    f->value, GW_QUERY_VALUE_MAX))
			return bad_field(r, f->name, "is too long, or no text");
		return 0;
	}
	return unknown(r, p, name_len);
}

int
gw_query_read(struct gw_request *r, struct gw_query_field *fields, size_t n)
{
	const char *uri = gw_fcgi_param(r->conn, "REQUEST_URI");
	const char *p = uri ? strchr(uri, '?') : NULL;

	for (p = p ? p + 1 : ""; *p && *p != '#';) {
		size_t len = strcspn(p, "&#");

		if (len && take(r, p, len, fields, n) < 0)
			return -1;
		p += len + (p[len] == '&');
	}
	return 0;
}
