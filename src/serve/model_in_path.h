/* SPDX-License-Identifier: MIT */
/* model_in_path.h - the model that a path names, as in /v1/models/NAME. */
#ifndef GW_SERVE_MODEL_IN_PATH_H
#define GW_SERVE_MODEL_IN_PATH_H

struct gw_model;
struct gw_request;

/*
 * gw_model_in_path - the model behind the path of a GW_EP_PREFIX endpoint; a
 * name may hold slashes, and begin with one.
 * Returns a model of the request's configuration that its client may use, or NULL
 * with r->err MODEL_NOT_FOUND: it is told the same of one that is not its own as
 * of one that does not exist.
 */
const struct gw_model *gw_model_in_path(struct gw_request *r);

#endif
