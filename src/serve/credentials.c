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
