/* SPDX-License-Identifier: MIT */
/*
 * forward.c - send the request upstream and see whether what comes back is for
 * the client. Nothing of an answer has reached the client yet, except perhaps
 * an early 200 with SSE comments; so an attempt that came to nothing can be
 * made good, by the same candidate or another one. What is done about it,
 * verdict.c says.
 */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "serve/deadline.h"
#include "serve/relay.h"
#include "serve/worker.h"
#include "stage/attempt.h"
#include "stage/rest.h"
#include "stage/stage.h"
#include "stage/verdict.h"
#include "upstream/transfer.h"

#define ANSWER_WAIT_MS 1000 /* for the rest of an error, before its verdict */
#define LOADING_LOOK_MS 500 /* between two questions whether it is loaded */

static const struct gw_failover *
failover(const struct gw_request *r)
{
	return r->worker->pipeline->failover;
}

/* ---- an answer begins -----------------------------------------------------
 */

static bool
is_json(const char *type)
{
	static const char json[] = "application/json";

	return strncasecmp(type, json, sizeof(json) - 1) == 0;
}

/* Whole answers are nothing to a client before their end. */
static bool
is_short(const struct gw_request *r)
{
	if (r->relay.is_sse || r->relay.content_length > GW_HELD_MAX)
		return false;
	return r->relay.content_length >= 0 ||
	       (!r->resolve.wants_stream && is_json(r->relay.content_type));
}

static void
look_at_head(struct gw_request *r)
{
	bool own_key = r->target.api_key != NULL;

	r->deadline.wake_ms = 0; /* it is served */
	if (gw_mishap_is_key(r->relay.status, own_key)) {
		r->relay.mode = GW_RELAY_KEEP;
		gw_relay_leave(r, GW_TRANSFER_KEY_REFUSED);
		return;
	}
	if (failover(r) && gw_mishap_needs_answer(r->relay.status)) {
		r->relay.mode = GW_RELAY_KEEP;
		gw_deadline_wake(r, gw_mono_ms() + ANSWER_WAIT_MS);
	} else if (is_short(r) || (r->reply.early && !r->relay.is_sse)) {
		r->relay.mode = GW_RELAY_HOLD;
	} else {
		r->relay.mode = GW_RELAY_PASS;
	}
}

/* ---- an attempt is over ----------------------------------------------------
 */

static enum gw_mishap
mishap_of(const struct gw_request *r)
{
	enum gw_transfer_result result =
		(enum gw_transfer_result)r->relay.failure;

	if (r->forward.limit)
		return GW_MISHAP_SILENT;
	if (result == GW_TRANSFER_UNAVAILABLE ||
	    (result == GW_TRANSFER_OK && r->relay.mode == GW_RELAY_KEEP))
		return gw_mishap_of_answer(
			r->relay.status, r->relay.retry_after[0] != '\0',
			r->relay.held.data ? r->relay.held.data : "",
			r->relay.held.len);
	return gw_mishap_of_transfer(result);
}

static uint64_t
retry_after_ms(const struct gw_request *r)
{
	return r->relay.retry_after[0]
		       ? gw_retry_after_ms(r->relay.retry_after, gw_wall_s())
		       : GW_NO_RETRY_AFTER;
}

static bool
is_loading_over(const struct gw_request *r)
{
	uint32_t limit_ms = r->resolve.model->timeouts.first_byte_ms;

	return r->forward.loading_ms && limit_ms &&
	       gw_mono_ms() - r->forward.loading_ms >= limit_ms;
}

static enum gw_verdict
judge(struct gw_request *r, enum gw_mishap mishap, uint64_t *wait_ms)
{
	const struct gw_model *m = r->resolve.model;
	struct gw_attempted a = {
		.mishap = mishap,
		.total = r->forward.attempts,
		.further = r->forward.further,
		.once = r->forward.once[mishap],
		.retry_after_ms = retry_after_ms(r),
		.backoff_ms = gw_backoff_ms(
			r->forward.again + 1, m->retry.backoff_ms,
			m->retry.backoff_max_ms, gw_worker_random(r->worker)),
		.left_ms = gw_deadline_left_ms(r),
		.loading_over = is_loading_over(r),
		.attempts = m->retry.attempts,
		.backoff_max_ms = m->retry.backoff_max_ms,
	};

	a.another = failover(r)->has_another(r, &a.passed_over);
	a.fallback = failover(r)->has_fallback(r);
	a.ejected = failover(r)->is_ejected(r);
	return gw_verdict(&a, wait_ms);
}

/* The next attempt is a further one of this alias. */
static void
count_further(struct gw_request *r, enum gw_mishap mishap)
{
	if (mishap == GW_MISHAP_LOADING)
		return;
	r->forward.further++;
	r->forward.once[mishap]++;
}

