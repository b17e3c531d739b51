/* SPDX-License-Identifier: MIT */
/*
 * responder.c - a responder of the gateway: a worker with the registry, the
 * nodes and a configuration that changes under it, started by a web server or a
 * pool; knows when it has to end.
 */
#include "responder/responder.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "config/reload.h"
#include "config/watch.h"
#include "endpoint/events.h"
#include "endpoint/table.h"
#include "probe/prober.h"
#include "responder/first_config.h"
#include "responder/follow.h"
#include "responder/shared_counters.h"
#include "responder/stages.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "routing/states.h"
#include "stage/policy.h"
#include "stage/stage.h"

#define SPAWNER_CHECK_S 1.0
#define FLUSH_MS 1000 /* for what is said to those that are cut off */
#define ONCE_CONFIG 0 /* reg_once() word: last edit reported */

struct gw_responder {
	struct gw_worker *worker;
	struct gw_routing routing;
	struct gw_instance *instance; /* borrowed */
	struct gw_config_watch *watch;
	struct gw_follow follow;
	ev_timer states;
	pid_t spawner; /* end when it is gone */
	bool draining;
	ev_signal on_term, on_cut;
	bool cut;
	ev_timer spawner_check;
	ev_timer drain_limit;
	uint32_t drain_left_ms;
};

/* ---- configuration ------------------------------------------------------- */

static void
report_broken(struct gw_responder *p, const struct gw_diag *diag,
	      uint64_t fingerprint)
{
	/* One of the processes says it, not each of them. */
	if (!reg_once(p->routing.reg, ONCE_CONFIG, fingerprint))
		return;
	gw_reload_put(p->routing.reg, false, diag, fingerprint);
	gw_log_findings(diag);
}

/* For whoever looks at the processes. */
static void
say_process(struct gw_responder *p, uint64_t fingerprint)
{
	const char *pool = getenv("ROLE_MESH_POOL");

	reg_process_say(p->routing.reg, pool && *pool ? pool : "all",
			fingerprint);
}

static void
on_config(struct gw_config *fresh, const struct gw_diag *diag,
	  uint64_t fingerprint, void *arg)
{
	struct gw_responder *p = arg;
	struct gw_worker *w = p->worker;

	if (!fresh) {
		report_broken(p, diag, fingerprint);
		return;
	}
	gw_log_set_format(fresh->gateway.log_format);
	if (reg_once(p->routing.reg, ONCE_CONFIG, fingerprint)) {
		gw_reload_put(p->routing.reg, true, diag, fingerprint);
		gw_log(GW_EV_CONFIG_LOADED, NULL,
		       "models=%zu fingerprint=%016llx", fresh->n_models,
		       (unsigned long long)fingerprint);
		/* A launcher says so itself: it alone knows what its command
		 * line decides, whatever the files say. */
		if (!p->instance->last_good)
			gw_config_needs_restart(w->config, fresh);
	}
	gw_node_view_configure(p->routing.nodes, fresh);
	gw_worker_configure(w, fresh);
	say_process(p, fingerprint);
	gw_waiting_freed(&p->routing); /* there may be more slots now */
}

/* ---- life and end -------------------------------------------------------- */

static void
end_now(struct gw_responder *p, const char *why)
{
	struct gw_worker *w = p->worker;

	gw_log(GW_EV_STOP, NULL, "reason=\"%s\" open_requests=%u", why,
	       gw_fcgi_open_requests(w->front));
	w->ended = true;
	ev_break(w->loop, EVBREAK_ALL);
}

/* The process itself goes on: whoever stops it ends it. */
static void
cut(struct gw_responder *p)
{
	p->cut = true;
	p->drain_left_ms = FLUSH_MS;
	gw_worker_cut_requests(p->worker);
}

static void
on_drain_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_responder *p = t->data;

	(void)loop;
	(void)revents;
	p->drain_left_ms = p->drain_left_ms > 100 ? p->drain_left_ms - 100 : 0;
	if (gw_fcgi_unfinished(p->worker->front) == 0)
		end_now(p, p->cut ? "grace time over" : "drained");
	else if (p->drain_left_ms > 0)
		return;
	else if (!p->cut)
		cut(p);
	else
		end_now(p, "grace time over, and clients do not read");
}

