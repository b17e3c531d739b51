/* SPDX-License-Identifier: MIT */
/*
 * stream.c - tokens on a timer, and raw replays of recorded answers.
 *
 * One token is one SSE event, one chunk and one write. Deadlines are absolute,
 * so that a stream keeps its rate under load; a client that does not read
 * stops the tokens, as it stops a real server's slot.
 */
#include "fake.h"

#include <limits.h>
#include <string.h>

#include "base/clock.h"

#define TOKEN_STACK_BYTES 4096

static void step_token(struct fake_conn *c);

static void
write_chunk(struct fake_conn *c, const char *p, size_t n)
{
	char small[TOKEN_STACK_BYTES];
	gw_auto_buf struct gw_buf big = GW_BUF_INIT(FAKE_OUT_MAX_BYTES);
	int head = 0;

	if (!c->x.chunked) {
		fake_conn_write(c, p, n);
		return;
	}
	if (n + 32 <= sizeof(small)) {
		head = snprintf(small, sizeof(small), "%zx\r\n", n);
		memcpy(small + head, p, n);
		memcpy(small + head + n, "\r\n", 2);
		fake_conn_write(c, small, (size_t)head + n + 2);
		return;
	}
	if (gw_buf_printf(&big, "%zx\r\n", n) || gw_buf_append(&big, p, n) ||
	    gw_buf_puts(&big, "\r\n")) {
		fake_conn_close(c, true);
		return;
	}
	fake_conn_write(c, big.data, big.len);
}

/* Tokens are due at fixed points in time; a late one does not delay the next
 * unless the client was the reason. */
static void
schedule(struct fake_conn *c, int64_t delay_ms,
	 void (*step)(struct fake_conn *))
{
	uint64_t now = gw_mono_us();

	if (c->fd < 0)
		return;
	if (c->x.script.wait_tokens) {
		fake_conn_on_go(c, step);
		return;
	}
	c->x.next_us += (uint64_t)delay_ms * 1000;
	if (c->x.next_us + 1000000 < now)
		c->x.next_us = now;
	fake_conn_after(
		c,
		c->x.next_us > now ? (double)(c->x.next_us - now) / 1000. : 0.,
		step);
}

