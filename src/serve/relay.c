/* SPDX-License-Identifier: MIT */
/* relay.c - from transfer events to the client's bytes; decides no answer. */
#include "serve/relay.h"

#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "fcgi/fcgi_conn.h"
#include "serve/deadline.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "upstream/coding.h"
#include "upstream/transfer.h"

#define URL_MAX (4096u + GW_PATH_MAX)
#define HEADER_LINE_MAX 4096
#define TOLD_MS 1000 /* between two signs that an upstream lives */

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

	r->relay.connected_ms = gw_mono_ms();
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

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
			  "no memory for the answer");
}

static int
pass_on(struct gw_request *r, const char *p, size_t n)
{
	if (gw_reply_body(r, p, n) < 0)
		return -1;
	gw_sse_feed(&r->relay.sse, p, n);
	if (r->relay.is_sse && !r->relay.content_encoding[0])
		gw_sse_watch_feed(&r->relay.watch, p, n);
	return 0;
}

/* -1 with or without r->err: the stage is to look at it. */
static int
deliver(struct gw_request *r, const char *p, size_t n)
{
	struct gw_resume_bytes show;

	if (!r->resume.stream)
		return pass_on(r, p, n);
	r->resume.fed = gw_resume_feed(r->resume.stream, p, n, &show);
	if (show.n && pass_on(r, show.p, show.n) < 0)
		return -1;
	return r->resume.fed == GW_RESUME_GOES_ON ? 0 : -1;
}

static bool
is_client_full(const struct gw_request *r)
{
	return gw_reply_backlog(r) > GW_FCGI_HIGH_WATER;
}

static int
not_its_coding(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_UPSTREAM_PROTOCOL_ERROR, 0,
			  "the answer of the upstream of '%s' is not in its "
			  "Content-Encoding",
			  r->resolve.model->alias);
}

/* A small piece may become a thousand times its size: the client is asked
 * before each 16 KiB of it. Returns 1 when it is full before the end: the same
 * piece comes again, and `taken` says how much of it is done. */
static int
deliver_decoded(struct gw_request *r, const char *p, size_t n)
{
	const char *at = p + r->relay.taken;
	size_t left = n - r->relay.taken, got;
	char out[16384];

	do {
		if (is_client_full(r)) {
			r->relay.taken = (size_t)(at - p);
			return 1;
		}
		if (gw_coding_step(r->relay.coding, &at, &left, out,
				   sizeof(out), &got) < 0)
			return not_its_coding(r);
		if (deliver(r, out, got) < 0)
			return -1;
	} while (left > 0 || got == sizeof(out));
	r->relay.taken = 0;
	return 0;
}

static bool
pause_for_client(struct gw_request *r)
{
	r->relay.paused = true;
	r->relay.paused_ms = gw_mono_ms();
	return false;
}

/* ---- before anything of the answer was passed on --------------------------
 */

/* The stages look at what there is: they open it, leave it, or wait for more.
 * False: the request is gone. */
static bool
ask_stages(struct gw_request *r)
{
	const struct gw_transfer *t = r->relay.transfer;

	gw_pipeline_resume(r);
	return !gw_transfer_is_over(t);
}

/* A client that has its 200 gets a whole answer as events: all of it is held.
 */
static int
hold(struct gw_request *r, const char *p, size_t n)
{
	size_t room;

	if (r->reply.early && r->relay.mode == GW_RELAY_HOLD)
		r->relay.held.max = GW_WHOLE_MAX;
	room = r->relay.held.max - r->relay.held.len;
	if (n > room && r->reply.early) {
		r->relay.held_cut = true;
		n = room;
	}
	if (n > room)
		return 1;
	return gw_buf_append(&r->relay.held, p, n) < 0 ? no_memory(r) : 0;
}

/* Whole lines of comments go to the client as they come; they are no answer,
 * and after them the request may still move. */
static int
pass_comments(struct gw_request *r, size_t n)
{
	if (n == 0)
		return 0;
	if (!r->reply.committed && gw_reply_early(r, r->relay.content_type) < 0)
		return -1;
	if (gw_reply_body(r, r->relay.held.data, n) < 0)
		return -1;
	gw_buf_consume(&r->relay.held, n);
	return 0;
}

/* Is the next piece of a stream still nothing but comments? 1 = no. */
static int
lead(struct gw_request *r, const char *p, size_t n)
{
	bool event = false;
	size_t comments;

	if (!r->relay.is_sse || r->relay.content_encoding[0] ||
	    r->relay.status != 200)
		return 1;
	if (r->relay.held.len == 0 && *p == 'd')
		return 1; /* "data:", as nearly always */
	if (n > r->relay.held.max - r->relay.held.len)
		return 1;
	if (gw_buf_append(&r->relay.held, p, n) < 0)
		return no_memory(r);
	comments =
		gw_sse_comments(r->relay.held.data, r->relay.held.len, &event);
	if (!event)
		return pass_comments(r, comments);
	r->relay.taken = n; /* it is held, all of it */
	return 1;
}

/* Takes @p, or opens the answer. False: the request is gone, or left. */
static bool
before_open(struct gw_request *r, const char *p, size_t n, bool *took)
{
	int rc;

	r->relay.taken = 0;
	*took = true;
	if (r->relay.mode == GW_RELAY_PASS)
		rc = lead(r, p, n);
	else
		rc = hold(r, p, n);
	if (rc == 0) {
		if (r->relay.mode != GW_RELAY_PASS)
			r->relay.last_ms = gw_mono_ms();
		return true;
	}
	*took = rc > 0 && r->relay.taken == n;
	r->relay.taken = 0;
	if (rc > 0 && r->relay.mode == GW_RELAY_KEEP)
		r->relay.held_cut = true;
	r->relay.first = rc > 0;
	if (!ask_stages(r))
		return false;
	return r->relay.opened;
}

