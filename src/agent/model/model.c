/* SPDX-License-Identifier: MIT */
/*
 * model.c - the life of one model's llama-server: from its start to its end,
 * wanted or not, and what is tried afterwards. How it is started is start.c's
 * business; which model runs where, the scheduler's.
 */
#include "agent/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/model/failure.h"
#include "agent/model/listening.h"
#include "agent/model/start.h"
#include "base/clock.h"

/* ---- small questions ----------------------------------------------------- */

bool
ag_model_has_process(const struct ag_model *m)
{
	return m->process != NULL;
}

/* ---- failure ------------------------------------------------------------- */

static void
arm_retry(struct ag_model *m)
{
	struct ev_loop *loop = m->context->loop;
	uint32_t wait_ms;

	/* It did well for a while: this is a first failure again. */
	if (m->good_ms && gw_mono_ms() - m->good_ms >= AG_QUIET_MS)
		gw_backoff_reset(&m->backoff);
	m->good_ms = 0;
	wait_ms = gw_backoff_next(&m->backoff, 0); /* no jitter: it is alone */
	m->retry_at_ms = gw_mono_ms() + wait_ms;
	m->error.retry_after_s = (wait_ms + 999) / 1000;
	ev_timer_stop(loop, &m->retry);
	ev_timer_set(&m->retry, wait_ms / 1000., 0.);
	ev_timer_start(loop, &m->retry);
	ag_failure_log(m, wait_ms);
}

/* m->error says why; the process, if there was one, is gone. */
static void
fail(struct ag_model *m)
{
	arm_retry(m);
	if (m->state != AG_FAILED)
		ag_model_enter(m, AG_FAILED, m->error.msg);
}

/*
 * What ran and crashed, or was to be preloaded, comes back by itself where
 * there is room; the rest waits for a request.
 */
static void
come_back(struct ag_model *m)
{
	const struct ag_model_context *c = m->context;
	struct ag_device *d = m->resident ? c->ops->room_for(c->arg, m) : NULL;

	if (d)
		ag_model_start(m, d);
	else
		ag_model_enter(m, AG_STOPPED, "may be tried again");
}

/* Its files were looked for. Elsewhere than here it means nothing any more. */
static void
on_seen(void *arg, const char *why)
{
	struct ag_model *m = arg;

	if (m->state != AG_STOPPED && m->state != AG_FAILED)
		return;
	if (why) {
		gw_err_set(&m->error, GW_ERR_MODEL_START_FAILED, 0, "%s", why);
		fail(m);
		return;
	}
	if (m->state == AG_FAILED)
		come_back(m);
	m->context->ops->settled(m->context->arg, m);
}

/* The wait is over. What is still known to be impossible goes on waiting, so
 * that nobody is sent here in vain. */
static void
on_retry(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ag_model *m = t->data;

	(void)loop;
	(void)revents;
	if (ag_model_check_device(m, &m->error) == 0) {
		ag_look_begin(&m->look);
		return;
	}
	/* A device that is missing may show by the next time. */
	ag_devices_refresh(m->context->devices, AG_SAMPLE_AGE_MS);
	arm_retry(m);
}

/* ---- the process --------------------------------------------------------- */

static void
on_started(void *arg, pid_t pid, uint64_t start_time)
{
	struct ag_model *m = arg;

	m->pid = pid;
	m->start_time = start_time;
	m->context->ops->children_changed(m->context->arg);
}

static void
on_output(void *arg, const char *p, size_t n)
{
	struct ag_model *m = arg;

	ag_output_ring_feed(&m->output, p, n);
}

static void
forget_process(struct ag_model *m)
{
	const struct ag_model_context *c = m->context;

	ev_timer_stop(c->loop, &m->start_limit);
	ag_readiness_stop(&m->readiness);
	m->doubtful = false;
	m->process = NULL;
	m->pid = 0;
	m->start_time = 0;
	m->listener = (struct ag_listener){0};
	explicit_bzero(m->key, sizeof(m->key));
	ag_model_give_back_port(m);
	m->device = NULL;
	c->ops->children_changed(c->arg);
}

