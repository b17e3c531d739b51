/* SPDX-License-Identifier: MIT */
/*
 * table.h - the gateway's endpoints.
 *
 * To add one: a row in table.c and, unless it is relayed, one file here with
 * its answer function, declared below. serve/endpoint.h says how it is called.
 */
#ifndef GW_ENDPOINT_TABLE_H
#define GW_ENDPOINT_TABLE_H

#include <stddef.h>

#include "serve/endpoint.h"

extern const struct gw_endpoint gw_endpoints[];
extern const size_t gw_n_endpoints;

/* One file each. */
enum gw_step gw_answer_root(struct gw_request *r);
enum gw_step gw_answer_health(struct gw_request *r);
enum gw_step gw_answer_ready(struct gw_request *r);
enum gw_step gw_answer_models(struct gw_request *r);
enum gw_step gw_answer_model(struct gw_request *r);
enum gw_step gw_answer_status(struct gw_request *r);
enum gw_step gw_answer_events(struct gw_request *r);
/* A part of the one below: @rest is ID/models/MODEL and then @verb. */
enum gw_step gw_answer_model_order(struct gw_request *r, const char *rest,
				   const char *verb);
enum gw_step gw_answer_node_order(struct gw_request *r);
enum gw_step gw_answer_explain(struct gw_request *r);
enum gw_step gw_answer_requests(struct gw_request *r);
enum gw_step gw_answer_register(struct gw_request *r);
enum gw_step gw_answer_heartbeat(struct gw_request *r);
enum gw_step gw_answer_deregister(struct gw_request *r);

#endif
