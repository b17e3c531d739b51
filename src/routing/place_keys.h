/* SPDX-License-Identifier: MIT */
/*
 * place_keys.h - what candidates are called in the registry. The names are hashes
 * of addresses, models, keys and certificates; they are computed once for a
 * configuration and a registration, and kept.
 *
 * One thread a process; nothing fails: without memory they are computed anew.
 */
#ifndef GW_ROUTING_PLACE_KEYS_H
#define GW_ROUTING_PLACE_KEYS_H

#include "config/config.h"
#include "nodes/node_view.h"
#include "routing/choice.h"

struct gw_routing;

/* gw_proxy_keys - of a proxy's upstream; @m is of @config. */
void gw_proxy_keys(struct gw_routing *routing, const struct gw_config *config,
		   const struct gw_model *m, struct gw_place_keys *out);

/* gw_node_keys - of the @model-th model of a node. */
void gw_node_keys(const struct gw_config *config, const struct gw_node *n,
		  size_t model, struct gw_place_keys *out);

/* gw_place_keys_release - forget what is kept of proxies. */
void gw_place_keys_release(struct gw_routing *routing);

/* gw_address_key - of an upstream, whatever the model. */
void gw_address_key(const char *base_url, uint64_t key[2]);

/*
 * gw_candidate_key - of a model behind an address.
 * @model  JSON text of the forwarded `model`; the alias of a proxy that forwards
 *         what the client names
 */
void gw_candidate_key(const uint64_t address[2], const char *model,
		      uint64_t key[2]);

/* gw_client_place_key - by what a client's requests are counted that has limits of
 * its own. */
void gw_client_place_key(const uint64_t who[2], uint64_t key[2]);

/* gw_queue_place_key, gw_share_place_key - by what those are counted that wait at
 * an alias, and what a client runs there. */
void gw_queue_place_key(const struct gw_model *m, uint64_t key[2]);
void gw_share_place_key(const struct gw_model *m, const uint64_t who[2],
			uint64_t key[2]);

#endif
