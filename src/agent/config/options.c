/* SPDX-License-Identifier: MIT */
/*
 * options.c - options.def as a table.
 *
 * What a value means is said in kinds.c, flags.c, args.c and env.c.
 */
#include "agent/config/internal.h"

#include "agent/device/device.h"
#include "base/log.h"
#include "config/option_rows.h"
#include "nodes/node_doc.h"
#include "reg.h"

_Static_assert(AG_MODELS_MAX == GW_NODE_MODELS_MAX,
	       "a gateway takes every model that can be configured");
_Static_assert(AG_PORT_BASE_MAX + AG_MODELS_MAX <= 65535,
	       "every model has a port");

static const struct gw_record model_record = {
	.size = sizeof(struct ag_model_config),
	.count_offset = offsetof(struct ag_config, n_models),
	.max = AG_MODELS_MAX,
	.noun = "model",
};

#define KIND_DEVICES &ag_kind_devices
#define KIND_DEVICE_NAMES &ag_kind_device_names
#define KIND_ROLES &ag_kind_roles
#define KIND_META &ag_kind_meta
#define KIND_PATH &ag_kind_path
#define KIND_PROGRAM &ag_kind_program
#define KIND_COUNT &ag_kind_count
#define KIND_LAYERS &ag_kind_layers
#define KIND_SPLIT &ag_kind_split
#define KIND_FLASH &ag_kind_flash
#define KIND_ARGS &ag_kind_args
#define KIND_ENV &ag_kind_env

static const struct gw_option options[] = {
#include "agent/config/options.def"
};

const struct gw_schema ag_config_schema = {
	.options = options,
	.n = GW_ARRAY_LEN(options),
};
