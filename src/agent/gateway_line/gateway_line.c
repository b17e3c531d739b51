/* SPDX-License-Identifier: MIT */
/*
 * gateway_line.c - one exchange with the gateway after the other: which one is
 * next, when, and what a failure means. It writes no document but the goodbye.
 */
#include "agent/gateway_line/gateway_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/gateway_line/answer.h"
#include "agent/gateway_line/exchange.h"
#include "agent/gateway_line/pace.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#define WHY_BYTES 400

enum what {
	REGISTER,
	HEARTBEAT,
	LEAVE
};

static const char *const paths[] = {
	[REGISTER] = "/v1/nodes/register",
	[HEARTBEAT] = "/v1/nodes/heartbeat",
	[LEAVE] = "/v1/nodes/deregister",
};

struct ag_gateway_line {
	struct ag_gateway_line_setup with;
	bool enabled;
	bool registered;
	bool known;  /* a heartbeat was answered since */
	bool urgent; /* a heartbeat is due as soon as may be */
	bool leaving;
	bool draining; /* an operator took this node out of service there */
	enum what what; /* of the exchange under way */
	struct ag_exchange exchange;
	ev_timer timer; /* the next exchange */
	uint32_t interval_ms;
	struct ag_pace pace; /* of heartbeats */
	struct gw_backoff backoff;
	char why[WHY_BYTES]; /* the last failure, "" after a success */
	bool away;	  /* it failed, and no heartbeat was answered since */
	int away_status;  /* ... last with this status, 0 = without one */
	uint64_t away_ms; /* ... since then */
	int64_t last_ok_wall_s;
	void (*left)(void *arg);
	void *left_arg;
};

static void send_next(struct ag_gateway_line *d, enum what what);

static void
wait_ms(struct ag_gateway_line *d, uint32_t ms)
{
	ev_timer_stop(d->with.loop, &d->timer);
	ev_timer_set(&d->timer, ms / 1000., 0.);
	ev_timer_start(d->with.loop, &d->timer);
}

static void
finish_leaving(struct ag_gateway_line *d)
{
	void (*left)(void *arg) = d->left;

	ev_timer_stop(d->with.loop, &d->timer);
	d->left = NULL;
	if (left)
		left(d->left_arg);
}

/* ---- what an answer means ------------------------------------------------ */

/* One line when it goes; whether it cannot be reached, or wants another key, is
 * worth another one. */
static enum gw_event
note_failure(struct ag_gateway_line *d)
{
	bool new = !d->away || d->away_status != d->exchange.status;

	if (!d->away)
		d->away_ms = gw_mono_ms();
	d->away = true;
	d->away_status = d->exchange.status;
	return new ? GW_EV_GATEWAY_FAILED : GW_EV_GATEWAY_RETRY;
}

static void
note_success(struct ag_gateway_line *d)
{
	if (d->away)
		gw_log(GW_EV_GATEWAY_BACK, NULL,
		       "url=%s failures=%u away_ms=%" PRIu64,
		       d->with.config->dispatcher_base_url, d->backoff.failures,
		       gw_mono_ms() - d->away_ms);
	d->away = false;
}

static void
failed(struct ag_gateway_line *d, enum gw_transfer_result result)
{
	char why[WHY_BYTES + 16];
	uint32_t ms = gw_backoff_next(
		&d->backoff, (uint32_t)d->with.ops->random(d->with.arg));

	if (result == GW_TRANSFER_OK)
		ag_gateway_answer_explain(
			d->exchange.answer, d->exchange.status,
			d->what == REGISTER, d->why, sizeof(d->why));
	else
		snprintf(d->why, sizeof(d->why), "%s",
			 gw_transfer_reason(result));
	if (d->exchange.status == 401 || d->exchange.status == 403)
		d->registered = false;
	/* A known node has to be heard of before it is stale. */
	if (d->registered && ms > d->interval_ms)
		ms = d->interval_ms;
	gw_log(note_failure(d), NULL,
	       "url=%s%s failures=%u retry_in_ms=%" PRIu32 " reason=%s",
	       d->with.config->dispatcher_base_url, paths[d->what],
	       d->backoff.failures, ms,
	       gw_log_quote(why, sizeof(why), d->why, strlen(d->why)));
	wait_ms(d, ms);
}

