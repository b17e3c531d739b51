/* SPDX-License-Identifier: MIT */
/*
 * worker.c - one responder process: builds the loop and what hangs on it, takes
 * events in and hands them to requests; knows nothing of what requests mean.
 */
#include "gateway/worker.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "gateway/relay.h"
#include "stage/policy.h"
#include "upstream/probe.h"

#define SPAWNER_CHECK_S 1.0
#define OTHER_FDS 64	  /* descriptors that are not connections */
#define FDS_PER_REQUEST 2 /* the web server's and the upstream's */
#define CONNS_MAX 16384
#define ONCE_CONFIG 0 /* reg_once() word: last edit reported */

/* ---- requests ------------------------------------------------------------ */

static void *
on_request(struct gw_fcgi_conn *c, void *arg)
{
	struct gw_worker *w = arg;
	struct gw_request *r = gw_request_new(w, c);

	if (r)
		gw_pipeline_resume(r);
	return r;
}

static void
on_body(void *request, const char *p, size_t n)
{
	gw_receive_body(request, p, n);
}

static void
on_body_end(void *request)
{
	struct gw_request *r = request;

	if (r->endpoint && r->endpoint->flags & (GW_EP_DOCUMENT | GW_EP_RELAY))
		gw_receive_end(r);
}

static void
on_gone(void *request)
{
	gw_pipeline_client_gone(request);
}

static void
on_writable(void *request)
{
	gw_relay_writable(request);
}

static const struct gw_fcgi_ops front_ops = {
	.on_request = on_request,
	.on_body = on_body,
	.on_body_end = on_body_end,
	.on_gone = on_gone,
	.on_writable = on_writable,
};

/* ---- configuration ------------------------------------------------------- */

static void
report_broken(struct gw_worker *w, const struct gw_diag *diag,
	      uint64_t fingerprint)
{
	/* One of the processes says it, not each of them. */
	if (!reg_once(w->reg, ONCE_CONFIG, fingerprint))
		return;
	for (size_t i = 0; i < diag->n; i++)
		gw_log(diag->items[i].warning ? GW_EV_CONFIG_WARNING
					      : GW_EV_CONFIG_BROKEN,
		       NULL, "finding=\"%s\"", diag->items[i].text);
}

static void
on_config(struct gw_config *fresh, const struct gw_diag *diag,
	  uint64_t fingerprint, void *arg)
{
	struct gw_worker *w = arg;

	if (!fresh) {
		report_broken(w, diag, fingerprint);
		return;
	}
	if (reg_once(w->reg, ONCE_CONFIG, fingerprint)) {
		gw_log(GW_EV_CONFIG_LOADED, NULL,
		       "models=%zu fingerprint=%016llx", fresh->n_models,
		       (unsigned long long)fingerprint);
		/* A launcher says so itself: it alone knows what its command
		 * line decides, whatever the files say. */
		if (!w->instance->last_good)
			gw_config_needs_restart(w->config, fresh);
	}
	gw_config_unref(w->config);
	w->config = fresh;
}

/* ---- life and end -------------------------------------------------------- */

static void
end_now(struct gw_worker *w, const char *why)
{
	gw_log(GW_EV_STOP, NULL, "reason=\"%s\" open_requests=%u", why,
	       gw_fcgi_open_requests(w->front));
	w->ended = true;
	ev_break(w->loop, EVBREAK_ALL);
}

static void
on_drain_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_worker *w = t->data;

	(void)loop;
	(void)revents;
	w->drain_left_ms = w->drain_left_ms > 100 ? w->drain_left_ms - 100 : 0;
	if (gw_fcgi_open_requests(w->front) == 0)
		end_now(w, "drained");
	else if (w->drain_left_ms == 0)
		end_now(w, "grace time over");
}

static void
drain(struct gw_worker *w, const char *why)
{
	if (w->draining)
		return;
	w->draining = true;
	w->drain_left_ms = w->config->gateway.shutdown_grace_ms;
	gw_log(GW_EV_DRAIN, NULL, "reason=\"%s\" open_requests=%u", why,
	       gw_fcgi_open_requests(w->front));
	gw_fcgi_stop_accepting(w->front);
	if (gw_fcgi_open_requests(w->front) == 0) {
		end_now(w, "drained");
		return;
	}
	ev_timer_init(&w->drain_limit, on_drain_limit, 0.1, 0.1);
	w->drain_limit.data = w;
	ev_timer_start(w->loop, &w->drain_limit);
}

static void
on_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	(void)loop;
	(void)revents;
	drain(s->data, "SIGTERM");
}

/* Asked for as SIGTERM too (PR_SET_PDEATHSIG), but that can come too early. */
static void
on_spawner_check(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_worker *w = t->data;

	(void)loop;
	(void)revents;
	if (getppid() != w->spawner)
		drain(w, "the process that started this one is gone");
}

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

