/* SPDX-License-Identifier: MIT */
/*
 * rest.c - see rest.h. Another candidate of the alias is asked, else its
 * fallback list, else the same one; at most twice a request.
 */
#include "stage/rest.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "serve/deadline.h"
#include "serve/relay.h"
#include "serve/reply.h"
#include "serve/shown.h"
#include "serve/worker.h"
#include "stage/attempt.h"

#define RESUMES_MAX 2

static const struct {
	const char *path;
	enum gw_resume_kind kind;
} kinds[] = {
	{"/v1/chat/completions", GW_RESUME_CHAT},
	{"/v1/completions", GW_RESUME_COMPLETION},
};

/* As the client may be told it. */
static const char *
name_of(const struct gw_request *r)
{
	if (!gw_shown_model(r, r->resolve.model))
		return "a fallback";
	return r->target.node_id ? r->target.node_id : r->resolve.model->alias;
}

/* ---- the answer begins ----------------------------------------------------
 */

/* Who stands in for an alias answers as it would: either may say so. */
static bool
may_be_kept(const struct gw_request *r)
{
	const struct gw_model *named = r->forward.named;
	size_t len;

	gw_body_bytes(r->receive.body, &len);
	return r->worker->pipeline->failover &&
	       (r->resolve.model->resume || (named && named->resume)) &&
	       r->resolve.wants_stream && len <= GW_RESUME_BODY_MAX;
}

void
gw_rest_begin(struct gw_request *r)
{
	if (!r->relay.is_sse || r->relay.status != 200)
		return;
	if (r->resume.asking) {
		gw_resume_ask(r->resume.stream, name_of(r), r->resume.plain);
		return;
	}
	if (!may_be_kept(r) || r->relay.content_encoding[0])
		return;
	/* Without memory it is a stream like any other. */
	for (size_t i = 0; i < GW_ARRAY_LEN(kinds); i++)
		if (strcmp(r->accept.endpoint->path, kinds[i].path) == 0)
			r->resume.stream = gw_resume_new(kinds[i].kind);
}

/* ---- it broke -------------------------------------------------------------
 */

static void
log_end(struct gw_request *r, enum gw_event event, const char *result,
	const char *what)
{
	char model[300], node[160];

	gw_log_limited(
		&r->worker->upstream_log, event, r->accept.id,
		"model=%s node=%s result=%s %s",
		gw_log_word(model, sizeof(model), r->resolve.model->alias),
		gw_log_word(node, sizeof(node), r->target.node_id), result,
		what);
}

/* The request for the rest as a body like the client's. */
static struct gw_body *
new_body(struct gw_request *r, const struct gw_buf *text)
{
	struct gw_body *b =
		gw_body_new(GW_RESUME_NEXT_MAX, &r->worker->bodies, r->config);
	struct gw_err ignored = {.code = GW_OK};
	size_t n;

	for (size_t at = 0; b && at < text->len; at += n) {
		n = text->len - at < GW_BODY_STEP_BYTES ? text->len - at
							: GW_BODY_STEP_BYTES;
		if (gw_body_append(b, text->data + at, n, &ignored) < 0)
			goto fail;
	}
	if (b && gw_body_finish(b, &ignored) == 0)
		return b;
fail:
	gw_body_free(b);
	return NULL;
}

/* Everything about attempts begins anew but their number. */
static void
begin_anew(struct gw_request *r)
{
	r->forward.further = r->forward.again = 0;
	r->forward.loading_ms = 0;
	memset(r->forward.once, 0, sizeof(r->forward.once));
	r->forward.failed = false;
	r->forward.limit = GW_LIMIT_NONE;
	gw_kept_answer_free(r->forward.kept);
	r->forward.kept = NULL;
	gw_relay_reset(r);
}

/* The same one, after a while: it is the only one. */
static enum gw_step
ask_same(struct gw_request *r)
{
	const struct gw_retry *retry = &r->resolve.model->retry;
	uint64_t wait_ms =
		gw_backoff_ms(1, retry->backoff_ms, retry->backoff_max_ms,
			      gw_worker_random(r->worker));

	if (gw_body_edit(r->receive.body, r->target.model_json,
			 r->resolve.model, &r->err) < 0)
		return GW_FINISH;
	r->forward.waiting = true;
	gw_deadline_wake(r, gw_mono_ms() + (wait_ms ? wait_ms : 1));
	return GW_AGAIN;
}

static enum gw_step
ask(struct gw_request *r, struct gw_body *rest, const char *result)
{
	const struct gw_failover *failover = r->worker->pipeline->failover;
	bool passed_over;
	bool elsewhere = failover->has_another(r, &passed_over) ||
			 failover->has_fallback(r);

	failover->ended(r, false);
	gw_attempt_over(r, result);
	log_end(r, GW_EV_STREAM_RESUMED, result,
		elsewhere ? "next=\"another one\"" : "next=\"the same again\"");
	gw_request_ask_rest(r, rest);
	r->resume.times++;
	gw_reply_goes_on(r);
	begin_anew(r);
	if (!elsewhere)
		return ask_same(r);
	gw_target_clear(r);
	return GW_REPICK;
}

