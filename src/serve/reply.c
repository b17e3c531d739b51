/* SPDX-License-Identifier: MIT */
/*
 * reply.c - writes heads, bodies and ends to the web server, and nobody else
 * does. Decides how an error is told from what was already sent.
 */
#include "serve/reply.h"

#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/line.h"
#include "fcgi/fcgi_conn.h"
#include "serve/request.h"
#include "serve/server_timing.h"
#include "serve/shown.h"
#include "serve/worker.h"
#include "sse/sse.h"

#define HEAD_MAX 8192
#define DOCUMENT_MAX (16u << 20)
#define SMALL_BODY 65536   /* bytes that arrive together with the head */
#define REQUESTED_MAX 1024 /* bytes of a preflight's list of headers */
#define JSON_TYPE "application/json"

/* RFC 9110, section 15: only what this gateway or an upstream may send; the
 * web server shows the number alone for others. */
static const struct {
	int status;
	const char *text;
} reasons[] = {
	{200, "OK"},
	{204, "No Content"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{413, "Content Too Large"},
	{415, "Unsupported Media Type"},
	{426, "Upgrade Required"},
	{429, "Too Many Requests"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{508, "Loop Detected"},
};

static const char *
reason_phrase(int status)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return status < 300 ? "OK" : status < 400 ? "Redirection" : "Error";
}

static int
queue(struct gw_request *r, const void *p, size_t n)
{
	uint64_t now_us;

	if (!r->conn)
		return 0;
	if (gw_fcgi_write(r->conn, p, n) < 0)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
				  "no memory for the answer");
	now_us = gw_mono_us();
	if (!r->reply.first_us)
		r->reply.first_us = now_us;
	r->reply.last_ms = now_us / 1000;
	r->reply.bytes += n;
	return 0;
}

/* What a browser on an allowed origin needs to see. */
static int
cors_headers(const struct gw_request *r, struct gw_buf *b)
{
	if (!r->accept.cors_origin)
		return 0;
	return gw_buf_printf(
		b,
		"Access-Control-Allow-Origin: %s\r\n"
		"Vary: Origin\r\n"
		"Access-Control-Expose-Headers: X-Request-Id, "
		"X-RoleMesh-Model, X-RoleMesh-Node, X-RoleMesh-Attempts, "
		"Retry-After, " GW_SERVER_TIMING_HEADER
		", " GW_RATE_TOLD_NAMES "\r\n",
		r->accept.cors_origin);
}

/* The headers a page wants to send, when they are a list of field names. */
static const char *
requested_headers(const struct gw_request *r)
{
	const char *names =
		gw_fcgi_param(r->conn, "HTTP_ACCESS_CONTROL_REQUEST_HEADERS");
	size_t n = 0;

	if (!names)
		return NULL;
	while (n < REQUESTED_MAX && names[n] &&
	       (isalnum((unsigned char)names[n]) ||
		strchr("!#$%&'*+-.^_`|~, ", names[n])))
		n++;
	return n > 0 && !names[n] ? names : NULL;
}

/*
 * What a page asks for is allowed: its origin is a listed one, what we do not
 * know goes no further, and the clients of OpenAI and others send a dozen
 * headers (x-stainless-...) whose names change with their versions.
 */
static int
preflight_headers(const struct gw_request *r, struct gw_buf *b)
{
	const char *more;

	if (r->accept.method != GW_METHOD_OPTIONS || !r->accept.cors_origin)
		return 0;
	more = requested_headers(r);
	return gw_buf_printf(b,
			     "Access-Control-Allow-Methods: %s\r\n"
			     "Access-Control-Allow-Headers: Authorization, "
			     "Content-Type, X-Api-Key, X-Request-Id, "
			     "anthropic-version, anthropic-beta%s%s\r\n"
			     "Access-Control-Max-Age: 600\r\n",
			     r->accept.allow, more ? ", " : "",
			     more ? more : "");
}

static int
retry_after(const struct gw_err *err, struct gw_buf *b)
{
	unsigned seconds = err->retry_after_s;

	if (!seconds && err->code)
		seconds = gw_err_info(err->code)->retry_after_s;
	return seconds ? gw_buf_printf(b, "Retry-After: %u\r\n", seconds) : 0;
}

static bool
is_operators(const struct gw_request *r)
{
	return r->accept.endpoint &&
	       r->accept.endpoint->flags & GW_EP_OPERATOR;
}

