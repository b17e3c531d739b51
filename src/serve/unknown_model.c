/* SPDX-License-Identifier: MIT */
/* unknown_model.c - tells a client which models there are; looks nothing up. */
#include "serve/unknown_model.h"

#include "base/buf.h"
#include "base/log.h"
#include "serve/request.h"
#include "serve/shown.h"

#define KNOWN_BYTES 600

/* Every id that the client may use, as far as an error message has room. */
static void
list_known(const struct gw_request *r, struct gw_buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < r->config->n_models; i++) {
		const struct gw_model *m = &r->config->models[i];
		int rc;

		if (!gw_shown_model(r, m))
			continue;
		/* Room for the dots stays, whatever comes before them. */
		out->max = KNOWN_BYTES - sizeof(", ...");
		rc = gw_buf_printf(out, "%s%s", comma, m->openai_model_name);
		out->max = KNOWN_BYTES;
		if (rc < 0) {
			if (gw_buf_printf(out, "%s...", comma) < 0)
				gw_buf_clear(out);
			return;
		}
		comma = ", ";
	}
}

int
gw_unknown_model(struct gw_request *r, const char *name, size_t len)
{
	gw_auto_buf struct gw_buf known = GW_BUF_INIT(KNOWN_BYTES);
	char quoted[200];

	list_known(r, &known);
	gw_err_set(&r->err, GW_ERR_MODEL_NOT_FOUND, 0,
		   "the model %s does not exist; known models: %s",
		   gw_log_quote(quoted, sizeof(quoted), name, len),
		   known.len ? known.data : "none");
	return gw_err_param(&r->err, "model");
}
