/* SPDX-License-Identifier: MIT */
/*
 * clients.h - who somebody is by what was sent, and what that opens.
 *
 * All of it works on a sealed snapshot (gw_config_load(), gw_config_seal()),
 * changes nothing and allocates nothing. What is returned lives as long as the
 * snapshot: take a reference to that, not to the entry. A key is named by its
 * gw_digest(), so that neither the time of a look-up nor a crash tells of it.
 */
#ifndef GW_CONFIG_CLIENTS_H
#define GW_CONFIG_CLIENTS_H

#include "base/digest.h"
#include "config/config.h"

/*
 * gw_clients_open / gw_nodes_open - may everybody send requests, or register a
 * node? So it is while there is no plain key and no entry for such. Also of a
 * snapshot that is not sealed.
 */
bool gw_clients_open(const struct gw_config *c);
bool gw_nodes_open(const struct gw_config *c);

/* gw_config_has_keys - is any key or user configured with which somebody could
 * ask this gateway: a client's, a node's, an operator's? */
bool gw_config_has_keys(const struct gw_config *c);

/*
 * gw_client_of_key - whose key is it?
 * @digest  of what was sent
 * Returns an entry of auth.clients, or one that stands for a plain key: all
 * models, no limits, normal. NULL: nobody's. O(1).
 */
const struct gw_client *
gw_client_of_key(const struct gw_config *c,
		 const uint8_t digest[static GW_DIGEST_BYTES]);

/* gw_client_at - all of them, plain keys behind the entries; NULL: no more. Of a
 * sealed snapshot. */
const struct gw_client *gw_client_at(const struct gw_config *c, size_t i);

/*
 * gw_client_of_user - who is a user that the web server let in?
 * @user  as the web server calls it
 * Returns the entry with exactly this name, else the one for `*`, else NULL.
 * NULL, too, while auth.trust_web_server_user is off. O(1). One entry may stand
 * for many users: their identities are gw_identity("user", user).
 */
const struct gw_client *gw_client_of_user(const struct gw_config *c,
					  const char *user);

/* gw_node_key_of - the same of a key with which nodes register. O(1). */
const struct gw_node_key *
gw_node_key_of(const struct gw_config *c,
	       const uint8_t digest[static GW_DIGEST_BYTES]);

/* gw_is_operator_key - is it one of auth.operator_keys? O(1). */
bool gw_is_operator_key(const struct gw_config *c,
			const uint8_t digest[static GW_DIGEST_BYTES]);

/*
 * gw_identity - 128 bits for somebody without a key, as gw_client.id is for
 * somebody with one.
 * @kind  "user": what the client of that user has as its id
 * @name  any string
 * The same in every process and version; never that of a key. Pure.
 */
void gw_identity(const char *kind, const char *name, uint64_t id[static 2]);

/*
 * gw_client_may - may a client use a model?
 * @client  NULL: may all
 * Goes by the alias, whatever name the request had for it.
 */
bool gw_client_may(const struct gw_client *client, const struct gw_model *m);

/*
 * gw_node_key_may_id / _role / _address - does a node's key open that much?
 * @k         NULL: everything
 * @base_url  as gw_base_url() makes it. Where networks are listed only literal
 *            addresses are in any, a name never is.
 */
bool gw_node_key_may_id(const struct gw_node_key *k, const char *node_id);
bool gw_node_key_may_role(const struct gw_node_key *k, const char *role);
bool gw_node_key_may_address(const struct gw_node_key *k, const char *base_url);

#endif
