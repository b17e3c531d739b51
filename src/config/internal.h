/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of the gateway's configuration share.
 *
 * Nobody outside src/config includes it; they have config.h.
 */
#ifndef GW_CONFIG_INTERNAL_H
#define GW_CONFIG_INTERNAL_H

#include "base/digest.h"
#include "config/config.h"
#include "config/schema.h"

#define GW_MODELS_MAX 1024

/* options.c: the rows of options.def. Offsets are into struct gw_config. */
extern const struct gw_schema gw_config_schema;

/* defaults.c: `defaults` of a model, into its struct gw_model. */
extern const struct gw_kind gw_kind_defaults;

/* nodes.c: a mapping of anything, as compact JSON [char *] */
extern const struct gw_kind gw_kind_meta;

/* kinds_pem.c: a file of certificates [struct gw_pem] */
extern const struct gw_kind gw_kind_pem;

/* kinds_auth.c: what entries of auth.clients and auth.nodes are made of. */
extern const struct gw_kind gw_kind_digest;   /* 64 digits [char *] */
extern const struct gw_kind gw_kind_patterns; /* [struct gw_keys] */
extern const struct gw_kind gw_kind_cidrs;    /* networks [struct gw_keys] */

/* One name that leads to a model: its alias, its id, or one of its names. */
struct gw_name {
	const char *text; /* owned by the model; NULL = free slot */
	size_t len;
	uint32_t model;	  /* index */
};

/* Where a name or a key of `auth` is written; clients_build.c has the words. */
enum gw_auth_place {
	GW_AUTH_CLIENT_API_KEYS,
	GW_AUTH_CLIENTS_KEY,
	GW_AUTH_CLIENTS_SHA256,
	GW_AUTH_NODE_API_KEYS,
	GW_AUTH_NODES_KEY,
	GW_AUTH_NODES_SHA256,
	GW_AUTH_OPERATOR_KEYS,
	GW_AUTH_CLIENTS_USER,
	GW_AUTH_CLIENTS_NAME,
	GW_AUTH_NODES_NAME,
};

/* What nobody else of the kind may have. */
enum gw_credential_kind {
	GW_CREDENTIAL_NONE, /* a free slot */
	GW_CREDENTIAL_CLIENT_KEY,
	GW_CREDENTIAL_NODE_KEY,
	GW_CREDENTIAL_OPERATOR_KEY,
	GW_CREDENTIAL_USER,
	GW_CREDENTIAL_CLIENT_NAME,
	GW_CREDENTIAL_NODE_NAME,
};

struct gw_credential {
	uint8_t digest[GW_DIGEST_BYTES]; /* of the key, or of the name */
	enum gw_credential_kind kind;
	enum gw_auth_place place;
	uint32_t index;			/* in its list, null entries counted */
	const struct gw_client *client; /* or NULL */
	const struct gw_node_key *node; /* or NULL */
	const struct gw_yaml_node *at;	/* NULL: not in a file */
};

/* Behind gw_config.internal. */
struct gw_config_internal {
	struct gw_yaml doc;    /* what was read, for printing */
	struct gw_name *names; /* open addressing, at most half full */
	size_t names_size;     /* a power of two */
	const struct gw_model *takes_unknown; /* has "*" among its names */
	const struct gw_static_node **nodes;  /* by id */
	size_t n_nodes;			      /* of them; no id twice */
	struct gw_credential *credentials;    /* as names */
	size_t credentials_size;
	struct gw_client *plain_clients;      /* one a client_api_keys */
	size_t n_plain_clients;
	struct gw_node_key *plain_nodes; /* one a node_api_keys */
	size_t n_plain_nodes;
	const struct gw_client *any_user;     /* has "*" as its user */
};

/*
 * gw_config_load_version - gw_config_load() that also names broken versions.
 * @fingerprint  hash of what was read, whether or not it could be used
 */
GW_MUSTCHECK struct gw_config *
gw_config_load_version(const char *const *paths, size_t n, struct gw_diag *diag,
		       uint64_t *fingerprint);

/*
 * gw_names_build - fill the look-up table; clashes become findings (names.c).
 * Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_names_build(struct gw_config *c,
				struct gw_config_internal *in);

/*
 * gw_defaults_index - collect default_keys and number every default by them
 * (defaults.c). Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_defaults_index(struct gw_config *c);

/*
 * gw_nodes_settle - check `nodes` as a whole and make them known by their ids
 * (nodes.c). Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_nodes_settle(struct gw_config *c,
				 struct gw_config_internal *in);

/*
 * gw_config_next_record - the next element of a list of records: those that are
 * null are none.
 * @list  what the array was filled from, or NULL: not from a file
 * @at    SIZE_MAX before the first; then where it stands in the list
 * Only for as many elements as the array has. NULL with @list NULL.
 */
static inline const struct gw_yaml_node *
gw_config_next_record(const struct gw_yaml_node *list, size_t *at)
{
	do
		(*at)++;
	while (list && gw_yaml_is_null(list->child[*at].value));
	return list ? list->child[*at].value : NULL;
}

/* gw_config_alias - the model with this alias, or NULL (names.c). O(1). */
const struct gw_model *gw_config_alias(const struct gw_config *c,
				       const char *alias);

/*
 * gw_credential_slot - the slot of a credential: its own, or the free one where
 * it belongs (clients.c).
 * @in  has a table
 */
struct gw_credential *
gw_credential_slot(const struct gw_config_internal *in,
		   enum gw_credential_kind kind,
		   const uint8_t digest[static GW_DIGEST_BYTES]);

/*
 * gw_clients_build - complete clients and node keys, and make them known by
 * what they send (clients_build.c). One that is known already is a finding where the
 * document still takes findings. Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_clients_build(struct gw_config *c,
				  struct gw_config_internal *in);

/*
 * gw_clients_check - what is wrong with entries of auth.clients and auth.nodes
 * as a whole (clients_check.c).
 */
void gw_clients_check(const struct gw_config *c, struct gw_yaml *doc);

/* gw_clients_release - free what gw_clients_build() made. */
void gw_clients_release(struct gw_config_internal *in);

/* An address of an upstream in the configuration, and what belongs to it. */
struct gw_place {
	const char *path;		 /* "models.writer" */
	const char *url_key;		 /* what the address is called there */
	const char *base_url;		 /* NULL: it was a mistake */
	const struct gw_yaml_node *map;	 /* what stands at `path`, or NULL */
	const char *ca_path;		 /* or NULL */
	bool tls_insecure;
};

/*
 * gw_place_warn - what is allowed at an address, but rarely meant (place.c).
 */
void gw_place_warn(struct gw_yaml *doc, const struct gw_place *p);

/*
 * gw_config_check - what only several keys together can get wrong (check.c).
 */
void gw_config_check(const struct gw_config *c, struct gw_yaml *doc);

/*
 * gw_failing_settle - what to do when upstreams fail, completed: waits that
 * follow others, and fallback lists resolved (failing.c). Mistakes become
 * findings. Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_failing_settle(struct gw_config *c, struct gw_yaml *doc);

/* gw_failing_release - free what gw_failing_settle() made. */
void gw_failing_release(struct gw_config *c);

/*
 * gw_config_nearest - the model that a wrong alias may have meant, or NULL
 * (check.c).
 */
const struct gw_model *gw_config_nearest(const struct gw_config *c,
					 const char *alias);

/*
 * gw_config_node - the member at models.ALIAS.KEY of a document, or NULL.
 * @key  NULL for the alias itself
 */
const struct gw_yaml_member *gw_config_node(const struct gw_yaml *doc,
					    const char *alias, const char *key);

#endif
