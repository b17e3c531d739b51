/* SPDX-License-Identifier: MIT */
/*
 * resolve_role.c - from the request's `model` to the alias that serves it.
 * Knows the configuration only; whether anything is reachable is not asked.
 */
#include <string.h>

#include "gateway/worker.h"

/* Every id a client may use, as far as an error message has room. */
static void
list_known(const struct gw_config *c, struct gw_buf *out)
{
	for (size_t i = 0; i < c->n_models; i++) {
		const struct gw_model *m = &c->models[i];

		if (gw_buf_printf(out, "%s%s", i ? ", " : "",
				  m->openai_model_name) == 0)
			continue;
		if (gw_buf_puts(out, ", ...") < 0)
			return;
		return;
	}
}

static enum gw_step
unknown(struct gw_request *r, const char *name, size_t len)
{
	gw_auto_buf struct gw_buf known = GW_BUF_INIT(600);
	char quoted[200];

	list_known(r->config, &known);
	gw_err_set(&r->err, GW_ERR_MODEL_NOT_FOUND, 0,
		   "the model %s does not exist; known models: %s",
		   gw_log_quote(quoted, sizeof(quoted), name, len),
		   known.data ? known.data : "none");
	gw_err_param(&r->err, "model");
	return GW_FINISH;
}

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
	return r->model ? GW_NEXT : unknown(r, name, len);
}
