/* SPDX-License-Identifier: MIT */
/* request.c - birth and end of a request's memory; knows no protocol. */
#include "serve/request.h"

#include "base/clock.h"
#include "base/json.h"
#include "serve/deadline.h"
#include "serve/worker.h"

#define HELD_MAX (64u << 10)

static const char *const phase_names[GW_PHASE__MAX] = {
	[GW_PHASE_ACCEPT] = "accept",	[GW_PHASE_RECEIVE] = "receive",
	[GW_PHASE_ANSWER] = "answer",	[GW_PHASE_QUEUE] = "queue",
	[GW_PHASE_CONNECT] = "connect", [GW_PHASE_FIRST_BYTE] = "first_byte",
	[GW_PHASE_STREAM] = "stream",
};

const char *
gw_phase_name(enum gw_phase phase)
{
	return phase_names[phase];
}

struct gw_request *
gw_request_new(struct gw_worker *w, struct gw_fcgi_conn *c)
{
	struct gw_request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->worker = w;
	r->conn = c;
	r->config = gw_config_ref(w->config);
	r->key_index = -1;
	r->content_length = -1;
	r->target.lease = -1;
	gw_buf_init(&r->document_text, GW_DOCUMENT_MAX);
	gw_buf_init(&r->held, HELD_MAX);
	gw_sse_init(&r->sse);
	r->t_start_us = gw_mono_us();
	r->t_client_ms = gw_mono_ms(); /* it is waiting from now on */
	gw_deadline_init(r);
	gw_worker_gauge(w, GW_GAUGE_OPEN_REQUESTS, 1);
	return r;
}

void
gw_target_clear(struct gw_request *r)
{
	r->worker->pipeline->release(r);
	free(r->target.model_json);
	free(r->target.node_id);
	free(r->target.owned_url);
	r->target = (struct gw_target){.lease = -1};
}

void
gw_request_free(struct gw_request *r)
{
	struct gw_worker *w = r->worker;

	gw_deadline_stop(r);
	ev_timer_stop(w->loop, &r->retry);
	gw_target_clear(r);
	gw_body_free(r->body);
	if (r->document)
		json_object_put(r->document);
	gw_buf_release(&r->document_text);
	gw_buf_release(&r->held);
	gw_config_unref(r->config);
	gw_worker_gauge(w, GW_GAUGE_OPEN_REQUESTS, -1);
	free(r);
}
