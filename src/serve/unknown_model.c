/* SPDX-License-Identifier: MIT */
/* unknown_model.c - tells a client which models there are; looks nothing up. */
#include "serve/unknown_model.h"

#include "base/buf.h"
#include "base/log.h"

#define KNOWN_BYTES 600

/* Every id a client may use, as far as an error message has room. */
static void
list_known(const struct gw_config *c, struct gw_buf *out)
{
	for (size_t i = 0; i < c->n_models; i++) {
		const char *name = c->models[i].openai_model_name;
		const char *comma = i ? ", " : "";
		int rc;

		/* Room for the dots stays, whatever comes before them. */
		out->max = KNOWN_BYTES - sizeof(", ...");
		rc = gw_buf_printf(out, "%s%s", comma, name);
		out->max = KNOWN_BYTES;
		if (rc < 0) {
			if (gw_buf_printf(out, "%s...", comma) < 0)
				gw_buf_clear(out);
			return;
		}
	}
}

int
gw_unknown_model(const struct gw_config *c, const char *name, size_t len,
		 struct gw_err *err)
{
	gw_auto_buf struct gw_buf known = GW_BUF_INIT(KNOWN_BYTES);
	char quoted[200];

	list_known(c, &known);
	gw_err_set(err, GW_ERR_MODEL_NOT_FOUND, 0,
		   "the model %s does not exist; known models: %s",
		   gw_log_quote(quoted, sizeof(quoted), name, len),
		   known.len ? known.data : "none");
	return gw_err_param(err, "model");
}
