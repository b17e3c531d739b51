/* SPDX-License-Identifier: MIT */
/*
 * test_tokens.c - what upstreams say about their tokens is found wherever it
 * stands and however it arrives; what models say about tokens is not.
 */
#include "base/cleanup.h"
#include "sse/sse.h"
#include "sse/tokens.h"
#include "sse_fixture.h"
#include "tap.h"

/* "PROMPT COMPLETION CACHED", - for what was not told */
static const char *
text_of(const struct gw_tokens *t)
{
	static char text[100];
	struct gw_tokens_told told = gw_tokens_told(t);
	char cached[30] = "-";

	if (told.cached_told)
		snprintf(cached, sizeof(cached), "%llu",
			 (unsigned long long)told.cached);
	if (told.told)
		snprintf(text, sizeof(text), "%llu %llu %s",
			 (unsigned long long)told.prompt,
			 (unsigned long long)told.completion, cached);
	else
		snprintf(text, sizeof(text), "- - %s", cached);
	return text;
}

/* The same, of a document that comes @step bytes at a time. */
static const char *
said(const char *text, size_t len, size_t step)
{
	struct gw_tokens t = {0};
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		n = step < len - at ? step : len - at;
		gw_tokens_feed(&t, text + at, n);
	}
	return text_of(&t);
}

static const char *
streamed(const char *text, size_t len, size_t step)
{
	struct gw_sse_watch w;
	const char *told;
	size_t n;

	gw_sse_watch_init(&w);
	for (size_t at = 0; at < len; at += n) {
		n = step < len - at ? step : len - at;
		gw_sse_watch_feed(&w, text + at, n);
	}
	told = text_of(&w.tokens);
	gw_sse_watch_release(&w);
	return told;
}

/* It is all the same how it is cut. */
static void
each_way(const char *(*how)(const char *, size_t, size_t), const char *text,
	 size_t len, const char *want, const char *title)
{
	const char *told;
	bool same = true;

	for (size_t step = 1; step < 20; step++)
		same &= strcmp(how(text, len, step), want) == 0;
	told = how(text, len, len + 1);
	ok(same && strcmp(told, want) == 0, "tokens: %s -> %s", title, told);
}