static enum gw_step
pick_again(struct gw_request *r)
{
	gw_counters_count(&r->worker->counters, GW_COUNT_REPICKS, 1);
	r->forward.again = 0;
	r->forward.loading_ms = 0;
	gw_rest_elsewhere(r);
	gw_target_clear(r);
	return GW_REPICK;
}

static enum gw_step
wait_for(struct gw_request *r, uint64_t ms)
{
	r->forward.waiting = true;
	gw_deadline_wake(r, gw_mono_ms() + (ms ? ms : 1));
	return GW_WAIT;
}

static enum gw_step
fall_back(struct gw_request *r)
{
	failover(r)->fall_back(r);
	r->forward.further = 0;
	/* What has killed two servers has no third one killed. */
	for (size_t i = 0; i < GW_MISHAPS_MAX; i++)
		if (i != GW_MISHAP_LOST)
			r->forward.once[i] = 0;
	return pick_again(r);
}

static enum gw_step
carry_out(struct gw_request *r, enum gw_verdict verdict, enum gw_mishap mishap,
	  uint64_t wait_ms)
{
	switch (verdict) {
	case GW_VERDICT_AGAIN:
		count_further(r, mishap);
		r->forward.again++;
		r->forward.loading_ms = 0; /* it is waited for something else */
		return wait_for(r, wait_ms);
	case GW_VERDICT_LOADING:
		if (!r->forward.loading_ms)
			r->forward.loading_ms = gw_mono_ms();
		failover(r)->is_loaded(r); /* has it asked from now on */
		return wait_for(r, LOADING_LOOK_MS);
	case GW_VERDICT_OTHER:
	case GW_VERDICT_RESORT:
		count_further(r, mishap);
		return pick_again(r);
	case GW_VERDICT_FALLBACK:
		return fall_back(r);
	case GW_VERDICT_END:
		break;
	}
	return GW_FINISH;
}

/* The client gets the last answer of an upstream, if there is one. */
static enum gw_step
end(struct gw_request *r, enum gw_mishap mishap)
{
	if (gw_attempt_is_answer(r, mishap) || gw_attempt_restore(r)) {
		r->forward.failed = true;
		return GW_NEXT;
	}
	if (r->forward.limit)
		gw_limit_error(r, r->forward.limit);
	else if (r->forward.attempts > 1)
		gw_attempt_error(r);
	else
		gw_relay_failure(r);
	return GW_FINISH;
}

static uint64_t
busy_ms(const struct gw_request *r, enum gw_mishap mishap)
{
	uint64_t ms = retry_after_ms(r);

	if (mishap != GW_MISHAP_BUSY)
		return 0;
	if (ms == GW_NO_RETRY_AFTER)
		return GW_BUSY_MS;
	return ms < GW_BUSY_MAX_MS ? ms : GW_BUSY_MAX_MS;
}

static enum gw_step
came_to_nothing(struct gw_request *r, enum gw_mishap mishap)
{
	uint64_t wait_ms;
	enum gw_verdict verdict;

	failover(r)->failed(r, (int)mishap, busy_ms(r, mishap));
	verdict = judge(r, mishap, &wait_ms);
	gw_attempt_over(r, gw_mishap_word(mishap));
	if (verdict == GW_VERDICT_END)
		return end(r, mishap);
	gw_attempt_log(r, mishap, verdict, wait_ms);
	gw_attempt_keep(r, mishap);
	gw_attempt_remember(r);
	if (verdict != GW_VERDICT_AGAIN && verdict != GW_VERDICT_LOADING)
		gw_target_clear(r);
	gw_relay_reset(r);
	r->forward.limit = GW_LIMIT_NONE;
	r->err = (struct gw_err){0}; /* of a request that could not be made */
	return carry_out(r, verdict, mishap, wait_ms);
}

/* Only its connection may fail: a program with one upstream picks it anew. */
static enum gw_step
without_failover(struct gw_request *r, enum gw_mishap mishap)
{
	bool connected = r->relay.connected_us != 0;

	gw_attempt_over(r, gw_mishap_word(mishap));
	if (!r->worker->pipeline->picks_again || connected ||
	    r->forward.attempts > GW_PICKS_AGAIN_MAX ||
	    (mishap != GW_MISHAP_UNCONNECTED && mishap != GW_MISHAP_OWN))
		return end(r, mishap);
	gw_attempt_log(r, mishap, GW_VERDICT_OTHER, 0);
	gw_target_clear(r); /* while it can be seen how the transfer ended */
	gw_relay_reset(r);
	r->err = (struct gw_err){0};
	return pick_again(r);
}

