/* SPDX-License-Identifier: MIT */
/* request.c - birth and end of a request's memory; knows no protocol. */
#include "serve/request.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/pipeline.h"
#include "serve/worker.h"
#include "upstream/coding.h"

static const char *const phase_names[GW_PHASE__MAX] = {
	[GW_PHASE_ACCEPT] = "accept",	[GW_PHASE_RECEIVE] = "receive",
	[GW_PHASE_ANSWER] = "answer",	[GW_PHASE_QUEUE] = "queue",
	[GW_PHASE_CONNECT] = "connect", [GW_PHASE_FIRST_BYTE] = "first_byte",
	[GW_PHASE_STREAM] = "stream",
};

/* The program's own part lies behind it, in the same piece of memory. */
struct request_and_own {
	struct gw_request request;
	alignas(max_align_t) char own[];
};

const char *
gw_phase_name(enum gw_phase phase)
{
	return phase_names[phase];
}

void
gw_relayed_init(struct gw_relayed *relay)
{
	*relay = (struct gw_relayed){.content_length = -1};
	gw_buf_init(&relay->held, GW_HELD_MAX);
	gw_sse_init(&relay->sse);
	gw_sse_watch_init(&relay->watch);
}

struct gw_request *
gw_request_new(struct gw_worker *w, struct gw_fcgi_conn *c)
{
	struct request_and_own *both =
		calloc(1, sizeof(*both) + w->pipeline->own_bytes);
	struct gw_request *r;

	if (!both)
		return NULL;
	r = &both->request;
	r->worker = w;
	r->conn = c;
	r->config = gw_config_ref(w->config);
	r->own = both->own;
	gw_buf_init(&r->receive.text, GW_DOCUMENT_MAX);
	gw_relayed_init(&r->relay);
	r->begun_us = gw_mono_us();
	r->reply.last_ms = gw_mono_ms(); /* it is waiting from now on */
	gw_counters_gauge(&w->counters, GW_GAUGE_OPEN_REQUESTS, 1);
	r->next = w->requests;
	if (w->requests)
		w->requests->prev = r;
	w->requests = r;
	return r;
}

void
gw_target_clear(struct gw_request *r)
{
	if (r->worker->pipeline->release)
		r->worker->pipeline->release(r);
	free(r->target.model_json);
	free(r->target.node_id);
	free(r->target.owned_url);
	r->target = (struct gw_target){0};
}

void
gw_kept_answer_free(struct gw_kept_answer *k)
{
	if (!k)
		return;
	gw_buf_release(&k->body);
	free(k->node_id);
	free(k);
}

void
gw_request_ask_rest(struct gw_request *r, struct gw_body *rest)
{
	if (!r->resume.own)
		r->resume.own = r->receive.body;
	gw_body_free(r->resume.rest);
	r->resume.rest = rest;
	r->resume.made_for = r->resolve.model;
	r->resume.asking = true;
	gw_request_ask_plainly(r, false);
}

void
gw_request_ask_plainly(struct gw_request *r, bool plainly)
{
	r->resume.plain = plainly;
	r->resume.fed = GW_RESUME_GOES_ON;
	r->receive.body = plainly ? r->resume.own : r->resume.rest;
}

static void
free_bodies(struct gw_request *r)
{
	if (!r->resume.own)
		gw_body_free(r->receive.body);
	gw_body_free(r->resume.own);
	gw_body_free(r->resume.rest);
}

void
gw_request_free(struct gw_request *r)
{
	struct gw_worker *w = r->worker;

	if (r->next)
		r->next->prev = r->prev;
	if (r->prev)
		r->prev->next = r->next;
	else
		w->requests = r->next;
	ev_timer_stop(w->loop, &r->deadline.timer);
	ev_timer_stop(w->loop, &r->answer.retry);
	gw_turn_leave(&w->turns, &r->long_answer.turn);
	gw_target_clear(r);
	if (w->pipeline->ended)
		w->pipeline->ended(r);
	free(r->accept.path);
	free_bodies(r);
	gw_resume_free(r->resume.stream);
	if (r->receive.document)
		json_object_put(r->receive.document);
	gw_buf_release(&r->receive.text);
	gw_body_room_keep(&w->bodies, &r->receive.held, 0);
	gw_buf_release(&r->relay.held);
	gw_coding_free(r->relay.coding);
	gw_sse_watch_release(&r->relay.watch);
	gw_kept_answer_free(r->forward.kept);
	free(r->forward.last);
	for (unsigned i = 0; i < r->forward.n_past; i++)
		free(r->forward.past[i].candidate);
	free(r->forward.past);
	free(r->forward.history);
	gw_config_unref(r->config);
	gw_counters_gauge(&w->counters, GW_GAUGE_OPEN_REQUESTS, -1);
	free(r);
}
