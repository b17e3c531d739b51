/* SPDX-License-Identifier: MIT */
/*
 * stream.c - the upstream's answer on its way to the client: when its head is
 * sent, and how it ends. The bytes themselves pass through relay.c.
 */
#include "serve/deadline.h"
#include "serve/relay.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "sse/sse.h"
#include "stage/rest.h"
#include "stage/stage.h"
#include "upstream/transfer.h"

static const struct gw_failover *
failover(const struct gw_request *r)
{
	return r->worker->pipeline->failover;
}

static bool
is_success(const struct gw_request *r)
{
	return r->relay.status >= 200 && r->relay.status < 300;
}

static const char *
type_of(const struct gw_request *r)
{
	return r->relay.content_type[0] ? r->relay.content_type : NULL;
}

/* The first byte for the client is here. Behind an early 200 it has its head.
 */
static int
open_answer(struct gw_request *r)
{
	/* A large prompt need not stay in memory while its answer streams. */
	if (!r->resume.stream && r->relay.transfer &&
	    gw_transfer_sent(r->relay.transfer) >=
		    gw_body_forward_len(r->receive.body))
		gw_body_discard(r->receive.body);
	/* Comments or an error event may make an event stream longer. */
	if (!r->reply.early &&
	    gw_reply_head(r, r->relay.status, type_of(r),
			  r->relay.is_sse ? -1 : r->relay.content_length) < 0)
		return -1;
	return gw_relay_open(r);
}

static int
end_held(struct gw_request *r)
{
	if (gw_reply_head(r, r->relay.status, type_of(r),
			  (int64_t)r->relay.held.len) < 0)
		return -1;
	if (r->relay.held.len)
		gw_relay_look(r, r->relay.held.data, r->relay.held.len);
	return gw_reply_body(r, r->relay.held.data, r->relay.held.len);
}

/* An upstream's error behind an early 200: one event in the right dialect. */
static int
end_as_event(struct gw_request *r)
{
	gw_auto_buf struct gw_buf event = GW_BUF_INIT(GW_SSE_EVENT_MAX);

	if (gw_sse_error_from_body(&event, r->accept.endpoint->dialect,
				   r->relay.status,
				   r->relay.held.data ? r->relay.held.data : "",
				   r->relay.held.len) < 0)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, 0,
				  "no room for the upstream's error");
	return gw_reply_error_event(r, &event);
}

/* It was asked for a stream, and gave a whole answer behind the early 200: the
 * client gets that as the events it waits for. */
static int
end_as_events(struct gw_request *r)
{
	size_t len = r->relay.held.len;
	gw_auto_buf struct gw_buf events =
		GW_BUF_INIT(len * GW_SSE_WHOLE_FACTOR + GW_SSE_EVENT_MAX);
	int rc;

	if (r->relay.held_cut)
		return gw_err_set(
			&r->err, GW_ERR_UPSTREAM_PROTOCOL_ERROR, 0,
			"the upstream of '%s' did not stream, and its "
			"whole answer is over %u bytes",
			r->resolve.model->alias, GW_WHOLE_MAX);
	if (len)
		gw_relay_look(r, r->relay.held.data, len);
	rc = gw_sse_from_whole(&events, r->accept.endpoint->dialect,
			       len ? r->relay.held.data : "", len);
	if (rc == 0)
		return end_as_event(r);
	if (rc < 0)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, 0,
				  "no room for the upstream's answer");
	return gw_reply_body(r, events.data, events.len);
}

static int
end_early(struct gw_request *r)
{
	if (gw_relay_decode_held(r) < 0)
		return -1;
	/* All of an answer is not the rest of one. */
	if (is_success(r) && r->resume.asking) {
		gw_rest_differs(r);
		return -1;
	}
	return is_success(r) ? end_as_events(r) : end_as_event(r);
}

/* It has passed like any event; here it is only remembered for the record. Its
 * message may quote the prompt: the code says enough. */
