/* SPDX-License-Identifier: MIT */
/*
 * account.c - the last stage: runs exactly once for every request, whatever
 * happened. Writes the access record and the counters; answers nothing.
 */
#include <string.h>

#include "base/clock.h"
#include "base/line.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "stage/stage.h"

/* How it ended, as it is told. */
struct outcome {
	int status;
	bool client_gone;
	bool broken;
	struct gw_tokens_told tokens;
};

static struct outcome
judge(const struct gw_request *r)
{
	/* The grace time was over: this end is ours, not the client's. */
	bool cut_off = r->progress.client_gone && r->worker->ended;
	bool gone = r->progress.client_gone && !cut_off;

	return (struct outcome){
		.status = gone ? gw_err_info(GW_ERR_CLIENT_GONE)->status
			       : r->reply.status,
		.client_gone = gone,
		.broken = r->reply.broken || cut_off || r->relay.watch.found,
		.tokens = gw_tokens_told(&r->relay.watch.tokens),
	};
}

static void
count(const struct gw_request *r, const struct outcome *o)
{
	struct gw_counters *c = &r->worker->counters;

	gw_counters_count(c, GW_COUNT_REQUESTS, 1);
	gw_counters_count(c, GW_COUNT_BYTES_OUT, r->reply.bytes);
	if (o->client_gone)
		gw_counters_count(c, GW_COUNT_CLIENT_GONE, 1);
	else if (o->status >= 500)
		gw_counters_count(c, GW_COUNT_ANSWERED_5XX, 1);
	else if (o->status >= 400)
		gw_counters_count(c, GW_COUNT_ANSWERED_4XX, 1);
	else if (o->status >= 200 && o->status < 300)
		gw_counters_count(c, GW_COUNT_ANSWERED_2XX, 1);
	if (o->broken)
		gw_counters_count(c, GW_COUNT_STREAM_BROKEN, 1);
	if (o->tokens.cached_told &&
	    r->resolve.model->strategy == GW_AFFINITY)
		gw_counters_count(c,
				  o->tokens.cached ? GW_COUNT_CACHE_HITS
						   : GW_COUNT_CACHE_MISSES,
				  1);
}

/* " NAME=VALUE"; no printf: it would cost more than the rest of the stage. */
static void
put_word(struct gw_line *l, const char *name, const char *value)
{
	gw_line_puts(l, name);
	gw_line_puts(l, value);
}

static void
put_number(struct gw_line *l, const char *name, uint64_t n)
{
	gw_line_puts(l, name);
	gw_line_uint(l, n, 1);
}

/* Microseconds since the request began as "MS.T". */
static void
put_time(struct gw_line *l, const char *name, const struct gw_request *r,
	 uint64_t t_us)
{
	uint64_t us = t_us > r->begun_us ? t_us - r->begun_us : 0;

	put_number(l, name, us / 1000);
	put_number(l, ".", us % 1000 / 100);
}

static void
put_attempt(struct gw_line *l, bool first, const char *candidate,
	    const char *result, uint64_t us)
{
	char word[300];

	gw_line_puts(l, first ? "" : ",");
	gw_line_puts(l, gw_log_word(word, sizeof(word), candidate));
	put_word(l, ":", result);
	put_number(l, ":", us / 1000);
	put_number(l, ".", us % 1000 / 100);
}

/* How the attempt under way went, that the stages saw no end of. */
static const char *
last_result(const struct gw_request *r, const struct outcome *o)
{
	if (o->client_gone)
		return "client_gone";
	return o->broken ? "broken" : r->deadline.hit ? "timeout" : "ok";
}

/* "n1:unconnected:0.4,n2:ok:15.2"; ms. */
static void
put_attempts(struct gw_line *l, const struct gw_request *r,
	     const struct outcome *o)
{
	const struct gw_forwarding *f = &r->forward;

	gw_line_puts(l, " attempts=");
	if (!f->attempts)
		gw_line_puts(l, "-");
	for (unsigned i = 0; i < f->n_past; i++)
		put_attempt(l, i == 0, f->past[i].candidate, f->past[i].result,
			    f->past[i].us);
	if (f->begun_us)
		put_attempt(l, f->n_past == 0,
			    r->target.node_id ? r->target.node_id
					      : r->resolve.model->alias,
			    last_result(r, o), gw_mono_us() - f->begun_us);
}

