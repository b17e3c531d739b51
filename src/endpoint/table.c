/* SPDX-License-Identifier: MIT */
/*
 * table.c - every endpoint of the gateway, one row each. What happens in it is
 * the stages' business.
 */
#include "base/cleanup.h"
#include "endpoint/table.h"

#define FOR_ANYONE (GW_EP_ANSWER | GW_EP_ANYONE)
#define LISTED (GW_EP_CLIENT_KEY | GW_EP_OPERATOR_KEY | GW_EP_ANSWER)
#define KEY_TELLS (GW_EP_KEY_TELLS | GW_EP_OPERATOR_KEY | GW_EP_ANSWER)
#define FOR_NODES (GW_EP_NODE_KEY | GW_EP_DOCUMENT | GW_EP_ANSWER)
#define FOR_OPERATORS (GW_EP_OPERATOR | GW_EP_ANSWER)
#define WHOLE_REQUEST (GW_EP_BODY | GW_EP_STREAM)

/* tests/dev/check-openapi.sh reads path and method of these rows. */
/* clang-format off */
const struct gw_endpoint gw_endpoints[] = {
	{ "/", GW_METHOD_GET, FOR_ANYONE, gw_answer_root,
	  GW_SSE_OPENAI, "a line of text that says what this is" },
	{ "/health", GW_METHOD_GET, FOR_ANYONE, gw_answer_health,
	  GW_SSE_OPENAI, "this process answers; touches no upstream" },
	{ "/ready", GW_METHOD_GET, KEY_TELLS, gw_answer_ready,
	  GW_SSE_OPENAI, "the default model is usable right now" },
	{ "/v1/models", GW_METHOD_GET, LISTED | GW_EP_PROBED, gw_answer_models,
	  GW_SSE_OPENAI, "usable models; unusable ones and nodes beside them" },
	{ "/v1/models/", GW_METHOD_GET, LISTED | GW_EP_PREFIX, gw_answer_model,
	  GW_SSE_OPENAI, "one model, if it is usable" },

#include "endpoint/relayed.def"

	{ "/rolemesh/status", GW_METHOD_GET, FOR_OPERATORS, gw_answer_status,
	  GW_SSE_OPENAI, "how the gateway is doing" },
	{ "/rolemesh/events", GW_METHOD_GET, FOR_OPERATORS, gw_answer_events,
	  GW_SSE_OPENAI, "the same each second, while somebody looks" },
	{ "/rolemesh/nodes/", GW_METHOD_POST, FOR_OPERATORS | GW_EP_PREFIX,
	  gw_answer_node_order,
	  GW_SSE_OPENAI, "takes a node out of service, or puts it back" },
	{ "/rolemesh/explain", GW_METHOD_GET, FOR_OPERATORS, gw_answer_explain,
	  GW_SSE_OPENAI, "what would be done with a request for a model" },
	{ "/rolemesh/explain", GW_METHOD_POST, FOR_OPERATORS | WHOLE_REQUEST,
	  gw_answer_explain,
	  GW_SSE_OPENAI, "what would be done with this request" },
	{ "/rolemesh/requests", GW_METHOD_GET, FOR_OPERATORS,
	  gw_answer_requests,
	  GW_SSE_OPENAI, "the last requests, and how they went" },

	{ "/v1/nodes/register", GW_METHOD_POST, FOR_NODES, gw_answer_register,
	  GW_SSE_OPENAI, "a node says where it is and what it serves" },
	{ "/v1/nodes/heartbeat", GW_METHOD_POST, FOR_NODES | GW_EP_ROUTINE,
	  gw_answer_heartbeat,
	  GW_SSE_OPENAI, "a node's sign of life" },
	{ "/v1/nodes/deregister", GW_METHOD_POST, FOR_NODES,
	  gw_answer_deregister,
	  GW_SSE_OPENAI, "a node leaves" },
};
/* clang-format on */

const size_t gw_n_endpoints = GW_ARRAY_LEN(gw_endpoints);