/* ---- the stage ------------------------------------------------------------
 */

/* False: the request could not be made. */
static bool
start(struct gw_request *r)
{
	/* To ask again one that was loading is no attempt of its own. */
	if (!r->forward.loading_ms)
		r->forward.attempts++;
	r->forward.waiting = false;
	r->forward.begun_us = r->forward.asked_us = gw_mono_us();
	if (!r->forward.first_us) {
		r->forward.first_us = r->forward.begun_us;
		r->forward.queued_us = r->queue.waited_us;
	}
	return gw_relay_start(r) == 0;
}

/* A limit of the attempt, not of the request? It ends the attempt then. */
static bool
is_attempts_limit(struct gw_request *r)
{
	enum gw_limit hit = r->deadline.hit;

	if (hit != GW_LIMIT_FIRST_BYTE && hit != GW_LIMIT_IDLE)
		return false;
	r->forward.limit = hit;
	r->deadline.hit = GW_LIMIT_NONE;
	gw_relay_cancel(r, GW_TRANSFER_TIMED_OUT);
	return true;
}

static enum gw_step
over(struct gw_request *r)
{
	enum gw_mishap mishap = mishap_of(r);

	if (gw_rest_is_refused(r))
		return gw_rest_plainly(r, "refused");
	if (mishap == GW_MISHAP_NONE)
		return GW_NEXT;
	return failover(r) ? came_to_nothing(r, mishap)
			   : without_failover(r, mishap);
}

/* An error that is too long to be kept: if it is for the client, it passes. */
static enum gw_step
kept_too_much(struct gw_request *r)
{
	enum gw_mishap mishap = gw_mishap_of_answer(
		r->relay.status, r->relay.retry_after[0] != '\0',
		r->relay.held.data, r->relay.held.len);
	uint64_t wait_ms;

	if (!r->reply.early && (mishap == GW_MISHAP_NONE ||
				judge(r, mishap, &wait_ms) == GW_VERDICT_END)) {
		r->forward.failed = mishap != GW_MISHAP_NONE;
		if (r->forward.failed)
			failover(r)->failed(r, (int)mishap, busy_ms(r, mishap));
		return GW_NEXT;
	}
	gw_relay_leave(r, GW_TRANSFER_UNAVAILABLE);
	return GW_WAIT;
}

static enum gw_step
waited(struct gw_request *r)
{
	enum gw_verdict verdict;
	uint64_t wait_ms;

	if (r->deadline.wake_ms)
		return GW_WAIT;
	if (!r->forward.loading_ms || failover(r)->is_loaded(r))
		return start(r) ? GW_WAIT : over(r);
	/* Another one may have become free, or the patience be over. */
	verdict = judge(r, GW_MISHAP_LOADING, &wait_ms);
	return verdict == GW_VERDICT_END
		       ? end(r, GW_MISHAP_LOADING)
		       : carry_out(r, verdict, GW_MISHAP_LOADING, wait_ms);
}

/* Nothing has come. It may be that others are served first. */
static enum gw_step
wait_for_head(struct gw_request *r)
{
	uint32_t again_ms;

	if (!failover(r) || r->deadline.wake_ms || !failover(r)->is_in_line(r))
		return GW_WAIT;
	if (!failover(r)->leaves_line(r, &again_ms)) {
		gw_deadline_wake(r, gw_mono_ms() + again_ms);
		return GW_WAIT;
	}
	gw_relay_cancel(r, GW_TRANSFER_UNAVAILABLE);
	gw_attempt_over(r, "left_line");
	gw_relay_reset(r);
	return pick_again(r);
}

enum gw_step
gw_stage_forward(struct gw_request *r)
{
	if (r->err.code)
		return GW_FINISH;
	if (r->deadline.hit && !is_attempts_limit(r)) {
		gw_limit_error(r, r->deadline.hit);
		return GW_FINISH;
	}
	if (r->forward.waiting)
		return waited(r);
	if (r->relay.done && r->forward.failed)
		return GW_NEXT; /* an earlier answer: nobody else was there */
	if (r->relay.done)
		return over(r);
	if (!r->relay.transfer)
		return start(r) ? wait_for_head(r) : over(r);
	if (!r->relay.head)
		return wait_for_head(r);
	if (r->relay.first)
		return r->relay.held_cut ? kept_too_much(r) : GW_NEXT;
	if (r->relay.mode == GW_RELAY_UNDECIDED) {
		look_at_head(r);
	} else if (r->relay.mode == GW_RELAY_KEEP && !r->deadline.wake_ms) {
		/* The rest of an error does not come. */
		gw_relay_cancel(r, GW_TRANSFER_UNAVAILABLE);
		return over(r);
	}
	return GW_WAIT;
}
