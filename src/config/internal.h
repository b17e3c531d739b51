/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of the gateway's configuration share.
 *
 * Nobody outside src/config includes it; they have config.h.
 */
#ifndef GW_CONFIG_INTERNAL_H
#define GW_CONFIG_INTERNAL_H

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

/* One name that leads to a model: its alias, its id, or one of its names. */
struct gw_name {
	const char *text; /* owned by the model; NULL = free slot */
	size_t len;
	uint32_t model;	  /* index */
};

/* Behind gw_config.internal. */
struct gw_config_internal {
	struct gw_yaml doc;    /* what was read, for printing */
	struct gw_name *names; /* open addressing, at most half full */
	size_t names_size;     /* a power of two */
	const struct gw_model *takes_unknown; /* has "*" among its names */
	const struct gw_static_node **nodes;  /* by id */
	size_t n_nodes;			      /* of them; no id twice */
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
