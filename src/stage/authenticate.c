/* SPDX-License-Identifier: MIT */
/*
 * authenticate.c - is a configured key among those the request carries?
 * Compares in constant time and never logs a key, only a hash of it.
 */
#include <string.h>
#include <strings.h>

#include "fcgi/fcgi_conn.h"
#include "serve/worker.h"
#include "stage/stage.h"

/* The time taken depends on the length of what the client sent, nothing else.
 */
static bool
is_same_secret(const char *given, size_t given_len, const char *key)
{
	size_t key_len = strlen(key);
	volatile unsigned char differ = given_len != key_len;

	for (size_t i = 0; i < given_len; i++) {
		size_t k = key_len ? i % key_len : 0;

		differ = (unsigned char)(differ |
					 (given[i] ^ (key_len ? key[k] : 1)));
	}
	return differ == 0;
}

static int
find_key(const struct gw_keys *keys, const char *given)
{
	size_t len = given ? strlen(given) : 0;
	int found = -1;

	if (len == 0)
		return -1;
	for (size_t i = 0; i < keys->n; i++)
		if (is_same_secret(given, len, keys->key[i]))
			found = (int)i;
	return found;
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
	const struct gw_keys *keys = node ? &r->config->auth.node_api_keys
					  : &r->config->auth.client_api_keys;
	const gw_key_name_text *names = node ? r->config->auth.node_key_names
					     : r->config->auth.client_key_names;
	const char *authorization =
		gw_fcgi_param(r->conn, "HTTP_AUTHORIZATION");
	const char *header = gw_fcgi_param(
		r->conn, node ? "HTTP_X_ROLEMESH_NODE_KEY" : "HTTP_X_API_KEY");
	int key;

	if (keys->n == 0)
		return GW_NEXT;
	key = find_key(keys, bearer(authorization));
	if (key < 0)
		key = find_key(keys, header);
	if (key >= 0) {
		memcpy(r->authenticate.key, names[key], GW_KEY_NAME_BYTES);
		return GW_NEXT;
	}
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
