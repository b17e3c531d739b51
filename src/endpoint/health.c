/* SPDX-License-Identifier: MIT */
/* health.c - the process answers; asks no upstream and no registry. */
#include "base/json.h"
#include "endpoint/table.h"
#include "serve/reply.h"
#include "serve/request.h"

enum gw_step
gw_answer_health(struct gw_request *r)
{
	struct json_object *doc = json_object_new_object();

	gw_json_set_str(doc, "status", "ok");
	gw_reply_json(r, 200, doc);
	return GW_FINISH;
}
