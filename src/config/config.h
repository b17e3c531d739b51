/* SPDX-License-Identifier: MIT */
/*
 * config.h - the gateway's configuration as an immutable snapshot.
 *
 * gw_config_load() reads, merges and checks YAML files and builds one snapshot;
 * nobody changes it afterwards. A request keeps a reference to the snapshot it
 * began with, so a reload never changes a request under way. One thread a
 * process: reference counts are plain integers.
 */
#ifndef GW_CONFIG_CONFIG_H
#define GW_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "config/diag.h"
#include "config/keys.h"
#include "config/node_limits.h"

/* Variable with the address that rolemesh-gateway's --host names: the checks of
 * every process of the instance go by it instead of gateway.host. */
#define GW_CONFIG_HOST_ENV "ROLE_MESH_HOST"
/* The same with the host of a --listen HOST:PORT that is no loopback address. */
#define GW_CONFIG_LISTEN_ENV "ROLE_MESH_LISTEN"

/* Bytes of a name that leads to a model, so of a request's decoded `model`. */
#define GW_MODEL_NAME_MAX 256

#define GW_QUEUE_MAX 16384	/* requests that wait at one alias */

#define GW_CLIENTS_MAX 16384	/* entries of auth.clients */
#define GW_NODE_KEYS_MAX 4096	/* entries of auth.nodes */
#define GW_CLIENT_NAME_MAX 64	/* bytes of what an entry is called */
#define GW_CLIENT_USER_MAX 256	/* bytes of a web server's user */
#define GW_CLIENT_RATE_MAX 1000000 /* requests a minute */

enum gw_model_type { GW_MODEL_PROXY, GW_MODEL_DISCOVERED };
enum gw_strategy { GW_ROUND_ROBIN, GW_RANDOM, GW_LEAST_BUSY, GW_AFFINITY };
/* Who of those that wait goes first; the smaller the better. */
enum gw_priority { GW_INTERACTIVE, GW_NORMAL, GW_BATCH };

/* Limits of one request, milliseconds; 0 = no limit. */
struct gw_timeouts {
	uint32_t connect_ms;
	uint32_t first_byte_ms;
	uint32_t idle_ms;
	uint32_t total_ms;
	uint32_t client_idle_ms;
};

/* How often and when a request is tried again. */
struct gw_retry {
	uint32_t attempts;	 /* after the first one */
	uint32_t backoff_ms;	 /* before the same candidate is asked again ... */
	uint32_t backoff_max_ms; /* ... doubled each time up to this, >= it */
};

/* One entry of `defaults`, ready to be written into a request body. */
struct gw_default {
	char *key;	/* decoded UTF-8, '\0' behind it; may hold NUL bytes */
	size_t key_len;
	char *member;	/* `"key":value` as compact JSON */
	size_t member_len;
	uint32_t key_index; /* index of the key in gw_config.default_keys */
};

/* Certificates in PEM form, as a file held them. */
struct gw_pem {
	char *path;
	char *text;			/* NULL = the system's authorities */
	size_t len;
};

/* How many requests may wait for a slot, and for how long. */
struct gw_queue {
	uint32_t max;	     /* 0 = none; <= GW_QUEUE_MAX */
	uint32_t timeout_ms; /* 0 = none waits */
};

/* Somebody who may send requests: one of auth.clients, or a plain key. */
struct gw_client {
	char *name;			/* of a plain key: gw_key_name() */
	char *key, *key_sha256, *user;	/* one of them, the others NULL; a
					 * plain key has none of them here */
	struct gw_keys models;		/* patterns of aliases; key NULL = all */
	bool all_models;
	uint32_t max_concurrency;	/* 0 = no bound */
	uint32_t requests_per_minute;	/* 0 = no limit */
	enum gw_priority priority;
	/* Of the key's digest, or of the user's name: the same in every process
	 * and after every edit that leaves the key as it is. The same for a key
	 * and for its digest. */
	uint64_t id[2];
};

