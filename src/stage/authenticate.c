/* SPDX-License-Identifier: MIT */
/*
 * authenticate.c - who asks: is a configured key among those that the request
 * carries, and whose? Keys are looked up by their hash, in constant time, and
 * never logged.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/line.h"
#include "config/clients.h"
#include "fcgi/fcgi_conn.h"
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

	if (!key || !*key)
		return false;
	gw_digest(key, strlen(key), digest);
	if (r->accept.endpoint->flags & GW_EP_NODE_KEY)
		return is_node_key(r, digest);
	return is_client_key(r, digest) || is_operator_key(r, digest);
}

static const char *
bearer(const char *authorization)
{
	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	return authorization + 7 + strspn(authorization + 7, " ");
}

enum gw_step
gw_stage_authenticate(struct gw_request *r)
{
	bool node = r->accept.endpoint->flags & GW_EP_NODE_KEY;
	const char *authorization =
		gw_fcgi_param(r->conn, "HTTP_AUTHORIZATION");
	const char *header = gw_fcgi_param(
		r->conn, node ? "HTTP_X_ROLEMESH_NODE_KEY" : "HTTP_X_API_KEY");

	if (node ? gw_nodes_open(r->config) : gw_clients_open(r->config)) {
		gw_identity("address", r->accept.client, r->authenticate.who);
		return GW_NEXT;
	}
	if (is_known(r, bearer(authorization)) || is_known(r, header) ||
	    r->accept.endpoint->flags & GW_EP_KEY_TELLS)
		return GW_NEXT;
	gw_err_set(&r->err, GW_ERR_INVALID_API_KEY, 0,
		   "%s; send a %s key as 'Authorization: Bearer KEY' or '%s: "
		   "KEY'",
		   authorization || header
			   ? "the key is not one of those configured"
			   : "a key is required",
		   node ? "node" : "client",
		   node ? "X-RoleMesh-Node-Key" : "X-Api-Key");
	return GW_FINISH;
}