static void
on_process_exit(void *arg, const struct ag_exit *how)
{
	struct ag_model *m = arg;
	bool asked = m->state == AG_STOPPING;

	m->last_exit = *how;
	m->last_exit_wall_s = gw_wall_s();
	if (!asked) {
		m->crashes++;
		ag_failure_describe(m, how);
	}
	forget_process(m);
	if (!asked || m->failing)
		fail(m);
	else
		ag_model_enter(m, AG_STOPPED, m->reason);
	m->failing = false;
}

static const struct ag_process_ops process_ops = {
	.on_started = on_started,
	.on_output = on_output,
	.on_exit = on_process_exit,
};

/* ---- ready, or not in time ----------------------------------------------- */

static void
on_loading(void *arg)
{
	struct ag_model *m = arg;

	if (m->state == AG_STARTING)
		ag_model_enter(m, AG_LOADING, NULL);
}

static void
on_ready(void *arg)
{
	struct ag_model *m = arg;

	ev_timer_stop(m->context->loop, &m->start_limit);
	m->slots = m->readiness.slots;
	m->resident = true;
	m->last_used_ms = gw_mono_ms();
	if (!m->good_ms)
		m->good_ms = m->last_used_ms;
	ag_model_enter(m, AG_READY, NULL);
	ag_devices_refresh(m->context->devices, 0);
}

/* m->error says why. */
static void
give_up(struct ag_model *m, const char *reason)
{
	ev_timer_stop(m->context->loop, &m->start_limit);
	ag_readiness_stop(&m->readiness);
	m->failing = true;
	ag_process_terminate(m->process, m->context->config->stop_timeout_ms);
	ag_model_enter(m, AG_STOPPING, reason);
}

static void
on_start_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ag_model *m = t->data;
	uint32_t limit_ms = m->context->config->startup_timeout_ms;

	(void)loop;
	(void)revents;
	/* It was ready in time, and just does not tell its slots. */
	if (m->readiness.question == AG_READINESS_PROPS) {
		ag_readiness_stop(&m->readiness);
		on_ready(m);
		return;
	}
	gw_err_set(&m->error, GW_ERR_MODEL_START_TIMEOUT, 0,
		   "llama-server of model '%s' was not ready within "
		   "llama_server_startup_timeout_s = %.10g s",
		   m->config->model_id, limit_ms / 1000.0);
	give_up(m, "not ready in time");
}

/* Nobody else is asked anything, nor told the key. */
static bool
may_ask(void *arg)
{
	struct ag_model *m = arg;
	enum ag_listening who = ag_listening_look(m);

	if (who == AG_LISTENING_TAKEN)
		give_up(m, "its port is somebody else's");
	return who == AG_LISTENING_OURS;
}

static bool
may_send(void *arg)
{
	return ag_listening_still(arg);
}

/* A start limit, and then the questions. */
static void
ask_whether_ready(struct ag_model *m, const struct ag_readiness_ops *ops,
		  bool wants_slots)
{

	const struct ag_model_context *c = m->context;

	m->strangers = 0;
	ev_timer_set(&m->start_limit, c->config->startup_timeout_ms / 1000.,
		     0.);
	ev_timer_start(c->loop, &m->start_limit);
	ag_readiness_start(&m->readiness, c->loop, c->upstreams, m->port,
			   m->key, c->config->probe_interval_ms, wants_slots,
			   ops, m);
}

static const struct ag_readiness_ops start_ops = {
	.may_ask = may_ask,
	.may_send = may_send,
	.on_loading = on_loading,
	.on_ready = on_ready,
};

static void
on_answers_again(void *arg)
{
	struct ag_model *m = arg;

	ev_timer_stop(m->context->loop, &m->start_limit);
	m->doubtful = false;
	m->context->ops->settled(m->context->arg, m);
}

static const struct ag_readiness_ops doubt_ops = {
	.may_ask = may_ask,
	.may_send = may_send,
	.on_loading = on_loading,
	.on_ready = on_answers_again,
};

/* ---- what others may ask for --------------------------------------------- */