static void
watch_signals(struct gw_worker *w)
{
	/* A terminal's Ctrl-C reaches the whole group; the web server decides.
	 */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	ev_signal_init(&w->on_term, on_signal, SIGTERM);
	w->on_term.data = w;
	ev_signal_start(w->loop, &w->on_term);
	w->spawner = getppid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	ev_timer_init(&w->spawner_check, on_spawner_check, SPAWNER_CHECK_S,
		      SPAWNER_CHECK_S);
	w->spawner_check.data = w;
	ev_timer_start(w->loop, &w->spawner_check);
}

/* A responder that starts during a broken edit serves the last good files. */
static struct gw_config *
load_last_good(const struct gw_instance *in)
{
	char names[GW_INSTANCE_FILES_MAX][512];
	const char *paths[GW_INSTANCE_FILES_MAX];
	struct gw_diag diag = {0};
	struct gw_config *c = NULL;
	bool fits = true;

	if (!in->last_good)
		return NULL;
	for (size_t i = 0; i < in->n_paths; i++) {
		int n = snprintf(names[i], sizeof(names[i]), "%s/%zu.yaml",
				 in->last_good, i);

		fits = fits && n > 0 && (size_t)n < sizeof(names[i]);
		paths[i] = names[i];
	}
	if (fits)
		c = gw_config_load(paths, in->n_paths, &diag);
	gw_diag_release(&diag);
	return c;
}

static struct gw_config *
load_config(struct gw_instance *in, struct gw_err *err)
{
	gw_auto_diag struct gw_diag diag = {0};
	struct gw_config *c = gw_config_load((const char *const *)in->paths,
					     in->n_paths, &diag);

	if (c)
		return c;
	gw_diag_print(&diag, stderr);
	c = load_last_good(in);
	if (c)
		gw_log(GW_EV_CONFIG_BROKEN, NULL,
		       "errors=%zu using=\"the last files that loaded\"",
		       diag.errors);
	else
		gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
			   "the configuration has %zu error(s)", diag.errors);
	return c;
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

struct gw_worker *
gw_worker_new(struct gw_instance *instance, struct gw_err *err)
{
	struct gw_worker *w = calloc(1, sizeof(*w));

	if (!w) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	/* Large bodies keep mappings of their own: growing one remaps instead
	 * of copying, and freeing it returns the memory. */
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
	/* libfcgi's 8 KiB buffers made each request consolidate fast bins. */
	mallopt(M_MXFAST, 0);
	w->instance = instance;
	w->pipeline = &gw_pipeline;
	w->endpoints = gw_endpoints;
	w->n_endpoints = gw_n_endpoints;
	w->started_wall_s = gw_wall_s();
	if (getrandom(w->random_state, sizeof(w->random_state), 0) < 0)
		w->random_state[0] = gw_mono_us() ^ (uint64_t)getpid() << 32;
	w->random_state[1] |= 1;
	w->config = load_config(instance, err);
	if (!w->config)
		goto fail;
	w->max_body_bytes = w->config->gateway.max_body_bytes;
	w->reg = open_registry(instance, err);
	if (!w->reg)
		goto fail;
	w->loop = ev_loop_new(EVFLAG_AUTO);
	w->nodes = gw_node_view_new(w->reg, instance->stale_after_ms);
	if (!w->loop || !w->nodes) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			   "the event loop cannot be set up");
		goto fail;
	}
	w->upstreams = gw_upstreams_new(w->loop, err);
	w->front = gw_fcgi_front_new(w->loop, &front_ops, w, connection_limit(),
				     err);
	w->watch = gw_config_watch_new(w->loop,
				       (const char *const *)instance->paths,
				       instance->n_paths, on_config, w);
	if (w->upstreams && w->front && w->watch) {
		gw_config_watch_since(w->watch, w->config->fingerprint);
		return w;
	}
	if (!err->code)
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
fail:
	gw_worker_free(w);
	return NULL;
}

void
gw_worker_free(struct gw_worker *w)
{
	if (!w)
		return;
	gw_fcgi_front_free(w->front);
	gw_prober_free(w->prober);
	gw_upstreams_free(w->upstreams);
	if (w->watch)
		gw_config_watch_free(w->watch);
	if (w->nodes)
		gw_node_view_free(w->nodes);
	gw_policies_release(w);
	if (w->reg)
		reg_close(w->reg);
	gw_config_unref(w->config);
	if (w->loop)
		ev_loop_destroy(w->loop);
	free(w);
}

int
gw_worker_run(struct gw_worker *w, int listen_fd, struct gw_err *err)
{
	const char *pool = getenv("ROLE_MESH_POOL");

	watch_signals(w);
	if (gw_fcgi_listen(w->front, listen_fd, err) < 0)
		return -1;
	gw_log(GW_EV_START, NULL, "pool=%s models=%zu shm=%s",
	       pool ? pool : "all", w->config->n_models, w->instance->shm_name);
	ev_run(w->loop, 0);
	return 0;
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

void
gw_worker_count(struct gw_worker *w, enum gw_counter c, uint64_t n)
{
	reg_counter_add(w->reg, (unsigned)c, n);
}

void
gw_worker_gauge(struct gw_worker *w, enum gw_gauge g, int64_t n)
{
	reg_gauge_add(w->reg, (unsigned)g, n);
}