static uint64_t
queue_ms(const struct gw_request *r)
{
	const struct gw_queued_for *q = &r->queue;

	return (q->waited_us +
		(q->begun_us ? gw_mono_us() - q->begun_us : 0)) /
	       1000;
}

/* A number that nobody may have told. */
static void
put_told(struct gw_line *l, const char *name, bool told, uint64_t n)
{
	if (told)
		put_number(l, name, n);
	else
		put_word(l, name, "-");
}

static void
put_tokens(struct gw_line *l, const struct gw_tokens_told *t)
{
	put_told(l, " tokens_in=", t->told, t->prompt);
	put_told(l, " tokens_out=", t->told, t->completion);
	put_told(l, " tokens_cached=", t->cached_told, t->cached);
}

static void
put_error(struct gw_line *l, const struct gw_err *err)
{
	char message[700];

	if (!err->code) {
		put_word(l, " error=", "-");
		return;
	}
	put_word(l, " error=", gw_err_info(err->code)->code);
	put_word(l, " message=",
		 gw_log_quote(message, sizeof(message), err->msg,
			      strlen(err->msg)));
}

/* What comes every few seconds, and says that nothing has changed. */
static bool
is_routine(const struct gw_request *r, const struct outcome *o)
{
	unsigned flags = r->accept.endpoint ? r->accept.endpoint->flags : 0;

	return o->status >= 200 && o->status < 300 && !o->broken &&
	       ((flags & GW_EP_ROUTINE) ||
		((flags & GW_EP_PROBED) && r->accept.via[0]));
}

static void
write_record(const struct gw_request *r, const struct outcome *o)
{
	char text[GW_LOG_LINE_BYTES], path[300], model[300], node[160],
		method[80], client[4 * GW_CLIENT_MAX],
		key[4 * GW_CLIENT_NAME_MAX + 3];
	struct gw_line l = {.text = text, .cap = sizeof(text)};

	put_word(&l, "method=",
		 gw_log_word(method, sizeof(method), r->accept.method_name));
	put_word(&l, " path=",
		 gw_log_quote(path, sizeof(path), r->accept.path,
			      r->accept.path_len));
	put_number(&l, " status=", (uint64_t)o->status);
	put_word(&l, " phase=", gw_phase_name(r->phase));
	put_word(
		&l, " model=",
		gw_log_word(model, sizeof(model),
			    r->resolve.model ? r->resolve.model->alias : NULL));
	put_word(&l,
		 " node=", gw_log_word(node, sizeof(node), r->target.node_id));
	put_number(&l, " upstream_status=", (uint64_t)r->relay.status);
	put_word(&l, " key=",
		 gw_log_word(key, sizeof(key),
			     r->authenticate.name[0] ? r->authenticate.name
						     : NULL));
	put_word(&l, " client=",
		 gw_log_word(client, sizeof(client),
			     r->accept.client[0] ? r->accept.client : NULL));
	put_number(&l, " bytes_in=", r->receive.bytes);
	put_number(&l, " bytes_out=", r->reply.bytes);
	put_time(&l, " first_byte_ms=", r, r->reply.first_us);
	put_time(&l, " ms=", r, gw_mono_us());
	put_attempts(&l, r, o);
	put_number(&l, " queue_ms=", queue_ms(r));
	put_tokens(&l, &o->tokens);
	put_number(&l, " stream=", r->stream.events);
	put_number(&l, " broken=", o->broken);
	put_error(&l, &r->err);
	gw_log_text(is_routine(r, o) ? GW_EV_ACCESS_ROUTINE : GW_EV_ACCESS,
		    r->accept.id, text, l.len);
}

enum gw_step
gw_stage_account(struct gw_request *r)
{
	struct outcome o;

	/* Whoever forgot to end the answer must not leave the client waiting.
	 */
	if (r->conn && !r->progress.client_gone)
		gw_reply_break(r);
	/* The request itself is still to come. */
	if (r->accept.admission && r->reply.status == 200)
		return GW_FINISH;
	o = judge(r);
	count(r, &o);
	write_record(r, &o);
	if (r->worker->pipeline->record)
		r->worker->pipeline->record(
			r, &(struct gw_end){.status = o.status,
					    .client_gone = o.client_gone,
					    .broken = o.broken,
					    .last_result = last_result(r, &o),
					    .queue_ms = queue_ms(r),
					    .tokens = o.tokens});
	return GW_FINISH;
}
