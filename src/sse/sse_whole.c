/* SPDX-License-Identifier: MIT */
/*
 * sse_whole.c - a whole answer told as the events that its endpoint's clients
 * wait for. For streams that were answered 200 early by an upstream which then
 * did not stream. The two dialects that need more than a line each are below;
 * Responses is sse_responses.c's.
 */
#include <string.h>

#include "base/json.h"
#include "sse/sse_parts.h"

#define DEPTH_MAX 64 /* nesting of an answer */
#define DONE "data: [DONE]\n\n"

/* ---- chat completions, completions --------------------------------------- */

/* A streamed call carries its place in the list. */
static void
number_calls(struct json_object *delta)
{
	struct json_object *calls = gw_sse_list(delta, "tool_calls");
	struct json_object *numbered;

	if (!calls)
		return;
	numbered = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(calls); i++) {
		struct json_object *call =
			gw_sse_copy(json_object_array_get_idx(calls, i));

		gw_json_set_int(call, "index", (int64_t)i);
		json_object_array_add(numbered, call);
	}
	json_object_object_add(delta, "tool_calls", numbered);
}

/* One choice of the first chunk, which has all that was said, or of the last,
 * which tells why that is all. */
static struct json_object *
chunk_choice(struct json_object *choice, size_t i, bool last)
{
	struct json_object *o = json_object_new_object();
	struct json_object *message = NULL, *delta, *reason = NULL;

	gw_json_set_int(o, "index", (int64_t)i);
	gw_sse_share(o, "index", choice, "index");
	json_object_object_get_ex(choice, "message", &message);
	delta = last ? json_object_new_object() : gw_sse_copy(message);
	number_calls(delta);
	json_object_object_add(o, "delta", delta);
	if (!last)
		gw_sse_share(o, "logprobs", choice, "logprobs");
	json_object_object_get_ex(choice, "finish_reason", &reason);
	if (last && !reason)
		gw_json_set_str(o, "finish_reason", "stop");
	else
		json_object_object_add(o, "finish_reason",
				       last ? json_object_get(reason) : NULL);
	return o;
}

static struct json_object *
chunk(struct json_object *doc, struct json_object *choices, bool last)
{
	static const char *const keys[] = {"id", "created", "model",
					   "system_fingerprint"};
	struct json_object *o =
		last ? gw_sse_copy(doc) : json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < GW_ARRAY_LEN(keys); i++)
		gw_sse_share(o, keys[i], doc, keys[i]);
	gw_json_set_str(o, "object", "chat.completion.chunk");
	for (size_t i = 0; i < json_object_array_length(choices); i++)
		json_object_array_add(
			list,
			chunk_choice(json_object_array_get_idx(choices, i), i,
				     last));
	json_object_object_add(o, "choices", list);
	return o;
}

static int
from_openai(struct gw_buf *out, struct json_object *doc)
{
	struct json_object *choices = gw_sse_list(doc, "choices"), *first;
	int rc;

	if (!choices || json_object_array_length(choices) == 0)
		return 0;
	first = json_object_array_get_idx(choices, 0);
	if (json_object_object_get_ex(first, "message", NULL)) {
		rc = gw_sse_put_event(out, NULL, chunk(doc, choices, false));
		if (rc == 0)
			rc = gw_sse_put_event(out, NULL,
					      chunk(doc, choices, true));
	} else if (json_object_object_get_ex(first, "text", NULL) ||
		   json_object_object_get_ex(first, "delta", NULL)) {
		/* A chunk of a completion has the same form as the whole. */
		rc = gw_sse_put_event(out, NULL, json_object_get(doc));
	} else {
		return 0;
	}
	return rc == 0 && gw_buf_puts(out, DONE) == 0 ? 1 : -1;
}

/* ---- Anthropic's messages ------------------------------------------------ */

static int
put_anthropic(struct gw_buf *out, const char *type, int64_t index,
	      const char *key, struct json_object *value)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "type", type);
	if (index >= 0)
		gw_json_set_int(o, "index", index);
	if (key)
		json_object_object_add(o, key, value);
	return gw_sse_put_event(out, type, o);
}

static struct json_object *
delta_of(const char *type, const char *key, struct json_object *value)
{
	struct json_object *delta = json_object_new_object();

	gw_json_set_str(delta, "type", type);
	json_object_object_add(delta, key, value);
	return delta;
}

/* Which field of a block streams, and as what. */
static const struct {
	const char *type, *key, *delta_type;
} streamed[] = {
	{"text", "text", "text_delta"},
	{"thinking", "thinking", "thinking_delta"},
	{"thinking", "signature", "signature_delta"},
};

