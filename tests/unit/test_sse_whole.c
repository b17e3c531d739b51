/* SPDX-License-Identifier: MIT */
/*
 * test_sse_whole.c - whole answers as events: every kind of part, what is left
 * out of an answer, and what is none.
 */
#include "sse/sse.h"
#include "tap.h"

#define ROOM (64u << 10)

static struct gw_buf out = {.max = ROOM};

static int
told(enum gw_sse_dialect dialect, const char *body)
{
	gw_buf_clear(&out);
	return gw_sse_from_whole(&out, dialect, body, strlen(body));
}

static void
is_told(enum gw_sse_dialect dialect, const char *body, const char *events,
	const char *title)
{
	int rc = told(dialect, body);

	is_int(rc, 1, title);
	is_str(out.data ? out.data : "", events, title);
}

/* How often a text stands in what came out. */
static unsigned
count(const char *what)
{
	unsigned n = 0;

	for (const char *p = out.data; p && (p = strstr(p, what)); p++)
		n++;
	return n;
}

static void
openai(void)
{
	is_told(GW_SSE_OPENAI,
		"{\"id\":\"c\",\"choices\":[{\"message\":{\"role\":\"a\","
		"\"content\":\"x\"},\"logprobs\":{\"l\":1}},{\"index\":7,"
		"\"message\":{\"tool_calls\":[{\"id\":\"t\"},{\"id\":\"u\"}]},"
		"\"finish_reason\":\"tool_calls\"}],\"usage\":{\"u\":1}}",
		"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\","
		"\"choices\":[{\"index\":0,\"delta\":{\"role\":\"a\","
		"\"content\":\"x\"},\"logprobs\":{\"l\":1},"
		"\"finish_reason\":null},{\"index\":7,\"delta\":{"
		"\"tool_calls\":[{\"id\":\"t\",\"index\":0},{\"id\":\"u\","
		"\"index\":1}]},\"finish_reason\":null}]}\n\n"
		"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},"
		"\"finish_reason\":\"stop\"},{\"index\":7,\"delta\":{},"
		"\"finish_reason\":\"tool_calls\"}],\"usage\":{\"u\":1},"
		"\"object\":\"chat.completion.chunk\"}\n\n"
		"data: [DONE]\n\n",
		"whole: a chat of two choices");
	is_told(GW_SSE_OPENAI, "{\"choices\":[{\"text\":\"x\"}]}",
		"data: {\"choices\":[{\"text\":\"x\"}]}\n\ndata: [DONE]\n\n",
		"whole: a completion");
	is_told(GW_SSE_OPENAI, " {\"choices\":[{\"delta\":{}}],\"error\":null}",
		"data: {\"choices\":[{\"delta\":{}}],\"error\":null}\n\n"
		"data: [DONE]\n\n",
		"whole: one chunk alone");
}

static void
anthropic(void)
{
	is_told(GW_SSE_ANTHROPIC,
		"{\"id\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]"
		","
		"\"stop_reason\":\"max_tokens\",\"usage\":{\"output_tokens\":3}"
		"}",
		"event: message_start\ndata: {\"type\":\"message_start\","
		"\"message\":{\"id\":\"m\",\"content\":[],\"stop_reason\":null,"
		"\"usage\":{\"output_tokens\":0},\"stop_sequence\":null}}\n\n"
		"event: content_block_start\ndata: {\"type\":"
		"\"content_block_start\",\"index\":0,\"content_block\":{"
		"\"type\":\"text\",\"text\":\"\"}}\n\n"
		"event: content_block_delta\ndata: {\"type\":"
		"\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
		"\"text_delta\",\"text\":\"x\"}}\n\n"
		"event: content_block_stop\ndata: {\"type\":"
		"\"content_block_stop\",\"index\":0}\n\n"
		"event: message_delta\ndata: {\"type\":\"message_delta\","
		"\"delta\":{\"stop_reason\":\"max_tokens\","
		"\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\n"
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		"whole: a message");
	is_int(told(GW_SSE_ANTHROPIC,
		    "{\"content\":[{\"type\":\"thinking\",\"thinking\":\"h\","
		    "\"signature\":\"s\"},{\"type\":\"tool_use\",\"input\":{"
		    "\"a\":\"b/\"}},{\"type\":\"image\",\"x\":1},{},5]}"),
	       1, "whole: blocks of other types");
	ok(count("\"thinking_delta\",\"thinking\":\"h\"") == 1 &&
		   count("\"signature_delta\",\"signature\":\"s\"") == 1,
	   "whole: thinking and its signature");
	ok(count("\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\\\"b/"
		 "\\\"}\"") == 1 &&
		   count("\"input\":{}") == 1,
	   "whole: the input of a tool as text");
	ok(count("event: content_block_start") == 5 &&
		   count("{\"type\":\"image\",\"x\":1}") == 1,
	   "whole: a block that is not known passes as it is");
}