/* ---- afterwards -----------------------------------------------------------
 */

/* A comment of the upstream's is no sign of progress. */
static void
note_byte(struct gw_request *r, const char *p, size_t n)
{
	const struct gw_failover *failover = r->worker->pipeline->failover;
	bool event = true;

	if (r->relay.is_sse && *p == ':' &&
	    gw_sse_between_events(&r->relay.sse))
		gw_sse_comments(p, n, &event);
	if (!event)
		return;
	r->relay.last_ms = gw_mono_ms();
	if (failover && r->relay.last_ms - r->relay.told_ms >= TOLD_MS) {
		r->relay.told_ms = r->relay.last_ms;
		failover->gave_byte(r);
	}
}

static bool
on_data(void *arg, const char *p, size_t n)
{
	struct gw_request *r = arg;
	bool took = false;
	int rc;

	if (n == 0)
		return true;
	if (is_client_full(r))
		return pause_for_client(r);
	if (r->resolve.model->strategy == GW_AFFINITY &&
	    !r->relay.content_encoding[0])
		gw_cache_told_feed(&r->relay.cache, p, n);
	if (!r->relay.opened && (!before_open(r, p, n, &took) || took))
		return true;
	note_byte(r, p, n);
	rc = r->relay.coding ? deliver_decoded(r, p, n) : deliver(r, p, n);
	if (rc > 0)
		return pause_for_client(r);
	if (rc < 0)
		gw_pipeline_resume(r); /* ends the request */
	return true;
}

static int
new_coding(struct gw_request *r)
{
	r->relay.coding = gw_coding_new(r->relay.content_encoding);
	if (!r->relay.coding)
		return gw_err_set(&r->err, GW_ERR_UPSTREAM_PROTOCOL_ERROR, 0,
				  "the upstream of '%s' compressed its answer "
				  "(%.32s) although nobody asked for it, and "
				  "nothing here can decode that",
				  r->resolve.model->alias,
				  r->relay.content_encoding);
	r->relay.content_encoding[0] = '\0';
	return 0;
}

int
gw_relay_open(struct gw_request *r)
{
	struct gw_buf held = r->relay.held;
	int rc = 0;

	r->relay.opened = true;
	r->relay.last_ms = gw_mono_ms();
	gw_buf_init(&r->relay.held, GW_HELD_MAX);
	if (r->reply.early && r->relay.content_encoding[0])
		rc = new_coding(r);
	if (rc == 0 && held.len)
		rc = r->relay.coding ? deliver_decoded(r, held.data, held.len)
				     : deliver(r, held.data, held.len);
	gw_buf_release(&held);
	return rc < 0 ? -1 : 0;
}

int
gw_relay_decode_held(struct gw_request *r)
{
	gw_auto_buf struct gw_buf held = GW_BUF_INIT(r->relay.held.max);
	struct gw_buf swap = r->relay.held;
	const char *at = swap.data;
	size_t left = swap.len, got, room;
	char out[16384];

	if (!r->relay.content_encoding[0])
		return 0;
	r->relay.held = held;
	held = swap; /* released at the end */
	if (new_coding(r) < 0)
		return -1;
	do {
		if (gw_coding_step(r->relay.coding, &at, &left, out,
				   sizeof(out), &got) < 0)
			return not_its_coding(r);
		room = r->relay.held.max - r->relay.held.len;
		r->relay.held_cut = r->relay.held_cut || got > room;
		if (gw_buf_append(&r->relay.held, out,
				  got < room ? got : room) < 0)
			return no_memory(r);
	} while (!r->relay.held_cut && (left > 0 || got == sizeof(out)));
	if (!r->relay.held_cut && !gw_coding_is_whole(r->relay.coding))
		return not_its_coding(r);
	return 0;
}

static bool
may_leave(void *arg)
{
	const struct gw_request *r = arg;
	const struct gw_pipeline *p = r->worker->pipeline;

	return p->may_leave && p->may_leave(r);
}

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct gw_request *r = arg;

	if (result == GW_TRANSFER_OK && r->relay.opened && r->relay.coding &&
	    !gw_coding_is_whole(r->relay.coding))
		result = GW_TRANSFER_BROKEN;
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
	.on_data = on_data,
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
	r->relay.connected_ms = r->relay.last_ms = 0;
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

void
gw_relay_failure(struct gw_request *r)
{
	enum gw_transfer_result result =
		(enum gw_transfer_result)r->relay.failure;
	bool key = result == GW_TRANSFER_KEY_REFUSED && r->target.key_place;
	char detail[256], model[300], node[160];

	if (result == GW_TRANSFER_CONNECT_TIMEOUT) {
		gw_limit_error(r, GW_LIMIT_CONNECT);
		return;
	}
	gw_err_set(&r->err, gw_transfer_code(result), 0,
		   "the upstream of '%s'%s%s%s failed: %s%s%s",
		   r->resolve.model->alias, r->target.node_id ? " (node '" : "",
		   r->target.node_id ? r->target.node_id : "",
		   r->target.node_id ? "')" : "", gw_transfer_reason(result),
		   key ? ", " : "", key ? r->target.key_place : "");
	gw_log_quote(detail, sizeof(detail), r->relay.reason,
		     strlen(r->relay.reason));
	gw_log_limited(
		&r->worker->upstream_log, GW_EV_UPSTREAM_FAILED, r->accept.id,
		"model=%s node=%s url=%s reason=\"%s\" detail=%s",
		gw_log_word(model, sizeof(model), r->resolve.model->alias),
		gw_log_word(node, sizeof(node), r->target.node_id),
		r->target.base_url, gw_transfer_reason(result), detail);
}
