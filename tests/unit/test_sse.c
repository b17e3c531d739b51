/* SPDX-License-Identifier: MIT */
/*
 * test_sse.c - where a stream stands, and what is put into it. What error
 * events say is in test_sse_error.c.
 *
 * A plain parser of the WHATWG standard is the judge: for every prefix of the
 * recorded streams, and for every short text of letters and line ends, what the
 * gateway inserts must change no event of the stream and lose none of ours.
 */
#include "sse/sse.h"
#include "sse_fixture.h"
#include "tap.h"

#include <stdint.h>

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

/* ---- comments at the beginning ------------------------------------------- */

static bool
ends_line(char c)
{
	return c == '\n' || c == '\r';
}

/* By the standard: lines end in LF, CR or CRLF; a comment begins with a colon.
 */
static size_t
judge_comments(const char *p, size_t n, bool *event)
{
	size_t at = 0, end;

	*event = false;
	while (at < n) {
		if (!ends_line(p[at]) && p[at] != ':') {
			*event = true;
			return at;
		}
		for (end = at; end < n && !ends_line(p[end]); end++)
			continue;
		if (end == n)
			return at;
		end += p[end] == '\r' && end + 1 < n && p[end + 1] == '\n';
		at = end + 1;
	}
	return at;
}

/* As they come in pieces of @step bytes: what is whole goes, the rest is kept.
 */
static size_t
in_pieces(const char *p, size_t n, size_t first, bool *event)
{
	size_t gone = 0, have = first < n ? first : n;

	for (;;) {
		gone += gw_sse_comments(p + gone, have - gone, event);
		if (*event || have == n)
			return gone;
		have++;
	}
}

static unsigned
wrong_comments(const char *text, size_t n)
{
	bool want_event, event;
	size_t want = judge_comments(text, n, &want_event);
	unsigned wrong = gw_sse_comments(text, n, &event) != want;

	wrong += event != want_event;
	for (size_t first = 1; first <= n; first++) {
		wrong += in_pieces(text, n, first, &event) != want;
		wrong += event != want_event;
	}
	return wrong;
}

static void
test_comments(void)
{
	static const char letters[] = {':', 'd', ' ', '\n', '\r'};
	unsigned wrong = 0, texts = 0;
	char text[8];
	bool event;

	for (size_t n = 0; n <= 7; n++) {
		unsigned all = 1;

		for (size_t i = 0; i < n; i++)
			all *= 5;
		for (unsigned k = 0; k < all; k++) {
			unsigned rest = k;

			for (size_t i = 0; i < n; i++, rest /= 5)
				text[i] = letters[rest % 5];
			wrong += wrong_comments(text, n);
			texts++;
		}
	}
	ok(wrong == 0 && texts == 97656,
	   "comments: every short text, cut anywhere (%u)", texts);
	is_int((long long)gw_sse_comments(": a\r\n\r\n: b\n\ndata", 16, &event),
	       12, "comments: up to the event");
	ok(event, "comments: behind which there is one");
	is_int((long long)gw_sse_comments("\xef\xbb\xbf: a\n", 7, &event), 0,
	       "comments: a byte order mark is left to the client");
	ok(event, "comments: with all behind it");
}

int
main(void)
{
	test_short_texts();
	test_comments();
	test_recorded();
	test_closing();
	return done_testing();
}
