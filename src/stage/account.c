/* SPDX-License-Identifier: MIT */
/*
 * account.c - the last stage: runs exactly once for every request, whatever
 * happened. Writes the access record and the counters; answers nothing.
 */
#include <string.h>

#include "base/clock.h"
#include "serve/worker.h"
#include "serve/reply.h"

static void
count(struct gw_request *r, int status)
{
	struct gw_worker *w = r->worker;

	gw_worker_count(w, GW_COUNT_REQUESTS, 1);
	gw_worker_count(w, GW_COUNT_BYTES_OUT, r->bytes_out);
	if (r->client_gone)
		gw_worker_count(w, GW_COUNT_CLIENT_GONE, 1);
	else if (status >= 500)
		gw_worker_count(w, GW_COUNT_ANSWERED_5XX, 1);
	else if (status >= 400)
		gw_worker_count(w, GW_COUNT_ANSWERED_4XX, 1);
	else
		gw_worker_count(w, GW_COUNT_ANSWERED_2XX, 1);
	if (r->broken)
		gw_worker_count(w, GW_COUNT_STREAM_BROKEN, 1);
}

/* Whole microseconds as "MS.T": printing doubles costs more than the rest. */
struct tenths {
	unsigned long long ms;
	unsigned tenth;
};

static struct tenths
since_start(const struct gw_request *r, uint64_t t_us)
{
	uint64_t us = t_us > r->t_start_us ? t_us - r->t_start_us : 0;

	return (struct tenths){us / 1000, (unsigned)(us % 1000 / 100)};
}

static void
write_record(const struct gw_request *r, int status)
{
	struct tenths first = since_start(r, r->t_first_byte_us);
	struct tenths all = since_start(r, gw_mono_us());
	char path[300], message[700] = "", model[300], node[160];

	gw_log_quote(path, sizeof(path), r->path, r->path_len);
	if (r->err.code)
		gw_log_quote(message, sizeof(message), r->err.msg,
			     strlen(r->err.msg));
	gw_log(GW_EV_ACCESS, r->id,
	       "method=%s path=%s status=%d phase=%s model=%s node=%s "
	       "upstream_status=%d key=%d bytes_in=%llu bytes_out=%llu "
	       "first_byte_ms=%llu.%u ms=%llu.%u stream=%d broken=%d "
	       "error=%s%s%s",
	       r->method_name, path, status, gw_phase_name(r->phase),
	       gw_log_word(model, sizeof(model),
			   r->model ? r->model->alias : NULL),
	       gw_log_word(node, sizeof(node), r->target.node_id),
	       r->upstream_status, r->key_index,
	       (unsigned long long)r->bytes_in,
	       (unsigned long long)r->bytes_out, first.ms, first.tenth, all.ms,
	       all.tenth, r->upstream_is_sse, r->broken,
	       r->err.code ? gw_err_info(r->err.code)->code : "-",
	       r->err.code ? " message=" : "", message);
}

enum gw_step
gw_stage_account(struct gw_request *r)
{
	int status;

	/* The grace time was over: this end is ours, not the client's. */
	if (r->client_gone && r->worker->ended) {
		r->client_gone = false;
		r->broken = true;
	}
	status = r->client_gone ? gw_err_info(GW_ERR_CLIENT_GONE)->status
				: r->status;

	/* Whoever forgot to end the answer must not leave the client waiting.
	 */
	if (r->conn && !r->client_gone)
		gw_reply_break(r);
	count(r, status);
	write_record(r, status);
	return GW_FINISH;
}