/* What an operator sees stays with whoever showed the key. */
static int
operator_headers(const struct gw_request *r, struct gw_buf *b)
{
	return is_operators(r)
		       ? gw_buf_puts(b, "Cache-Control: no-store\r\n"
					"X-Content-Type-Options: nosniff\r\n")
		       : 0;
}

static int
error_headers(const struct gw_request *r, int status, struct gw_buf *b)
{
	if (status == 401 && r->err.code == GW_ERR_INVALID_API_KEY &&
	    gw_buf_join(b, "WWW-Authenticate: ",
			is_operators(r) ? "Basic" : "Bearer",
			" realm=\"rolemesh\"\r\n", NULL) < 0)
		return -1;
	if (status == 405 && r->accept.allow[0] &&
	    gw_buf_printf(b, "Allow: %s\r\n", r->accept.allow) < 0)
		return -1;
	if (status == 415 && r->err.code == GW_ERR_UNSUPPORTED_ENCODING &&
	    gw_buf_puts(b, "Accept-Encoding: identity\r\n") < 0)
		return -1;
	/* These belong to the upstream's own answer. */
	if (r->relay.content_encoding[0] && !r->err.code &&
	    gw_buf_printf(b, "Content-Encoding: %s\r\n",
			  r->relay.content_encoding) < 0)
		return -1;
	if (r->relay.retry_after[0] && !r->err.code)
		return gw_buf_printf(b, "Retry-After: %s\r\n",
				     r->relay.retry_after);
	return retry_after(&r->err, b);
}

static int
put_number(struct gw_buf *b, uint64_t n)
{
	char text[20];
	struct gw_line l = {.text = text, .cap = sizeof(text)};

	gw_line_uint(&l, n, 1);
	return gw_buf_append(b, text, l.len);
}

static int
route_headers(const struct gw_request *r, struct gw_buf *b)
{
	/* Whoever stands in for the client's model need not be its own. */
	bool shown = r->resolve.model && gw_shown_model(r, r->resolve.model);

	if (shown && gw_buf_join(b, "X-RoleMesh-Model: ",
				 r->resolve.model->alias, "\r\n", NULL) < 0)
		return -1;
	if (r->worker->pipeline->failover && r->forward.attempts &&
	    !r->err.code &&
	    (gw_buf_puts(b, "X-RoleMesh-Attempts: ") < 0 ||
	     put_number(b, r->forward.attempts) < 0 ||
	     gw_buf_puts(b, "\r\n") < 0))
		return -1;
	if (shown && r->target.node_id &&
	    gw_buf_join(b, "X-RoleMesh-Node: ", r->target.node_id, "\r\n",
			NULL) < 0)
		return -1;
	return 0;
}

static int
body_headers(const char *content_type, int64_t length, bool stream,
	     struct gw_buf *b)
{
	if (content_type &&
	    gw_buf_join(b, "Content-Type: ", content_type, "\r\n", NULL) < 0)
		return -1;
	if (length >= 0 &&
	    (gw_buf_puts(b, "Content-Length: ") < 0 ||
	     put_number(b, (uint64_t)length) < 0 || gw_buf_puts(b, "\r\n") < 0))
		return -1;
	if (stream)
		return gw_buf_puts(b, "Cache-Control: no-cache\r\n"
				      "X-Accel-Buffering: no\r\n");
	return 0;
}

/*
 * Apache sends the end of an answer only after it has read the whole request,
 * of which curl and others send no more once they see an error: neither would
 * move. A connection that closes needs no such reading. Small bodies are there
 * already, and keep their connection.
 */
static bool
has_unread_body(const struct gw_request *r)
{
	const char *length, *coding;

	if (r->receive.complete || !r->conn)
		return false;
	length = gw_fcgi_param(r->conn, "CONTENT_LENGTH");
	coding = gw_fcgi_param(r->conn, "HTTP_TRANSFER_ENCODING");
	return coding || (length && strtoll(length, NULL, 10) > SMALL_BODY);
}

static int
connection_headers(const struct gw_request *r, struct gw_buf *b)
{
	/* The answer to an admission is none to the client. */
	if (r->accept.admission ||
	    (!gw_crowd_is(&r->worker->crowd) && !has_unread_body(r)))
		return 0;
	return gw_buf_puts(b, "Connection: close\r\n");
}

