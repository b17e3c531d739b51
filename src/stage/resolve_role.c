/* SPDX-License-Identifier: MIT */
/*
 * resolve_role.c - from the request's `model` to the alias that serves it.
 * Knows the configuration only; whether anything is reachable is not asked.
 */
#include <string.h>

#include "gateway/unknown_model.h"
#include "gateway/worker.h"

enum gw_step
gw_stage_resolve_role(struct gw_request *r)
{
	size_t len = 0;
	const char *name = gw_body_model(r->body, &len);

	r->wants_stream = gw_body_wants_stream(r->body);
	if (!name) {
		name = r->config->default_model;
		len = name ? strlen(name) : 0;
	}
	if (!name) {
		gw_err_set(&r->err, GW_ERR_INVALID_REQUEST, 0,
			   "the request names no model and no default_model is "
			   "configured");
		gw_err_param(&r->err, "model");
		return GW_FINISH;
	}
	r->model = gw_config_model(r->config, name, len);
	if (r->model)
		return GW_NEXT;
	gw_unknown_model(r->config, name, len, &r->err);
	return GW_FINISH;
}