static void
documents(void)
{
	static const struct {
		const char *text, *want, *title;
	} rows[] = {
		{"{\"usage\":{\"prompt_tokens\":18,\"completion_tokens\":8,"
		 "\"total_tokens\":26,\"prompt_tokens_details\":{"
		 "\"cached_tokens\":17,\"audio_tokens\":99}}}",
		 "18 8 17", "usage of a chat"},
		{"{\"timings\":{\"cache_n\":8,\"prompt_n\":1,"
		 "\"predicted_n\":5,\"predicted_ms\":7.5}}",
		 "9 5 8", "timings: the prompt is both of its parts"},
		{"{\"usage\":{\"input_tokens\":9,\"output_tokens\":3,"
		 "\"input_tokens_details\":{\"cached_tokens\":1}}}",
		 "9 3 1", "usage of a response"},
		{"{\"usage\":{\"cache_read_input_tokens\":8,"
		 "\"cache_creation_input_tokens\":100,\"input_tokens\":1,"
		 "\"output_tokens\":16}}",
		 "109 16 8",
		 "usage of a message: the prompt is in three parts"},
		{"{\"type\":\"message_start\",\"message\":{\"usage\":{"
		 "\"input_tokens\":4,\"output_tokens\":1}}}",
		 "4 1 -", "usage of a message that begins"},
		{"{\"response\":{\"output\":[{\"a\":[{}]}],\"usage\":{"
		 "\"input_tokens\":4,\"output_tokens\":1}}}",
		 "4 1 -", "usage in an event of a response"},
		{"{\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}",
		 "3 0 -", "usage of embeddings"},
		{"{\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":2},"
		 "\"timings\":{\"cache_n\":3,\"prompt_n\":1,"
		 "\"predicted_n\":9}}",
		 "20 2 3", "both: usage, and the larger part from the cache"},
		{"{\"timings\":{\"cache_n\":3},\"usage\":{\"prompt_tokens\":5,"
		 "\"prompt_tokens_details\":{\"cached_tokens\":0}}}",
		 "5 0 3", "... in any order"},
		{" {\n\t\"usage\" : {\r\n \"prompt_tokens\" :\t4 , "
		 "\"completion_tokens\": 2 } } ",
		 "4 2 -", "with blanks"},
		{"{\"usage\":{\"cached_tokens\":0}}", "- - 0",
		 "nothing was cached"},
		{"{\"usage\":{\"completion_tokens\":123456789012345}}",
		 "0 123456789012345 -", "as many digits as a number may have"},
		{"{\"usage\":{\"completion_tokens\":1234567890123456}}",
		 "- - -", "one more"},
		{"{\"usage\":null,\"timings\":[]}", "- - -", "null, a list"},
		{"{\"usage\":{\"prompt_tokens\":null,\"completion_tokens\":"
		 "\"5\",\"cached_tokens\":-5,\"input_tokens\":5.5,"
		 "\"output_tokens\":5e3,\"cache_read_input_tokens\":[6],"
		 "\"cache_creation_input_tokens\":{\"prompt_tokens\":7}}}",
		 "- - -", "no whole numbers"},
		{"{\"usage\":{\"prompt_tokens\":5", "- - -",
		 "cut off in the number"},
		{"{\"usage\":{\"x\":\"prompt_tokens\",\"output_tokens\":6}}",
		 "0 6 -", "a value that is a name"},
		{"{\"usage\":{\"a_long_name_that_has_nothing_to_do_with_"
		 "tokens\":1,\"completion_token\":5,\"completion_tokens_\":6,"
		 "\"\\u0063ompletion_tokens\":7}}",
		 "- - -", "other names"},
		{"{\"input_tokens\":10}", "- - -", "a count of tokens"},
		{"{\"cached_tokens\":5,\"cache_n\":6}", "- - -",
		 "names where they have no business"},
		{"", "- - -", "nothing"},
		{"no JSON: }}]]\" {", "- - -", "no JSON"},
		{"]}{\"usage\":{\"prompt_tokens\":5}}", "5 0 -",
		 "behind ends without a beginning"},
		/* What a model says. */
		{"{\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":5,\"}",
		 "- - -", "a text that says so"},
		{"{\"choices\":[{\"usage\":{\"prompt_tokens\":5}}],"
		 "\"usage\":{\"prompt_tokens\":6}}",
		 "6 0 -", "within the answer -> not it"},
		{"{\"content\":[{\"type\":\"tool_use\",\"input\":{\"usage\":{"
		 "\"output_tokens\":99}}}],\"usage\":{\"output_tokens\":2}}",
		 "0 2 -", "what a tool is called with -> not it"},
		{"{\"message\":{\"message\":{\"usage\":{\"output_tokens\":9}}}"
		 "}",
		 "- - -", "deeper -> not it"},
		{"{\"content\":\"\\\\\",\"usage\":{\"prompt_tokens\":5}}",
		 "5 0 -", "behind a text that ends with a backslash"},
		{"{\"content\":\"\\\\\\\"\",\"usage\":{\"prompt_tokens\":5}}",
		 "5 0 -", "... and with a quote"},
		{"{\"data\":[{\"embedding\":[-0.12,1e-05,3],\"x\":\"}\"},"
		 "{\"embedding\":[0.1234567890123456,2,3,4,5,6]}],"
		 "\"usage\":{\"prompt_tokens\":5}}",
		 "5 0 -", "behind many numbers"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		each_way(said, rows[i].text, strlen(rows[i].text), rows[i].want,
			 rows[i].title);
}

/* As deep as JSON is let through, and far deeper. */
static void
deep(void)
{
	static const char deepest[] =
		"{\"response\":{\"usage\":{\"input_tokens_details\":{"
		"\"cached_tokens\":5,\"x\":{\"y\":{}}}}}}";
	static char text[2 * 5000 + 100];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"a\":");

	memset(text + n, '[', 5000);
	memset(text + n + 5000, ']', 5000);
	n += 10000;
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      ",\"usage\":{\"prompt_tokens\":5}}");
	is_str(said(text, n, 7), "5 0 -", "tokens: behind 5000 lists");
	is_int(GW_TOKENS_DEPTH_MAX, 5, "tokens: depth that is looked at");
	is_str(said(deepest, strlen(deepest), 90), "- - 5",
	       "tokens: as deep as they may stand");
}

