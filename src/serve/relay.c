/* SPDX-License-Identifier: MIT */
/* relay.c - from transfer events to the client's bytes; decides no answer. */
#include "serve/relay.h"

#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "fcgi/fcgi_conn.h"
#include "serve/deadline.h"
#include "serve/relay_bytes.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "upstream/coding.h"
#include "upstream/transfer.h"

#define URL_MAX (4096u + GW_PATH_MAX)
#define HEADER_LINE_MAX 4096

/* Request headers that go upstream, when the client sent them. */
static const struct {
	const char *param, *name;
} forwarded[] = {
	{"HTTP_ACCEPT", "Accept"},
	{"HTTP_USER_AGENT", "User-Agent"},
	{"HTTP_TRACEPARENT", "traceparent"},
	{"HTTP_TRACESTATE", "tracestate"},
	{"HTTP_ANTHROPIC_VERSION", "anthropic-version"},
	{"HTTP_ANTHROPIC_BETA", "anthropic-beta"},
};

#define HEADERS_MAX (GW_ARRAY_LEN(forwarded) + 3)

/* ---- transfer events ----------------------------------------------------- */

static bool
may_send(void *arg)
{
	const struct gw_request *r = arg;
	const struct gw_pipeline *p = r->worker->pipeline;

	return !p->may_send || p->may_send(r);
}

static void
on_connected(void *arg)
{
	struct gw_request *r = arg;

	r->relay.connected_us = gw_mono_us();
	r->phase = GW_PHASE_FIRST_BYTE;
	gw_deadline_update(r);
}

static void
on_head(void *arg, const struct gw_transfer_head *head)
{
	struct gw_request *r = arg;

	r->relay.head = true;
	r->relay.status = head->status;
	r->relay.content_length = head->content_length;
	gw_copy_text(r->relay.content_type, sizeof(r->relay.content_type),
		     head->content_type);
	gw_copy_text(r->relay.content_encoding,
		     sizeof(r->relay.content_encoding), head->content_encoding);
	gw_copy_text(r->relay.retry_after, sizeof(r->relay.retry_after),
		     head->retry_after);
	r->relay.is_sse = gw_sse_is_type(r->relay.content_type);
	gw_pipeline_resume(r);
}

static bool
may_leave(void *arg)
{
	const struct gw_request *r = arg;
	const struct gw_pipeline *p = r->worker->pipeline;

	return p->may_leave && p->may_leave(r);
}

/* An end is no answer where there is none yet, nor where a stream of events was
 * promised. */
static bool
is_no_answer(const struct gw_request *r)
{
	return !r->relay.head || (r->relay.is_sse && r->relay.status == 200 &&
				  !r->relay.first && r->resolve.wants_stream);
}

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct gw_request *r = arg;

	if (result == GW_TRANSFER_OK && is_no_answer(r))
		result = GW_TRANSFER_CLOSED;
	if (result == GW_TRANSFER_OK && r->relay.opened && r->relay.coding &&
	    !gw_coding_is_whole(r->relay.coding))
		result = GW_TRANSFER_BROKEN;
	if (r->relay.head && !r->relay.opened)
		gw_relay_note(r); /* its end, where it is held */
	r->relay.transfer = NULL;
	r->relay.done = true;
	r->relay.failure = (int)result;
	gw_copy_text(r->relay.reason, sizeof(r->relay.reason), detail);
	gw_pipeline_resume(r);
}

static const struct gw_transfer_ops ops = {
	.may_send = may_send,
	.on_connected = on_connected,
	.on_head = on_head,
	.on_data = gw_relay_take,
	.may_leave = may_leave,
	.on_done = on_done,
};

/* ---- start --------------------------------------------------------------- */

static size_t
read_body(void *arg, uint64_t offset, char *out, size_t cap)
{
	return gw_body_forward_read(arg, (size_t)offset, out, cap);
}

struct header_lines {
	const char *line[HEADERS_MAX];
	size_t n;
	struct gw_buf text; /* the lines, each with its '\0' */
	size_t at[HEADERS_MAX];
};

static int
add_line(struct header_lines *h, const char *name, const char *value)
{
	/* An over-long value is not forwarded; cutting it would change it. */
	if (!value || !*value || strlen(value) > HEADER_LINE_MAX - 64)
		return 0;
	h->at[h->n++] = h->text.len;
	if (gw_buf_join(&h->text, name, ": ", value, NULL) < 0)
		return -1;
	return gw_buf_append(&h->text, "", 1);
}

static int
collect_headers(struct gw_request *r, struct header_lines *h)
{
	const char *type = gw_fcgi_param(r->conn, "CONTENT_TYPE");
	char via[GW_VIA_BYTES];

	gw_via_add(r->accept.via, r->worker->via, via);
	if (add_line(h, "Content-Type",
		     type && *type ? type : "application/json") < 0 ||
	    add_line(h, "X-Request-Id", r->accept.id) < 0 ||
	    add_line(h, GW_VIA_HEADER, via) < 0)
		return -1;
	for (size_t i = 0; i < GW_ARRAY_LEN(forwarded); i++)
		if (add_line(h, forwarded[i].name,
			     gw_fcgi_param(r->conn, forwarded[i].param)) < 0)
			return -1;
	for (size_t i = 0; i < h->n; i++)
		h->line[i] = h->text.data + h->at[i];
	return 0;
}

