/* SPDX-License-Identifier: MIT */
/* attempt.c - see attempt.h; decides nothing. */
#include "stage/attempt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "serve/deadline.h"
#include "serve/relay.h"
#include "serve/worker.h"

static const char *const verdict_words[] = {
	[GW_VERDICT_AGAIN] = "the same again",
	[GW_VERDICT_OTHER] = "another one",
	[GW_VERDICT_LOADING] = "wait until it is loaded",
	[GW_VERDICT_FALLBACK] = "fallback",
	[GW_VERDICT_RESORT] = "one that is passed over",
};

static struct gw_attempt *
last_past(struct gw_request *r)
{
	return r->forward.n_past ? &r->forward.past[r->forward.n_past - 1]
				 : NULL;
}

static bool
has_room(struct gw_request *r)
{
	if (!r->forward.past)
		r->forward.past =
			calloc(GW_ATTEMPTS_MAX, sizeof(*r->forward.past));
	return r->forward.past != NULL;
}

/* Is it still loading, as it was when it was asked before? */
static bool
is_loading_on(struct gw_request *r, const char *name, const char *result)
{
	const struct gw_attempt *last = last_past(r);

	return last && last->candidate &&
	       result == gw_mishap_word(GW_MISHAP_LOADING) &&
	       last->result == result && strcmp(last->candidate, name) == 0;
}

void
gw_attempt_over(struct gw_request *r, const char *result)
{
	const char *name =
		r->target.node_id ? r->target.node_id : r->resolve.model->alias;
	uint64_t us = gw_mono_us() - r->forward.begun_us;
	struct gw_attempt *a;

	if (!r->forward.begun_us)
		return;
	if (is_loading_on(r, name, result)) {
		a = last_past(r);
		us += a->us;
	} else if (r->forward.n_past < GW_ATTEMPTS_MAX && has_room(r)) {
		a = &r->forward.past[r->forward.n_past++];
		a->candidate = strdup(name);
		a->result = result;
	} else {
		return;
	}
	a->us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
	r->forward.begun_us = 0;
}

void
gw_attempt_log(struct gw_request *r, enum gw_mishap mishap,
	       enum gw_verdict verdict, uint64_t wait_ms)
{
	char model[300], node[160], detail[400], place[300];
	int failure = r->relay.failure;
	const char *what = r->relay.reason;

	/* What the one who can change it looks for. */
	if (failure == GW_TRANSFER_KEY_REFUSED)
		what = gw_relay_key_place(r, place, sizeof(place));

	gw_log_limited(
		&r->worker->upstream_log, GW_EV_UPSTREAM_RETRY, r->accept.id,
		"model=%s node=%s result=%s status=%d reason=\"%s\" detail=%s "
		"next=\"%s\" wait_ms=%" PRIu64,
		gw_log_word(model, sizeof(model), r->resolve.model->alias),
		gw_log_word(node, sizeof(node), r->target.node_id),
		gw_mishap_word(mishap), r->relay.status,
		gw_transfer_reason((enum gw_transfer_result)failure),
		gw_log_quote(detail, sizeof(detail), what, strlen(what)),
		verdict_words[verdict], wait_ms);
}

bool
gw_attempt_is_answer(const struct gw_request *r, enum gw_mishap mishap)
{
	return r->relay.status && mishap != GW_MISHAP_LOST &&
	       mishap != GW_MISHAP_SILENT && mishap != GW_MISHAP_KEY_REFUSED &&
	       (!r->relay.held_cut || r->reply.early);
}

void
gw_attempt_keep(struct gw_request *r, enum gw_mishap mishap)
{
	struct gw_kept_answer *k;

	if (!gw_attempt_is_answer(r, mishap))
		return;
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	gw_kept_answer_free(r->forward.kept);
	r->forward.kept = k;
	k->status = r->relay.status;
	memcpy(k->content_type, r->relay.content_type, sizeof(k->content_type));
	memcpy(k->content_encoding, r->relay.content_encoding,
	       sizeof(k->content_encoding));
	memcpy(k->retry_after, r->relay.retry_after, sizeof(k->retry_after));
	k->node_id = r->target.node_id ? strdup(r->target.node_id) : NULL;
	k->model = r->resolve.model;
	k->body = r->relay.held;
	gw_buf_init(&r->relay.held, GW_HELD_MAX);
}

