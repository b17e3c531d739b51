/* SPDX-License-Identifier: MIT */
/*
 * stage_schedule.c - the one stage that a node has instead of pick_node: a
 * request waits for its turn on a device, and then knows the port of its
 * llama-server. And the path of a request through the agent, as a list.
 */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/model/listening.h"
#include "agent/queue/ticket.h"
#include "base/clock.h"
#include "body/body.h"
#include "serve/deadline.h"
#include "stage/stage.h"

/* The agent's part of a request. */
struct own {
	struct ag_ticket *ticket; /* its place on a device, or NULL */
};

static struct own *
own(const struct gw_request *r)
{
	return r->own;
}

static void
on_answered(void *owner)
{
	gw_pipeline_resume(owner);
}

static int
take_ticket(struct gw_request *r)
{
	struct ag_agent *a = r->worker->program;
	struct ag_ticket **ticket = &own(r)->ticket;
	size_t index = (size_t)(r->resolve.model - r->config->models);

	r->phase = GW_PHASE_QUEUE;
	gw_deadline_begin(r);
	*ticket = ag_ticket_take(a->scheduler, &a->models.model[index],
				 on_answered, r, &r->err);
	if (!*ticket)
		return -1;
	r->queue.begun_us = gw_mono_us();
	return 0;
}

/* Its turn has come: what it waited is for the record. */
static void
end_wait(struct gw_request *r)
{
	r->queue.waited_us += gw_mono_us() - r->queue.begun_us;
	r->queue.begun_us = 0;
}

/* llama-server serves one model and does not look at `model`: it stays as the
 * client sent it, unless that was nothing. */
static enum gw_step
set_target(struct gw_request *r)
{
	struct gw_target *t = &r->target;

	if (asprintf(&t->owned_url, "http://127.0.0.1:%u",
		     own(r)->ticket->model->port) < 0) {
		t->owned_url = NULL;
		gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return GW_FINISH;
	}
	t->base_url = t->owned_url;
	t->api_key = own(r)->ticket->model->key;
	if (gw_default_model_json(r, false) < 0 ||
	    gw_body_edit(r->receive.body, t->model_json, r->resolve.model,
			 &r->err) < 0)
		return GW_FINISH;
	return GW_NEXT;
}

static enum gw_step
wait_for_turn(struct gw_request *r)
{
	if (r->err.code)
		return GW_FINISH;
	if (r->deadline.hit) {
		gw_limit_error(r, r->deadline.hit);
		return GW_FINISH;
	}
	if (!own(r)->ticket && take_ticket(r) < 0)
		return GW_FINISH;
	if (own(r)->ticket->state == AG_TICKET_GRANTED) {
		end_wait(r);
		return set_target(r);
	}
	if (own(r)->ticket->state == AG_TICKET_REFUSED) {
		r->err = own(r)->ticket->err;
		return GW_FINISH;
	}
	/* Comments for a client that asked for a stream begin here: while it
	 * waits for others, and while its model is loaded. */
	gw_deadline_update(r);
	return GW_WAIT;
}

/* It ended, and not because the client or a limit wanted it to. */
static bool
lost_its_server(const struct gw_request *r)
{
	return r->relay.done && r->relay.failure != GW_TRANSFER_OK;
}

/* Between the connection and the first byte of a prompt. */
static bool
may_send(const struct gw_request *r)
{
	return own(r)->ticket && ag_listening_still(own(r)->ticket->model);
}

static void
release(struct gw_request *r)
{
	struct ag_agent *a = r->worker->program;

	ag_ticket_drop(a->scheduler, own(r)->ticket, lost_its_server(r));
	own(r)->ticket = NULL;
}

static const struct gw_stage stages[] = {
	{"accept", gw_stage_accept, GW_STAGE_ALWAYS},
	{"check_origin", gw_stage_check_origin, GW_STAGE_ALWAYS},
	{"authenticate", gw_stage_authenticate, GW_EP_CLIENT_KEY},
	{"admit", gw_stage_admit, GW_STAGE_ALWAYS},
	{"receive", gw_stage_receive, GW_EP_DOCUMENT | GW_EP_RELAY},
	{"answer", gw_stage_answer, GW_EP_ANSWER},
	{"resolve_role", gw_stage_resolve_role, GW_EP_RELAY},
	{"schedule", wait_for_turn, GW_EP_RELAY},
	{"forward", gw_stage_forward, GW_EP_RELAY},
	{"stream", gw_stage_stream, GW_EP_RELAY},
	{"account", gw_stage_account, GW_STAGE_ALWAYS},
};

enum {
	SCHEDULE = 7
};

const struct gw_pipeline ag_pipeline = {
	.stages = stages,
	.n = GW_ARRAY_LEN(stages),
	.pick = SCHEDULE,
	/* It died before it could be connected: wait for the next one. */
	.picks_again = true,
	.limits_readers = true,
	.own_bytes = sizeof(struct own),
	.may_send = may_send,
	.on_body = gw_receive_body,
	.on_body_end = gw_receive_end,
	.release = release,
};
