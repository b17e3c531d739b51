/* SPDX-License-Identifier: MIT */
/*
 * options.c - options.def as a table, and the kinds only the gateway has.
 */
#include "config/internal.h"

#include <string.h>

#include "base/log.h"
#include "config/option_rows.h"
#include "reg.h"
#include "reg_queue.h"

static bool
check_origin(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_yaml_node *v)
{
	const char *host;

	if (!gw_apply_text(ap, o, v, (size_t)o->max, false))
		return false;
	if (strcmp(v->text, "*") == 0)
		return true;
	host = strstr(v->text, "://");
	if (host && host != v->text && host[3] && !strpbrk(host + 3, "/?#*"))
		return true;
	gw_apply_error(ap, v,
		       "is no origin: expected `*` or scheme://host[:port] "
		       "without a path");
	return false;
}

static bool
set_origins(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v, void *slot)
{
	return gw_apply_strings(ap, o, v, slot, check_origin);
}

static void
emit_strings(struct gw_emit *e, const struct gw_option *o,
	     const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_tokens.emit(e, o, source, slot);
}

static void
release_strings(void *slot)
{
	gw_kind_tokens.release(slot);
}

static const struct gw_kind gw_kind_origins = {
	.wanted = "a list of origins",
	.set = set_origins,
	.emit = emit_strings,
	.release = release_strings,
};

static bool
check_name(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v)
{
	return gw_apply_text(ap, o, v, (size_t)o->max, true);
}

static bool
set_names(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, void *slot)
{
	return gw_apply_strings(ap, o, v, slot, check_name);
}

static const struct gw_kind gw_kind_names = {
	.wanted = "a list of names",
	.is_text = true,
	.set = set_names,
	.emit = emit_strings,
	.release = release_strings,
};

static const struct gw_kind gw_kind_roles = {
	.wanted = "a list of roles",
	.is_text = true,
	.set = set_names,
	.emit = emit_strings,
	.release = release_strings,
};

static const struct gw_kind gw_kind_aliases = {
	.wanted = "a list of aliases",
	.is_text = true,
	.set = set_names,
	.emit = emit_strings,
	.release = release_strings,
};

static const char *const model_types[] = {"proxy", "discovered", NULL};
static const char *const model_strategies[] = {"round_robin", "random",
					       "least_busy", "affinity", NULL};

_Static_assert(GW_MODEL_PROXY == 0 && GW_MODEL_DISCOVERED == 1,
	       "model_types lists the words of enum gw_model_type in order");
_Static_assert(GW_ROUND_ROBIN == 0 && GW_RANDOM == 1 && GW_LEAST_BUSY == 2 &&
		       GW_AFFINITY == 3,
	       "model_strategies lists the words of enum gw_strategy in order");

static const char *const client_priorities[] = {"interactive", "normal",
						"batch", NULL};
_Static_assert(GW_INTERACTIVE == 0 && GW_NORMAL == 1 && GW_BATCH == 2,
	       "client_priorities lists the words of enum gw_priority in order");

_Static_assert(GW_QUEUE_MAX <= REG_WAITERS_MAX,
	       "a queue finds room in the table of all of them");

static const struct gw_record model_record = {
	.size = sizeof(struct gw_model),
	.count_offset = offsetof(struct gw_config, n_models),
	.name_offset = offsetof(struct gw_model, alias),
	.name_max = GW_MODEL_NAME_MAX,
	.max = GW_MODELS_MAX,
	.noun = "alias",
};

static const struct gw_record node_record = {
	.size = sizeof(struct gw_static_node),
	.count_offset = offsetof(struct gw_config, n_nodes),
	.max = GW_STATIC_NODES_MAX,
	.noun = "node",
};

static const struct gw_record served_record = {
	.size = sizeof(struct gw_static_model),
	.count_offset = offsetof(struct gw_static_node, n_models),
	.max = GW_NODE_MODELS_MAX,
	.noun = "model",
};

static const struct gw_record client_record = {
	.size = sizeof(struct gw_client),
	.count_offset = offsetof(struct gw_config, auth.n_clients),
	.max = GW_CLIENTS_MAX,
	.noun = "client",
};

static const struct gw_record node_key_record = {
	.size = sizeof(struct gw_node_key),
	.count_offset = offsetof(struct gw_config, auth.n_nodes),
	.max = GW_NODE_KEYS_MAX,
	.noun = "node key",
};

#define PROXY GROUP(GW_MODEL_PROXY)
#define DISCOVERED GROUP(GW_MODEL_DISCOVERED)
#define KIND_ORIGINS &gw_kind_origins
#define KIND_PEM &gw_kind_pem
#define KIND_NAMES &gw_kind_names
#define KIND_ALIASES &gw_kind_aliases
#define KIND_ROLES &gw_kind_roles
#define KIND_META &gw_kind_meta
#define KIND_HEADER &gw_kind_header
#define KIND_DIGEST &gw_kind_digest
#define KIND_PATTERNS &gw_kind_patterns
#define KIND_CIDRS &gw_kind_cidrs
#define KIND_DEFAULTS &gw_kind_defaults

static const struct gw_option options[] = {
#include "config/options.def"
};

const struct gw_schema gw_config_schema = {
	.options = options,
	.n = GW_ARRAY_LEN(options),
};