bool
gw_attempt_restore(struct gw_request *r)
{
	struct gw_kept_answer *k = r->forward.kept;

	if (!k)
		return false;
	gw_relay_reset(r);
	r->relay.head = r->relay.done = true;
	r->relay.mode = GW_RELAY_KEEP;
	r->relay.status = k->status;
	r->relay.is_sse = gw_sse_is_type(k->content_type);
	memcpy(r->relay.content_type, k->content_type, sizeof(k->content_type));
	memcpy(r->relay.content_encoding, k->content_encoding,
	       sizeof(k->content_encoding));
	memcpy(r->relay.retry_after, k->retry_after, sizeof(k->retry_after));
	gw_buf_release(&r->relay.held);
	r->relay.held = k->body;
	gw_buf_init(&k->body, 0);
	gw_target_clear(r);
	r->target.node_id = k->node_id;
	k->node_id = NULL;
	r->resolve.model = k->model;
	gw_kept_answer_free(k);
	r->forward.kept = NULL;
	return true;
}

/* "alpha unconnected, beta lost" */
static void
list_past(const struct gw_request *r, char *out, size_t cap)
{
	struct gw_line l = {.text = out, .cap = cap};

	for (unsigned i = 0; i < r->forward.n_past; i++) {
		const struct gw_attempt *a = &r->forward.past[i];

		gw_line_puts(&l, i ? ", " : "");
		gw_line_puts(&l, a->candidate ? a->candidate : "?");
		gw_line_puts(&l, " ");
		gw_line_puts(&l, a->result);
	}
	out[l.len < cap ? l.len : cap - 1] = '\0';
}

/* What the one who can change it looks for: a key's place, a limit. */
static void
name_setting(const struct gw_request *r, enum gw_transfer_result result,
	     char *out, size_t cap)
{
	char place[300];
	const struct gw_timeouts *t = &r->resolve.model->timeouts;

	out[0] = '\0';
	if (result == GW_TRANSFER_KEY_REFUSED)
		snprintf(out, cap, ", %s",
			 gw_relay_key_place(r, place, sizeof(place)));
	else if (result == GW_TRANSFER_CONNECT_TIMEOUT)
		snprintf(out, cap, ", timeouts.connect_s = %.10g s",
			 t->connect_ms / 1000.0);
}

void
gw_attempt_error(struct gw_request *r)
{
	enum gw_transfer_result result =
		(enum gw_transfer_result)r->relay.failure;
	char past[400], setting[400];

	list_past(r, past, sizeof(past));
	name_setting(r, result, setting, sizeof(setting));
	gw_err_set(&r->err, gw_transfer_code(result), 0,
		   "none of %u attempts for model '%s' has an answer (%s); the "
		   "last: %s%s",
		   r->forward.attempts, r->resolve.model->alias, past,
		   gw_transfer_reason(result), setting);
}

void
gw_attempt_remember(struct gw_request *r)
{
	struct gw_err found = r->err;

	if (!r->forward.last)
		r->forward.last = malloc(sizeof(*r->forward.last));
	if (!r->forward.last)
		return; /* it is an error of ours then */
	if (r->forward.limit)
		gw_limit_error(r, r->forward.limit);
	else
		gw_attempt_error(r);
	*r->forward.last = r->err;
	r->err = found;
	r->forward.last_model = r->resolve.model;
}

int
gw_attempt_none_left(struct gw_request *r)
{
	if (gw_attempt_restore(r)) {
		r->forward.failed = true;
		return 0;
	}
	if (!r->forward.last)
		return gw_err_set(&r->err, gw_transfer_code(GW_TRANSFER_BROKEN),
				  0,
				  "the answer for model '%s' broke off, and "
				  "nobody is left to go on with it",
				  r->resolve.model->alias);
	r->err = *r->forward.last;
	r->resolve.model = r->forward.last_model;
	return -1;
}
