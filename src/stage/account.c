/* SPDX-License-Identifier: MIT */
/*
 * account.c - the last stage: runs exactly once for every request, whatever
 * happened. Writes the access record and the counters; answers nothing.
 */
#include <string.h>

#include "base/clock.h"
#include "serve/reply.h"
#include "serve/worker.h"
#include "stage/stage.h"

/* How it ended, as it is told. */
struct outcome {
	int status;
	bool client_gone;
	bool broken;
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
}

/* Whole microseconds as "MS.T": printing doubles costs more than the rest. */
struct tenths {
	unsigned long long ms;
	unsigned tenth;
};

static struct tenths
since_start(const struct gw_request *r, uint64_t t_us)
{
	uint64_t us = t_us > r->begun_us ? t_us - r->begun_us : 0;

	return (struct tenths){us / 1000, (unsigned)(us % 1000 / 100)};
}

static void
write_record(const struct gw_request *r, const struct outcome *o)
{
	struct tenths first = since_start(r, r->reply.first_us);
	struct tenths all = since_start(r, gw_mono_us());
	char path[300], message[700] = "", model[300], node[160], method[80];
	char client[4 * GW_CLIENT_MAX];

	gw_log_quote(path, sizeof(path), r->accept.path, r->accept.path_len);
	if (r->err.code)
		gw_log_quote(message, sizeof(message), r->err.msg,
			     strlen(r->err.msg));
	gw_log(GW_EV_ACCESS, r->accept.id,
	       "method=%s path=%s status=%d phase=%s model=%s node=%s "
	       "upstream_status=%d key=%s client=%s bytes_in=%llu "
	       "bytes_out=%llu "
	       "first_byte_ms=%llu.%u ms=%llu.%u stream=%d broken=%d "
	       "error=%s%s%s",
	       gw_log_word(method, sizeof(method), r->accept.method_name), path,
	       o->status, gw_phase_name(r->phase),
	       gw_log_word(model, sizeof(model),
			   r->resolve.model ? r->resolve.model->alias : NULL),
	       gw_log_word(node, sizeof(node), r->target.node_id),
	       r->relay.status,
	       r->authenticate.key[0] ? r->authenticate.key : "-",
	       gw_log_word(client, sizeof(client),
			   r->accept.client[0] ? r->accept.client : NULL),
	       (unsigned long long)r->receive.bytes,
	       (unsigned long long)r->reply.bytes, first.ms, first.tenth,
	       all.ms, all.tenth, r->stream.events, o->broken,
	       r->err.code ? gw_err_info(r->err.code)->code : "-",
	       r->err.code ? " message=" : "", message);
}

enum gw_step
gw_stage_account(struct gw_request *r)
{
	struct outcome o;

	/* Whoever forgot to end the answer must not leave the client waiting.
	 */
	if (r->conn && !r->progress.client_gone)
		gw_reply_break(r);
	o = judge(r);
	count(r, &o);
	write_record(r, &o);
	return GW_FINISH;
}