int
gw_reply_head(struct gw_request *r, int status, const char *content_type,
	      int64_t length)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(HEAD_MAX);
	bool stream = gw_sse_is_type(content_type);

	if (gw_buf_puts(&b, "Status: ") < 0 ||
	    put_number(&b, (uint64_t)status) < 0 ||
	    gw_buf_join(&b, " ", reason_phrase(status),
			"\r\nX-Request-Id: ", r->accept.id, "\r\n", NULL) < 0 ||
	    body_headers(content_type, length, stream, &b) < 0 ||
	    route_headers(r, &b) < 0 || error_headers(r, status, &b) < 0 ||
	    gw_rate_told_headers(&r->rate, &b) < 0 ||
	    gw_server_timing(r, &b) < 0 ||
	    operator_headers(r, &b) < 0 ||
	    connection_headers(r, &b) < 0 || cors_headers(r, &b) < 0 ||
	    preflight_headers(r, &b) < 0 || gw_buf_puts(&b, "\r\n") < 0)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, 0,
				  "the answer's head is over %d bytes",
				  HEAD_MAX);
	if (queue(r, b.data, b.len) < 0)
		return -1;
	r->reply.committed = true;
	r->reply.status = status;
	return 0;
}

int
gw_reply_early(struct gw_request *r, const char *type)
{
	if (gw_reply_head(r, 200, type, -1) < 0)
		return -1;
	r->reply.early = true;
	return 0;
}

void
gw_reply_goes_on(struct gw_request *r)
{
	r->reply.early = true;
}

int
gw_reply_body(struct gw_request *r, const void *p, size_t n)
{
	if (r->accept.head_only || n == 0)
		return 0;
	return queue(r, p, n);
}

void
gw_reply_end(struct gw_request *r)
{
	if (r->conn)
		gw_fcgi_finish(r->conn);
	r->conn = NULL;
}

void
gw_reply_break(struct gw_request *r)
{
	r->reply.broken = true;
	if (r->conn)
		gw_fcgi_abort(r->conn);
	r->conn = NULL;
}

void
gw_reply_json(struct gw_request *r, int status, struct json_object *doc)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(DOCUMENT_MAX);
	int rc = gw_json_text(doc, &text);

	json_object_put(doc);
	if (rc == 0)
		rc = gw_buf_puts(&text, "\n");
	if (rc == 0)
		rc = gw_reply_head(r, status, JSON_TYPE, (int64_t)text.len);
	if (rc == 0)
		rc = gw_reply_body(r, text.data, text.len);
	if (rc < 0)
		gw_reply_break(r);
	else
		gw_reply_end(r);
}

int
gw_reply_error_event(struct gw_request *r, const struct gw_buf *event)
{
	r->reply.broken = true;
	return gw_reply_body(r, event->data, event->len);
}

/* The one way left to tell a client that has a 200 and part of a stream. */
static void
stream_failure(struct gw_request *r)
{
	gw_auto_buf struct gw_buf event = GW_BUF_INIT(16384);
	const struct gw_err_info *info = gw_err_info(r->err.code);
	struct gw_err err;

	gw_shown_error(r, &err);
	if (gw_sse_error_event(&event, r->accept.endpoint->dialect,
			       &r->relay.sse, info->type, info->code,
			       err.msg) < 0 ||
	    gw_reply_error_event(r, &event) < 0)
		gw_reply_break(r);
	else
		gw_reply_end(r);
}

/* Behind a gateway only a stream that breaks can be gone on with elsewhere: an
 * event would be a part of the answer. What it tells its client is the same. */
static bool
is_gateways_to_tell(const struct gw_request *r)
{
	return !r->worker->pipeline->failover && r->accept.via[0] &&
	       r->relay.opened;
}

void
gw_reply_failure(struct gw_request *r)
{
	struct gw_err err;

	if (!r->conn)
		return;
	gw_shown_error(r, &err);
	if (!r->reply.committed)
		gw_reply_json(r, gw_err_info(err.code)->status,
			      gw_error_document(&err));
	else if (!is_gateways_to_tell(r) &&
		 (r->reply.early ||
		  (r->stream.events && !r->relay.content_encoding[0])))
		stream_failure(r);
	else
		gw_reply_break(r);
}

size_t
gw_reply_backlog(const struct gw_request *r)
{
	return r->conn ? gw_fcgi_backlog(r->conn) : 0;
}