/* One line when it begins, one when it ends. */
static void
note_draining(struct ag_gateway_line *d)
{
	bool draining = ag_gateway_answer_drains(d->exchange.answer);
	char node[160];

	if (draining == d->draining)
		return;
	d->draining = draining;
	gw_log(draining ? GW_EV_GATEWAY_DRAINS : GW_EV_GATEWAY_UNDRAINS, NULL,
	       "url=%s node=%s reason=\"an operator of the gateway asked for "
	       "it\"",
	       d->with.config->dispatcher_base_url,
	       gw_log_word(node, sizeof(node), d->with.config->node_id));
}

static void
registered(struct ag_gateway_line *d)
{
	char node[160];

	d->registered = true;
	d->known = false;
	d->interval_ms = ag_gateway_answer_interval_ms(
		d->exchange.answer, d->with.config->heartbeat_interval_ms,
		AG_GATEWAY_INTERVAL_MIN_MS);
	gw_log(GW_EV_GATEWAY_REGISTERED, NULL,
	       "url=%s node=%s heartbeat_interval_ms=%" PRIu32,
	       d->with.config->dispatcher_base_url,
	       gw_log_word(node, sizeof(node), d->with.config->node_id),
	       d->interval_ms);
	/* The states of the models are not part of a registration. */
	send_next(d, HEARTBEAT);
}

static void
succeeded(struct ag_gateway_line *d)
{
	d->why[0] = '\0';
	d->last_ok_wall_s = gw_wall_s();
	note_draining(d);
	if (d->what == REGISTER) {
		registered(d);
		return;
	}
	/* Only now: a registration may be taken and forgotten at once. */
	note_success(d);
	gw_backoff_reset(&d->backoff);
	d->known = true;
	wait_ms(d, d->urgent ? ag_pace_wait_ms(&d->pace, gw_mono_ms())
			     : d->interval_ms);
}

static void
judge(void *arg, enum gw_transfer_result result)
{
	struct ag_gateway_line *d = arg;
	char node[160];
	/* Web sites say 200 to anything; a gateway's answer is a document. */
	bool good = result == GW_TRANSFER_OK && d->exchange.status >= 200 &&
		    d->exchange.status < 300 &&
		    (d->what != REGISTER || d->exchange.answer);

	if (d->what == LEAVE) {
		if (good)
			gw_log(GW_EV_GATEWAY_LEFT, NULL, "url=%s node=%s",
			       d->with.config->dispatcher_base_url,
			       gw_log_word(node, sizeof(node),
					   d->with.config->node_id));
		finish_leaving(d);
	} else if (d->leaving) {
		send_next(d, LEAVE);
	} else if (good) {
		succeeded(d);
	} else if (result == GW_TRANSFER_OK && d->what == HEARTBEAT &&
		   d->exchange.status == 404) {
		d->registered = false;
		/* It was restarted, or had forgotten us: not a failure, unless
		 * it never knew us although it said so. */
		if (d->known)
			send_next(d, REGISTER);
		else
			failed(d, result);
	} else {
		failed(d, result);
	}
}

/* ---- one exchange -------------------------------------------------------- */

static struct json_object *
document(struct ag_gateway_line *d, enum what what)
{
	struct json_object *o;

	if (what == REGISTER)
		return d->with.ops->registration(d->with.arg);
	if (what == HEARTBEAT)
		return d->with.ops->heartbeat(d->with.arg);
	o = json_object_new_object();
	gw_json_set_str(o, "node_id", d->with.config->node_id);
	return o;
}