static void
drain(struct gw_responder *p, const char *why)
{
	struct gw_worker *w = p->worker;

	if (p->draining)
		return;
	p->draining = true;
	p->drain_left_ms = w->config->gateway.shutdown_grace_ms;
	gw_log(GW_EV_DRAIN, NULL, "reason=\"%s\" open_requests=%u", why,
	       gw_fcgi_open_requests(w->front));
	gw_fcgi_stop_accepting(w->front);
	gw_events_end(&p->routing);
	if (gw_fcgi_unfinished(w->front) == 0) {
		end_now(p, "drained");
		return;
	}
	ev_timer_init(&p->drain_limit, on_drain_limit, 0.1, 0.1);
	p->drain_limit.data = p;
	ev_timer_start(w->loop, &p->drain_limit);
}

static void
on_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	(void)loop;
	(void)revents;
	drain(s->data, "SIGTERM");
}

/* The web server is about to be ended by its launcher, and with it all
 * connections: said beforehand, for a signal that nobody else sends. */
static void
on_cut_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	(void)loop;
	(void)revents;
	cut(s->data);
}

/* Asked for as SIGTERM too (PR_SET_PDEATHSIG), but that can come too early. */
static void
on_spawner_check(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_responder *p = t->data;

	(void)loop;
	(void)revents;
	if (getppid() != p->spawner)
		drain(p, "the process that started this one is gone");
}

/* The launcher's lighttpd says how many connections it may have. */
static void
watch_crowd(struct gw_responder *p)
{
	struct gw_worker *w = p->worker;
	const char *limit = getenv("ROLE_MESH_CONNECTIONS");
	unsigned long n = limit ? strtoul(limit, NULL, 10) : 0;

	gw_crowd_watch(&w->crowd, p->spawner, n < UINT_MAX ? (unsigned)n : 0,
		       w->config->gateway.workers + 1);
}

static void
watch_signals(struct gw_responder *p)
{
	struct ev_loop *loop = p->worker->loop;

	/* A terminal's Ctrl-C reaches the whole group; the web server decides.
	 */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	ev_signal_init(&p->on_term, on_signal, SIGTERM);
	p->on_term.data = p;
	ev_signal_start(loop, &p->on_term);
	ev_signal_init(&p->on_cut, on_cut_signal, SIGURG);
	p->on_cut.data = p;
	ev_signal_start(loop, &p->on_cut);
	p->spawner = getppid();
	watch_crowd(p);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	ev_timer_init(&p->spawner_check, on_spawner_check, SPAWNER_CHECK_S,
		      SPAWNER_CHECK_S);
	p->spawner_check.data = p;
	ev_timer_start(loop, &p->spawner_check);
}

static struct reg *
open_registry(const struct gw_instance *in, struct gw_err *err)
{
	struct reg_err why = {0};
	struct reg *r = reg_open(in->shm_name, 0, &why);

	if (!r)
		gw_err_set(err, GW_ERR_INTERNAL, why.sys,
			   "shared memory %s: %s", in->shm_name, why.msg);
	return r;
}

/* ---- the whole ----------------------------------------------------------- */

static void
count_probe(void *arg)
{
	struct gw_worker *w = arg;

	gw_counters_count(&w->counters, GW_COUNT_PROBES, 1);
}

static void
on_probed(void *arg, const char *base_url, const uint64_t key[2],
	  uint32_t result)
{
	struct gw_worker *w = arg;

	gw_states_probed(w->program, base_url, key, result);
}

static void
on_states(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	gw_states_look(t->data);
}

static void
on_moving(void *arg, struct reg *to)
{
	struct gw_responder *p = arg;

	gw_waiting_moving(&p->routing);
	for (struct gw_request *r = p->worker->requests; r; r = r->next) {
		gw_limit_client_move(r, to);
		gw_pick_move(r, to);
	}
}

static void
on_moved(void *arg)
{
	struct gw_responder *p = arg;

	gw_node_view_moved(p->routing.nodes);
	gw_policies_release(&p->routing);
}

static void
on_swept(void *arg)
{
	struct gw_responder *p = arg;

	gw_waiting_freed(&p->routing);
}