static void
streams(void)
{
	static const struct {
		const char *text, *want, *title;
	} rows[] = {
		{"event: message_start\ndata: {\"message\":{\"usage\":{"
		 "\"cache_read_input_tokens\":8,\"input_tokens\":1,"
		 "\"output_tokens\":1}}}\n\nevent: message_delta\n"
		 "data:{\"usage\":{\"output_tokens\":16}}\n\n",
		 "9 16 8", "a message's numbers come in two events"},
		{"data: {\"x\":{}}\r\n\r\ndata: {\"usage\":{\"prompt_tokens\":"
		 "2}}\r\n\r\n",
		 "2 0 -", "lines that end in CRLF"},
		{"data: {\"usage\":null}\n\ndata: {\"usage\": {"
		 "\"prompt_tokens\":2}}\n\n",
		 "2 0 -", "null until the last event"},
		{"data: {\"object\":\"usage\",\"usage\":{"
		 "\"completion_tokens\":2}}\n\n",
		 "0 2 -", "a value of that name before it"},
		{"data: {\"usage\":{\"completion_tokens\":1}}\n\n"
		 "data: {\"usage\":{\"completion_tokens\":2}}\n\n",
		 "0 2 -", "in every event: the last one counts"},
		{"data: {\"choices\":[{\"x\":\"\n\n"
		 "data: {\"usage\":{\"completion_tokens\":2}}\n\n",
		 "0 2 -", "behind an event that is broken"},
		{": {\"usage\":{\"completion_tokens\":2}}\n\n", "- - -",
		 "a comment"},
		{"data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":"
		 "{\\\"prompt_tokens\\\":5}\"}}]}\n\n",
		 "- - -", "a model that says so"},
		{"data: {\"usage\":{\"completion_tokens\":2}}", "- - -",
		 "a line that does not end"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		each_way(streamed, rows[i].text, strlen(rows[i].text),
			 rows[i].want, rows[i].title);
}

/* /v1/responses ends with an event that has all of the answer in it. */
static void
long_lines(void)
{
	static const char tail[] = "\"},\"usage\":{\"input_tokens\":7,"
				   "\"output_tokens\":9}}\n\n"
				   "data: {\"timings\":{\"cache_n\":1}}\n\n";
	static char text[3 * GW_SSE_WATCHED_MAX];
	size_t end = sizeof(text) - sizeof(tail) + 1;

	for (size_t i = 0; i < 2; i++) {
		memset(text, 'x', sizeof(text));
		memcpy(text,
		       i ? ":ata: {\"a\":{\"b\":\"" : "data: {\"a\":{\"b\":\"",
		       17);
		memcpy(text + end, tail, sizeof(tail) - 1);
		each_way(streamed, text, sizeof(text), i ? "- - 1" : "7 9 1",
			 i ? "a long comment" : "at the end of a long line");
	}
	/* What would be one, were it not a comment. */
	memset(text, 'x', sizeof(text));
	text[0] = ':';
	memcpy(text + end, "{\"usage\":{\"prompt_tokens\":5}}\n", 31);
	each_way(streamed, text, end + 31, "- - -",
		 "a document in a long comment");
	/* The longest that is kept, and one byte more. */
	memcpy(text, "data: {\"a\":{\"b\":\"", 17);
	for (size_t more = 0; more < 2; more++) {
		size_t n = GW_SSE_WATCHED_MAX + more;
		size_t usage = strcspn(tail, "\n");

		memset(text + 17, 'x', n - 17);
		memcpy(text + n - usage, tail, usage + 1);
		ok(strcmp(streamed(text, n + 1, 1000), "7 9 -") == 0,
		   "tokens: in a line of %zu bytes", n);
	}
}

static void
recorded(const char *name, bool stream, const char *want)
{
	static struct fixture f;

	ok(read_fixture(name, &f), "tokens: %s is there", name);
	each_way(stream ? streamed : said, f.body, f.len, want, name);
}

int
main(void)
{
	documents();
	deep();
	streams();
	long_lines();
	recorded("chat", false, "18 32 0");
	recorded("completions", false, "3 8 1");
	recorded("messages", false, "9 16 8");
	recorded("responses", false, "9 16 1");
	recorded("emb-openai", false, "3 0 -");
	recorded("messages-count", false, "- - -");
	recorded("err-bad-json", false, "- - -");
	recorded("chat-stream", true, "18 32 17");
	recorded("chat-stream-usage", true, "18 8 17");
	recorded("completions-stream", true, "3 8 2");
	recorded("messages-stream", true, "9 8 8");
	recorded("responses-stream", true, "9 8 8");
	recorded("sigkill-midstream", true, "- - -");
	return done_testing();
}
