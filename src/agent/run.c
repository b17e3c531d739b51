/* SPDX-License-Identifier: MIT */
/*
 * run.c - puts the agent together, and takes it apart in the right order: the
 * gateway is told first, then requests end, then llama-servers, then we.
 */
#include "agent/run.h"

#include <signal.h>
#include <string.h>

#include "agent/address.h"
#include "agent/agent.h"
#include "agent/parts.h"
#include "base/clock.h"
#include "base/log.h"
#include "webserver/webserver.h"

#ifdef HAVE_CONFIG_H
#include <autoconf.h>
#endif

#define PROGRAM "rolemesh-node-agent"
#define TICK_S 1.
#define STUCK_MS 7000 /* beyond stop_timeout_s: SIGKILL was sent long ago */

enum phase {
	PHASE_STARTING, /* devices are not known, or lighttpd not up */
	PHASE_SERVING,
	PHASE_LEAVING,	/* the gateway is told */
	PHASE_DRAINING, /* open requests may finish */
	PHASE_STOPPING, /* llama-servers end */
};

struct run {
	struct ag_agent agent;
	struct gw_site site;
	struct gw_webserver web;
	bool web_started;
	bool urgent; /* asked to end twice: nobody is waited for */
	enum phase phase;
	int status;
	bool again; /* the folder was lost, and nobody asked for the end */
	ev_signal on_int, on_term, on_hup;
	ev_timer tick;
	ev_timer stuck;
};

/* ---- the way down -------------------------------------------------------- */

static bool
any_process(const struct ag_agent *a)
{
	for (size_t i = 0; i < a->models.n; i++)
		if (ag_model_has_process(&a->models.model[i]))
			return true;
	return false;
}

static void
end_if_done(struct run *r)
{
	if (r->phase == PHASE_STOPPING && !any_process(&r->agent))
		ev_break(r->agent.loop, EVBREAK_ALL);
}

static void
on_stuck(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct run *r = t->data;

	(void)revents;
	gw_log(GW_EV_FATAL, NULL,
	       "message=\"a llama-server does not end even on SIGKILL; its "
	       "guard goes on waiting for it\"");
	r->status = EXIT_FAILURE;
	ev_break(loop, EVBREAK_ALL);
}

/* lighttpd is gone, or never was. */
static void
stop_models(struct run *r)
{
	struct ag_agent *a = &r->agent;
	uint32_t grace_ms = r->urgent ? 0 : a->config->stop_timeout_ms;

	r->phase = PHASE_STOPPING;
	ev_timer_stop(a->loop, &r->stuck);
	ev_timer_set(&r->stuck, (grace_ms + STUCK_MS) / 1000., 0.);
	ev_timer_start(a->loop, &r->stuck);
	/* Or one that still waits would start its model again. */
	gw_worker_end_requests(a->worker);
	for (size_t i = 0; i < a->models.n; i++)
		ag_model_shut_down(&a->models.model[i], grace_ms);
	end_if_done(r);
}

static void
on_left(void *arg)
{
	struct run *r = arg;

	if (r->phase != PHASE_LEAVING)
		return;
	r->phase = PHASE_DRAINING;
	if (r->web_started)
		gw_webserver_drain(&r->web, "asked to end",
				   r->agent.config->shutdown_grace_ms);
	else
		stop_models(r);
}

static void
leave(struct run *r)
{
	r->phase = PHASE_LEAVING;
	ag_gateway_line_leave(r->agent.line, on_left, r);
}

static void
on_web_ended(void *arg, bool failed)
{
	struct run *r = arg;

	r->web_started = false;
	if (failed)
		r->status = EXIT_FAILURE;
	if (r->phase <= PHASE_SERVING)
		leave(r); /* nobody can reach us any more */
	else if (r->phase != PHASE_LEAVING)
		stop_models(r);
}

/* Somebody asks a second time, or a third. */
static void
hurry(struct run *r)
{
	r->urgent = true;
	if (r->phase == PHASE_LEAVING)
		on_left(r);
	if (r->phase == PHASE_DRAINING && r->web_started)
		gw_webserver_urgent(&r->web);
	else if (r->phase == PHASE_STOPPING)
		stop_models(r);
}

static void
on_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct run *r = s->data;

	(void)loop;
	(void)revents;
	r->again = false;
	if (r->phase > PHASE_SERVING) {
		hurry(r);
		return;
	}
	gw_log(GW_EV_DRAIN, NULL, "reason=\"%s\" open_requests=%u",
	       strsignal(s->signum),
	       gw_fcgi_open_requests(r->agent.worker->front));
	leave(r);
}

/* ---- what happens on the way --------------------------------------------- */

static void
on_model_changed(void *run)
{
	end_if_done(run);
}

/* Room on a device depends on memory that others take and give back. */
static void
on_tick(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct run *r = t->data;
	struct ag_agent *a = &r->agent;

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < a->models.n; i++) {
		const struct ag_model *m = &a->models.model[i];

		if (!m->waiting && !m->preload_due)
			continue;
		ag_devices_refresh(a->devices, AG_SAMPLE_AGE_MS);
		ag_scheduler_wake(a->scheduler);
		return;
	}
}

/* ---- the way up ---------------------------------------------------------- */