static int
attach(struct gw_responder *p, struct gw_instance *in, struct gw_err *err)
{
	struct gw_worker *w = p->worker;
	struct gw_routing *routing = &p->routing;

	p->instance = in;
	routing->worker = w;
	routing->reg = open_registry(in, err);
	if (!routing->reg)
		return -1;
	w->counters.ops = &gw_shared_counters;
	w->counters.store = routing->reg;
	routing->nodes = gw_node_view_new(routing->reg, in->stale_after_ms);
	routing->prober = gw_prober_new(&(struct gw_prober_setup){
		.loop = w->loop,
		.upstreams = w->upstreams,
		.reg = routing->reg,
		.via = w->via,
		.on_sent = count_probe,
		.on_result = on_probed,
		.arg = w,
	});
	p->watch = gw_config_watch_new(w->loop, (const char *const *)in->paths,
				       in->n_paths, on_config, p);
	if (!routing->nodes || !routing->prober || !p->watch)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	gw_node_view_configure(routing->nodes, w->config);
	gw_config_watch_since(p->watch, w->config->fingerprint);
	say_process(p, gw_reload_started(routing->reg, w->config->fingerprint));
	gw_waiting_start(routing);
	p->follow = (struct gw_follow){.loop = w->loop,
				       .reg = routing->reg,
				       .name = in->shm_name,
				       .on_moving = on_moving,
				       .on_moved = on_moved,
				       .on_swept = on_swept,
				       .arg = p};
	gw_follow_start(&p->follow);
	ev_timer_init(&p->states, on_states, GW_STATES_LOOK_S,
		      GW_STATES_LOOK_S);
	p->states.data = routing;
	ev_timer_start(w->loop, &p->states);
	return 0;
}

struct gw_responder *
gw_responder_new(struct gw_instance *instance, struct gw_err *err)
{
	struct gw_responder *p = calloc(1, sizeof(*p));
	struct gw_worker_setup setup = {
		.pipeline = &gw_pipeline,
		.endpoints = gw_endpoints,
		.n_endpoints = gw_n_endpoints,
		.keys = {.max_body_bytes = "gateway.max_body_bytes",
			 .max_bodies_bytes = "gateway.max_bodies_bytes",
			 .cors_origins = "gateway.cors_origins",
			 .default_model = "default_model"},
		.program = &p->routing,
		.via = gw_instance_number(instance),
	};

	if (!p) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	setup.config = gw_first_config(instance, err);
	if (setup.config)
		gw_log_set_format(setup.config->gateway.log_format);
	if (setup.config)
		p->worker = gw_worker_new(&setup, err);
	gw_config_unref(setup.config);
	if (p->worker && attach(p, instance, err) == 0)
		return p;
	gw_responder_free(p);
	return NULL;
}

void
gw_responder_free(struct gw_responder *p)
{
	struct gw_worker *w;

	if (!p)
		return;
	w = p->worker;
	if (w) {
		gw_worker_end_requests(w);
		gw_events_free(&p->routing);
		gw_follow_stop(&p->follow);
		ev_timer_stop(w->loop, &p->states);
		gw_states_stop(&p->routing);
		gw_waiting_stop(&p->routing);
		gw_prober_free(p->routing.prober);
		gw_config_watch_free(p->watch);
		if (p->routing.nodes)
			gw_node_view_free(p->routing.nodes);
		gw_policies_release(&p->routing);
		gw_choices_release(&p->routing.choices);
		gw_place_keys_release(&p->routing);
		w->counters.ops = NULL;
		if (p->routing.reg)
			reg_close(p->routing.reg);
	}
	gw_worker_free(w);
	free(p);
}

int
gw_responder_run(struct gw_responder *p, int listen_fd, struct gw_err *err)
{
	const char *pool = getenv("ROLE_MESH_POOL");
	struct gw_worker *w = p->worker;

	watch_signals(p);
	if (gw_fcgi_listen(w->front, listen_fd, err) < 0)
		return -1;
	gw_log(GW_EV_START, NULL, "pool=%s models=%zu shm=%s",
	       pool ? pool : "all", w->config->n_models, p->instance->shm_name);
	ev_run(w->loop, 0);
	return 0;
}
