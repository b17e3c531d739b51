/* SPDX-License-Identifier: MIT */
/*
 * answer.c - status line, headers, and answers that are not streamed.
 *
 * Header names, order and connection handling copy llama-server: an error
 * closes the connection, a good answer announces the keep-alive limits.
 */
#include "fake.h"

#include <string.h>

static const struct {
	int status;
	const char *text;
} reasons[] = {
	{200, "OK"},
	{201, "Created"},
	{302, "Found"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{408, "Request Timeout"},
	{413, "Payload Too Large"},
	{429, "Too Many Requests"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
};

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Status";
}

/* Lengths are bounded by the buffer's maximum, far above any real head. */
static int
build_head(struct fake_conn *c, struct gw_buf *b, const char *type,
	   int64_t length)
{
	struct fake_exchange *x = &c->x;
	int bad = gw_buf_printf(b, "HTTP/1.1 %d %s\r\nServer: llama.cpp\r\n",
				x->status, reason_of(x->status));

	if (length < 0)
		bad |= gw_buf_puts(b, "X-Accel-Buffering: no\r\n");
	if (type)
		bad |= gw_buf_printf(b, "Content-Type: %s\r\n", type);
	if (length >= 0)
		bad |= gw_buf_printf(b, "Content-Length: %lld\r\n",
				     (long long)length);
	else if (x->chunked)
		bad |= gw_buf_puts(b, "Transfer-Encoding: chunked\r\n");
	if (x->script.redirect)
		bad |= gw_buf_printf(b, "Location: %s\r\n", x->script.redirect);
	if (x->script.headers) {
		json_object_object_foreach(x->script.headers, name, v)
		{
			bad |= gw_buf_printf(b, "%s: %s\r\n", name,
					     json_object_get_string(v));
		}
	}
	if (x->close_after)
		bad |= gw_buf_puts(b, "Connection: close\r\n\r\n");
	else
		bad |= gw_buf_printf(
			b, "Keep-Alive: timeout=%ld, max=%ld\r\n\r\n",
			c->srv->opt.idle_ms / 1000, c->srv->opt.max_requests);
	return bad;
}

static int
settle_head(struct fake_conn *c, struct gw_buf *b, int status, const char *type,
	    int64_t length)
{
	struct fake_exchange *x = &c->x;

	x->status = status;
	if (status >= 400 || x->script.content_length_lie ||
	    (length < 0 && !x->chunked))
		x->close_after = true;
	if (length >= 0)
		length += x->script.content_length_lie;
	return build_head(c, b, type, length);
}

void
fake_answer_head(struct fake_conn *c, int status, const char *type,
		 int64_t length)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(FAKE_HEADERS_MAX_BYTES);

	if (settle_head(c, &b, status, type, length)) {
		fake_conn_close(c, true);
		return;
	}
	fake_conn_write(c, b.data, b.len);
}

static void
step_reset(struct fake_conn *c)
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
break_soon(struct fake_conn *c, bool reset)
{
	fake_conn_after(c, (double)c->x.script.delay_ms,
			reset ? step_reset : step_end);
}

static void
step_body(struct fake_conn *c)
{
	const struct fake_script *s = &c->x.script;
	int64_t part = s->die_after_bytes >= 0 ? s->die_after_bytes
					       : s->end_after_bytes;
	size_t n = c->x.rest.len;

	if (part >= 0 && (size_t)part < n) {
		fake_conn_write(c, c->x.rest.data, (size_t)part);
		break_soon(c, s->die_after_bytes >= 0);
		return;
	}
	fake_conn_write(c, c->x.rest.data, n);
	fake_conn_done(c);
}

void
fake_answer_body(struct fake_conn *c, int status, const char *type,
		 const char *body, size_t len)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(FAKE_OUT_MAX_BYTES);
	const struct fake_script *s = &c->x.script;
	bool in_parts = s->head_delay_ms || s->die_after_bytes >= 0 ||
			s->end_after_bytes >= 0;

	if (settle_head(c, &b, status, type, (int64_t)len) ||
	    gw_buf_append(in_parts ? &c->x.rest : &b, body, len)) {
		fake_conn_close(c, true);
		return;
	}
	fake_conn_write(c, b.data, b.len);
	if (s->head_delay_ms)
		fake_conn_after(c, (double)s->head_delay_ms, step_body);
	else if (in_parts)
		step_body(c);
	else
		fake_conn_done(c);
}

void
fake_answer_json(struct fake_conn *c, int status, struct json_object *o)
{
	const char *type = c->x.script.content_type;
	size_t len;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		&len);

	fake_answer_body(c, status,
			 type ? type : "application/json; charset=utf-8", text,
			 len);
	json_object_put(o);
}

void
fake_answer_instant(struct fake_conn *c)
{
	struct gw_buf *whole = &c->srv->instant;
	struct json_object *o;
	const char *text;
	size_t len;

	if (whole->len == 0) {
		o = fake_document(c);
		text = json_object_to_json_string_length(
			o, JSON_C_TO_STRING_PLAIN, &len);
		if (settle_head(c, whole, 200, "application/json",
				(int64_t)len) ||
		    gw_buf_append(whole, text, len))
			fake_conn_close(c, true);
		json_object_put(o);
	}
	c->x.status = 200;
	fake_conn_write(c, whole->data, whole->len);
	fake_conn_done(c);
}

void
fake_answer_error(struct fake_conn *c, int status, const char *type,
		  const char *message)
{
	struct json_object *o = json_object_new_object();
	struct json_object *error = json_object_new_object();

	gw_json_set_str(error, "message", message);
	gw_json_set_str(error, "type", type);
	gw_json_set_int(error, "code", status);
	json_object_object_add(o, "error", error);
	fake_answer_json(c, status, o);
}
