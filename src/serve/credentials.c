/* SPDX-License-Identifier: MIT */
/* credentials.c - see credentials.h. */
#include "serve/credentials.h"

#include <string.h>
#include <strings.h>

#include "fcgi/fcgi_conn.h"
#include "serve/request.h"

static bool
is_for_nodes(const struct gw_request *r)
{
	return r->accept.endpoint->flags & GW_EP_NODE_KEY;
}

static const char *
bearer(const char *authorization)
{
	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	return authorization + 7 + strspn(authorization + 7, " ");
}

/* A parameter that says something, or NULL. */
static const char *
param(const struct gw_request *r, const char *name)
{
	const char *value = gw_fcgi_param(r->conn, name);

	return value && *value ? value : NULL;
}

size_t
gw_keys_sent(const struct gw_request *r, const char *keys[GW_KEYS_SENT_MAX])
{
	const char *first = bearer(param(r, "HTTP_AUTHORIZATION"));
	const char *second =
		param(r, is_for_nodes(r) ? "HTTP_X_ROLEMESH_NODE_KEY"
					 : "HTTP_X_API_KEY");
	size_t n = 0;

	if (first && *first)
		keys[n++] = first;
	if (second)
		keys[n++] = second;
	return n;
}

/* RFC 4648: what stands for six bits, or -1. */
static int
six_bits(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The bytes that Base64 text stands for, as text; false: it is none, or longer.
 */
static bool
decode(const char *text, char *out, size_t cap)
{
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;
	int six;

	for (; (six = six_bits(*text)) >= 0; text++) {
		bits = bits << 6 | (unsigned)six;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		if (n + 1 >= cap || !(bits >> n_bits & 0xff))
			return false;
		out[n++] = (char)(bits >> n_bits);
	}
	out[n] = '\0';
	return !text[strspn(text, "= ")];
}

bool
gw_password_sent(const struct gw_request *r, char *out, size_t cap)
{
	const char *sent = param(r, "HTTP_AUTHORIZATION");
	const char *keys[GW_KEYS_SENT_MAX];
	char *password;

	if (!sent || strncasecmp(sent, "Basic ", 6) != 0 ||
	    gw_keys_sent(r, keys) > 0)
		return false;
	sent += 6 + strspn(sent + 6, " ");
	if (!decode(sent, out, cap) || !(password = strchr(out, ':')) ||
	    !password[1])
		return false;
	memmove(out, password + 1, strlen(password + 1) + 1);
	return true;
}

const char *
gw_user_let_in(const struct gw_request *r)
{
	const char *user;

	if (!r->config->auth.trust_web_server_user || is_for_nodes(r))
		return NULL;
	user = param(r, "REMOTE_USER");
	return user && param(r, "AUTH_TYPE") && gw_fcgi_is_from_here(r->conn)
		       ? user
		       : NULL;
}
