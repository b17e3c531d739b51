/* SPDX-License-Identifier: MIT */
/*
 * intake.c - request bytes to one complete request, kept as received.
 *
 * http_parser does the grammar; this file stores what it reports and hands a
 * complete request to route.c. One request at a time: bytes behind it wait.
 */
#include "fake.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"

static int
on_url(http_parser *parser, const char *p, size_t n)
{
	struct fake_conn *c = parser->data;

	return gw_buf_append(&c->url, p, n);
}

static int
on_header_field(http_parser *parser, const char *p, size_t n)
{
	struct fake_conn *c = parser->data;

	if (c->in_value && gw_buf_append(&c->headers, "", 1))
		return -1;
	c->in_value = false;
	return gw_buf_append(&c->headers, p, n);
}

static int
on_header_value(http_parser *parser, const char *p, size_t n)
{
	struct fake_conn *c = parser->data;

	if (!c->in_value && gw_buf_append(&c->headers, "", 1))
		return -1;
	c->in_value = true;
	return gw_buf_append(&c->headers, p, n);
}

static int
on_headers_complete(http_parser *parser)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct fake_conn *c = parser->data;

	if (c->in_value && gw_buf_append(&c->headers, "", 1))
		return -1;
	c->in_value = false;
	c->early = fake_turns_script(c->srv)->early_answer;
	if (!c->early && fake_conn_header(c, "Expect"))
		fake_conn_write(c, go_on, sizeof(go_on) - 1);
	return 0;
}

static int
on_body(http_parser *parser, const char *p, size_t n)
{
	struct fake_conn *c = parser->data;

	return gw_buf_append(&c->body, p, n);
}

/* Pausing makes the parser hand back the bytes behind this request. */
static int
on_message_complete(http_parser *parser)
{
	struct fake_conn *c = parser->data;

	c->complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void
bad_request(struct fake_conn *c)
{
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\n"
				     "Content-Length: 0\r\n"
				     "Connection: close\r\n\r\n";

	fake_conn_write(c, answer, sizeof(answer) - 1);
	fake_conn_close(c, false);
}

static void
start_exchange(struct fake_conn *c)
{
	c->requests++;
	c->complete = false;
	fake_exchange_clear(c);
	fake_conn_begin(c);
	c->x.id = ++c->srv->next_id;
	c->x.started_ms = gw_mono_ms();
	c->x.chunked = c->parser.http_major == 1 && c->parser.http_minor > 0;
	c->x.close_after = !http_should_keep_alive(&c->parser) ||
			   c->requests >= (uint64_t)c->srv->opt.max_requests;
	fake_route(c);
}

/* The rest of this request is nothing to us. */
static void
start_early(struct fake_conn *c)
{
	c->early = false;
	c->draining = true;
	start_exchange(c);
	c->x.close_after = true;
}

void
fake_intake(struct fake_conn *c, const char *p, size_t n)
{
	size_t used;

	if (c->draining)
		return;
	if (c->x.active || c->in.len) {
		if (c->in.len + n > FAKE_PIPELINE_MAX_BYTES ||
		    gw_buf_append(&c->in, p, n))
			fake_conn_close(c, true);
		return;
	}
	used = http_parser_execute(&c->parser, &settings, p, n);
	if (c->fd < 0)
		return;
	if (!c->complete) {
		if (HTTP_PARSER_ERRNO(&c->parser) != HPE_OK)
			bad_request(c);
		else if (c->early)
			start_early(c);
		return;
	}
	http_parser_pause(&c->parser, 0);
	if (used < n && gw_buf_append(&c->in, p + used, n - used)) {
		fake_conn_close(c, true);
		return;
	}
	start_exchange(c);
}

/* --- headers --- */

const char *
fake_conn_header(const struct fake_conn *c, const char *name)
{
	const char *p = c->headers.data, *end = p ? p + c->headers.len : p;

	while (p < end) {
		const char *value = p + strlen(p) + 1;

		if (value > end)
			return NULL;
		if (strcasecmp(p, name) == 0)
			return value;
		p = value + strlen(value) + 1;
	}
	return NULL;
}

struct json_object *
fake_conn_headers(const struct fake_conn *c)
{
	struct json_object *list = json_object_new_array();
	const char *p = c->headers.data, *end = p ? p + c->headers.len : p;

	while (p < end) {
		const char *value = p + strlen(p) + 1;
		struct json_object *pair = json_object_new_array();

		json_object_array_add(pair, json_object_new_string(p));
		json_object_array_add(pair, json_object_new_string(
						    value <= end ? value : ""));
		json_object_array_add(list, pair);
		p = value <= end ? value + strlen(value) + 1 : end;
	}
	return list;
}
