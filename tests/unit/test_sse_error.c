/* SPDX-License-Identifier: MIT */
/*
 * test_sse_error.c - error events: each dialect, our own errors and what
 * upstreams answer, recorded and made up.
 */
#include "base/json.h"
#include "sse/sse.h"
#include "sse_fixture.h"
#include "tap.h"

struct told {
	enum gw_sse_dialect dialect;
	const char *type, *code, *event;
};

static void
test_error_event(void)
{
	/* clang-format off */
	static const struct told rows[] = {
		{ GW_SSE_OPENAI, "upstream_error", "upstream_timeout",
		  "data: {\"error\":{\"message\":\"a \\\"b\\\"/\\n\","
		  "\"type\":\"upstream_error\",\"param\":null,"
		  "\"code\":\"upstream_timeout\"}}\n\n" },
		{ GW_SSE_OPENAI, "server_error", NULL,
		  "data: {\"error\":{\"message\":\"a \\\"b\\\"/\\n\","
		  "\"type\":\"server_error\",\"param\":null,"
		  "\"code\":null}}\n\n" },
		{ GW_SSE_ANTHROPIC, "upstream_error", "upstream_timeout",
		  "event: error\ndata: {\"type\":\"error\",\"error\":{"
		  "\"type\":\"timeout_error\","
		  "\"message\":\"a \\\"b\\\"/\\n\"}}\n\n" },
		{ GW_SSE_RESPONSES, "upstream_error", "upstream_timeout",
		  "event: error\ndata: {\"type\":\"error\","
		  "\"code\":\"upstream_timeout\","
		  "\"message\":\"a \\\"b\\\"/\\n\",\"param\":null,"
		  "\"sequence_number\":0}\n\n" },
	};
	/* clang-format on */
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(rows); i++) {
		gw_auto_buf struct gw_buf out = GW_BUF_INIT(1000);
		int rc = gw_sse_error_event(&out, rows[i].dialect, NULL,
					    rows[i].type, rows[i].code,
					    "a \"b\"/\n");

		ok(rc == 0, "sse: error event %zu -> built", i);
		is_str(out.data, rows[i].event, "sse: ... in its dialect");
	}
}

static void
test_no_room(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(40);

	ok(gw_sse_error_event(&out, GW_SSE_OPENAI, NULL, "t", "c", "m") < 0,
	   "sse: buffer too small -> an error, no half event goes unnoticed");
}

/* Our codes in Anthropic's words. */
static void
test_words(void)
{
	static const char *const rows[][3] = {
		{"authentication_error", "invalid_api_key",
		 "authentication_error"},
		{"invalid_request_error", "invalid_json",
		 "invalid_request_error"},
		{"invalid_request_error", "model_not_found", "not_found_error"},
		{"server_error", "no_available_node", "overloaded_error"},
		{"server_error", "internal_error", "api_error"},
		{"upstream_error", "upstream_unreachable", "api_error"},
		{"upstream_error", "upstream_timeout", "timeout_error"},
	};
	char want[128];
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(rows); i++) {
		gw_auto_buf struct gw_buf out = GW_BUF_INIT(1000);
		int rc = gw_sse_error_event(&out, GW_SSE_ANTHROPIC, NULL,
					    rows[i][0], rows[i][1], "m");

		snprintf(want, sizeof(want),
			 "event: error\ndata: {\"type\":\"error\",\"error\":{"
			 "\"type\":\"%s\",\"message\":\"m\"}}\n\n",
			 rows[i][2]);
		ok(rc == 0 && strcmp(out.data, want) == 0,
		   "sse: %s -> %s in Anthropic's words", rows[i][1],
		   rows[i][2]);
	}
}

struct answer {
	int status;
	const char *body; /* or the name of a fixture, "@name" */
	const char *message, *type, *code; /* code as JSON */
	const char *anthropic;
};

/* clang-format off */
static const struct answer answers[] = {
	{ 503, "@loading_v1_chat_completions.503", "Loading model",
	  "unavailable_error", "503", "overloaded_error" },
	{ 400, "@err-ctx-exceed", "request (12008 tokens) exceeds the "
	  "available context size (4096 tokens), try increasing it",
	  "exceed_context_size_error", "400", "invalid_request_error" },
	{ 404, "@err-404", "File Not Found", "not_found_error", "404",
	  "not_found_error" },
	{ 400, "@router-chat-unknown", "model 'nope' not found",
	  "invalid_request_error", "400", "invalid_request_error" },
	{ 401, "@auth-nokey-v1-models", "Invalid API Key",
	  "authentication_error", "401", "authentication_error" },
	{ 400, "{\"error\":{\"message\":\"m\",\"type\":\"t\",\"param\":\"p\","
	  "\"code\":\"model_not_found\"}}", "m", "t", "\"model_not_found\"",
	  "not_found_error" },
	{ 400, "{\"error\":{\"message\":\"m\",\"code\":null}}", "m",
	  "invalid_request_error", "400", "invalid_request_error" },
	{ 404, "{\"error\":\"model 'x' not found\"}", "model 'x' not found",
	  "not_found_error", "404", "not_found_error" },
	{ 529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
	  "\"message\":\"Overloaded\"}}", "Overloaded", "overloaded_error",
	  "529", "overloaded_error" },
	{ 400, "{\"object\":\"error\",\"message\":\"m\",\"type\":"
	  "\"BadRequestError\",\"code\":40303}", "m", "BadRequestError",
	  "40303", "api_error" },
	{ 422, "{\"detail\":\"d\"}", "d", "invalid_request_error", "422",
	  "invalid_request_error" },
	{ 422, "{\"detail\":[1]}\n", "the upstream answered with status 422: "
	  "{\"detail\":[1]}", "invalid_request_error", "422",
	  "invalid_request_error" },
	{ 502, "<html>\r\nBad Gateway</html>\r\n", "the upstream answered "
	  "with status 502: <html>\r\nBad Gateway</html>", "upstream_error",
	  "502", "api_error" },
	{ 500, "", "the upstream answered with status 500", "upstream_error",
	  "500", "api_error" },
	{ 500, "[1]", "the upstream answered with status 500: [1]",
	  "upstream_error", "500", "api_error" },
	{ 500, "{\"error\":{\"message\":5,\"type\":{}}}", "the upstream "
	  "answered with status 500: {\"error\":{\"message\":5,\"type\":{}}}",
	  "upstream_error", "500", "api_error" },
	{ 500, "{\"error\":{\"message\":\"cut", "the upstream answered with "
	  "status 500: {\"error\":{\"message\":\"cut", "upstream_error", "500",
	  "api_error" },
	{ 500, "\xff\xc0\xafx", "the upstream answered with status 500: "
	  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx", "upstream_error", "500",
	  "api_error" },
};
/* clang-format on */

