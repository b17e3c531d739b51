/* SPDX-License-Identifier: MIT */
/* default_model.c - what an upstream is told where the client named no model.
 */
#include "base/json.h"
#include "serve/request.h"
#include "stage/stage.h"

int
gw_default_model_json(struct gw_request *r, bool other)
{
	struct gw_buf text = GW_BUF_INIT(4096);
	struct json_object *alias;
	size_t len;
	int rc;

	if (!other && gw_body_model(r->receive.body, &len))
		return 0;
	alias = json_object_new_string(r->resolve.model->alias);
	rc = alias ? gw_json_text(alias, &text) : -1;
	json_object_put(alias);
	if (rc < 0) {
		gw_buf_release(&text);
		return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	}
	r->target.model_json = text.data;
	return 0;
}