static void
send_next(struct ag_gateway_line *d, enum what what)
{
	gw_auto_json struct json_object *doc = document(d, what);
	const struct ag_config *c = d->with.config;

	if (!d->leaving) /* else it limits the goodbye */
		ev_timer_stop(d->with.loop, &d->timer);
	d->what = what;
	if (what == HEARTBEAT) {
		d->urgent = false;
		ag_pace_note(&d->pace, gw_mono_ms());
	}
	if (ag_exchange_post(&d->exchange, c->dispatcher_base_url, paths[what],
			     c->dispatcher_api_key, doc) < 0)
		judge(d, GW_TRANSFER_INTERNAL);
}

static void
on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ag_gateway_line *d = t->data;

	(void)loop;
	(void)revents;
	if (d->leaving) { /* it takes too long: the node goes stale instead */
		ag_exchange_cancel(&d->exchange);
		finish_leaving(d);
	} else if (!d->exchange.transfer) {
		send_next(d, d->registered ? HEARTBEAT : REGISTER);
	}
}

/* ---- the whole ----------------------------------------------------------- */

struct ag_gateway_line *
ag_gateway_line_new(const struct ag_gateway_line_setup *setup)
{
	struct ag_gateway_line *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->with = *setup;
	d->interval_ms = setup->config->heartbeat_interval_ms;
	d->backoff = (struct gw_backoff){
		.first_ms = AG_GATEWAY_FIRST_MS,
		.max_ms = AG_GATEWAY_MAX_MS,
		.jitter_pct = AG_GATEWAY_JITTER_PCT,
	};
	ag_exchange_init(&d->exchange, setup->upstreams, judge, d);
	ev_timer_init(&d->timer, on_timer, 0., 0.);
	d->timer.data = d;
	return d;
}

void
ag_gateway_line_free(struct ag_gateway_line *d)
{
	if (!d)
		return;
	ev_timer_stop(d->with.loop, &d->timer);
	ag_exchange_release(&d->exchange);
	free(d);
}

/* A node that serves no role has nothing to say to a gateway. */
static bool
has_roles(const struct ag_config *c)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].roles.n)
			return true;
	return false;
}

void
ag_gateway_line_start(struct ag_gateway_line *d)
{
	const struct ag_config *c = d->with.config;

	d->enabled = c->dispatcher_base_url && has_roles(c);
	if (d->enabled)
		send_next(d, REGISTER);
}

void
ag_gateway_line_urgent(struct ag_gateway_line *d)
{
	if (!d || !d->enabled || d->leaving)
		return;
	d->urgent = true;
	if (!d->registered || d->exchange.transfer)
		return; /* what is under way goes on to it */
	wait_ms(d, ag_pace_wait_ms(&d->pace, gw_mono_ms()));
}

void
ag_gateway_line_leave(struct ag_gateway_line *d, void (*left)(void *arg),
		      void *arg)
{
	d->leaving = true;
	d->left = left;
	d->left_arg = arg;
	if (!d->exchange.transfer && !d->registered) {
		finish_leaving(d);
		return;
	}
	wait_ms(d, AG_GATEWAY_LEAVE_MS);
	/* A registration under way may arrive: after it, then. */
	if (!d->exchange.transfer)
		send_next(d, LEAVE);
}

struct json_object *
ag_gateway_line_report(const struct ag_gateway_line *d)
{
	struct json_object *o;

	if (!d->enabled)
		return NULL;
	o = json_object_new_object();
	gw_json_set_str(o, "url", d->with.config->dispatcher_base_url);
	json_object_object_add(o, "registered",
			       json_object_new_boolean(d->registered));
	json_object_object_add(o, "draining",
			       json_object_new_boolean(d->draining));
	gw_json_set_str(o, "error", d->why[0] ? d->why : NULL);
	if (d->last_ok_wall_s)
		gw_json_set_int(o, "last_ok", d->last_ok_wall_s);
	else
		json_object_object_add(o, "last_ok", NULL);
	return o;
}
