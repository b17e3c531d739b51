/* SPDX-License-Identifier: MIT */
/*
 * node_doc.h - a node's registration: from the wire to the registry and back.
 *
 * The registry stores it as the compact JSON that gw_node_doc_from_wire()
 * normalised; every process parses that once per change.
 */
#ifndef GW_NODES_NODE_DOC_H
#define GW_NODES_NODE_DOC_H

#include <json-c/json.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define GW_NODE_MODELS_MAX 64		/* models of a node */
#define GW_NODE_ROLES_MAX 16		/* roles of a model */
#define GW_NODE_META_MAX 4096		/* bytes of one meta as compact JSON */
#define GW_NODE_NAME_MAX 256		/* bytes of a model id or role */
#define GW_NODE_METRICS_MAX 16384	/* bytes of heartbeat metrics */

struct gw_node_model {
	char *model_id;
	char *model_json;	/* the same as JSON text with quotes: forwarded */
	char **roles;
	size_t n_roles;
};

struct gw_node_doc {
	char *node_id;
	char *base_url;		/* normalised: no trailing '/', no "/v1" */
	struct gw_node_model *models;
	size_t n_models;
	struct json_object *json;	/* the whole, as stored */
};

/*
 * gw_node_doc_from_wire - check a register body.
 * @body  the parsed JSON object
 * @err   INVALID_REQUEST with param naming the field at fault
 * Returns a document the caller frees, or NULL. Unknown keys are dropped;
 * `served_models` wins over the legacy `roles`, where model_id == role.
 */
GW_MUSTCHECK struct gw_node_doc *
gw_node_doc_from_wire(struct json_object *body, struct gw_err *err);

/* gw_node_doc_from_record - parse what the registry stored. NULL: damaged. */
GW_MUSTCHECK struct gw_node_doc *gw_node_doc_from_record(const char *text,
							 size_t len);

void gw_node_doc_free(struct gw_node_doc *d);

#endif
