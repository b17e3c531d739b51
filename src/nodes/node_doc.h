/* SPDX-License-Identifier: MIT */
/*
 * node_doc.h - a node's registration: from the wire to the registry and back.
 *
 * The registry stores it as the compact JSON that gw_node_doc_from_wire()
 * normalised; every process parses that once per change. Optional fields that
 * are JSON null count as absent: serialisers of optional values write them so.
 *
 * All functions: any thread that owns the objects; nothing is shared.
 */
#ifndef GW_NODES_NODE_DOC_H
#define GW_NODES_NODE_DOC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/config.h"
#include "config/node_limits.h"

#define GW_NODE_METRICS_MAX 16384 /* bytes of heartbeat metrics */

struct gw_node_model {
	char *model_id;
	char *model_json; /* the same as JSON text with quotes: forwarded */
	char **roles;
	size_t n_roles;
	uint32_t weight;	  /* 1 .. GW_NODE_WEIGHT_MAX */
	uint32_t max_concurrency; /* requests in flight; 0 = no bound */
	uint32_t parallel;	  /* computed at a time; 0 = not known */
};

struct gw_node_doc {
	char *node_id;
	char *base_url; /* normalised: no trailing '/', no "/v1" */
	struct gw_node_model *models;
	size_t n_models;
	uint32_t weight, max_concurrency; /* of models that have none */
	struct json_object *json; /* the whole, as stored: node_id,
				   * base_url, weight, max_concurrency,
				   * served_models, meta */
};

/*
 * gw_node_doc_from_wire - check a register body.
 * @body  the parsed JSON object; not changed, may share values with the result
 * @err   INVALID_REQUEST with param naming the field at fault, INTERNAL
 * (memory) Returns a document the caller frees, or NULL. Unknown keys are
 * dropped; `served_models` wins over the legacy `roles`, where model_id ==
 * role.
 */
GW_MUSTCHECK struct gw_node_doc *gw_node_doc_from_wire(struct json_object *body,
						       struct gw_err *err);

/*
 * gw_node_doc_from_config - of a node that is written in the configuration.
 * @n  checked: nothing of it is refused
 * Returns a document the caller frees, as if the node had registered; NULL: no
 * memory.
 */
GW_MUSTCHECK struct gw_node_doc *
gw_node_doc_from_config(const struct gw_static_node *n);

/*
 * gw_node_doc_from_record - parse what the registry stored.
 * @text, @len  compact JSON of an earlier gw_node_doc_from_wire(); may be NULL
 * Returns a document the caller frees; NULL: damaged, or no memory.
 */
GW_MUSTCHECK struct gw_node_doc *gw_node_doc_from_record(const char *text,
							 size_t len);

/* gw_node_doc_free - NULL is allowed, and so is a half-built document. */
void gw_node_doc_free(struct gw_node_doc *d);

/* gw_node_model_serves - is @role among the model's roles? */
bool gw_node_model_serves(const struct gw_node_model *m, const char *role);

/*
 * gw_node_id_from_wire - the `node_id` of any node request.
 * @id   set to the object's own string; valid while @body is
 * @err  INVALID_REQUEST, param "node_id": absent, no string, empty, longer than
 *       REG_NODE_ID_MAX bytes, or with control characters
 * Returns 0 / -1.
 */
GW_MUSTCHECK int gw_node_id_from_wire(struct json_object *body, const char **id,
				      struct gw_err *err);

/*
 * gw_node_metrics_from_wire - the `metrics` of a heartbeat as compact JSON.
 * @out  appended to; stays empty when the heartbeat has none
 * @err  INVALID_REQUEST, param "metrics": no object, or over
 *       GW_NODE_METRICS_MAX bytes
 * Returns 0 / -1.
 */
GW_MUSTCHECK int gw_node_metrics_from_wire(struct json_object *body,
					   struct gw_buf *out,
					   struct gw_err *err);

#endif