/* Who may register nodes: one of auth.nodes, or a plain key. */
struct gw_node_key {
	char *name;			/* of a plain key: gw_key_name() */
	char *key, *key_sha256;		/* one of them; as above */
	/* Patterns, patterns and networks; key NULL = any. */
	struct gw_keys node_ids, roles, base_url_cidrs;
};

/* A model of a node that is written in the configuration. */
struct gw_static_model {
	char *model_id;
	struct gw_keys roles;
	char *meta_json;		/* compact JSON object, or NULL */
	uint32_t weight;		/* 0 = the node's */
	uint32_t max_concurrency;	/* 0 = the node's */
	uint32_t parallel;		/* 0 = not known */
};

/* A node that need not register: one of `nodes`. */
struct gw_static_node {
	char *node_id;
	char *base_url;			/* as that of a model */
	struct gw_static_model *models;
	size_t n_models;		/* 0: models are called like `roles` */
	struct gw_keys roles;
	char *meta_json;		/* compact JSON object, or NULL */
	uint32_t weight;		/* 1 .. GW_NODE_WEIGHT_MAX */
	uint32_t max_concurrency;	/* of each model; 0 = no bound */
	char *api_key;			/* Bearer, or NULL */
	struct {
		struct gw_pem ca;
		bool verify;		/* as configured; for printing */
	} tls;
	bool tls_insecure;		/* any certificate will do */
};

struct gw_model {
	char *alias;			/* what clients send as `model` */
	char *openai_model_name;	/* id in /v1/models; the alias unless set */
	struct gw_keys names;		/* further ones; "*" = every unknown one */
	enum gw_model_type type;
	char *base_url;			/* proxy: scheme://host[:port][/prefix], no
					 * trailing '/' and no "/v1"; else NULL */
	char *api_key;			/* proxy: Bearer for the upstream, or NULL */
	struct {
		struct gw_pem ca;	/* whom to believe instead of them */
		bool verify;		/* as configured; for printing */
	} tls;				/* proxy */
	bool tls_insecure;		/* any certificate will do */
	char *role;			/* discovered; else NULL */
	enum gw_strategy strategy;	/* discovered */
	char *affinity_header;		/* discovered: the client's header that
					 * names a conversation; never NULL */
	struct gw_default *defaults;	/* without `model` */
	size_t n_defaults;
	char *default_model_json;	/* defaults.model as JSON text, quotes and
					 * all, or NULL: always replaces `model` */
	struct gw_timeouts timeouts;
	struct gw_retry retry;
	struct gw_keys fallback;	/* aliases, as written */
	const struct gw_model **fallbacks; /* the same, resolved, in order */
	size_t n_fallbacks;
	bool resume;			/* continue streams that broke */
	uint32_t max_concurrency;	/* proxy: requests in flight; 0 = no
					 * bound */
	struct gw_queue queue;
	uint64_t key;			/* gw_hash_text() of the alias */
};

