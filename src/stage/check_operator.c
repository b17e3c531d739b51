/* SPDX-License-Identifier: MIT */
/*
 * check_operator.c - may whoever asks see and do what is an operator's?
 *
 * With an operator's key: as Bearer, as X-Api-Key, or as the password of HTTP
 * Basic, for which a browser asks. Only where no key of any kind is configured
 * may everybody on this host look without one; to change something always needs
 * a key. What a browser sends by itself (the password, or nothing) is worth
 * less than what a page has to know: a stranger's page changes nothing with it.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/line.h"
#include "config/clients.h"
#include "config/url.h"
#include "fcgi/fcgi_conn.h"
#include "serve/credentials.h"
#include "serve/web_page.h"
#include "serve/worker.h"
#include "stage/stage.h"

#define PASSWORD_MAX 4096 /* bytes, a user's name before it included */
#define HOW                                                                    \
	"send a key of auth.operator_keys as 'Authorization: Bearer KEY', "    \
	"'X-Api-Key: KEY' or the password of HTTP Basic"

/* Also answers HEAD. */
static bool
only_looks(const struct gw_request *r)
{
	return r->accept.endpoint->method == GW_METHOD_GET;
}

/* ---- without keys ----------------------------------------------------------
 */

/* Whoever passes requests on says so in one of these. */
static bool
is_forwarded(const struct gw_request *r)
{
	return gw_fcgi_has_param(r->conn, "HTTP_X_FORWARDED_") ||
	       gw_fcgi_param(r->conn, "HTTP_FORWARDED") ||
	       gw_fcgi_param(r->conn, "HTTP_X_REAL_IP");
}

/* The Host as well: to a page whose name leads here, all of this is its own. */
static bool
is_from_here(const struct gw_request *r)
{
	const char *host = gw_fcgi_param(r->conn, "HTTP_HOST");

	return gw_host_is_loopback(r->accept.client) && host &&
	       gw_authority_is_local(host) && !is_forwarded(r) &&
	       gw_fcgi_is_from_here(r->conn);
}

/* Listed origins are foreign here, too: they are for those who use models. */
static bool
is_strangers_page(const struct gw_request *r)
{
	const char *origin = gw_fcgi_param(r->conn, "HTTP_ORIGIN");
	const char *site = gw_fcgi_param(r->conn, "HTTP_SEC_FETCH_SITE");

	return origin ? !gw_origin_is_local(origin)
		      : site && strcasecmp(site, "cross-site") == 0;
}

static enum gw_step
without_keys(struct gw_request *r)
{
	if (!is_from_here(r)) {
		gw_err_set(&r->err, GW_ERR_OPERATOR_ONLY, 0,
			   "without keys this is answered only to the "
			   "gateway's own host, at a loopback address and not "
			   "through a proxy: list a key in auth.operator_keys");
		return GW_FINISH;
	}
	if (is_strangers_page(r)) {
		gw_err_set(&r->err, GW_ERR_FORBIDDEN_ORIGIN, 0,
			   "web pages of other origins are not served what is "
			   "for operators");
		return GW_FINISH;
	}
	gw_identity("address", r->accept.client, r->authenticate.who);
	return GW_NEXT;
}

/* ---- with a key ------------------------------------------------------------
 */

static bool
is_operator(struct gw_request *r, const char *key)
{
	struct gw_authenticated *a = &r->authenticate;
	uint8_t digest[GW_DIGEST_BYTES];
	char hex[GW_DIGEST_TEXT];

	gw_digest(key, strlen(key), digest);
	if (!gw_is_operator_key(r->config, digest))
		return false;
	a->is_operator = true;
	memcpy(a->who, digest, sizeof(a->who));
	gw_digest_hex(digest, hex);
	snprintf(a->name, sizeof(a->name), "%.8s", hex);
	return true;
}

static bool
has_password(struct gw_request *r)
{
	char password[PASSWORD_MAX];
	bool known = gw_password_sent(r, password, sizeof(password)) &&
		     is_operator(r, password);

	explicit_bzero(password, sizeof(password));
	return known;
}

/* A page of the gateway's own address? Browsers say which; programs do not. */
static bool
is_own_page(const struct gw_request *r)
{
	const char *site = gw_fcgi_param(r->conn, "HTTP_SEC_FETCH_SITE");
	const char *origin = gw_fcgi_param(r->conn, "HTTP_ORIGIN");
	const char *host = gw_fcgi_param(r->conn, "HTTP_HOST");

	if (site)
		return strcasecmp(site, "same-origin") == 0 ||
		       strcasecmp(site, "none") == 0;
	return !origin || (host && gw_origin_is_of(origin, host));
}

static enum gw_step
refuse(struct gw_request *r, size_t n_keys)
{
	gw_err_set(&r->err, GW_ERR_INVALID_API_KEY, 0, "%s; " HOW,
		   !r->config->auth.operator_keys.n
			   ? "this needs an operator's key, and none is "
			     "configured"
		   : n_keys || gw_fcgi_param(r->conn, "HTTP_AUTHORIZATION")
			   ? "the key is none of auth.operator_keys"
			   : "an operator's key is required");
	return GW_FINISH;
}

enum gw_step
gw_stage_check_operator(struct gw_request *r)
{
	const char *keys[GW_KEYS_SENT_MAX];
	size_t n;

	/* To change something always needs one. */
	if (!gw_config_has_keys(r->config) && only_looks(r))
		return without_keys(r);
	n = gw_keys_sent(r, keys);
	for (size_t i = 0; i < n; i++)
		if (is_operator(r, keys[i]))
			return GW_NEXT;
	if (!has_password(r))
		return refuse(r, n);
	if (only_looks(r) || is_own_page(r))
		return GW_NEXT;
	gw_err_set(&r->err, GW_ERR_FORBIDDEN_ORIGIN, 0,
		   "a page of another origin changes nothing with a password "
		   "that the browser remembers");
	return GW_FINISH;
}
