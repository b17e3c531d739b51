/* SPDX-License-Identifier: MIT */
/*
 * clients_build.c - the table that clients.c looks into, filled.
 *
 * Keys of clients, nodes and operators share it: filling it is what finds a key
 * that is there twice, be it as itself and as its digest.
 */
#include "config/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/key_name.h"
#include "config/clients.h"

/* Where a list of `auth` is written, or NULL. */
static const struct gw_yaml_node *
list_of(const struct gw_config_internal *in, const char *name)
{
	return gw_yaml_value(gw_yaml_value(in->doc.root, "auth"), name);
}

/* How a place is written: what is in front of the index, what is behind. */
static const struct {
	const char *list, *key;
	enum gw_credential_kind kind;
} places[] = {
	[GW_AUTH_CLIENT_API_KEYS] = {"client_api_keys", "",
				     GW_CREDENTIAL_CLIENT_KEY},
	[GW_AUTH_CLIENTS_KEY] = {"clients", ".key", GW_CREDENTIAL_CLIENT_KEY},
	[GW_AUTH_CLIENTS_SHA256] = {"clients", ".key_sha256",
				    GW_CREDENTIAL_CLIENT_KEY},
	[GW_AUTH_NODE_API_KEYS] = {"node_api_keys", "", GW_CREDENTIAL_NODE_KEY},
	[GW_AUTH_NODES_KEY] = {"nodes", ".key", GW_CREDENTIAL_NODE_KEY},
	[GW_AUTH_NODES_SHA256] = {"nodes", ".key_sha256",
				  GW_CREDENTIAL_NODE_KEY},
	[GW_AUTH_OPERATOR_KEYS] = {"operator_keys", "",
				   GW_CREDENTIAL_OPERATOR_KEY},
	[GW_AUTH_CLIENTS_USER] = {"clients", ".user", GW_CREDENTIAL_USER},
	[GW_AUTH_CLIENTS_NAME] = {"clients", ".name",
				  GW_CREDENTIAL_CLIENT_NAME},
	[GW_AUTH_NODES_NAME] = {"nodes", ".name", GW_CREDENTIAL_NODE_NAME},
};

/* Room for a place and for where it is written. */
#define PLACE_BYTES 64

static const char *
place_text(const struct gw_credential *c, char text[static PLACE_BYTES])
{
	snprintf(text, PLACE_BYTES, "auth.%s[%u]%s", places[c->place].list,
		 c->index, places[c->place].key);
	return text;
}

/* @text: what is not secret of it, or NULL. */
static void
report_twice(struct gw_config_internal *in, const struct gw_credential *first,
	     const struct gw_credential *again, const char *text)
{
	char here[PLACE_BYTES], there[PLACE_BYTES];
	const struct gw_yaml_node *at = first->at;

	gw_yaml_error(&in->doc, again->at, "%s: %s%s%s %s (%s:%u:%u)",
		      place_text(again, here), text ? "`" : "the same key as",
		      text ? gw_yaml_show(again->at, text) : "",
		      text ? "` is already" : "", place_text(first, there),
		      at ? in->doc.paths[at->file] : "", at ? at->line : 0,
		      at ? at->column : 0);
}

/* The plain lists open everything of their kind: one key in both is unwise. An
 * entry is there to open little: with a key of another kind it does not. */
static void
report_both(struct gw_config_internal *in, const struct gw_credential *first,
	    const struct gw_credential *again)
{
	char here[PLACE_BYTES], there[PLACE_BYTES];

	if (first->place == GW_AUTH_CLIENT_API_KEYS &&
	    again->place == GW_AUTH_NODE_API_KEYS)
		gw_yaml_warning(&in->doc, again->at,
				"%s is also %s: whoever has it may do both",
				place_text(again, here),
				place_text(first, there));
	else
		gw_yaml_error(&in->doc, again->at,
			      "%s: the same key as %s (%s:%u:%u), so that "
			      "whoever has it may do both",
			      place_text(again, here), place_text(first, there),
			      first->at ? in->doc.paths[first->at->file] : "",
			      first->at ? first->at->line : 0,
			      first->at ? first->at->column : 0);
}

static void
add(struct gw_config_internal *in, struct gw_credential *c, const char *text)
{
	struct gw_credential *slot;

	c->kind = places[c->place].kind;
	slot = gw_credential_slot(in, c->kind, c->digest);
	if (slot->kind == GW_CREDENTIAL_NONE)
		*slot = *c;
	else if (in->doc.diag)
		report_twice(in, slot, c, text);
}

