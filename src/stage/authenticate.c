/* SPDX-License-Identifier: MIT */
/*
 * authenticate.c - who asks: is a configured key among those that the request
 * carries, and whose? Keys are looked up by their hash, in constant time, and
 * never logged. Or has the web server let a user in whom the configuration
 * knows?
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/line.h"
#include "config/clients.h"
#include "fcgi/fcgi_conn.h"
#include "serve/credentials.h"
#include "serve/worker.h"
#include "stage/stage.h"

static bool
is_client_key(struct gw_request *r, const uint8_t digest[GW_DIGEST_BYTES])
{
	struct gw_authenticated *a = &r->authenticate;

	a->client = gw_client_of_key(r->config, digest);
	if (!a->client)
		return false;
	memcpy(a->who, a->client->id, sizeof(a->who));
	gw_copy_text(a->name, sizeof(a->name), a->client->name);
	return true;
}

static bool
is_node_key(struct gw_request *r, const uint8_t digest[GW_DIGEST_BYTES])
{
	struct gw_authenticated *a = &r->authenticate;

	a->node = gw_node_key_of(r->config, digest);
	if (!a->node)
		return false;
	memcpy(a->who, digest, sizeof(a->who));
	gw_copy_text(a->name, sizeof(a->name), a->node->name);
	return true;
}

static bool
is_operator_key(struct gw_request *r, const uint8_t digest[GW_DIGEST_BYTES])
{
	struct gw_authenticated *a = &r->authenticate;
	char hex[GW_DIGEST_TEXT];

	if (!(r->accept.endpoint->flags & GW_EP_OPERATOR_KEY) ||
	    !gw_is_operator_key(r->config, digest))
		return false;
	a->is_operator = true;
	memcpy(a->who, digest, sizeof(a->who));
	gw_digest_hex(digest, hex);
	snprintf(a->name, sizeof(a->name), "%.8s", hex);
	return true;
}

static bool
is_known(struct gw_request *r, const char *key)
{
	uint8_t digest[GW_DIGEST_BYTES];

	gw_digest(key, strlen(key), digest);
	if (r->accept.endpoint->flags & GW_EP_NODE_KEY)
		return is_node_key(r, digest);
	return is_client_key(r, digest) || is_operator_key(r, digest);
}

/* Whom the web server let in has no need of a key; but one that is sent as well
 * is the one to go by. */
static bool
is_known_user(struct gw_request *r)
{
	struct gw_authenticated *a = &r->authenticate;
	const char *user = gw_user_let_in(r);

	a->client = user ? gw_client_of_user(r->config, user) : NULL;
	if (!a->client)
		return false;
	gw_identity("user", user, a->who);
	/* One entry may stand for many. */
	gw_copy_text(a->name, sizeof(a->name),
		     strcmp(a->client->user, "*") == 0 ? user
						       : a->client->name);
	return true;
}

static bool
is_anybody_known(struct gw_request *r, size_t *n_keys)
{
	const char *keys[GW_KEYS_SENT_MAX];

	*n_keys = gw_keys_sent(r, keys);
	for (size_t i = 0; i < *n_keys; i++)
		if (is_known(r, keys[i]))
			return true;
	return *n_keys == 0 && is_known_user(r);
}

static void
refuse(struct gw_request *r, size_t n_keys)
{
	bool node = r->accept.endpoint->flags & GW_EP_NODE_KEY;
	const char *what =
		!n_keys && gw_user_let_in(r)
			? "the user is none of those configured"
		: n_keys || gw_fcgi_param(r->conn, "HTTP_AUTHORIZATION")
			? "the key is not one of those configured"
			: "a key is required";

	gw_err_set(&r->err, GW_ERR_INVALID_API_KEY, 0,
		   "%s; send a %s key as 'Authorization: Bearer KEY' or '%s: "
		   "KEY'",
		   what, node ? "node" : "client",
		   node ? "X-RoleMesh-Node-Key" : "X-Api-Key");
}

enum gw_step
gw_stage_authenticate(struct gw_request *r)
{
	bool node = r->accept.endpoint->flags & GW_EP_NODE_KEY;
	size_t n_keys;

	if (node ? gw_nodes_open(r->config) : gw_clients_open(r->config)) {
		gw_identity("address", r->accept.client, r->authenticate.who);
		return GW_NEXT;
	}
	if (is_anybody_known(r, &n_keys) ||
	    r->accept.endpoint->flags & GW_EP_KEY_TELLS)
		return GW_NEXT;
	refuse(r, n_keys);
	return GW_FINISH;
}
