/* SPDX-License-Identifier: MIT */
/*
 * status.c - /rolemesh/status: how the gateway is doing, for its operator. Asks
 * no upstream, and nothing of it is a client's.
 */
#include "base/json.h"
#include "endpoint/table.h"
#include "serve/reply.h"
#include "serve/worker.h"

enum gw_step
gw_answer_status(struct gw_request *r)
{
	struct json_object *doc = json_object_new_object();

	gw_json_set_int(doc, "started", r->worker->started_wall_s);
	gw_json_set_str(doc, "default_model", r->config->default_model);
	json_object_object_add(doc, "counters",
			       gw_counters_document(&r->worker->counters));
	gw_reply_json(r, 200, doc);
	return GW_FINISH;
}
