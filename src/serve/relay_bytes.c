/* SPDX-License-Identifier: MIT */
/*
 * relay_bytes.c - where the bytes of an answer go: before anything of it is
 * passed on they are held, afterwards they go to the client as they come.
 */
#include "serve/relay_bytes.h"

#include "base/clock.h"
#include "fcgi/fcgi_conn.h"
#include "serve/deadline.h"
#include "serve/pipeline.h"
#include "serve/relay.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "upstream/coding.h"
#include "upstream/transfer.h"

#define TOLD_MS 100 /* between two signs that an upstream lives */

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
			  "no memory for the answer");
}

void
gw_relay_look(struct gw_request *r, const char *p, size_t n)
{
	if (!r->relay.is_sse && !r->relay.content_encoding[0] &&
	    r->relay.status >= 200 && r->relay.status < 300)
		gw_tokens_feed(&r->relay.watch.tokens, p, n);
}

static int
pass_on(struct gw_request *r, const char *p, size_t n)
{
	if (gw_reply_body(r, p, n) < 0)
		return -1;
	gw_sse_feed(&r->relay.sse, p, n);
	if (r->relay.is_sse && !r->relay.content_encoding[0])
		gw_sse_watch_feed(&r->relay.watch, p, n);
	else
		gw_relay_look(r, p, n);
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

void
gw_relay_note(struct gw_request *r)
{
	r->relay.got_us = gw_mono_us();
	if (!r->relay.first_us)
		r->relay.first_us = r->relay.got_us;
}

/* The first byte is there: from now on idle_s counts, which may be shorter. */
static void
note_held(struct gw_request *r)
{
	bool first = r->relay.last_ms == 0;

	r->relay.last_ms = gw_mono_ms();
	if (first)
		gw_deadline_update(r);
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
		if (r->relay.mode != GW_RELAY_PASS) {
			note_held(r);
			gw_relay_note(r);
		}
		return true;
	}
	*took = rc > 0 && r->relay.taken == n;
	r->relay.taken = 0;
	if (rc > 0)
		gw_relay_note(r);
	if (rc > 0 && r->relay.mode == GW_RELAY_KEEP)
		r->relay.held_cut = true;
	r->relay.first = rc > 0;
	if (!ask_stages(r))
		return false;
	return r->relay.opened;
}

/* ---- afterwards -----------------------------------------------------------
 */

/* Others may wait for the same upstream, and take it for dead. */
static void
gave_byte(struct gw_request *r)
{
	const struct gw_failover *failover = r->worker->pipeline->failover;

	r->relay.last_ms = gw_mono_ms();
	if (failover && r->relay.last_ms - r->relay.told_ms >= TOLD_MS) {
		r->relay.told_ms = r->relay.last_ms;
		failover->gave_byte(r);
	}
}

/* A comment of the upstream's is no sign of progress. */
static void
note_byte(struct gw_request *r, const char *p, size_t n)
{
	bool event = true;

	if (r->relay.is_sse && *p == ':' &&
	    gw_sse_between_events(&r->relay.sse))
		gw_sse_comments(p, n, &event);
	if (!event)
		return;
	gave_byte(r);
}

bool
gw_relay_take(void *arg, const char *p, size_t n)
{
	struct gw_request *r = arg;
	bool took = false;
	int rc;

	if (n == 0)
		return true;
	if (is_client_full(r))
		return pause_for_client(r);
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
	gave_byte(r);
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