static int
start(struct gw_request *r)
{
	struct header_lines headers = {
		.text = GW_BUF_INIT(HEADERS_MAX * HEADER_LINE_MAX)};
	gw_auto_buf struct gw_buf url = GW_BUF_INIT(URL_MAX);
	struct gw_transfer_request req = {
		.bearer = r->target.api_key,
		.post = true,
		.body = gw_body_forward_flat(r->receive.body),
		.body_len = gw_body_forward_len(r->receive.body),
		.read = read_body,
		.read_arg = r->receive.body,
		.tls = r->target.tls,
		.trickles = r->resolve.wants_stream,
		.connect_ms = r->resolve.model->timeouts.connect_ms,
	};

	r->phase = GW_PHASE_CONNECT;
	gw_fcgi_limit_client(r->conn,
			     r->resolve.model->timeouts.client_idle_ms);
	r->relay.connected_us = r->relay.last_ms = 0;
	gw_deadline_begin(r);
	if (gw_buf_join(&url, r->target.base_url, r->accept.endpoint->path,
			NULL) < 0 ||
	    collect_headers(r, &headers) < 0) {
		gw_buf_release(&headers.text);
		return gw_err_set(&r->err, GW_ERR_INTERNAL, 0,
				  "the upstream request is too large");
	}
	req.url = url.data;
	req.headers = headers.line;
	req.n_headers = headers.n;
	r->relay.transfer =
		gw_transfer_start(r->worker->upstreams, &req, &ops, r, &r->err);
	gw_buf_release(&headers.text);
	if (!r->relay.transfer)
		return -1;
	gw_deadline_update(r);
	return 0;
}

int
gw_relay_start(struct gw_request *r)
{
	if (start(r) == 0)
		return 0;
	r->relay.done = true;
	r->relay.failure = GW_TRANSFER_INTERNAL;
	gw_copy_text(r->relay.reason, sizeof(r->relay.reason), r->err.msg);
	return -1;
}

void
gw_relay_leave(struct gw_request *r, enum gw_transfer_result result)
{
	gw_transfer_leave(r->relay.transfer, result);
}

void
gw_relay_cancel(struct gw_request *r, enum gw_transfer_result result)
{
	if (r->relay.transfer)
		gw_transfer_cancel(r->relay.transfer);
	r->relay.transfer = NULL;
	r->relay.done = true;
	r->relay.failure = (int)result;
	r->relay.reason[0] = '\0';
}

/* All but where the client's own stream stands. */
void
gw_relay_reset(struct gw_request *r)
{
	struct gw_sse sse = r->relay.sse;

	gw_buf_release(&r->relay.held);
	gw_coding_free(r->relay.coding);
	gw_sse_watch_release(&r->relay.watch);
	gw_relayed_init(&r->relay);
	r->relay.sse = sse;
	gw_deadline_stop(r);
}

void
gw_relay_writable(struct gw_request *r)
{
	if (!r->relay.paused || !r->relay.transfer)
		return;
	r->relay.paused = false;
	r->relay.last_ms = gw_mono_ms();
	gw_deadline_update(r);
	gw_transfer_resume(r->relay.transfer); /* may end the request */
}

/* ---- failure ------------------------------------------------------------- */

const char *
gw_relay_key_place(const struct gw_request *r, char *out, size_t cap)
{
	if (r->target.key_place)
		return r->target.key_place;
	snprintf(out, cap, "models.%s.api_key", r->resolve.model->alias);
	return out;
}

void
gw_relay_failure(struct gw_request *r)
{
	enum gw_transfer_result result =
		(enum gw_transfer_result)r->relay.failure;
	bool key = result == GW_TRANSFER_KEY_REFUSED;
	char detail[256], model[300], node[160], place[300];

	if (result == GW_TRANSFER_CONNECT_TIMEOUT) {
		gw_limit_error(r, GW_LIMIT_CONNECT);
		return;
	}
	gw_err_set(&r->err, gw_transfer_code(result), 0,
		   "the upstream of '%s'%s%s%s failed: %s%s%s",
		   r->resolve.model->alias, r->target.node_id ? " (node '" : "",
		   r->target.node_id ? r->target.node_id : "",
		   r->target.node_id ? "')" : "", gw_transfer_reason(result),
		   key ? ", " : "",
		   key ? gw_relay_key_place(r, place, sizeof(place)) : "");
	gw_log_quote(detail, sizeof(detail), r->relay.reason,
		     strlen(r->relay.reason));
	gw_log_limited(
		&r->worker->upstream_log, GW_EV_UPSTREAM_FAILED, r->accept.id,
		"model=%s node=%s url=%s reason=\"%s\" detail=%s",
		gw_log_word(model, sizeof(model), r->resolve.model->alias),
		gw_log_word(node, sizeof(node), r->target.node_id),
		r->target.base_url, gw_transfer_reason(result), detail);
}