void
ag_model_start(struct ag_model *m, struct ag_device *d)
{
	bool there = ag_model_check_device(m, &m->error) == 0;

	if (there && !ag_look_is_fresh(&m->look)) {
		ag_look_begin(&m->look);
		return;
	}
	ev_timer_stop(m->context->loop, &m->retry);
	m->failing = false;
	ag_output_ring_clear(&m->output);
	if (!there ||
	    ag_model_choose_port(m, &m->port, &m->port_hold, &m->error) < 0 ||
	    ag_model_spawn(m, d, &process_ops, &m->process, &m->error) < 0) {
		/* No memory, no descriptors: a start that failed. */
		if (m->error.code == GW_ERR_INTERNAL)
			m->error.code = GW_ERR_MODEL_START_FAILED;
		ag_model_give_back_port(m);
		fail(m);
		return;
	}
	m->device = d;
	m->starts++;
	ask_whether_ready(m, &start_ops, m->config->parallel == 0);
	ag_model_enter(m, AG_STARTING, NULL);
}

void
ag_model_examine(struct ag_model *m)
{
	if (m->state != AG_STOPPED)
		return;
	if (ag_model_check_device(m, &m->error) < 0)
		fail(m);
	else
		ag_look_begin(&m->look);
}

static void
terminate(struct ag_model *m, const char *reason)
{
	ev_timer_stop(m->context->loop, &m->start_limit);
	ag_readiness_stop(&m->readiness);
	ag_process_terminate(m->process, m->context->config->stop_timeout_ms);
	ag_model_enter(m, AG_STOPPING, reason);
}

void
ag_model_stop(struct ag_model *m, const char *reason)
{
	if (m->state < AG_STARTING || m->state > AG_READY)
		return;
	/* Somebody wants it away: it comes back for a request only. */
	m->resident = false;
	if (m->state == AG_READY && m->running > 0)
		ag_model_enter(m, AG_DRAINING, reason);
	else
		terminate(m, reason);
}

void
ag_model_doubt(struct ag_model *m)
{
	if (m->state != AG_READY || m->doubtful)
		return;
	m->doubtful = true;
	ask_whether_ready(m, &doubt_ops, false);
}

void
ag_model_drained(struct ag_model *m)
{
	if (m->state == AG_DRAINING && m->running == 0)
		terminate(m, m->reason);
}

void
ag_model_shut_down(struct ag_model *m, uint32_t grace_ms)
{
	m->resident = false;
	ev_timer_stop(m->context->loop, &m->retry);
	ag_look_stop(&m->look);
	if (!m->process)
		return;
	m->failing = false;
	if (grace_ms == 0)
		ag_process_kill(m->process);
	else
		ag_process_terminate(m->process, grace_ms);
	if (m->state != AG_STOPPING) {
		ev_timer_stop(m->context->loop, &m->start_limit);
		ag_readiness_stop(&m->readiness);
		ag_model_enter(m, AG_STOPPING, "the agent ends");
	}
}

/* ---- all of them --------------------------------------------------------- */

static void
init(struct ag_model *m, const struct ag_model_context *c, size_t index)
{
	m->context = c;
	m->config = &c->config->models[index];
	m->index = index;
	m->port_hold = -1;
	m->since_wall_s = gw_wall_s();
	m->since_ms = gw_mono_ms();
	m->resident = m->config->preload;
	m->backoff = (struct gw_backoff){
		.first_ms = AG_RESTART_FIRST_MS,
		.max_ms = AG_RESTART_MAX_MS,
	};
	ag_look_init(&m->look, c->loop, c->config->llama_server_bin,
		     m->config->path, m->config->model_id,
		     c->config->startup_timeout_ms, on_seen, m);
	ev_timer_init(&m->start_limit, on_start_limit, 0., 0.);
	m->start_limit.data = m;
	ev_timer_init(&m->retry, on_retry, 0., 0.);
	m->retry.data = m;
}

int
ag_models_new(const struct ag_model_context *context, struct ag_models *out,
	      struct gw_err *err)
{
	size_t n = context->config->n_models;
	struct ag_model *list = calloc(n, sizeof(*list));

	if (!list)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	for (size_t i = 0; i < n; i++)
		init(&list[i], context, i);
	*out = (struct ag_models){.model = list, .n = n};
	return 0;
}

void
ag_models_free(struct ag_models *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct ag_model *m = &all->model[i];

		ev_timer_stop(m->context->loop, &m->start_limit);
		ev_timer_stop(m->context->loop, &m->retry);
		ag_look_stop(&m->look);
		ag_readiness_stop(&m->readiness);
		ag_process_free(m->process);
		ag_model_give_back_port(m);
	}
	free(all->model);
	*all = (struct ag_models){0};
}
