/* SPDX-License-Identifier: MIT */
/*
 * shared.c - what several endpoints need; knows no single one of them.
 */
#include "endpoint/shared.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "config/clients.h"
#include "routing/availability.h"
#include "routing/drain.h"
#include "routing/routing.h"
#include "serve/pipeline.h"
#include "serve/shown.h"

#define REGISTRY_RETRY_S 0.002
#define REGISTRY_RETRIES 500

static void
resume(void *arg)
{
	gw_pipeline_resume(arg);
}

enum gw_step
gw_await_availability(struct gw_request *r, const struct gw_model *only,
		      enum gw_ask ask)
{
	/* Gateways that ask each other would wait for each other's answers: one
	 * that asks is told what is known. */
	if (!gw_routed(r)->availability)
		gw_routed(r)->availability = gw_availability_new(
			gw_routing(r), r->config, only,
			r->accept.via[0] ? GW_ASK_NOBODY : ask, resume, r,
			&r->err);
	if (!gw_routed(r)->availability)
		return GW_FINISH;
	if (!gw_availability_is_done(gw_routed(r)->availability, &r->err))
		return GW_WAIT;
	return r->err.code ? GW_FINISH : GW_NEXT;
}

static void
on_retry(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	gw_pipeline_resume(t->data);
}

static const struct {
	enum reg_code from;
	enum gw_code to;
} reg_codes[] = {
	{REG_BUSY, GW_ERR_REGISTRY_BUSY},
	{REG_FULL, GW_ERR_REGISTRY_FULL},
	{REG_NOT_FOUND, GW_ERR_NODE_NOT_REGISTERED},
	{REG_TOO_LARGE, GW_ERR_REQUEST_TOO_LARGE},
};

enum gw_step
gw_registry_failed(struct gw_request *r, const struct reg_err *e,
		   const char *node_id)
{
	char quoted[GW_QUOTED_NODE_ID];
	enum gw_code code = GW_ERR_INTERNAL;

	if (e->code == REG_BUSY && r->answer.retries++ < REGISTRY_RETRIES) {
		ev_timer_init(&r->answer.retry, on_retry, REGISTRY_RETRY_S, 0.);
		r->answer.retry.data = r;
		ev_timer_start(r->worker->loop, &r->answer.retry);
		return GW_WAIT;
	}
	for (size_t i = 0; i < GW_ARRAY_LEN(reg_codes); i++)
		if (reg_codes[i].from == e->code)
			code = reg_codes[i].to;
	gw_log_quote(quoted, sizeof(quoted), node_id, strlen(node_id));
	if (e->code == REG_NOT_FOUND)
		gw_err_set(&r->err, code, 0,
			   "the node %s is not registered; register it first",
			   quoted);
	else
		gw_err_set(&r->err, code, e->sys, "node %s: %s", quoted,
			   e->msg);
	return GW_FINISH;
}

bool
gw_node_is_configured(struct gw_request *r, const char *node_id)
{
	char quoted[GW_QUOTED_NODE_ID];

	if (!gw_config_static_node(r->config, node_id))
		return false;
	gw_log_quote(quoted, sizeof(quoted), node_id, strlen(node_id));
	gw_err_set(&r->err, GW_ERR_NODE_IS_CONFIGURED, 0,
		   "the node %s is written in the gateway's configuration "
		   "(nodes): give this one another node_id, or take that one "
		   "out",
		   quoted);
	gw_err_param(&r->err, "node_id");
	return true;
}

bool
gw_node_id_is_refused(struct gw_request *r, const char *node_id)
{
	char quoted[GW_QUOTED_NODE_ID];

	if (gw_node_key_may_id(r->authenticate.node, node_id))
		return false;
	gw_err_set(&r->err, GW_ERR_NODE_NOT_ALLOWED, 0,
		   "this key may not speak for the node %s: its entry of "
		   "auth.nodes lists other node_ids",
		   gw_log_quote(quoted, sizeof(quoted), node_id,
				strlen(node_id)));
	gw_err_param(&r->err, "node_id");
	return true;
}

void
gw_node_say_drained(const struct gw_request *r, const char *node_id,
		    struct json_object *doc)
{
	uint64_t now_ms = gw_mono_ms();

	if (!gw_is_drained_id(gw_routing(r), node_id, now_ms))
		return;
	reg_drain_seen(gw_routing(r)->reg, gw_drain_key(node_id), now_ms);
	json_object_object_add(doc, "draining", json_object_new_boolean(true));
}

void
gw_json_set_age(struct json_object *o, uint64_t age_ms)
{
	if (age_ms)
		json_object_object_add(o, "result_age_s",
				       gw_json_seconds(age_ms));
}

struct json_object *
gw_usable_object(const struct gw_request *r, const struct gw_model *m,
		 const struct gw_usable *u)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "id", m->openai_model_name);
	gw_json_set_str(o, "object", "model");
	gw_json_set_int(o, "created", r->worker->started_wall_s);
	gw_json_set_str(o, "owned_by", "rolemesh");
	if (u->via && gw_shown_model(r, gw_config_model(r->config, u->via,
							strlen(u->via))))
		gw_json_set_str(o, "via", u->via);
	gw_json_set_age(o, u->age_ms);
	return o;
}
