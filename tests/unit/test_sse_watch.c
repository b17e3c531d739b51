/* SPDX-License-Identifier: MIT */
/*
 * test_sse_watch.c - error events of upstreams, in all their forms, cut
 * anywhere; and text that only speaks of errors.
 */
#include "sse/sse.h"
#include "sse_fixture.h"
#include "tap.h"

static struct gw_sse_watch w;

/* Feeds @text in pieces of @piece bytes. Returns what was found. */
static bool
feed(const char *text, size_t len, size_t piece)
{
	gw_sse_watch_release(&w);
	gw_sse_watch_init(&w);
	for (size_t at = 0; at < len; at += piece)
		gw_sse_watch_feed(&w, text + at,
				  len - at < piece ? len - at : piece);
	return w.found;
}

static void
errors(void)
{
	static const struct {
		const char *text, *word;
	} rows[] = {
		{"data: {\"error\":{\"code\":\"c-1.x\",\"type\":\"t\"}}\n\n",
		 "c-1.x"},
		{"data:{ \"error\" : { \"code\": 503 } }\r\n\r\n", "503"},
		{"data: {\"error\":{\"code\":null,\"type\":\"t\"}}\n\n", "t"},
		{"data: {\"error\":\"of the prompt\"}\n\n", ""},
		{"data: {\"error\":{\"code\":\"two words\"}}\n\n", ""},
		{"data: {\"id\":\"x\",\"error\":{\"type\":\"last\"}}\n\n",
		 "last"},
		{": c\n\ndata: 1\n\nevent: error\ndata: {\"type\":\"error\","
		 "\"error\":{\"type\":\"api_error\"}}\n\n",
		 "api_error"},
		{"event: error\ndata: {\"type\":\"error\",\"code\":\"c\"}\n\n",
		 "c"},
		{"event:error\ndata: no JSON\n\n", ""},
		{"data: {\"type\":\"error\",\"code\":\"c\"}\n\n", "c"},
		{"data: {\"object\":\"error\",\"code\":400}\n\n", "400"},
		{"event: response.failed\ndata: {\"response\":{\"error\":{"
		 "\"code\":\"server_error\"}}}\n\n",
		 "server_error"},
		{"error: {\"code\":500,\"message\":\"m\"}\n\n", "500"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].text);

		ok(feed(rows[i].text, len, len), "watch: %s", rows[i].text);
		is_str(w.word, rows[i].word, "watch: its code");
		ok(feed(rows[i].text, len, 1), "watch: byte by byte");
		is_str(w.word, rows[i].word, "watch: the same code");
	}
}

static void
none(void)
{
	static const char *const rows[] = {
		("data: {\"choices\":[{\"delta\":{\"content\":\"an "
		 "\\\"error\\\": {}\"}}]}\n\n"),
		"data: {\"error\":null,\"choices\":[]}\n\n",
		"data: {\"choices\":[{\"finish_reason\":\"error\"}]}\n\n",
		"data: {\"a\":{\"error\":{}}}\n\n",
		": event: error\n\n",
		"event: errors\ndata: {}\n\n",
		"event: error\n\ndata: {}\n\n",
		"errors: {}\n\n",
		"data: \"error\"\n\n",
		"data: [\"error\"]\n\n",
		"{\"error\":{}}\n\n",
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i]);

		ok(!feed(rows[i], len, len) && !feed(rows[i], len, 3),
		   "watch: no error: %s", rows[i]);
	}
}

static void
recorded(const char *name)
{
	static struct fixture f;

	ok(read_fixture(name, &f) && !feed(f.body, f.len, 1000) &&
		   !feed(f.body, f.len, 1),
	   "watch: %s -> no error", name);
}

/* Errors too long to be seen whole, as different servers write them. */
static void
long_beginnings(void)
{
	static char text[2 * GW_SSE_WATCHED_MAX];
	static const struct {
		const char *begin;
		bool is_error;
	} rows[] = {
		{"data: {\"error\": {\"message\": \"", true},
		{"data:{ \"error\" :\t{\"message\":\"", true},
		{"data: {\"type\": \"error\", \"error\": {\"message\": \"",
		 true},
		{"data: {\"object\":\"error\",\"message\":\"", true},
		{"data: {\"error\": null, \"text\": \"", false},
		{"data: {\"text\": \"error\", \"error\": \"", false},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		memset(text, 'x', sizeof(text));
		memcpy(text, rows[i].begin, strlen(rows[i].begin));
		memcpy(text + sizeof(text) - 5, "\"}}\n\n", 5);
		ok(feed(text, sizeof(text), 1000) == rows[i].is_error,
		   "watch: too long, %s", rows[i].begin);
	}
}

/* The longest line that is seen whole, and one byte more. */
static void
long_lines(void)
{
	static char text[2 * GW_SSE_WATCHED_MAX];
	static const char head[] = "data: {\"error\":{\"code\":\"c\",\"x\":\"";
	size_t n = sizeof(head) - 1;

	memset(text, 'x', sizeof(text));
	memcpy(text, head, n);
	memcpy(text + GW_SSE_WATCHED_MAX - 3, "\"}}\n", 4);
	ok(feed(text, GW_SSE_WATCHED_MAX + 1, 100) && strcmp(w.word, "c") == 0,
	   "watch: a long error");
	memcpy(text + GW_SSE_WATCHED_MAX - 3, "x\"}}\n", 5);
	ok(feed(text, GW_SSE_WATCHED_MAX + 2, 100) && !w.word[0],
	   "watch: a longer one is known by its beginning");
	ok(w.line.cap <= GW_SSE_WATCHED_MAX + 1, "watch: and not kept");
	long_beginnings();
}

/* Only what a line has of its own is searched: a word at each place of it, in
 * lines that are alike but for a part of the word. */
static void
alike(void)
{
	static const char *const others[] = {"errox", "xrror", "erXor", "er",
					     "a-long-one-before"};
	char text[2000];
	unsigned missed = 0, wrong = 0, n = 0;

	for (size_t i = 0; i < GW_ARRAY_LEN(others) * 40 * 40; i++) {
		const char *other = others[i / 1600];
		int before = (int)(i / 40 % 40), behind = (int)(i % 40);
		size_t len = 0;

		for (int k = 0; k < 4; k++) {
			wrong += k && feed(text, len, 1000);
			len += (size_t)snprintf(
				text + len, sizeof(text) - len,
				"data: {\"a\":\"%0*d\",\"%s\":1,\"b\":\"%0*d\"}\n",
				before, k == 1, k < 3 ? other : "error", behind,
				0);
		}
		missed += !feed(text, len, 1000);
		n++;
	}
	ok(n == 8000 && missed == 0,
	   "watch: a word in a line that is like those before it");
	ok(wrong == 0, "watch: and none where there is none");
}

int
main(void)
{
	errors();
	none();
	recorded("chat-stream");
	recorded("chat-tools-stream");
	recorded("completions-stream");
	recorded("messages-stream");
	recorded("responses-stream");
	long_lines();
	alike();
	gw_sse_watch_release(&w);
	return done_testing();
}
