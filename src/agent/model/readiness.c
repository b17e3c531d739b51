/* SPDX-License-Identifier: MIT */
/*
 * readiness.c - asks a starting llama-server until it says that it is ready.
 * Decides nothing about the process itself.
 */
#include "agent/model/readiness.h"

#include <stdio.h>

#include "base/json.h"

#define PROPS_DEPTH_MAX 64

static const char *const paths[] = {
	[AG_READINESS_HEALTH] = "health",
	[AG_READINESS_MODELS] = "v1/models",
	[AG_READINESS_PROPS] = "props",
};

static void ask(struct ag_readiness *r);

static void
on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	ask(t->data);
}

static void
ask_later(struct ag_readiness *r)
{
	ev_timer_stop(r->loop, &r->timer);
	ev_timer_set(&r->timer, r->wait_ms / 1000., 0.);
	ev_timer_start(r->loop, &r->timer);
	r->wait_ms = r->wait_ms * 2 < r->interval_ms ? r->wait_ms * 2
						     : r->interval_ms;
}

static bool
may_send(void *arg)
{
	const struct ag_readiness *r = arg;

	return r->ops->may_send(r->arg);
}

static void
on_head(void *arg, const struct gw_transfer_head *head)
{
	struct ag_readiness *r = arg;

	r->status = head->status;
}

/* Of the first two what they say does not matter, and may be long: the status
 * decides. */
static bool
on_data(void *arg, const char *p, size_t n)
{
	struct ag_readiness *r = arg;

	if (r->question != AG_READINESS_PROPS)
		return true;
	if (gw_buf_append(&r->props, p, n) == 0)
		return true;
	gw_buf_clear(&r->props);
	return false;
}

static unsigned
slots_of(const struct gw_buf *props)
{
	struct gw_err ignored = {0};
	gw_auto_json struct json_object *o =
		gw_json_parse_object(props->data ? props->data : "", props->len,
				     PROPS_DEPTH_MAX, &ignored);
	struct json_object *v;
	int64_t n;

	if (!o || !json_object_object_get_ex(o, "total_slots", &v) ||
	    !json_object_is_type(v, json_type_int))
		return 0;
	n = json_object_get_int64(v);
	return n >= 1 && n <= UINT32_MAX ? (unsigned)n : 0;
}

static void
is_ready(struct ag_readiness *r)
{
	ev_timer_stop(r->loop, &r->timer);
	r->ops->on_ready(r->arg);
}

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct ag_readiness *r = arg;
	bool good =
		result == GW_TRANSFER_OK && r->status >= 200 && r->status < 300;

	(void)detail;
	r->transfer = NULL;
	if (r->question == AG_READINESS_PROPS) {
		r->slots = good ? slots_of(&r->props) : 0;
		gw_buf_release(&r->props);
		is_ready(r);
		return;
	}
	if (good && r->question == AG_READINESS_MODELS && !r->wants_slots) {
		is_ready(r);
		return;
	}
	if (good) {
		r->question++;
		ask(r);
		return;
	}
	r->question = AG_READINESS_HEALTH;
	ask_later(r);
	if (r->status)
		r->ops->on_loading(r->arg); /* may stop us */
}

static const struct gw_transfer_ops transfer_ops = {
	.may_send = may_send,
	.on_head = on_head,
	.on_data = on_data,
	.on_done = on_done,
};

static void
ask(struct ag_readiness *r)
{
	struct gw_err ignored = {0};
	char url[64];
	struct gw_transfer_request req = {
		.url = url,
		.bearer = r->key,
		.connect_ms = AG_READINESS_ASK_MS,
		.total_ms = AG_READINESS_ASK_MS,
	};

	if (!r->ops->may_ask(r->arg)) {
		r->question = AG_READINESS_HEALTH;
		if (r->loop)
			ask_later(r);
		return;
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s", r->port,
		 paths[r->question]);
	r->status = 0;
	r->transfer = gw_transfer_start(r->upstreams, &req, &transfer_ops, r,
					&ignored);
	if (!r->transfer)
		ask_later(r); /* out of memory: it may come back */
}

void
ag_readiness_start(struct ag_readiness *r, struct ev_loop *loop,
		   struct gw_upstreams *upstreams, unsigned port,
		   const char *key, uint32_t interval_ms, bool wants_slots,
		   const struct ag_readiness_ops *ops, void *arg)
{
	*r = (struct ag_readiness){
		.loop = loop,
		.upstreams = upstreams,
		.port = port,
		.key = key,
		.interval_ms = interval_ms,
		.wants_slots = wants_slots,
		.wait_ms = interval_ms < AG_READINESS_FIRST_MS
				   ? interval_ms
				   : AG_READINESS_FIRST_MS,
		.ops = ops,
		.arg = arg,
	};
	gw_buf_init(&r->props, AG_READINESS_PROPS_MAX);
	ev_timer_init(&r->timer, on_timer, 0., 0.);
	r->timer.data = r;
	ask_later(r);
}

void
ag_readiness_stop(struct ag_readiness *r)
{
	if (!r->loop)
		return;
	ev_timer_stop(r->loop, &r->timer);
	if (r->transfer)
		gw_transfer_cancel(r->transfer);
	r->transfer = NULL;
	gw_buf_release(&r->props);
	r->loop = NULL;
}
