/* SPDX-License-Identifier: MIT */
/*
 * receive.c - take the body as it comes: checked on the fly for what will be
 * relayed, collected and parsed for small documents.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json.h"
#include "fcgi/fcgi_conn.h"
#include "serve/worker.h"
#include "stage/affinity.h"
#include "stage/stage.h"

#define DOCUMENT_DEPTH_MAX 32
/* Keys and values of one: its tree stays below some 13 MiB. The largest
 * registration there is has about 3,000. */
#define DOCUMENT_VALUES_MAX 16384

/* What the client announced, or 0 (chunked: absent on Apache, -1 on Caddy). */
static uint64_t
announced(const struct gw_request *r)
{
	const char *text = gw_fcgi_param(r->conn, "CONTENT_LENGTH");
	unsigned long long n;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return errno || *end ? 0 : n;
}

static uint64_t
own_limit(const struct gw_request *r)
{
	return r->accept.endpoint->flags & GW_EP_DOCUMENT
		       ? GW_DOCUMENT_MAX
		       : r->worker->max_body_bytes;
}

/* What all bodies together may not have, none may have alone. */
static uint64_t
limit(const struct gw_request *r)
{
	uint64_t own = own_limit(r), all = r->worker->bodies.max;

	return own < all ? own : all;
}

static int
too_large(struct gw_request *r)
{
	unsigned long long max = (unsigned long long)limit(r);
	bool own = max == own_limit(r);

	if (own && r->accept.endpoint->flags & GW_EP_DOCUMENT)
		return gw_err_set(&r->err, GW_ERR_REQUEST_TOO_LARGE, 0,
				  "the body is larger than %llu bytes", max);
	return gw_err_set(&r->err, GW_ERR_REQUEST_TOO_LARGE, 0,
			  "the body is larger than %llu bytes (%s)", max,
			  own ? r->worker->keys.max_body_bytes
			      : r->worker->keys.max_bodies_bytes);
}

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
			  "no memory for the body");
}

/* Nothing here unpacks a body, and an upstream would be told nothing of it. */
static int
check_encoding(struct gw_request *r)
{
	const char *coding = gw_fcgi_param(r->conn, "HTTP_CONTENT_ENCODING");
	char quoted[100];

	if (!coding || !*coding || strcasecmp(coding, "identity") == 0)
		return 0;
	gw_log_quote(quoted, sizeof(quoted), coding, strlen(coding));
	return gw_err_set(&r->err, GW_ERR_UNSUPPORTED_ENCODING, 0,
			  "the request has the Content-Encoding %s; send the "
			  "body uncompressed and without this header",
			  quoted);
}

static int
begin(struct gw_request *r)
{
	uint64_t expected = announced(r);

	r->phase = GW_PHASE_RECEIVE;
	r->receive.begun_us = gw_mono_us();
	if (check_encoding(r) < 0)
		return -1;
	if (expected > limit(r))
		return too_large(r);
	/* Better now than in its middle. */
	if (gw_body_room_fits(&r->worker->bodies, expected, &r->err) < 0)
		return -1;
	if (r->accept.endpoint->flags & GW_EP_DOCUMENT)
		return 0;
	r->receive.body =
		gw_body_new((size_t)limit(r), &r->worker->bodies, r->config);
	if (!r->receive.body || (gw_affinity_watches(r) &&
				 gw_body_watch_prompt(r->receive.body) < 0))
		return no_memory(r);
	gw_body_expect(r->receive.body, (size_t)expected);
	return 0;
}

static int
take_text(struct gw_request *r, const char *p, size_t n)
{
	size_t need = r->receive.text.len + n;

	if (gw_body_room_grow(&r->worker->bodies, &r->receive.held, need,
			      need + GW_BODY_STEP_BYTES, &r->err) < 0)
		return -1;
	return gw_buf_append(&r->receive.text, p, n) < 0 ? no_memory(r) : 0;
}

bool
gw_receive_is_too_slow(uint64_t elapsed_ms, uint64_t bytes)
{
	return elapsed_ms >
	       GW_RECEIVE_GRACE_MS + bytes / (GW_RECEIVE_BYTES_S / 1000);
}

static int
too_slow(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_REQUEST_TIMEOUT, 0,
			  "the body came with less than %d bytes a second",
			  GW_RECEIVE_BYTES_S);
}

void
gw_receive_body(struct gw_request *r, const char *p, size_t n)
{
	uint64_t elapsed_ms;
	int rc;

	if (r->err.code || !r->accept.endpoint ||
	    !(r->accept.endpoint->flags &
	      (GW_EP_DOCUMENT | GW_EP_RELAY | GW_EP_BODY)))
		return;
	r->receive.bytes += n;
	elapsed_ms = (gw_mono_us() - r->begun_us) / 1000;
	if (r->receive.bytes > limit(r))
		rc = too_large(r);
	else if (gw_receive_is_too_slow(elapsed_ms, r->receive.bytes))
		rc = too_slow(r);
	else if (r->accept.endpoint->flags & GW_EP_DOCUMENT)
		rc = take_text(r, p, n);
	else
		rc = gw_body_append(r->receive.body, p, n, &r->err);
	if (rc < 0)
		gw_pipeline_resume(r);
}

void
gw_receive_end(struct gw_request *r)
{
	r->receive.complete = true;
	r->receive.done_us = gw_mono_us();
	gw_pipeline_resume(r);
}

static int
finish_document(struct gw_request *r)
{
	r->receive.document = gw_json_parse_few(
		r->receive.text.data ? r->receive.text.data : "",
		r->receive.text.len, DOCUMENT_DEPTH_MAX, DOCUMENT_VALUES_MAX,
		&r->err);
	gw_buf_release(&r->receive.text);
	return r->receive.document ? 0 : -1;
}

enum gw_step
gw_stage_receive(struct gw_request *r)
{
	int rc;

	if (r->phase == GW_PHASE_ACCEPT && begin(r) < 0)
		return GW_FINISH;
	if (r->err.code)
		return GW_FINISH;
	if (!r->receive.complete)
		return GW_WAIT;
	rc = r->receive.body ? gw_body_finish(r->receive.body, &r->err)
			     : finish_document(r);
	return rc < 0 ? GW_FINISH : GW_NEXT;
}
