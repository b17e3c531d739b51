/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of the agent's configuration share.
 *
 * Nobody outside src/agent/config includes it; they have agent_config.h.
 */
#ifndef AG_CONFIG_INTERNAL_H
#define AG_CONFIG_INTERNAL_H

#include "agent/config/agent_config.h"
#include "config/schema.h"

#define AG_PATH_MAX 4095	/* bytes of a path */
#define AG_PORT_BASE_MAX 65000	/* so that every model's port is below 65536 */
#define AG_ARG_NAME_MAX 64	/* bytes of a key of server_args */
#define AG_ARG_VALUES_MAX 256	/* values of server_args, list elements counted */
#define AG_ENV_MAX 256		/* variables of `env` */
#define AG_ENV_NAME_MAX 128	/* bytes of such a name */
#define AG_ARG_TEXT_MAX (64u << 10) /* bytes of one value; Linux takes 128 KiB */

/* options.c: the rows of options.def. Offsets are into struct ag_config. */
extern const struct gw_schema ag_config_schema;

/* kinds.c */
extern const struct gw_kind ag_kind_devices;	  /* auto or names [gw_keys] */
extern const struct gw_kind ag_kind_device_names; /* [gw_keys] */
extern const struct gw_kind ag_kind_roles;	  /* [gw_keys] */
extern const struct gw_kind ag_kind_meta;	  /* tree; fills meta_json, too */

/* paths.c: made absolute, from the folder of their file [char *] */
extern const struct gw_kind ag_kind_path;
extern const struct gw_kind ag_kind_program; /* unless it has no slash */

/* flags.c: text for the command line [char *] */
extern const struct gw_kind ag_kind_count;
extern const struct gw_kind ag_kind_layers;
extern const struct gw_kind ag_kind_split;
extern const struct gw_kind ag_kind_flash;

/* Trees; ag_kind_args fills `parallel`, too. */
extern const struct gw_kind ag_kind_args; /* args.c */
extern const struct gw_kind ag_kind_env;  /* env.c */

/*
 * ag_check_scalar - is this a string, number or boolean that can be an argument
 * or a variable (env.c)? False after a finding.
 */
bool ag_check_scalar(struct gw_apply *ap, const struct gw_option *o,
		     const struct gw_yaml_node *v, const char *wanted);

/* ag_emit_masked - print a mapping, "***" where a name is that of a secret. */
void ag_emit_masked(struct gw_emit *e, const struct gw_yaml_node *source,
		    bool (*is_secret)(const char *name));

/*
 * ag_arg_canonical - the one spelling of an option's name (decided.c):
 * with dashes, and one of two long names that mean the same.
 * @out  cut when longer
 */
void ag_arg_canonical(const struct gw_yaml_node *key,
		      char out[AG_ARG_NAME_MAX + 1]);

/*
 * ag_decided_option / ag_decided_variable - what to do instead of setting
 * something that the agent decides; NULL: it may be set.
 */
const char *ag_decided_option(const char *canonical);
const char *ag_decided_variable(const char *name);

/* ag_long_option - the long name of a short option, or NULL. */
const char *ag_long_option(const char *canonical);

/* Where a model stands in the document; its `models` may have null entries. */
struct ag_model_place {
	const struct gw_yaml_node *node; /* the mapping */
	size_t index;		    /* in the list, for messages */
};

/*
 * ag_config_places - of c->models[0 .. n_models-1] (place.c).
 * @doc  what @c was filled from
 * The rest of @place is left as it is.
 */
void ag_config_places(const struct ag_config *c, const struct gw_yaml *doc,
		      struct ag_model_place place[AG_MODELS_MAX]);

/*
 * ag_config_check - what only several keys together can get wrong (check.c).
 * ag_config_check_gateway - the same for what the gateway is told (gateway.c).
 */
void ag_config_check(const struct ag_config *c, struct gw_yaml *doc);
void ag_config_check_gateway(const struct ag_config *c, struct gw_yaml *doc);

/*
 * ag_config_default_url - advertise_url from listen_host and listen_port
 * (gateway.c). Stays NULL after a finding; 0, or -1 = no memory.
 */
GW_MUSTCHECK int ag_config_default_url(struct ag_config *c,
				       struct gw_yaml *doc);

#endif