/* @c has its digest. */
static void
add_digest(struct gw_config_internal *in, struct gw_credential *c,
	   uint64_t id[static 2])
{
	memcpy(id, c->digest, 2 * sizeof(*id));
	for (int kind = GW_CREDENTIAL_CLIENT_KEY;
	     in->doc.diag && kind <= GW_CREDENTIAL_OPERATOR_KEY; kind++) {
		const struct gw_credential *other = gw_credential_slot(
			in, (enum gw_credential_kind)kind, c->digest);

		if (other->kind != GW_CREDENTIAL_NONE &&
		    other->kind != places[c->place].kind)
			report_both(in, other, c);
	}
	add(in, c, NULL);
}

#define PRINTED_KEY "***"

/* As a key of whatever kind. */
static bool
is_known(const struct gw_config_internal *in,
	 const uint8_t digest[static GW_DIGEST_BYTES])
{
	for (int kind = GW_CREDENTIAL_CLIENT_KEY;
	     kind <= GW_CREDENTIAL_OPERATOR_KEY; kind++)
		if (gw_credential_slot(in, (enum gw_credential_kind)kind,
				       digest)
			    ->kind != GW_CREDENTIAL_NONE)
			return true;
	return false;
}

static void
add_key(struct gw_config_internal *in, struct gw_credential *c, const char *key,
	uint64_t id[static 2])
{
	gw_digest(key, strlen(key), c->digest);
	/* What --print-config printed can be read again: all keys are this. */
	if (strcmp(key, PRINTED_KEY) != 0 || !is_known(in, c->digest))
		add_digest(in, c, id);
}

static void
add_sha256(struct gw_config_internal *in, struct gw_credential *c,
	   const char *text, uint64_t id[static 2])
{
	/* What is not from a file may be anything: nobody has such a key. */
	if (gw_digest_read(text, strlen(text), c->digest))
		add_digest(in, c, id);
}

/* A name: of a user, or of an entry. */
static void
add_text(struct gw_config_internal *in, struct gw_credential *c,
	 const char *text)
{
	gw_digest(text, strlen(text), c->digest);
	add(in, c, text);
}

/* ---- plain keys ---------------------------------------------------------- */

/* Where element @i of a list of @n keys is written, or the list, after a
 * mistake in it. */
static const struct gw_yaml_node *
written_at(const struct gw_yaml_node *list, size_t n, size_t i)
{
	return list && list->kind == GW_YAML_LIST && list->n == n
		       ? list->child[i].value
		       : list;
}

static int
name_of_key(const char *key, char **name)
{
	char text[GW_KEY_NAME_BYTES];

	gw_key_name(key, text);
	*name = strdup(text);
	return *name ? 0 : -1;
}

static int
add_plain_clients(struct gw_config *c, struct gw_config_internal *in)
{
	const struct gw_keys *keys = &c->auth.client_api_keys;
	const struct gw_yaml_node *list = list_of(in, "client_api_keys");

	in->plain_clients = calloc(keys->n + 1, sizeof(*in->plain_clients));
	if (!in->plain_clients)
		return -1;
	for (size_t i = 0; i < keys->n; i++) {
		struct gw_client *client =
			&in->plain_clients[in->n_plain_clients++];
		struct gw_credential one = {
			.place = GW_AUTH_CLIENT_API_KEYS,
			.index = (uint32_t)i,
			.client = client,
			.at = written_at(list, keys->n, i),
		};

		client->all_models = true;
		client->priority = GW_NORMAL;
		if (name_of_key(keys->key[i], &client->name) < 0)
			return -1;
		add_key(in, &one, keys->key[i], client->id);
	}
	return 0;
}

static int
add_plain_nodes(struct gw_config *c, struct gw_config_internal *in)
{
	const struct gw_keys *keys = &c->auth.node_api_keys;
	const struct gw_yaml_node *list = list_of(in, "node_api_keys");
	uint64_t id[2];

	in->plain_nodes = calloc(keys->n + 1, sizeof(*in->plain_nodes));
	if (!in->plain_nodes)
		return -1;
	for (size_t i = 0; i < keys->n; i++) {
		struct gw_node_key *node =
			&in->plain_nodes[in->n_plain_nodes++];
		struct gw_credential one = {
			.place = GW_AUTH_NODE_API_KEYS,
			.index = (uint32_t)i,
			.node = node,
			.at = written_at(list, keys->n, i),
		};

		if (name_of_key(keys->key[i], &node->name) < 0)
			return -1;
		add_key(in, &one, keys->key[i], id);
	}
	return 0;
}

