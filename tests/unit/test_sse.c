/* SPDX-License-Identifier: MIT */
/*
 * test_sse.c - where a stream stands, and what is put into it.
 *
 * A plain parser of the WHATWG standard is the judge: for every prefix of the
 * recorded streams, and for every short text of letters and line ends, what the
 * gateway inserts must change no event of the stream and lose none of ours.
 */
#include "tap.h"
#include "upstream/sse.h"
#include "base/json.h"

#include <stdint.h>

#define FIXTURE_MAX (64u << 10)
#define DATA_MAX (GW_SSE_EVENT_MAX + 4096u)

/* ---- the judge ----------------------------------------------------------- */

struct judge {
	unsigned events;    /* dispatched so far */
	uint32_t sum;	    /* of all they said */
	char type[32];	    /* of the last one */
	struct gw_buf data; /* of the one being read */
	struct gw_buf last; /* of the last one */
	char pending_type[32];
	bool between; /* the last line was blank, or there was none */
};

static void
sum_up(uint32_t *sum, const char *p, size_t n)
{
	while (n-- > 0)
		*sum = (*sum ^ (unsigned char)*p++) * 16777619u;
}

static void
dispatch(struct judge *j)
{
	if (j->data.len) {
		j->events++;
		sum_up(&j->sum, j->pending_type, strlen(j->pending_type) + 1);
		sum_up(&j->sum, j->data.data, j->data.len);
		memcpy(j->type, j->pending_type, sizeof(j->type));
		gw_buf_clear(&j->last);
		if (gw_buf_append(&j->last, j->data.data, j->data.len - 1) < 0)
			abort();
	}
	gw_buf_clear(&j->data);
	j->pending_type[0] = '\0';
}

static void
field(struct judge *j, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	size_t name = colon ? (size_t)(colon - line) : n;
	size_t skip = name + (colon != NULL);

	skip += skip < n && line[skip] == ' ';
	if (name == 4 && memcmp(line, "data", 4) == 0) {
		if (gw_buf_append(&j->data, line + skip, n - skip) < 0 ||
		    gw_buf_append(&j->data, "\n", 1) < 0)
			abort();
	} else if (name == 5 && memcmp(line, "event", 5) == 0) {
		snprintf(j->pending_type, sizeof(j->pending_type), "%.*s",
			 (int)(n - skip), line + skip);
	}
}

/* Reads a whole stream; release the buffers afterwards. */
static void
judge(const char *p, size_t n, struct judge *j)
{
	size_t at = 0, line;

	memset(j, 0, sizeof(*j));
	gw_buf_init(&j->data, DATA_MAX);
	gw_buf_init(&j->last, DATA_MAX);
	j->between = true;
	while (at < n) {
		line = at;
		while (at < n && p[at] != '\n' && p[at] != '\r')
			at++;
		j->between = at == line;
		if (at == n)
			break; /* a line without end says nothing */
		if (at == line)
			dispatch(j);
		else
			field(j, p + line, at - line);
		at += p[at] == '\r' && at + 1 < n && p[at + 1] == '\n' ? 2 : 1;
	}
}

static void
judge_release(struct judge *j)
{
	gw_buf_release(&j->data);
	gw_buf_release(&j->last);
}

/* ---- what is judged ------------------------------------------------------ */

/* Feeds @p in steps of @step bytes. */
static void
feed(struct gw_sse *s, const char *p, size_t n, size_t step)
{
	size_t at, take;

	gw_sse_init(s);
	for (at = 0; at < n; at += take) {
		take = step < n - at ? step : n - at;
		gw_sse_feed(s, p + at, take);
	}
}

/* The prefix of @n bytes: is it classified right, however it arrived? */
static bool
position_right(const char *p, size_t n)
{
	struct gw_sse s;
	struct judge j;
	size_t step;
	bool pass = true;

	judge(p, n, &j);
	for (step = 1; step <= 5; step++) {
		feed(&s, p, n, step == 5 && n ? n : step);
		pass = pass && gw_sse_between_events(&s) == j.between &&
		       gw_sse_started(&s) == (n > 0);
	}
	judge_release(&j);
	return pass;
}

/* A comment at @at changes nothing, an error there is heard. */
static bool
insertion_right(const char *p, size_t at, size_t n)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(DATA_MAX);
	struct judge plain, with, cut;
	struct gw_sse s;
	bool pass = true;

	feed(&s, p, at, at + 1);
	judge(p, n, &plain);
	judge(p, at, &cut);
	if (gw_buf_append(&text, p, at) < 0)
		abort();
	if (gw_sse_between_events(&s)) {
		if (gw_buf_puts(&text, GW_SSE_KEEPALIVE) < 0 ||
		    gw_buf_append(&text, p + at, n - at) < 0)
			abort();
		judge(text.data, text.len, &with);
		pass = with.events == plain.events && with.sum == plain.sum;
		judge_release(&with);
		text.len = at;
	}
	if (gw_sse_error_event(&text, GW_SSE_RESPONSES, &s, "t", "c", "m") < 0)
		abort();
	judge(text.data, text.len, &with);
	/* The event that was cut may be heard, too, but only before ours. */
	pass = pass && strcmp(with.type, "error") == 0 && with.last.data &&
	       strcmp(with.last.data,
		      "{\"type\":\"error\",\"code\":\"c\",\"message\":\"m\","
		      "\"param\":null,\"sequence_number\":0}") == 0 &&
	       with.events - cut.events >= 1 && with.events - cut.events <= 2 &&
	       (!gw_sse_between_events(&s) || with.events == cut.events + 1);
	judge_release(&with);
	judge_release(&plain);
	judge_release(&cut);
	return pass;
}