static int
put_block(struct gw_buf *out, struct json_object *block, int64_t i)
{
	const char *type = gw_json_get_str(block, "type");
	struct json_object *start = gw_sse_copy(block), *input = NULL, *v;
	bool tool = type && strcmp(type, "tool_use") == 0 &&
		    json_object_object_get_ex(block, "input", &input);
	int rc;

	for (size_t k = 0; k < GW_ARRAY_LEN(streamed); k++)
		if (type && strcmp(type, streamed[k].type) == 0)
			gw_json_set_str(start, streamed[k].key, "");
	if (tool)
		json_object_object_add(start, "input",
				       json_object_new_object());
	rc = put_anthropic(out, "content_block_start", i, "content_block",
			   start);
	for (size_t k = 0; rc == 0 && k < GW_ARRAY_LEN(streamed); k++)
		if (type && strcmp(type, streamed[k].type) == 0 &&
		    json_object_object_get_ex(block, streamed[k].key, &v))
			rc = put_anthropic(
				out, "content_block_delta", i, "delta",
				delta_of(streamed[k].delta_type,
					 streamed[k].key, json_object_get(v)));
	if (rc == 0 && tool)
		rc = put_anthropic(
			out, "content_block_delta", i, "delta",
			delta_of(
				"input_json_delta", "partial_json",
				json_object_new_string(json_object_to_json_string_ext(
					input,
					JSON_C_TO_STRING_PLAIN |
						JSON_C_TO_STRING_NOSLASHESCAPE))));
	return rc < 0 ? -1
		      : put_anthropic(out, "content_block_stop", i, NULL, NULL);
}

static struct json_object *
message_start(struct json_object *doc)
{
	struct json_object *message = gw_sse_copy(doc), *usage = NULL;

	json_object_object_get_ex(doc, "usage", &usage);
	usage = gw_sse_copy(usage);
	gw_json_set_int(usage, "output_tokens", 0);
	json_object_object_add(message, "content", json_object_new_array());
	json_object_object_add(message, "stop_reason", NULL);
	json_object_object_add(message, "stop_sequence", NULL);
	json_object_object_add(message, "usage", usage);
	return message;
}

static struct json_object *
message_delta(struct json_object *doc)
{
	struct json_object *o = json_object_new_object();
	struct json_object *delta = json_object_new_object();

	gw_json_set_str(delta, "stop_reason", "end_turn");
	gw_json_set_str(delta, "stop_sequence", NULL);
	gw_sse_share(delta, "stop_reason", doc, "stop_reason");
	gw_sse_share(delta, "stop_sequence", doc, "stop_sequence");
	gw_json_set_str(o, "type", "message_delta");
	json_object_object_add(o, "delta", delta);
	gw_sse_share(o, "usage", doc, "usage");
	return o;
}

static int
from_anthropic(struct gw_buf *out, struct json_object *doc)
{
	struct json_object *content = gw_sse_list(doc, "content");
	int rc;

	if (!content)
		return 0;
	rc = put_anthropic(out, "message_start", -1, "message",
			   message_start(doc));
	for (size_t i = 0; rc == 0 && i < json_object_array_length(content);
	     i++)
		rc = put_block(out, json_object_array_get_idx(content, i),
			       (int64_t)i);
	if (rc == 0)
		rc = gw_sse_put_event(out, "message_delta", message_delta(doc));
	if (rc == 0)
		rc = put_anthropic(out, "message_stop", -1, NULL, NULL);
	return rc == 0 ? 1 : -1;
}

/* ---- all of them --------------------------------------------------------- */

static int (*const from[GW_SSE__MAX])(struct gw_buf *out,
				      struct json_object *doc) = {
	[GW_SSE_OPENAI] = from_openai,
	[GW_SSE_ANTHROPIC] = from_anthropic,
	[GW_SSE_RESPONSES] = gw_sse_from_response,
};

/* A stream whose Content-Type does not say so. */
static bool
is_stream_text(const char *p, size_t len)
{
	static const char *const begin[] = {"data:", "event:", ":", "id:"};

	for (size_t i = 0; i < GW_ARRAY_LEN(begin); i++)
		if (len >= strlen(begin[i]) &&
		    memcmp(p, begin[i], strlen(begin[i])) == 0)
			return true;
	return false;
}

int
gw_sse_from_whole(struct gw_buf *out, enum gw_sse_dialect dialect,
		  const char *body, size_t len)
{
	struct gw_err ignored = {.code = GW_OK};
	gw_auto_json struct json_object *doc = NULL;
	struct json_object *error;

	if (is_stream_text(body, len))
		return gw_buf_append(out, body, len) < 0 ? -1 : 1;
	doc = gw_json_parse_object(body, len, DEPTH_MAX, &ignored);
	if (!doc || (json_object_object_get_ex(doc, "error", &error) && error))
		return 0;
	return from[dialect](out, doc);
}
