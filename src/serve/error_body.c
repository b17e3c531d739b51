/* SPDX-License-Identifier: MIT */
/* error_body.c - the error envelope OpenAI's SDKs expect; writes nothing. */
#include "base/json.h"
#include "serve/reply.h"

struct json_object *
gw_error_document(const struct gw_err *err)
{
	const struct gw_err_info *info = gw_err_info(err->code);
	struct json_object *doc = json_object_new_object();
	struct json_object *error = json_object_new_object();

	gw_json_set_str(error, "message", err->msg[0] ? err->msg : info->text);
	gw_json_set_str(error, "type", info->type);
	gw_json_set_str(error, "param", err->param[0] ? err->param : NULL);
	gw_json_set_str(error, "code", info->code);
	json_object_object_add(doc, "error", error);
	return doc;
}
