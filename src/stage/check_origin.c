/* SPDX-License-Identifier: MIT */
/*
 * check_origin.c - without keys, is it a web page of a stranger that asks?
 *
 * A browser lets any page send requests to any address, also to this machine's
 * and to those of the local network; keys would stop it, and where there are
 * none, this does. The Host header decides nothing: a page can make it
 * anything.
 */
#include <string.h>
#include <strings.h>

#include "config/clients.h"
#include "fcgi/fcgi_conn.h"
#include "serve/credentials.h"
#include "serve/web_page.h"
#include "serve/worker.h"
#include "stage/stage.h"

static bool
any_origin_listed(const struct gw_keys *allowed)
{
	for (size_t i = 0; i < allowed->n; i++)
		if (strcmp(allowed->key[i], "*") == 0)
			return true;
	return false;
}

/* Browsers always say Origin or Sec-Fetch-Site when a page asks; no program
 * does. */
static bool
is_foreign(const struct gw_request *r)
{
	const char *origin = gw_fcgi_param(r->conn, "HTTP_ORIGIN");
	const char *site = gw_fcgi_param(r->conn, "HTTP_SEC_FETCH_SITE");

	if (origin)
		return !r->accept.cors_origin && !gw_origin_is_local(origin);
	return site && strcasecmp(site, "cross-site") == 0 &&
	       !any_origin_listed(&r->config->gateway.cors_origins);
}

/* A browser sends a name and a password that it was given for this host with
 * what any page asks of it; a key is the page's own. */
static bool
is_users(const struct gw_request *r)
{
	const char *keys[GW_KEYS_SENT_MAX];

	return gw_user_let_in(r) && gw_keys_sent(r, keys) == 0;
}

enum gw_step
gw_stage_check_origin(struct gw_request *r)
{
	unsigned flags = r->accept.endpoint->flags;
	const char *origins = r->worker->keys.cors_origins;
	bool open = flags & GW_EP_NODE_KEY ? gw_nodes_open(r->config)
					   : gw_clients_open(r->config);

	/* Those for operators have rules of their own. */
	if (!(open || is_users(r)) || flags & (GW_EP_ANYONE | GW_EP_OPERATOR) ||
	    !is_foreign(r))
		return GW_NEXT;
	gw_err_set(&r->err, GW_ERR_FORBIDDEN_ORIGIN, 0,
		   "web pages of other origins are not served where %s; %s "
		   "keys%s%s",
		   open ? "no keys are configured"
			: "the web server lets its users in",
		   open ? "configure" : "send",
		   origins ? " or list the origin in " : "",
		   origins ? origins : "");
	return GW_FINISH;
}