/* Every text of up to 7 bytes out of these. */
static void
test_short_texts(void)
{
	static const char letters[] = {'a', '\n', '\r'};
	char text[8], stream[16];
	unsigned wrong = 0, lost = 0, len, code, left, i;
	int n;

	for (len = 0, code = 0; len <= 7;) {
		for (i = 0, left = code; i < len; i++, left /= 3)
			text[i] = letters[left % 3];
		if (left) { /* all texts of this length were tried */
			len++;
			code = 0;
			continue;
		}
		wrong += !position_right(text, len);
		n = snprintf(stream, sizeof(stream), "data:%.*s\n\n", (int)len,
			     text);
		for (i = 0; i <= len + 5; i++)
			lost += !insertion_right(stream, i, (size_t)n);
		code++;
	}
	is_int(wrong, 0, "sse: any short text -> position is right");
	is_int(lost, 0, "sse: any short text -> events are kept");
}

/* ---- recorded answers ---------------------------------------------------- */

struct fixture {
	char raw[FIXTURE_MAX];
	char body[FIXTURE_MAX];
	size_t len; /* of body */
};

static bool
dechunk(struct fixture *f, const char *p, const char *end)
{
	char *rest;
	size_t size;

	f->len = 0;
	while (p < end) {
		size = strtoul(p, &rest, 16);
		p = rest + 2;
		if (size == 0 || p + size > end)
			break; /* recorded streams may have been cut off */
		memcpy(f->body + f->len, p, size);
		f->len += size;
		p += size + 2;
	}
	return f->len > 0;
}

static bool
read_fixture(const char *name, struct fixture *f)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];
	const char *head_end;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/tests/fixtures/upstream/%s.http",
		 srcdir ? srcdir : ".", name);
	file = fopen(path, "rb");
	if (!file)
		return false;
	n = fread(f->raw, 1, sizeof(f->raw) - 1, file);
	fclose(file);
	f->raw[n] = '\0';
	head_end = strstr(f->raw, "\r\n\r\n");
	if (!head_end)
		return false;
	head_end += 4;
	if (strstr(f->raw, "Transfer-Encoding: chunked"))
		return dechunk(f, head_end, f->raw + n);
	f->len = n - (size_t)(head_end - f->raw);
	memcpy(f->body, head_end, f->len);
	return f->len > 0;
}

static void
test_recorded(void)
{
	static const char *const names[] = {
		"chat-stream",	     "chat-stream-usage",
		"chat-tools-stream", "completions-stream",
		"messages-stream",   "responses-stream",
		"sigkill-midstream", "router-child-killed-midstream",
	};
	static struct fixture f;
	size_t i, at;

	for (i = 0; i < GW_ARRAY_LEN(names); i++) {
		unsigned wrong = 0, lost = 0;
		bool found = read_fixture(names[i], &f);

		/* Judging every prefix is quadratic: some events must do. */
		if (f.len > 2500)
			f.len = 2500;
		for (at = 0; found && at <= f.len; at++) {
			wrong += !position_right(f.body, at);
			if (at % 5 == 0 || (at && f.body[at - 1] == '\n'))
				lost += !insertion_right(f.body, at, f.len);
		}
		ok(found && wrong == 0, "sse: %s -> every position is right",
		   names[i]);
		ok(found && lost == 0, "sse: %s -> every insertion is right",
		   names[i]);
	}
}

/* ---- error events -------------------------------------------------------- */

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
test_closing(void)
{
	static const char *const streams[] = {"data: {\"a", "data: x\n",
					      "data: x\n\n"};
	static const char *const closed[] = {"\n\ndata: {", "\n\ndata: {",
					     "data: {"};
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(streams); i++) {
		gw_auto_buf struct gw_buf out = GW_BUF_INIT(1000);
		struct gw_sse s;

		feed(&s, streams[i], strlen(streams[i]), 3);
		ok(gw_sse_error_event(&out, GW_SSE_OPENAI, &s, "t", "c", "m") ==
				   0 &&
			   strncmp(out.data, closed[i], strlen(closed[i])) == 0,
		   "sse: half event %zu -> closed before the error", i);
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

	test_short_texts();
	test_recorded();
	test_error_event();
	test_closing();
	test_no_room();
	test_words();
	for (i = 0; i < GW_ARRAY_LEN(answers); i++)
		test_answer(&answers[i]);
	test_long_messages();
	return done_testing();
}