static void
add_operators(struct gw_config *c, struct gw_config_internal *in)
{
	const struct gw_keys *keys = &c->auth.operator_keys;
	const struct gw_yaml_node *list = list_of(in, "operator_keys");
	uint64_t id[2];

	for (size_t i = 0; i < keys->n; i++) {
		struct gw_credential one = {
			.place = GW_AUTH_OPERATOR_KEYS,
			.index = (uint32_t)i,
			.at = written_at(list, keys->n, i),
		};

		add_key(in, &one, keys->key[i], id);
	}
}

/* ---- entries ------------------------------------------------------------- */

/* @one, at a key of the entry that is written at @map. */
static struct gw_credential *
at_key(struct gw_credential *one, const struct gw_yaml_node *map,
       enum gw_auth_place place)
{
	one->place = place;
	one->at = gw_yaml_value(map, places[place].key + 1);
	return one;
}

static void
add_user(struct gw_config_internal *in, struct gw_credential *one,
	 struct gw_client *client)
{
	gw_identity("user", client->user, client->id);
	add_text(in, one, client->user);
	if (strcmp(client->user, "*") == 0 && !in->any_user)
		in->any_user = client;
}

/* More than one of key, key_sha256 and user: reported elsewhere. */
static void
add_clients(struct gw_config *c, struct gw_config_internal *in)
{
	const struct gw_yaml_node *list = list_of(in, "clients"), *map;
	size_t at = SIZE_MAX;

	for (size_t i = 0; i < c->auth.n_clients; i++) {
		struct gw_client *client = &c->auth.clients[i];
		struct gw_credential one = {.client = client};

		map = gw_config_next_record(list, &at);
		one.index = (uint32_t)at;
		client->all_models = !client->models.key;
		if (client->name)
			add_text(in, at_key(&one, map, GW_AUTH_CLIENTS_NAME),
				 client->name);
		if (client->key)
			add_key(in, at_key(&one, map, GW_AUTH_CLIENTS_KEY),
				client->key, client->id);
		else if (client->key_sha256)
			add_sha256(in,
				   at_key(&one, map, GW_AUTH_CLIENTS_SHA256),
				   client->key_sha256, client->id);
		else if (client->user)
			add_user(in, at_key(&one, map, GW_AUTH_CLIENTS_USER),
				 client);
	}
}

static void
add_nodes(struct gw_config *c, struct gw_config_internal *in)
{
	const struct gw_yaml_node *list = list_of(in, "nodes"), *map;
	size_t at = SIZE_MAX;
	uint64_t id[2];

	for (size_t i = 0; i < c->auth.n_nodes; i++) {
		struct gw_node_key *node = &c->auth.nodes[i];
		struct gw_credential one = {.node = node};

		map = gw_config_next_record(list, &at);
		one.index = (uint32_t)at;
		if (node->name)
			add_text(in, at_key(&one, map, GW_AUTH_NODES_NAME),
				 node->name);
		if (node->key)
			add_key(in, at_key(&one, map, GW_AUTH_NODES_KEY),
				node->key, id);
		else if (node->key_sha256)
			add_sha256(in, at_key(&one, map, GW_AUTH_NODES_SHA256),
				   node->key_sha256, id);
	}
}

/* ---- all of it ----------------------------------------------------------- */

int
gw_clients_build(struct gw_config *c, struct gw_config_internal *in)
{
	/* An entry has a key and a name. */
	size_t n = c->auth.client_api_keys.n + c->auth.node_api_keys.n +
		   c->auth.operator_keys.n + 2 * c->auth.n_clients +
		   2 * c->auth.n_nodes;

	in->credentials_size = 2;
	while (in->credentials_size < n * 2)
		in->credentials_size *= 2;
	in->credentials =
		calloc(in->credentials_size, sizeof(*in->credentials));
	if (!in->credentials) {
		in->credentials_size = 0;
		return -1;
	}
	if (add_plain_clients(c, in) < 0 || add_plain_nodes(c, in) < 0)
		return -1;
	add_clients(c, in);
	add_nodes(c, in);
	add_operators(c, in);
	return 0;
}

void
gw_clients_release(struct gw_config_internal *in)
{
	for (size_t i = 0; i < in->n_plain_clients; i++)
		free(in->plain_clients[i].name);
	for (size_t i = 0; i < in->n_plain_nodes; i++)
		free(in->plain_nodes[i].name);
	free(in->plain_clients);
	free(in->plain_nodes);
	free(in->credentials);
}