struct gw_config {
	unsigned refs;
	char *default_model;		/* alias, or NULL */
	struct {
		char *host;
		uint32_t port;
		uint32_t workers;	/* 0 in the file's absence = number of cores,
					 * already resolved here: >= 1 */
		uint32_t probe_timeout_ms;
		uint32_t probe_ttl_ms;
		uint64_t max_body_bytes;
		uint64_t max_bodies_bytes; /* of a process, together */
		uint32_t shutdown_grace_ms;
		uint32_t sse_keepalive_ms; /* 0 = off */
		struct gw_keys cors_origins;
		enum gw_log_format log_format;
		struct {
			uint32_t failures; /* in a row, >= 1 */
			uint32_t pause_ms;
			uint32_t pause_max_ms; /* >= pause_ms */
		} eject;
	} gateway;
	struct {
		struct gw_keys client_api_keys;
		struct gw_keys node_api_keys;
		char *upstream_node_key; /* Bearer for discovered nodes, or NULL */
		char *upstream_operator_key; /* ... for an operator's orders to
					      * them, or NULL */
		struct gw_client *clients; /* in the order of the file */
		size_t n_clients;
		struct gw_node_key *nodes; /* in the order of the file */
		size_t n_nodes;
		struct gw_keys operator_keys;
		bool trust_web_server_user;
	} auth;
	struct gw_model *models;	/* in the order of the file(s) */
	size_t n_models;
	struct gw_static_node *nodes;	/* in the order of the file */
	size_t n_nodes;
	bool uses_affinity;		/* one of them has that strategy */
	/* Every key any model's `defaults` uses, sorted by (length, bytes): what a
	 * body check has to notice, whatever the model turns out to be. */
	struct gw_default_key {
		const char *key;
		size_t len;
	} *default_keys;
	size_t n_default_keys;
	uint64_t fingerprint;		/* hash of all files read; names a version */
	void *internal;			/* look-up tables, owned */
};

/*
 * gw_config_load - read, merge and check files.
 * @paths, @n  base file first, then overrides; 1 .. 16 files
 * @diag       every problem found, with file:line:column; warnings too
 * Returns a snapshot with one reference, or NULL when @diag has errors.
 * Reads ${env:} and ${file:} at the time of the call. Blocks on file reads of
 * at most GW_CONFIG_FILE_MAX bytes each; regular files only.
 */
GW_MUSTCHECK struct gw_config *
gw_config_load(const char *const *paths, size_t n, struct gw_diag *diag);

/*
 * gw_config_new - an empty snapshot with one reference, for a program that has
 * a schema of its own and serves from what it fills in here (the node agent).
 * Strings and arrays put into it are malloc'ed; the snapshot frees them. No two
 * models may share a name. Returns NULL when memory is out.
 */
GW_MUSTCHECK struct gw_config *gw_config_new(void);

/*
 * gw_config_seal - the snapshot is filled: names, clients and keys
 * (config/clients.h) can be looked up from now on. Once. Of a key that is there
 * twice the first one counts.
 * Returns 0, or -1 when memory is out.
 */
GW_MUSTCHECK int gw_config_seal(struct gw_config *c);

/* gw_config_ref / gw_config_unref - take and drop a reference; unref(NULL) ok. */
struct gw_config *gw_config_ref(struct gw_config *c);
void gw_config_unref(struct gw_config *c);

/*
 * gw_config_model - the model that serves a name: an alias, an
 * openai_model_name or one of the `names`, else the one that takes every
 * unknown name.
 * @name, @len  bytes as the client sent them; may hold NUL
 * Returns the model, or NULL. O(1).
 */
const struct gw_model *gw_config_model(const struct gw_config *c,
				       const char *name, size_t len);

/* gw_config_model_named - the same, but unknown names lead nowhere. */
const struct gw_model *gw_config_model_named(const struct gw_config *c,
					     const char *name, size_t len);

/*
 * gw_config_static_node - the node of `nodes` with this id, or NULL. O(log n).
 */
const struct gw_static_node *gw_config_static_node(const struct gw_config *c,
						   const char *node_id);

/*
 * gw_config_default_key - index of @key in default_keys, or -1.
 */
int gw_config_default_key(const struct gw_config *c, const char *key,
			  size_t len);

/*
 * gw_config_print - the merged configuration as YAML, secrets as "***".
 * Every key of the schema appears with its effective value. 0 / -1 (no room).
 */
GW_MUSTCHECK int gw_config_print(const struct gw_config *c, struct gw_buf *out);

/*
 * gw_config_needs_restart - log one CONFIG_NEEDS_RESTART line for each key that
 * differs between @before and @after and cannot change in a running instance.
 * Returns the number of such keys.
 */
unsigned gw_config_needs_restart(const struct gw_config *before,
				 const struct gw_config *after);

#endif