static bool
is_clean(const struct gw_request *r)
{
	return r->relay.failure == GW_TRANSFER_OK;
}

static enum gw_rest
not_resumed(struct gw_request *r, const char *result, const char *why)
{
	char quoted[100], what[120];

	/* It has told its own error: that is all there is. */
	if (r->relay.watch.found)
		return GW_REST_NONE;
	gw_log_quote(quoted, sizeof(quoted), why, strlen(why));
	snprintf(what, sizeof(what), "why=%s", quoted);
	log_end(r, GW_EV_STREAM_NOT_RESUMED, result, what);
	/* An end without [DONE] and a reason is none. */
	if (is_clean(r))
		gw_relay_cancel(r, GW_TRANSFER_BROKEN);
	return GW_REST_NONE;
}

static const char *
why_not_again(const struct gw_request *r)
{
	if (r->resume.times >= RESUMES_MAX)
		return "it was resumed twice";
	if (r->forward.attempts >= GW_ATTEMPTS_MAX)
		return "no attempt is left";
	return NULL;
}

/* The client's own request: of what others said it knows nothing. */
static const struct gw_body *
own_body(const struct gw_request *r)
{
	return r->resume.own ? r->resume.own : r->receive.body;
}

enum gw_rest
gw_rest_broke(struct gw_request *r, const char *result, enum gw_step *step)
{
	gw_auto_buf struct gw_buf next = GW_BUF_INIT(GW_RESUME_NEXT_MAX);
	struct gw_resume_bytes last;
	struct gw_body *rest;
	const char *why = NULL;

	if (!r->resume.stream)
		return GW_REST_NONE;
	switch (gw_resume_broke(r->resume.stream, is_clean(r), own_body(r),
				r->resolve.model, &next, &last, &why)) {
	case GW_RESUME_WHOLE:
		if (gw_reply_body(r, last.p, last.n) < 0)
			return GW_REST_NONE;
		return GW_REST_WHOLE;
	case GW_RESUME_UNSEEN:
		return GW_REST_NONE;
	case GW_RESUME_NOT:
		return not_resumed(r, result, why);
	case GW_RESUME_ASK:
		break;
	}
	why = why_not_again(r);
	if (why)
		return not_resumed(r, result, why);
	rest = new_body(r, &next);
	if (!rest)
		return not_resumed(r, result, "no memory for the request");
	*step = ask(r, rest, result);
	return GW_REST_ASKED;
}

/* ---- who does not continue ------------------------------------------------
 */

bool
gw_rest_is_refused(const struct gw_request *r)
{
	return r->resume.asking && !r->resume.plain && r->relay.head &&
	       !r->forward.limit && gw_resume_refuses(r->relay.status);
}

enum gw_step
gw_rest_plainly(struct gw_request *r, const char *result)
{
	gw_attempt_over(r, result);
	if (r->forward.attempts >= GW_ATTEMPTS_MAX) {
		gw_rest_differs(r);
		return GW_FINISH;
	}
	log_end(r, GW_EV_STREAM_RESUMED, result,
		"next=\"the same again, plainly\"");
	gw_request_ask_plainly(r, true);
	begin_anew(r);
	if (gw_body_edit(r->receive.body, r->target.model_json,
			 r->resolve.model, &r->err) < 0)
		return GW_FINISH;
	return GW_AGAIN;
}

void
gw_rest_elsewhere(struct gw_request *r)
{
	if (r->resume.asking)
		gw_request_ask_plainly(r, false);
}

int
gw_rest_of_alias(struct gw_request *r)
{
	gw_auto_buf struct gw_buf next = GW_BUF_INIT(GW_RESUME_NEXT_MAX);
	struct gw_body *rest = NULL;

	if (!r->resume.asking || r->resume.made_for == r->resolve.model)
		return 0;
	if (gw_resume_again(r->resume.stream, own_body(r), r->resolve.model,
			    &next) == 0)
		rest = new_body(r, &next);
	if (!rest)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
				  "no memory for a request for the rest");
	gw_request_ask_rest(r, rest);
	return 0;
}

void
gw_rest_differs(struct gw_request *r)
{
	gw_err_set(&r->err, GW_ERR_UPSTREAM_PROTOCOL_ERROR, 0,
		   "the answer broke off, and the upstream of '%s'%s%s%s does "
		   "not go on with what was said",
		   r->resolve.model->alias, r->target.node_id ? " (node '" : "",
		   r->target.node_id ? r->target.node_id : "",
		   r->target.node_id ? "')" : "");
}
