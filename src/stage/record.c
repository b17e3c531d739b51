/* SPDX-License-Identifier: MIT */
/*
 * record.c - what of a relayed request goes into the registry's recorder when
 * it has ended. Copies numbers and names; asks nobody, and cannot fail.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "routing/request_record.h"
#include "routing/routing.h"
#include "serve/pipeline.h"
#include "stage/stage.h"

static void
copy(char *out, size_t cap, const char *text)
{
	size_t len = text ? strnlen(text, cap - 1) : 0;

	while (len > 0 && text[len] &&
	       ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

#define COPY(field, text) copy(field, sizeof(field), text)

static void
add_attempt(struct gw_request_record *rec, const char *candidate,
	    const char *result, uint64_t us)
{
	struct gw_recorded_attempt *a;

	if (rec->n_attempts == GW_ATTEMPTS_MAX)
		return;
	a = &rec->attempts[rec->n_attempts++];
	COPY(a->candidate, candidate);
	COPY(a->result, result);
	a->us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void
take_attempts(const struct gw_request *r, const struct gw_end *end,
	      uint64_t now_us, struct gw_request_record *rec)
{
	const struct gw_forwarding *f = &r->forward;

	for (unsigned i = 0; i < f->n_past; i++)
		add_attempt(rec, f->past[i].candidate, f->past[i].result,
			    f->past[i].us);
	if (f->begun_us)
		add_attempt(rec,
			    r->target.node_id ? r->target.node_id
					      : r->resolve.model->alias,
			    end->last_result, now_us - f->begun_us);
}

static uint64_t
since(uint64_t begun_us, uint64_t us)
{
	return us > begun_us ? us - begun_us : 0;
}

static void
take_times(const struct gw_request *r, const struct gw_end *end,
	   uint64_t now_us, struct gw_request_record *rec)
{
	rec->total_us = since(r->begun_us, now_us);
	rec->queue_us = end->queue_ms * 1000;
	rec->connect_us = GW_RECORDED_NEVER;
	if (r->forward.begun_us && r->relay.connected_us)
		rec->connect_us =
			since(r->forward.begun_us, r->relay.connected_us);
	rec->first_byte_us = r->reply.first_us
				     ? since(r->begun_us, r->reply.first_us)
				     : GW_RECORDED_NEVER;
	rec->began_ms = gw_wall_ms() - (int64_t)(rec->total_us / 1000);
}

static enum gw_outcome
outcome_of(const struct gw_end *end)
{
	if (end->client_gone)
		return GW_OUTCOME_CLIENT_GONE;
	if (end->broken)
		return GW_OUTCOME_BROKEN;
	return end->status >= 500   ? GW_OUTCOME_FAILED
	       : end->status >= 400 ? GW_OUTCOME_REFUSED
				    : GW_OUTCOME_OK;
}

/* Failures that are the gateway's own word about an upstream. */
static bool
is_upstreams(enum gw_code code)
{
	switch (code) {
	case GW_ERR_UPSTREAM_UNREACHABLE:
	case GW_ERR_UPSTREAM_PROTOCOL_ERROR:
	case GW_ERR_UPSTREAM_AUTH_FAILED:
	case GW_ERR_UPSTREAM_ERROR_EVENT:
		return true;
	default:
		return false;
	}
}

static enum gw_ended_by
ended_by(const struct gw_request *r, const struct gw_end *end)
{
	enum gw_code code = r->err.code;

	if (r->worker->ended && (end->broken || code == GW_ERR_SHUTTING_DOWN))
		return GW_ENDED_BY_STOP;
	/* One that took nothing for too long is gone, too. */
	if (r->deadline.hit != GW_LIMIT_NONE ||
	    code == GW_ERR_UPSTREAM_TIMEOUT || code == GW_ERR_REQUEST_TIMEOUT ||
	    code == GW_ERR_QUEUE_TIMEOUT || code == GW_ERR_CLIENT_GONE)
		return GW_ENDED_BY_LIMIT;
	if (end->client_gone)
		return GW_ENDED_BY_CLIENT;
	if (code && !is_upstreams(code))
		return GW_ENDED_BY_GATEWAY;
	return r->target.node_id ? GW_ENDED_BY_NODE : GW_ENDED_BY_UPSTREAM;
}

static uint32_t
count(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

void
gw_record_request(const struct gw_request *r, const struct gw_end *end)
{
	const struct gw_endpoint *e = r->accept.endpoint;
	struct gw_request_record rec = {.status = end->status};
	uint8_t bytes[REG_RECORD_BYTES];
	uint64_t now_us = gw_mono_us();

	if (!e || !(e->flags & GW_EP_RELAY) || !gw_routing(r)->reg)
		return;
	COPY(rec.id, r->accept.id);
	COPY(rec.client, r->authenticate.name);
	COPY(rec.model, r->resolve.model ? r->resolve.model->alias : NULL);
	COPY(rec.path, e->path);
	COPY(rec.error, r->err.code ? gw_err_info(r->err.code)->code : NULL);
	take_times(r, end, now_us, &rec);
	take_attempts(r, end, now_us, &rec);
	rec.bytes_in = r->receive.bytes;
	rec.bytes_out = r->reply.bytes;
	rec.prompt_tokens = count(end->tokens.prompt);
	rec.completion_tokens = count(end->tokens.completion);
	rec.cached_tokens = count(end->tokens.cached);
	rec.stream = r->stream.events;
	rec.outcome = outcome_of(end);
	rec.ended_by = ended_by(r, end);
	reg_recorder_put(gw_routing(r)->reg, bytes,
			 gw_record_encode(&rec, bytes));
}
