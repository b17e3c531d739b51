/* SPDX-License-Identifier: MIT */
/*
 * table.c - every endpoint of the gateway, one row each, and how a path finds
 * its row. What happens then is the stages' business.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "endpoint/endpoint.h"

#define RELAYED (GW_EP_CLIENT_KEY | GW_EP_RELAY)
#define STREAMED (RELAYED | GW_EP_STREAM)
#define LISTED (GW_EP_CLIENT_KEY | GW_EP_ANSWER)
#define FOR_NODES (GW_EP_NODE_KEY | GW_EP_DOCUMENT | GW_EP_ANSWER)

/* tests/dev/check-openapi.sh reads path and method of these rows. */
/* clang-format off */
const struct gw_endpoint gw_endpoints[] = {
	{ "/health", GW_METHOD_GET, GW_EP_ANSWER, gw_answer_health,
	  GW_SSE_OPENAI, "this process answers; touches no upstream" },
	{ "/ready", GW_METHOD_GET, GW_EP_ANSWER, gw_answer_ready,
	  GW_SSE_OPENAI, "the default model is usable right now" },
	{ "/v1/models", GW_METHOD_GET, LISTED, gw_answer_models,
	  GW_SSE_OPENAI, "usable models; unusable ones and nodes beside them" },
	{ "/v1/models/", GW_METHOD_GET, LISTED | GW_EP_PREFIX, gw_answer_model,
	  GW_SSE_OPENAI, "one model, if it is usable" },

	{ "/v1/chat/completions", GW_METHOD_POST, STREAMED, NULL,
	  GW_SSE_OPENAI, "chat, streamed or not" },
	{ "/v1/completions", GW_METHOD_POST, STREAMED, NULL,
	  GW_SSE_OPENAI, "text completion" },
	{ "/v1/embeddings", GW_METHOD_POST, RELAYED, NULL,
	  GW_SSE_OPENAI, "embeddings" },
	{ "/v1/rerank", GW_METHOD_POST, RELAYED, NULL,
	  GW_SSE_OPENAI, "reranking of documents" },
	{ "/v1/responses", GW_METHOD_POST, STREAMED, NULL,
	  GW_SSE_RESPONSES, "OpenAI's Responses API" },
	{ "/v1/messages", GW_METHOD_POST, STREAMED, NULL,
	  GW_SSE_ANTHROPIC, "Anthropic's Messages API" },
	{ "/v1/messages/count_tokens", GW_METHOD_POST, RELAYED, NULL,
	  GW_SSE_ANTHROPIC, "tokens a message would take" },

	{ "/v1/nodes/register", GW_METHOD_POST, FOR_NODES, gw_answer_register,
	  GW_SSE_OPENAI, "a node says where it is and what it serves" },
	{ "/v1/nodes/heartbeat", GW_METHOD_POST, FOR_NODES, gw_answer_heartbeat,
	  GW_SSE_OPENAI, "a node's sign of life" },
	{ "/v1/nodes/deregister", GW_METHOD_POST, FOR_NODES,
	  gw_answer_deregister,
	  GW_SSE_OPENAI, "a node leaves" },
};
/* clang-format on */

const size_t gw_n_endpoints = GW_ARRAY_LEN(gw_endpoints);

/* By enum gw_method, as Allow lists a row of that method. */
static const char *const allows[] = {
	[GW_METHOD_GET] = "GET, HEAD, ",
	[GW_METHOD_POST] = "POST, ",
};

static bool
path_matches(const struct gw_endpoint *e, const char *path, unsigned prefix)
{
	size_t n = strlen(e->path);

	if ((e->flags & GW_EP_PREFIX) != prefix)
		return false;
	if (prefix)
		return strncmp(path, e->path, n) == 0 && path[n] != '\0';
	return strcmp(path, e->path) == 0;
}

static bool
method_matches(const struct gw_endpoint *e, enum gw_method method)
{
	return e->method == method ||
	       (e->method == GW_METHOD_GET && method == GW_METHOD_HEAD);
}

/* Rows of one kind: exact paths (@prefix 0) or prefixes. */
static const struct gw_endpoint *
find_among(const struct gw_endpoint *table, size_t n, const char *path,
	   unsigned prefix, enum gw_method method, char *allow, size_t cap)
{
	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(allow);

		if (!path_matches(&table[i], path, prefix))
			continue;
		if (method_matches(&table[i], method))
			return &table[i];
		snprintf(allow + used, cap - used, "%s",
			 allows[table[i].method]);
	}
	return NULL;
}

const struct gw_endpoint *
gw_endpoint_find(const struct gw_endpoint *table, size_t n, const char *path,
		 enum gw_method method, char *allow, size_t cap)
{
	const struct gw_endpoint *e;
	size_t used;

	allow[0] = '\0';
	e = find_among(table, n, path, 0, method, allow, cap);
	if (!e && !allow[0])
		e = find_among(table, n, path, GW_EP_PREFIX, method, allow,
			       cap);
	used = strlen(allow);
	if (e)
		allow[0] = '\0';
	else if (used)
		snprintf(allow + used, cap - used, "OPTIONS");
	return e;
}
