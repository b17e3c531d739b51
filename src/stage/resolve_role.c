/* SPDX-License-Identifier: MIT */
/*
 * resolve_role.c - from the request's `model` to the alias that serves it.
 * Knows the configuration only; whether anything is reachable is not asked.
 */
#include <string.h>

#include "serve/unknown_model.h"
#include "serve/worker.h"
#include "stage/stage.h"

/* `stream` may also come from the alias's defaults. */
static bool
wants_stream(const struct gw_request *r)
{
	static const char member[] = "\"stream\":true";

	/* An early 200 would hide the one answer the others have. */
	if (!(r->accept.endpoint->flags & GW_EP_STREAM))
		return false;
	if (gw_body_wants_stream(r->receive.body))
		return true;
	for (size_t i = 0; i < r->resolve.model->n_defaults; i++) {
		const struct gw_default *d = &r->resolve.model->defaults[i];

		if (d->member_len == sizeof(member) - 1 &&
		    memcmp(d->member, member, d->member_len) == 0)
			return !gw_body_has(r->receive.body, d->key_index);
	}
	return false;
}

void
gw_resolve_stream(struct gw_request *r)
{
	/* Who was promised a stream gets one. */
	r->resolve.wants_stream = r->reply.early || wants_stream(r);
}

enum gw_step
gw_stage_resolve_role(struct gw_request *r)
{
	size_t len = 0;
	const char *name = gw_body_model(r->receive.body, &len);

	if (!name) {
		name = r->config->default_model;
		len = name ? strlen(name) : 0;
	}
	if (!name) {
		gw_err_set(&r->err, GW_ERR_INVALID_REQUEST, 0,
			   "the request names no model%s%s%s",
			   r->worker->keys.default_model ? " and no " : "",
			   r->worker->keys.default_model
				   ? r->worker->keys.default_model
				   : "",
			   r->worker->keys.default_model ? " is configured"
							 : "");
		gw_err_param(&r->err, "model");
		return GW_FINISH;
	}
	r->resolve.model = gw_config_model(r->config, name, len);
	if (!r->resolve.model) {
		gw_unknown_model(r, name, len);
		return GW_FINISH;
	}
	gw_resolve_stream(r);
	return GW_NEXT;
}