static void
on_up(void *arg)
{
	struct run *r = arg;
	struct ag_agent *a = &r->agent;
	char node[160];
	size_t n_devices;

	ag_devices_list(a->devices, &n_devices);
	printf("RoleMesh Node Agent %s on %s (pid %ld)\n", PACKAGE_VERSION,
	       r->site.url, (long)getpid());
	fflush(stdout);
	gw_log(GW_EV_START, NULL, "url=%s node=%s models=%zu n_devices=%zu",
	       r->site.url, gw_log_word(node, sizeof(node), a->config->node_id),
	       a->models.n, n_devices);
	if (r->phase != PHASE_STARTING)
		return;
	r->phase = PHASE_SERVING;
	ag_gateway_line_start(a->line);
}

static void
on_folder_lost(void *arg)
{
	struct run *r = arg;

	r->again = true;
	if (r->phase <= PHASE_SERVING)
		leave(r);
}

static void
on_web_cut(void *arg)
{
	struct run *r = arg;

	gw_worker_cut_requests(r->agent.worker);
}

static const struct gw_webserver_ops web_ops = {
	.on_up = on_up,
	.on_folder_lost = on_folder_lost,
	.on_ended = on_web_ended,
	.on_cut = on_web_cut,
};

static void
fail(struct run *r, const struct gw_err *err)
{
	gw_log_told(GW_EV_FATAL, "message", err->msg);
	r->status = EXIT_FAILURE;
	stop_models(r);
}

static void
on_devices_ready(void *arg)
{
	struct run *r = arg;
	struct ag_agent *a = &r->agent;
	struct gw_err err = {0};

	if (r->phase != PHASE_STARTING)
		return; /* asked to end meanwhile */
	if (ag_parts_begin(a, &err) < 0 ||
	    gw_webserver_start(&r->web, a->loop, &r->site, &web_ops, r, &err) <
		    0) {
		fail(r, &err);
		return;
	}
	r->web_started = true;
	gw_crowd_watch(&a->worker->crowd, r->web.child,
		       r->site.max_connections, 1);
	for (size_t i = 0; i < a->models.n; i++)
		ag_model_examine(&a->models.model[i]);
	ag_scheduler_preload(a->scheduler);
}

static void
start_signal(struct run *r, ev_signal *s, int signum)
{
	ev_signal_init(s, on_signal, signum);
	s->data = r;
	ev_signal_start(r->agent.loop, s);
}

static void
start_watchers(struct run *r)
{
	struct sigaction hup;

	signal(SIGPIPE, SIG_IGN);
	start_signal(r, &r->on_int, SIGINT);
	start_signal(r, &r->on_term, SIGTERM);
	/* A closed terminal ends it like SIGTERM, unless nohup says no. */
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
		start_signal(r, &r->on_hup, SIGHUP);
	ev_timer_init(&r->tick, on_tick, TICK_S, TICK_S);
	r->tick.data = r;
	ev_timer_start(r->agent.loop, &r->tick);
	ev_timer_init(&r->stuck, on_stuck, 0., 0.);
	r->stuck.data = r;
}

static int
start_worker(struct run *r, struct gw_err *err)
{
	struct ag_agent *a = &r->agent;
	struct gw_worker_setup setup = {
		.loop = a->loop,
		.pipeline = &ag_pipeline,
		.endpoints = ag_endpoints,
		.n_endpoints = ag_n_endpoints,
		.config = a->routes,
		.keys = {.max_body_bytes = "max_body_bytes",
			 .max_bodies_bytes = "max_bodies_bytes"},
		.program = a,
	};
	int fd;

	a->worker = gw_worker_new(&setup, err);
	if (!a->worker)
		return -1;
	fd = ag_address_listen(&r->site, err);
	return fd < 0 ? -1 : gw_fcgi_listen(a->worker->front, fd, err);
}

static int
prepare(struct run *r, struct gw_err *err)
{
	struct ag_agent *a = &r->agent;

	a->loop = ev_default_loop(0);
	a->routes = ag_routes_new(a->config);
	if (!a->loop || !a->routes)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	if (ag_address_prepare(&r->site, &r->agent, err) < 0 ||
	    start_worker(r, err) < 0)
		return -1;
	return ag_parts_new(a, on_devices_ready, r, err);
}

static void
release(struct run *r)
{
	struct ag_agent *a = &r->agent;

	gw_webserver_release(&r->web);
	if (a->worker)
		gw_worker_end_requests(a->worker);
	ag_parts_free(a);
	gw_worker_free(a->worker);
	gw_config_unref(a->routes);
	gw_site_release(&r->site);
}

static void
hold_signals(sigset_t *before)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, before);
}

int
ag_run(struct ag_config *c)
{
	struct run *r = calloc(1, sizeof(*r));
	struct gw_err err = {0};
	sigset_t before;
	int status = EXIT_FAILURE;

	if (!r)
		return EXIT_FAILURE;
	r->agent.config = c;
	r->agent.started_wall_s = gw_wall_s();
	r->agent.on_model_changed = on_model_changed;
	r->agent.run = r;
	r->status = EXIT_SUCCESS;
	/* Until somebody listens for them: what is prepared is cleared up. */
	hold_signals(&before);
	gw_site_init(&r->site, PROGRAM, "RoleMesh-Node-Agent");
	if (prepare(r, &err) == 0) {
		start_watchers(r);
		sigprocmask(SIG_SETMASK, &before, NULL);
		ev_run(r->agent.loop, 0);
		status = r->again && r->status == EXIT_SUCCESS ? AG_RUN_AGAIN
							       : r->status;
		if (status != AG_RUN_AGAIN)
			gw_log(GW_EV_STOP, NULL, "status=%d", status);
	} else {
		fprintf(stderr, PROGRAM ": %s\n", err.msg);
	}
	release(r);
	free(r);
	return status;
}