static void
note_error_event(struct gw_request *r)
{
	gw_err_set(&r->err, GW_ERR_UPSTREAM_ERROR_EVENT, 0,
		   "the upstream of '%s'%s%s%s sent an error event: %s",
		   r->resolve.model->alias, r->target.node_id ? " (node '" : "",
		   r->target.node_id ? r->target.node_id : "",
		   r->target.node_id ? "')" : "",
		   r->relay.watch.word[0] ? r->relay.watch.word : "no code");
}

/* What was promised and did not come is no success of the upstream's. */
static void
tell_end(struct gw_request *r, bool whole)
{
	/* An error event of its own may be the request's fault: it is neither.
	 */
	if (failover(r) && !r->forward.failed && !r->relay.watch.found)
		failover(r)->ended(r, whole);
}

static bool
is_whole(const struct gw_request *r)
{
	return r->relay.done && r->relay.failure == GW_TRANSFER_OK;
}

static enum gw_step
end_whole(struct gw_request *r)
{
	tell_end(r, true);
	gw_reply_end(r);
	return GW_FINISH;
}

/* What should have been the rest of an answer was left. */
static enum gw_step
end_left(struct gw_request *r)
{
	if (r->resume.fed == GW_RESUME_STARTED_ANEW)
		return gw_rest_plainly(r, "started_anew");
	gw_rest_differs(r);
	return GW_FINISH;
}

static enum gw_step
end(struct gw_request *r)
{
	enum gw_step step;
	int rc = 0;

	if (r->resume.fed != GW_RESUME_GOES_ON)
		return end_left(r);
	if (r->relay.opened)
		switch (gw_rest_broke(r, "broken", &step)) {
		case GW_REST_ASKED:
			return step;
		case GW_REST_WHOLE:
			return end_whole(r);
		case GW_REST_NONE:
			break;
		}
	tell_end(r, is_whole(r));
	/* One error event is enough: the upstream has told its own. */
	if (r->relay.opened && r->relay.failure != GW_TRANSFER_OK &&
	    !r->relay.watch.found) {
		gw_relay_failure(r);
		return GW_FINISH;
	}
	if (!r->relay.opened)
		rc = r->reply.early ? end_early(r) : end_held(r);
	if (rc == 0)
		gw_reply_end(r);
	if (r->relay.watch.found)
		note_error_event(r);
	return GW_FINISH;
}

/* A limit has passed. Of a stream that fell silent somebody else may have the
 * rest. */
static enum gw_step
out_of_time(struct gw_request *r)
{
	enum gw_limit hit = r->deadline.hit;
	enum gw_step step;

	if (hit == GW_LIMIT_IDLE && r->resume.stream) {
		r->deadline.hit = GW_LIMIT_NONE;
		gw_relay_cancel(r, GW_TRANSFER_TIMED_OUT);
		switch (gw_rest_broke(r, "silent", &step)) {
		case GW_REST_ASKED:
			return step;
		case GW_REST_WHOLE:
			return end_whole(r);
		case GW_REST_NONE:
			break;
		}
	}
	if (hit == GW_LIMIT_IDLE)
		tell_end(r, false);
	if (!r->err.code)
		gw_limit_error(r, hit);
	return GW_FINISH;
}

enum gw_step
gw_stage_stream(struct gw_request *r)
{
	if (r->phase != GW_PHASE_STREAM) {
		r->phase = GW_PHASE_STREAM;
		r->stream.events = r->relay.is_sse || r->reply.early;
		if (!r->relay.done) {
			gw_rest_begin(r);
			if (open_answer(r) < 0 &&
			    r->resume.fed == GW_RESUME_GOES_ON)
				return GW_FINISH;
		}
	}
	if (r->err.code)
		return GW_FINISH;
	if (r->deadline.hit)
		return out_of_time(r);
	if (r->relay.done)
		return end(r);
	if (r->resume.fed != GW_RESUME_GOES_ON)
		gw_relay_leave(r, GW_TRANSFER_BROKEN);
	gw_deadline_update(r);
	return GW_WAIT;
}
