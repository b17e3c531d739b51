/* SPDX-License-Identifier: MIT */
/*
 * worker.c - one process that serves FastCGI: builds the loop and what hangs on
 * it, takes events in and hands them to requests; knows nothing of what
 * requests mean, nor where its configuration comes from.
 */
#include "serve/worker.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "serve/deadline.h"
#include "serve/long_answer.h"
#include "serve/relay.h"

#define OTHER_FDS 64 /* descriptors that are not connections */
/* The web server's, the upstream's, and what libcurl needs to look it up. */
#define FDS_PER_REQUEST 3
#define CONNS_MAX 16384

/* ---- requests ------------------------------------------------------------ */

static void *
on_request(struct gw_fcgi_conn *c, void *arg)
{
	struct gw_worker *w = arg;
	struct gw_request *r = gw_request_new(w, c);

	if (!r)
		return NULL;
	gw_memory_note(&w->memory, gw_fcgi_open_requests(w->front));
	gw_deadline_init(r);
	gw_pipeline_resume(r);
	return r;
}

static void
on_body(void *request, const char *p, size_t n)
{
	struct gw_request *r = request;

	r->worker->pipeline->on_body(r, p, n);
}

static void
on_body_end(void *request)
{
	struct gw_request *r = request;

	r->worker->pipeline->on_body_end(r);
}

static void
on_gone(void *request)
{
	gw_pipeline_client_gone(request);
}

static void
on_stalled(void *request)
{
	gw_pipeline_client_stalled(request);
}

static void
on_writable(void *request)
{
	gw_long_answer_writable(request);
	gw_relay_writable(request); /* may end it */
}

static const struct gw_fcgi_ops front_ops = {
	.on_request = on_request,
	.on_body = on_body,
	.on_body_end = on_body_end,
	.on_gone = on_gone,
	.on_stalled = on_stalled,
	.on_writable = on_writable,
};

/* ---- life ---------------------------------------------------------------- */

static unsigned
connection_limit(void)
{
	struct rlimit lim;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 256;
	if (lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
			getrlimit(RLIMIT_NOFILE, &lim);
	}
	n = lim.rlim_cur > 2 * OTHER_FDS ? lim.rlim_cur - OTHER_FDS : OTHER_FDS;
	n /= FDS_PER_REQUEST;
	return n < CONNS_MAX ? (unsigned)n : CONNS_MAX;
}

/* ---- the log ------------------------------------------------------------- */

static void
on_wake(struct ev_loop *loop, ev_check *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	gw_log_collect(true);
}

static void
on_sleep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	gw_log_collect(false);
}

/* The lines of one turn leave in one write, and before its answers do: whoever
 * has an answer finds it in the log. */
static void
collect_log(struct gw_worker *w)
{
	ev_check_init(&w->wakes, on_wake);
	ev_set_priority(&w->wakes, EV_MAXPRI);
	ev_check_start(w->loop, &w->wakes);
	ev_prepare_init(&w->sleeps, on_sleep);
	ev_set_priority(&w->sleeps, EV_MINPRI + 1);
	ev_prepare_start(w->loop, &w->sleeps);
	ev_unref(w->loop);
	ev_unref(w->loop);
}

static void
stop_collecting(struct gw_worker *w)
{
	if (ev_is_active(&w->sleeps)) {
		ev_ref(w->loop);
		ev_ref(w->loop);
		ev_check_stop(w->loop, &w->wakes);
		ev_prepare_stop(w->loop, &w->sleeps);
	}
	gw_log_collect(false);
}

/* ---- the configuration --------------------------------------------------- */

static void
on_bodies_changed(void *arg, int64_t bytes)
{
	struct gw_worker *w = arg;

	gw_counters_gauge(&w->counters, GW_GAUGE_BODY_BYTES, bytes);
}

static unsigned
open_requests(void *arg)
{
	const struct gw_worker *w = arg;

	return w->front ? gw_fcgi_open_requests(w->front) : 0;
}

void
gw_worker_configure(struct gw_worker *w, struct gw_config *fresh)
{
	gw_config_unref(w->config);
	w->config = fresh;
	w->bodies.max = fresh->gateway.max_bodies_bytes;
}

struct gw_worker *
gw_worker_new(const struct gw_worker_setup *setup, struct gw_err *err)
{
	struct gw_worker *w = calloc(1, sizeof(*w));

	if (!w) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	w->pipeline = setup->pipeline;
	w->endpoints = setup->endpoints;
	w->n_endpoints = setup->n_endpoints;
	w->program = setup->program;
	w->keys = setup->keys;
	w->bodies.key = setup->keys.max_bodies_bytes;
	w->bodies.changed = on_bodies_changed;
	w->bodies.arg = w;
	gw_worker_configure(w, gw_config_ref(setup->config));
	w->max_body_bytes = w->config->gateway.max_body_bytes;
	w->started_wall_s = gw_wall_s();
	if (getrandom(w->random_state, sizeof(w->random_state), 0) < 0)
		w->random_state[0] = gw_mono_us() ^ (uint64_t)getpid() << 32;
	w->random_state[1] |= 1;
	gw_via_name(setup->via ? setup->via : gw_worker_random(w), w->via);
	w->owns_loop = !setup->loop;
	w->loop = setup->loop ? setup->loop : ev_loop_new(EVFLAG_AUTO);
	if (!w->loop) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			   "the event loop cannot be set up");
		goto fail;
	}
	gw_turns_init(&w->turns, w->loop);
	gw_memory_init(&w->memory, w->loop, open_requests, w);
	w->upstreams = gw_upstreams_new(w->loop, err);
	if (!w->upstreams)
		goto fail;
	w->front = gw_fcgi_front_new(w->loop, &front_ops, w, connection_limit(),
				     err);
	if (!w->front)
		goto fail;
	collect_log(w);
	return w;
fail:
	gw_worker_free(w);
	return NULL;
}

void
gw_worker_cut_requests(struct gw_worker *w)
{
	w->ended = true;
	while (w->requests) {
		struct gw_request *r = w->requests;

		if (!r->err.code)
			gw_err_set(&r->err, GW_ERR_SHUTTING_DOWN, 0,
				   "this process is stopping, and its grace "
				   "time (shutdown_grace_s) is over: it cut "
				   "the answer off");
		gw_pipeline_end(r);
	}
}

void
gw_worker_end_requests(struct gw_worker *w)
{
	w->ended = true;
	gw_fcgi_front_free(w->front);
	w->front = NULL;
}

void
gw_worker_free(struct gw_worker *w)
{
	if (!w)
		return;
	gw_worker_end_requests(w);
	stop_collecting(w);
	gw_turns_stop(&w->turns);
	/* Whatever way they ended, they gave back what they held. */
	assert(w->bodies.used == 0);
	gw_memory_stop(&w->memory);
	gw_upstreams_free(w->upstreams);
	gw_config_unref(w->config);
	if (w->loop && w->owns_loop)
		ev_loop_destroy(w->loop);
	free(w);
}

/* xorshift128+: ids and choices, nothing secret. */
uint64_t
gw_worker_random(struct gw_worker *w)
{
	uint64_t a = w->random_state[0], b = w->random_state[1];

	w->random_state[0] = b;
	a ^= a << 23;
	w->random_state[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return w->random_state[1] + b;
}
