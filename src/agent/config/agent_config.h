/* SPDX-License-Identifier: MIT */
/*
 * agent_config.h - the node agent's configuration as an immutable snapshot.
 *
 * Loaded once, at the start: an edit takes effect at the next start. Rows of
 * options.def say how each field is written in YAML; they are checked,
 * filled, printed and freed by the same schema walks as the gateway's.
 */
#ifndef AG_CONFIG_AGENT_CONFIG_H
#define AG_CONFIG_AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "config/config.h"
#include "config/diag.h"
#include "config/keys.h"

#define AG_MODELS_MAX 64   /* as many as a gateway takes from one node */
#define AG_PARALLEL_MAX 64 /* slots of one llama-server */

struct gw_yaml;
struct gw_yaml_node;

/*
 * One structured flag of llama-server as the operator wrote it: text that goes
 * onto the command line, or NULL when it is not set. Indexes follow the rows of
 * flags.def.
 */
enum ag_flag {
#define FLAG(name, option) AG_FLAG_##name,
#include "agent/config/flags.def"
#undef FLAG
	AG_FLAG__MAX
};

struct ag_model_config {
	char *model_id;		/* what the gateway asks for; unique */
	char *path;		/* of the weights */
	struct gw_keys roles;	/* may be empty: then it is served locally only */
	bool preload;		/* start it with the agent */
	char *group;		/* models of one group may share a device; NULL */
	uint64_t memory_mib;	/* what it takes of a device; 0 = not known */
	struct gw_keys devices;	/* only on these; empty = on any */
	char *flag[AG_FLAG__MAX];
	const struct gw_yaml_node *server_args; /* mapping, or NULL */
	const struct gw_yaml_node *env;		/* mapping, or NULL */
	const struct gw_yaml_node *meta;	/* mapping, or NULL */

	/* completed after the file was read */
	char *alias;		/* --alias: flag `alias`, else the model_id */
	uint32_t parallel;	/* requests at one time: server_args.parallel; 0 =
				 * as many as llama-server tells (state.h) */
	char *meta_json;	/* `meta` as compact JSON, or NULL */
};

struct ag_config {
	char *node_id;		/* the host's name unless set */
	char *listen_host;
	uint32_t listen_port;
	char *advertise_url;	/* what the gateway is told: scheme://host[:port],
				 * no "/v1"; never NULL after the load */
	char *dispatcher_base_url; /* the gateway, or NULL = none */
	char *dispatcher_api_key;  /* node key for it, or NULL */
	uint32_t heartbeat_interval_ms;
	enum gw_log_format log_format;
	struct gw_keys api_keys;   /* auth.api_keys: who may call; empty = all */
	char *llama_server_bin;
	uint32_t startup_timeout_ms;
	uint32_t probe_interval_ms;
	uint32_t port_base;
	uint32_t max_pending;	   /* waiting requests of a device */
	uint32_t idle_unload_ms;   /* 0 = never */
	uint32_t stop_timeout_ms;
	uint32_t shutdown_grace_ms;
	uint32_t sse_keepalive_ms; /* 0 = none */
	uint64_t max_body_bytes;
	uint64_t max_bodies_bytes; /* of all requests together */
	struct gw_timeouts timeouts;
	struct gw_keys devices;	   /* names; empty = auto */
	struct ag_model_config *models;
	size_t n_models;
	struct gw_yaml *doc;	   /* what was read, owned */
};

/*
 * ag_config_load - read, merge and check files.
 * @paths, @n  base file first, then overrides; 1 .. 16 files
 * @host       listen there instead of on listen_host; NULL = the files'
 * @port       instead of listen_port; 0 = the files'
 * @diag       every problem found, with file:line:column; warnings too
 * Returns a snapshot the caller frees, or NULL when @diag has errors. Blocks on
 * reading files of at most GW_CONFIG_FILE_MAX bytes.
 */
GW_MUSTCHECK struct ag_config *
ag_config_load(const char *const *paths, size_t n, const char *host,
	       uint32_t port, struct gw_diag *diag);

/* ag_config_free - NULL is allowed. */
void ag_config_free(struct ag_config *c);

/*
 * ag_config_warn_files - warnings for model files that cannot be read and for a
 * llama_server_bin that cannot be found: no errors, they may come later. For
 * --check; touches the file system.
 */
void ag_config_warn_files(const struct ag_config *c, struct gw_diag *diag);

/*
 * ag_config_clean_environment - take out of our environment what would decide,
 * in a llama-server that inherits it, what the agent decides; a warning each.
 * Before there are other threads.
 */
void ag_config_clean_environment(struct gw_diag *diag);

/* ag_config_print - the merged configuration as YAML, secrets as "***". */
GW_MUSTCHECK int ag_config_print(const struct ag_config *c, struct gw_buf *out);

#endif