static void
responses(void)
{
	is_int(told(GW_SSE_RESPONSES,
		    "{\"id\":\"r\",\"status\":\"incomplete\",\"output\":["
		    "{\"type\":\"message\",\"id\":\"i\",\"content\":[{\"type\":"
		    "\"output_text\",\"text\":\"x\"},{\"type\":\"refusal\","
		    "\"refusal\":\"n\"},{\"type\":\"odd\"}]},{\"type\":"
		    "\"function_call\",\"id\":\"f\",\"arguments\":\"{}\"},"
		    "{\"type\":\"reasoning\"}],\"usage\":{\"u\":1}}"),
	       1, "whole: a response");
	ok(count("event: response.created\n") == 1 &&
		   count("event: response.in_progress\n") == 1 &&
		   count("event: response.incomplete\n") == 1,
	   "whole: a response that is not complete says so");
	ok(count("event: response.output_item.added\n") == 3 &&
		   count("event: response.output_item.done\n") == 3 &&
		   count("event: response.content_part.added\n") == 3 &&
		   count("event: response.content_part.done\n") == 3,
	   "whole: each item and part begins and ends");
	ok(count("\"type\":\"response.output_text.delta\",\"item_id\":\"i\","
		 "\"output_index\":0,\"content_index\":0,\"delta\":\"x\"") ==
			   1 &&
		   count("event: response.refusal.done\n") == 1 &&
		   count("\"type\":\"response.function_call_arguments.delta\","
			 "\"item_id\":\"f\",\"output_index\":1,\"delta\":"
			 "\"{}\"") == 1,
	   "whole: what streams comes as a delta and as a whole");
	ok(count("\"usage\":{\"u\":1}") == 1,
	   "whole: usage stands in the last one alone");
	told(GW_SSE_RESPONSES, "{\"status\":\"failed\",\"output\":[]}");
	is_int(count("event: response.failed\n"), 1, "whole: a failed one");
	told(GW_SSE_RESPONSES, "{\"output\":[]}");
	is_int(count("event: response.completed\n"), 1,
	       "whole: no word about it -> completed");
}

static void
none(void)
{
	static const struct {
		enum gw_sse_dialect dialect;
		const char *body;
	} rows[] = {
		{GW_SSE_OPENAI, ""},
		{GW_SSE_OPENAI, "{}"},
		{GW_SSE_OPENAI, "[]"},
		{GW_SSE_OPENAI, "text"},
		{GW_SSE_OPENAI, "{\"choices\":[]}"},
		{GW_SSE_OPENAI, "{\"choices\":{}}"},
		{GW_SSE_OPENAI, "{\"choices\":[5]}"},
		{GW_SSE_OPENAI, "{\"choices\":[null]}"},
		{GW_SSE_OPENAI, "{\"choices\":[{}]}"},
		{GW_SSE_OPENAI, "{\"choices\":[{\"text\":\"x\"}]"},
		{GW_SSE_OPENAI,
		 "{\"choices\":[{\"text\":\"x\"}],\"error\":\"e\"}"},
		{GW_SSE_OPENAI, "{\"content\":[],\"output\":[]}"},
		{GW_SSE_ANTHROPIC, "{\"choices\":[{\"text\":\"x\"}]}"},
		{GW_SSE_ANTHROPIC, "{\"content\":\"x\"}"},
		{GW_SSE_RESPONSES, "{\"output\":\"x\"}"},
		{GW_SSE_RESPONSES, "{\"error\":{\"code\":1},\"output\":[]}"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		ok(told(rows[i].dialect, rows[i].body) == 0 && out.len == 0,
		   "whole: %s -> no answer of this endpoint", rows[i].body);
	}
	is_told(GW_SSE_ANTHROPIC, "event: x\ndata: 1\n\n",
		"event: x\ndata: 1\n\n", "whole: the text of a stream");
}

int
main(void)
{
	openai();
	anthropic();
	responses();
	none();
	gw_buf_release(&out);
	out.max = 10;
	is_int(told(GW_SSE_OPENAI, "{\"choices\":[{\"text\":\"x\"}]}"), -1,
	       "whole: no room -> said");
	gw_buf_release(&out);
	return done_testing();
}
