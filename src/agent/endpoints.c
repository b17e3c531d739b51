/* SPDX-License-Identifier: MIT */
/*
 * endpoints.c - every endpoint of the node agent, one row each, and the answers
 * that only it has.
 */
#include "agent/agent.h"
#include "agent/report.h"
#include "base/json.h"
#include "endpoint/table.h"
#include "serve/model_in_path.h"
#include "serve/reply.h"

#define FOR_ANYONE (GW_EP_ANSWER | GW_EP_ANYONE)
#define LISTED (GW_EP_CLIENT_KEY | GW_EP_ANSWER)

/* tests/dev/check-openapi.sh reads path and method of these rows. */
/* clang-format off */
const struct gw_endpoint ag_endpoints[] = {
	{ "/", GW_METHOD_GET, FOR_ANYONE, gw_answer_root,
	  GW_SSE_OPENAI, "a line of text that says what this is" },
	{ "/health", GW_METHOD_GET, FOR_ANYONE, gw_answer_health,
	  GW_SSE_OPENAI, "this process answers; touches no llama-server" },
	{ "/v1/models", GW_METHOD_GET, LISTED | GW_EP_PROBED, ag_answer_models,
	  GW_SSE_OPENAI, "all configured models, each with its state" },
	{ "/v1/models/", GW_METHOD_GET, LISTED | GW_EP_PREFIX, ag_answer_model,
	  GW_SSE_OPENAI, "one model" },
	{ "/v1/node/inventory", GW_METHOD_GET, LISTED, ag_answer_inventory,
	  GW_SSE_OPENAI, "devices, models and what they are doing" },

#include "endpoint/relayed.def"
};
/* clang-format on */

const size_t ag_n_endpoints = GW_ARRAY_LEN(ag_endpoints);

enum gw_step
ag_answer_models(struct gw_request *r)
{
	struct ag_agent *a = r->worker->program;
	struct json_object *doc = json_object_new_object();
	struct json_object *data = json_object_new_array();

	for (size_t i = 0; i < a->models.n; i++)
		json_object_array_add(data,
				      ag_report_model(a, &a->models.model[i]));
	gw_json_set_str(doc, "object", "list");
	json_object_object_add(doc, "data", data);
	gw_reply_json(r, 200, doc);
	return GW_FINISH;
}

enum gw_step
ag_answer_model(struct gw_request *r)
{
	struct ag_agent *a = r->worker->program;
	const struct gw_model *m = gw_model_in_path(r);

	if (m)
		gw_reply_json(
			r, 200,
			ag_report_model(
				a, &a->models.model[m - r->config->models]));
	return GW_FINISH;
}

enum gw_step
ag_answer_inventory(struct gw_request *r)
{
	struct ag_agent *a = r->worker->program;

	/* For the next look: this one does not wait for a vendor's tool. */
	ag_devices_refresh(a->devices, AG_SAMPLE_AGE_MS);
	gw_reply_json(r, 200, ag_report_inventory(a));
	return GW_FINISH;
}