/* The document in an event built from @a; the caller puts it. */
static struct json_object *
event_document(const char *body, size_t len, int status,
	       enum gw_sse_dialect dialect, const char *head)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(GW_SSE_EVENT_MAX);
	struct gw_err err;
	size_t skip = strlen(head);

	if (gw_sse_error_from_body(&out, dialect, status, body, len) < 0 ||
	    strncmp(out.data, head, skip) != 0 || out.len < skip + 2 ||
	    strcmp(out.data + out.len - 2, "\n\n") != 0 ||
	    memchr(out.data + skip, '\n', out.len - skip - 2))
		return NULL;
	return gw_json_parse_object(out.data + skip, out.len - skip - 2, 8,
				    &err);
}

static bool
text_is(struct json_object *o, const char *key, const char *want)
{
	const char *got = o ? gw_json_get_str(o, key) : NULL;

	return got && strcmp(got, want) == 0;
}

static void
test_answer(const struct answer *a)
{
	static struct fixture f;
	bool recorded = a->body[0] == '@';
	bool found = !recorded || read_fixture(a->body + 1, &f);
	const char *body = recorded ? f.body : a->body;
	size_t len = recorded ? f.len : strlen(a->body);
	gw_auto_json struct json_object *openai =
		event_document(body, len, a->status, GW_SSE_OPENAI, "data: ");
	gw_auto_json struct json_object *anthropic = event_document(
		body, len, a->status, GW_SSE_ANTHROPIC, "event: error\ndata: ");
	gw_auto_json struct json_object *responses = event_document(
		body, len, a->status, GW_SSE_RESPONSES, "event: error\ndata: ");
	struct json_object *e = NULL, *x = NULL, *code = NULL, *again = NULL;
	bool pass;

	pass = found && json_object_object_get_ex(openai, "error", &e) &&
	       json_object_object_get_ex(e, "code", &code) &&
	       text_is(e, "message", a->message) &&
	       text_is(e, "type", a->type) &&
	       strcmp(json_object_to_json_string(code), a->code) == 0;
	ok(pass, "sse: status %d, %.40s -> OpenAI's error", a->status, a->body);
	pass = json_object_object_get_ex(anthropic, "error", &x) &&
	       text_is(anthropic, "type", "error") &&
	       text_is(x, "message", a->message) &&
	       text_is(x, "type", a->anthropic);
	ok(pass, "sse: ... -> Anthropic's error");
	pass = text_is(responses, "type", "error") &&
	       text_is(responses, "message", a->message) &&
	       json_object_object_get_ex(responses, "code", &again) &&
	       strcmp(json_object_to_json_string(again), a->code) == 0;
	ok(pass, "sse: ... -> an error of /v1/responses");
}

/* Messages of any size and kind of byte fit into GW_SSE_EVENT_MAX. */
static void
test_long_messages(void)
{
	static char body[200000];
	static const char bytes[] = {'x', '\x01', '"', '\xff'};
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(bytes); i++) {
		gw_auto_json struct json_object *doc = NULL;
		struct json_object *e = NULL, *message = NULL;
		int len = 0;

		memset(body, bytes[i], sizeof(body));
		doc = event_document(body, sizeof(body), 500, GW_SSE_OPENAI,
				     "data: ");
		if (json_object_object_get_ex(doc, "error", &e) &&
		    json_object_object_get_ex(e, "message", &message))
			len = json_object_get_string_len(message);
		ok(len > (int)GW_SSE_MESSAGE_MAX - 4 &&
			   len <= (int)GW_SSE_MESSAGE_MAX,
		   "sse: 200,000 bytes of 0x%02x -> cut to %u",
		   (unsigned char)bytes[i], GW_SSE_MESSAGE_MAX);
	}
}

int
main(void)
{
	size_t i;

	test_error_event();
	test_no_room();
	test_words();
	for (i = 0; i < GW_ARRAY_LEN(answers); i++)
		test_answer(&answers[i]);
	test_long_messages();
	return done_testing();
}