/* Text of the next token: its number, or the next word of the echo. */
static int
append_text(struct fake_conn *c, struct gw_buf *b)
{
	struct fake_exchange *x = &c->x;
	const char *p = x->text.data ? x->text.data + x->off : "";
	gw_auto_json struct json_object *word = NULL;
	const char *quoted;
	size_t n = 0;

	if (x->script.tokens >= 0 && !fake_wants_tool(c)) {
		int bad = gw_buf_printf(
			b, "t%lld", (long long)(x->skipped + x->tokens + 1));

		if (x->script.stamp)
			bad |= gw_buf_printf(b, "@%llu",
					     (unsigned long long)gw_mono_ms());
		else if (x->script.stamp_us)
			bad |= gw_buf_printf(b, "@%llu",
					     (unsigned long long)gw_mono_us());
		return bad;
	}
	n = strspn(p, " \t\r\n");
	n += strcspn(p + n, " \t\r\n");
	word = json_object_new_string_len(p, (int)n);
	quoted = json_object_to_json_string_ext(
		word, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	x->off += n;
	return gw_buf_append(b, quoted + 1, strlen(quoted) - 2);
}

static int
pad(struct gw_buf *b, size_t from, int64_t want)
{
	static const char dots[] = "................................";
	int64_t left = want - (int64_t)(b->len - from);
	int bad = 0;

	for (; left > 0 && !bad; left -= (int64_t)sizeof(dots) - 1)
		bad = gw_buf_append(b, dots,
				    left < (int64_t)sizeof(dots) - 1
					    ? (size_t)left
					    : sizeof(dots) - 1);
	return bad;
}

/* The bytes of one tick; the head events travel with the first token. */
static int
build_unit(struct fake_conn *c, struct gw_buf *b, size_t *event_at)
{
	struct fake_exchange *x = &c->x;
	size_t text_at;

	if (x->script.pieces) {
		*event_at = 0;
		return gw_buf_puts(
			b, json_object_get_string(json_object_array_get_idx(
				   x->script.pieces, (size_t)x->tokens)));
	}
	if (x->tokens == 0 && gw_buf_append(b, x->head.data, x->head.len))
		return -1;
	if (x->tokens == x->script.bad_event_after_tokens &&
	    gw_buf_puts(b, "data: {\"id\":\"bad\",\"choices\":[{\"delta\":"
			   "{\"content\": \n\n"))
		return -1;
	*event_at = b->len;
	if (gw_buf_append(b, x->prefix.data, x->prefix.len))
		return -1;
	text_at = b->len;
	if (append_text(c, b) || pad(b, text_at, x->script.big_tokens))
		return -1;
	return gw_buf_append(b, x->suffix.data, x->suffix.len);
}

static void
end_stream(struct fake_conn *c)
{
	if (c->x.head.len && c->x.tokens == 0)
		write_chunk(c, c->x.head.data, c->x.head.len);
	if (c->fd >= 0 && !c->x.script.pieces)
		fake_dialect_end(c, write_chunk);
	if (c->fd >= 0 && c->x.chunked)
		fake_conn_write(c, "0\r\n\r\n", 5);
	fake_conn_done(c);
}

enum end {
	NO_END,
	END_FIN,
	END_RST,
	END_ERROR,
	END_BAD_CHUNK,
	END_SILENCE
};

/* How the stream breaks off here. */
static enum end
breaks_off(const struct fake_exchange *x)
{
	const struct fake_script *s = &x->script;
	const struct {
		enum end end;
		int64_t after;
	} ends[] = {
		{END_RST, s->die_after_tokens},
		{END_FIN, s->end_after_tokens},
		{END_ERROR, s->error_after_tokens},
		{END_BAD_CHUNK, s->bad_chunk_after_tokens},
		{END_SILENCE, s->silent_after_tokens},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(ends); i++)
		if (ends[i].after >= 0 && x->tokens >= ends[i].after)
			return ends[i].end;
	return NO_END;
}

static void
step_die(struct fake_conn *c)
{
	fake_conn_close(c, true);
}

static void
step_end(struct fake_conn *c)
{
	c->x.close_after = true;
	fake_conn_done(c);
}

static void
break_off(struct fake_conn *c, enum end how)
{
	static const char error[] =
		"data: {\"error\":{\"code\":500,\"message\":\"scripted error "
		"event\",\"type\":\"server_error\"}}\n\n";
	static const char bad[] = "nonsense\r\n";

	switch (how) {
	case END_ERROR:
		write_chunk(c, error, sizeof(error) - 1);
		if (c->fd >= 0 && c->x.chunked)
			fake_conn_write(c, "0\r\n\r\n", 5);
		step_end(c);
		break;
	case END_BAD_CHUNK:
		fake_conn_write(c, bad, sizeof(bad) - 1);
		step_end(c);
		break;
	case END_SILENCE:
		if (c->x.script.silent_ms)
			fake_conn_after(c, (double)c->x.script.silent_ms,
					step_end);
		break;
	default:
		fake_conn_close(c, how == END_RST);
	}
}

static void
step_second_half(struct fake_conn *c)
{
	write_chunk(c, c->x.rest.data, c->x.rest.len);
	if (c->fd < 0)
		return;
	gw_buf_clear(&c->x.rest);
	c->x.tokens++;
	c->srv->stats.tokens++;
	schedule(c, c->x.script.delay_ms, step_token);
}

/* Half an event goes out as a chunk of its own; the rest, or the end, later. */
static void
send_half(struct fake_conn *c, const struct gw_buf *unit, size_t event_at,
	  enum end broken)
{
	size_t half = event_at + (unit->len - event_at) / 2;

	if (gw_buf_append(&c->x.rest, unit->data + half, unit->len - half)) {
		fake_conn_close(c, true);
		return;
	}
	write_chunk(c, unit->data, half);
	schedule(c, c->x.script.delay_ms,
		 broken == NO_END    ? step_second_half
		 : broken == END_RST ? step_die
				     : step_end);
}

static void
step_token(struct fake_conn *c)
{
	struct fake_exchange *x = &c->x;
	gw_auto_buf struct gw_buf unit = GW_BUF_INIT(FAKE_OUT_MAX_BYTES);
	enum end broken = breaks_off(x);
	size_t event_at = 0;

	if (c->out.len) {
		/* the client is behind: no new token until it caught up */
		x->next_us = 0;
		c->drained = step_token;
		return;
	}
	if (broken > END_RST ||
	    (broken != NO_END && (!x->script.half_event || x->script.pieces))) {
		break_off(c, broken);
		return;
	}
	if (broken == NO_END && x->tokens >= x->n_tokens) {
		end_stream(c);
		return;
	}
	if (build_unit(c, &unit, &event_at)) {
		fake_conn_close(c, true);
		return;
	}
	if (x->script.half_event) {
		send_half(c, &unit, event_at, broken);
		return;
	}
	write_chunk(c, unit.data, unit.len);
	if (c->fd < 0)
		return;
	x->tokens++;
	c->srv->stats.tokens++;
	schedule(c, x->script.delay_ms, step_token);
}

/* A comment as llama-server writes it while it computes. */
static void
step_ping(struct fake_conn *c)
{
	struct fake_exchange *x = &c->x;

	write_chunk(c, ":\n\n", 3);
	if (++x->pinged < x->script.pings)
		schedule(c, x->script.ping_ms, step_ping);
	else
		schedule(c, x->script.head_delay_ms, step_token);
}

void
fake_stream_start(struct fake_conn *c)
{
	struct fake_exchange *x = &c->x;
	const char *type = x->script.content_type;

	if (x->script.pieces) {
		x->n_tokens =
			(int64_t)json_object_array_length(x->script.pieces);
	} else {
		fake_document_text(c);
		if (!fake_prefill(c))
			return;
		fake_dialect_begin(c);
		if (c->fd < 0)
			return;
		x->n_tokens = x->script.tokens >= 0 && !fake_wants_tool(c)
				      ? x->script.tokens
				      : fake_words(x->text.data);
		x->n_tokens -= x->skipped;
	}
	fake_answer_head(c, 200, type ? type : "text/event-stream", -1);
	x->next_us = gw_mono_us();
	if (x->script.pings)
		schedule(c, x->script.ping_ms, step_ping);
	else if (x->script.head_delay_ms || x->script.wait_tokens)
		schedule(c, x->script.head_delay_ms, step_token);
	else if (c->fd >= 0)
		step_token(c);
}

/* --- replay --- */

static int
load_raw(struct fake_conn *c)
{
	const char *name = c->x.script.raw_file, *folder = c->srv->opt.fixtures;
	gw_auto_file FILE *f = NULL;
	char path[PATH_MAX], chunk[4096];
	size_t n;

	if (name == c->srv->opt.replay)
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", folder ? folder : ".",
			 name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		if (gw_buf_append(&c->x.rest, chunk, n))
			return -1;
	return ferror(f) || c->x.rest.len == 0 ? -1 : 0;
}

static int
on_complete(http_parser *p)
{
	*(bool *)p->data = http_should_keep_alive(p);
	return 0;
}

/* A recording that was cut off ends with its connection. */
static bool
is_reusable(const struct gw_buf *raw)
{
	http_parser_settings settings = {.on_message_complete = on_complete};
	bool reusable = false;
	http_parser p;

	http_parser_init(&p, HTTP_RESPONSE);
	p.data = &reusable;
	http_parser_execute(&p, &settings, raw->data, raw->len);
	return reusable;
}

static void
step_raw(struct fake_conn *c)
{
	struct fake_exchange *x = &c->x;
	size_t left = x->rest.len - x->off, n = left;

	if (x->script.raw_split > 0 && (size_t)x->script.raw_split < n)
		n = (size_t)x->script.raw_split;
	fake_conn_write(c, x->rest.data + x->off, n);
	if (c->fd < 0)
		return;
	x->off += n;
	if (x->off == x->rest.len)
		fake_conn_done(c);
	else if (x->script.wait_tokens)
		fake_conn_on_go(c, step_raw);
	else
		fake_conn_after(c, (double)x->script.raw_delay_ms, step_raw);
}

void
fake_replay_start(struct fake_conn *c)
{
	char message[256];

	if (load_raw(c)) {
		snprintf(message, sizeof(message), "fake: cannot read %s",
			 c->x.script.raw_file);
		fake_answer_error(c, 500, "server_error", message);
		return;
	}
	c->x.status = 200;
	c->x.close_after |= !is_reusable(&c->x.rest);
	step_raw(c);
}
