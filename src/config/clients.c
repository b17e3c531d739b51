/* SPDX-License-Identifier: MIT */
/*
 * clients.c - from what was sent to who sent it, in one look-up, and what that
 * opens.
 *
 * The table goes by digests: where a search ends tells of a digest at most, and
 * from that no way leads to the key. The last step compares in constant time.
 */
#include "config/clients.h"

#include <string.h>

#include "base/cidr.h"
#include "base/hash.h"
#include "base/pattern.h"
#include "config/internal.h"

#define NAME_MAX_BYTES 4096 /* of an identity; what is behind does not count   \
			     */

struct gw_credential *
gw_credential_slot(const struct gw_config_internal *in,
		   enum gw_credential_kind kind,
		   const uint8_t digest[static GW_DIGEST_BYTES])
{
	size_t mask = in->credentials_size - 1, at;
	uint64_t start;

	memcpy(&start, digest, sizeof(start));
	at = gw_hash_slot(start + kind, in->credentials_size);
	while (in->credentials[at].kind != GW_CREDENTIAL_NONE &&
	       (in->credentials[at].kind != kind ||
		!gw_digest_same(in->credentials[at].digest, digest)))
		at = (at + 1) & mask;
	return &in->credentials[at];
}

static const struct gw_credential *
find(const struct gw_config *c, enum gw_credential_kind kind,
     const uint8_t digest[static GW_DIGEST_BYTES])
{
	const struct gw_config_internal *in = c->internal;
	const struct gw_credential *found;

	if (!in || !in->credentials_size)
		return NULL;
	found = gw_credential_slot(in, kind, digest);
	return found->kind == GW_CREDENTIAL_NONE ? NULL : found;
}

bool
gw_clients_open(const struct gw_config *c)
{
	return !c->auth.client_api_keys.n && !c->auth.n_clients;
}

bool
gw_nodes_open(const struct gw_config *c)
{
	return !c->auth.node_api_keys.n && !c->auth.n_nodes;
}

bool
gw_config_has_keys(const struct gw_config *c)
{
	return !gw_clients_open(c) || !gw_nodes_open(c) ||
	       c->auth.operator_keys.n;
}

const struct gw_client *
gw_client_at(const struct gw_config *c, size_t i)
{
	const struct gw_config_internal *in = c->internal;

	if (i < c->auth.n_clients)
		return &c->auth.clients[i];
	i -= c->auth.n_clients;
	return in && i < in->n_plain_clients ? &in->plain_clients[i] : NULL;
}

const struct gw_client *
gw_client_of_key(const struct gw_config *c,
		 const uint8_t digest[static GW_DIGEST_BYTES])
{
	const struct gw_credential *found =
		find(c, GW_CREDENTIAL_CLIENT_KEY, digest);

	return found ? found->client : NULL;
}

const struct gw_node_key *
gw_node_key_of(const struct gw_config *c,
	       const uint8_t digest[static GW_DIGEST_BYTES])
{
	const struct gw_credential *found =
		find(c, GW_CREDENTIAL_NODE_KEY, digest);

	return found ? found->node : NULL;
}

bool
gw_is_operator_key(const struct gw_config *c,
		   const uint8_t digest[static GW_DIGEST_BYTES])
{
	return find(c, GW_CREDENTIAL_OPERATOR_KEY, digest) != NULL;
}

const struct gw_client *
gw_client_of_user(const struct gw_config *c, const char *user)
{
	const struct gw_config_internal *in = c->internal;
	uint8_t digest[GW_DIGEST_BYTES];
	const struct gw_credential *found;

	if (!in || !c->auth.trust_web_server_user)
		return NULL;
	gw_digest(user, strlen(user), digest);
	found = find(c, GW_CREDENTIAL_USER, digest);
	return found ? found->client : in->any_user;
}

/* The zero byte keeps a kind and a name apart, and both from every key. */
void
gw_identity(const char *kind, const char *name, uint64_t id[static 2])
{
	uint8_t whole[64 + NAME_MAX_BYTES], digest[GW_DIGEST_BYTES];
	size_t head = strnlen(kind, 63), tail = strnlen(name, NAME_MAX_BYTES);

	memcpy(whole, kind, head);
	whole[head++] = '\0';
	memcpy(whole + head, name, tail);
	gw_digest(whole, head + tail, digest);
	memcpy(id, digest, 2 * sizeof(*id));
}

/* One of the list; a list that is not there has everybody in it. */
static bool
is_listed(const struct gw_keys *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->n; i++)
		if (gw_pattern_fits(patterns->key[i], name))
			return true;
	return !patterns->key;
}

bool
gw_client_may(const struct gw_client *client, const struct gw_model *m)
{
	return !client || client->all_models ||
	       is_listed(&client->models, m->alias);
}

bool
gw_node_key_may_id(const struct gw_node_key *k, const char *node_id)
{
	return !k || is_listed(&k->node_ids, node_id);
}

bool
gw_node_key_may_role(const struct gw_node_key *k, const char *role)
{
	return !k || is_listed(&k->roles, role);
}

/* Where the host of a normalised address begins; it has no user in front. */
static const char *
host_of(const char *base_url, size_t *len)
{
	const char *host = strstr(base_url, "://");

	host = host ? host + 3 : base_url;
	*len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
	return *len <= strlen(host) ? host : NULL;
}

bool
gw_node_key_may_address(const struct gw_node_key *k, const char *base_url)
{
	const struct gw_keys *nets = k ? &k->base_url_cidrs : NULL;
	size_t len;
	const char *host = host_of(base_url, &len);
	struct gw_cidr net;

	if (!nets || !nets->key)
		return true;
	for (size_t i = 0; host && i < nets->n; i++)
		if (!gw_cidr_read(nets->key[i], strlen(nets->key[i]), &net) &&
		    gw_cidr_holds_host(&net, host, len))
			return true;
	return false;
}
