/* SPDX-License-Identifier: MIT */
/*
 * authorize.c - may the client use the alias that its request resolved to?
 * Tells it nothing that it did not send itself. An alias that stands in for
 * another one later needs no right of its own.
 */
#include "serve/shown.h"
#include "serve/worker.h"
#include "stage/stage.h"

enum gw_step
gw_stage_authorize(struct gw_request *r)
{
	char quoted[200];
	const char *name;
	size_t len = 0;

	if (gw_shown_model(r, r->resolve.model))
		return GW_NEXT;
	name = gw_body_model(r->receive.body, &len);
	if (name)
		gw_err_set(&r->err, GW_ERR_MODEL_NOT_ALLOWED, 0,
			   "this key may not use the model %s; GET /v1/models "
			   "lists those that it may use",
			   gw_log_quote(quoted, sizeof(quoted), name, len));
	else
		gw_err_set(&r->err, GW_ERR_MODEL_NOT_ALLOWED, 0,
			   "the request names no model, and this key may not "
			   "use the default one; GET /v1/models lists those "
			   "that it may use");
	gw_err_param(&r->err, "model");
	return GW_FINISH;
}
