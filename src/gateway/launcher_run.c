/* SPDX-License-Identifier: MIT */
/*
 * launcher_run.c - the event loop around lighttpd: signals, end, edits.
 *
 * Owns the way down, from the first signal to the moment when no process of the
 * group is left: graceful stop (SIGINT, exactly one: lighttpd takes a second
 * one as "now"), SIGTERM after the grace time, SIGKILL as the last resort.
 */
#include "gateway/launcher.h"

#include <ev.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/log.h"
#include "config/watch.h"
#include "gateway/last_good.h"
#include "webserver/spawn.h"
#include "webserver/up_probe.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define START_LIMIT_S 60. /* until /health has to answer */
#define TERM_LIMIT_S 2.	  /* between SIGTERM and SIGKILL */
#define URGENT_LIMIT_S .5 /* the same after a second signal */
#define SWEEP_POLL_S .02
#define SWEEP_LIMIT_S 5. /* for responders to go after lighttpd went */
#define ONCE_CONFIG 0	 /* reg_once() word: last edit reported */

enum phase {
	PHASE_STARTING,
	PHASE_SERVING,
	PHASE_DRAINING,	   /* one SIGINT sent */
	PHASE_TERMINATING, /* SIGTERM sent */
	PHASE_KILLING,	   /* SIGKILL sent to the group */
	PHASE_SWEEPING	   /* lighttpd is gone, its group is not yet */
};

struct run {
	struct launcher *l;
	struct ev_loop *loop;
	enum phase phase;
	pid_t child; /* and its process group */
	int status;  /* exit status of the launcher */
	ev_signal on_int, on_term, on_hup;
	ev_child on_child;
	ev_timer limit; /* of the phase */
	ev_timer sweep;
	ev_tstamp sweep_end;
	struct gw_up_probe probe;
	struct gw_config_watch *watch;
};

static void
set_limit(struct run *r, ev_tstamp seconds)
{
	ev_timer_stop(r->loop, &r->limit);
	ev_now_update(r->loop);
	ev_timer_set(&r->limit, seconds, 0.);
	ev_timer_start(r->loop, &r->limit);
}

/* ---- the way down -------------------------------------------------------- */

static void
terminate(struct run *r, ev_tstamp limit_s)
{
	r->phase = PHASE_TERMINATING;
	kill(r->child, SIGTERM);
	set_limit(r, limit_s);
}

static void
drain(struct run *r, const char *signal_name)
{
	uint32_t grace_ms = r->l->config->gateway.shutdown_grace_ms;

	gw_log(GW_EV_DRAIN, NULL, "reason=\"%s\" grace_ms=%u", signal_name,
	       (unsigned)grace_ms);
	gw_up_probe_stop(&r->probe);
	if (grace_ms == 0) {
		terminate(r, TERM_LIMIT_S);
		return;
	}
	r->phase = PHASE_DRAINING;
	kill(r->child, SIGINT);
	set_limit(r, grace_ms / 1000.);
}

static void
fail_start(struct run *r)
{
	gw_log(GW_EV_FATAL, NULL,
	       "message=\"no answer from %s/health within %.0f s; the lines "
	       "above may say why\"",
	       r->l->site.url, START_LIMIT_S);
	r->status = EXIT_FAILURE;
	gw_up_probe_stop(&r->probe);
	terminate(r, TERM_LIMIT_S);
}

static void
on_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct run *r = t->data;

	(void)loop;
	(void)revents;
	switch (r->phase) {
	case PHASE_STARTING:
		fail_start(r);
		break;
	case PHASE_DRAINING:
		gw_log(GW_EV_DRAIN, NULL, "reason=\"grace time over\"");
		terminate(r, TERM_LIMIT_S);
		break;
	case PHASE_TERMINATING:
		r->phase = PHASE_KILLING;
		kill(-r->child, SIGKILL);
		break;
	case PHASE_SERVING:
	case PHASE_KILLING:
	case PHASE_SWEEPING:
		break;
	}
}

static void
on_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct run *r = s->data;

	(void)loop;
	(void)revents;
	if (r->phase < PHASE_DRAINING)
		drain(r, strsignal(s->signum));
	else if (r->phase == PHASE_DRAINING)
		terminate(r, URGENT_LIMIT_S);
	else if (r->phase == PHASE_SWEEPING)
		r->sweep_end = 0.;
}

/*
 * lighttpd is gone; its responders get SIGTERM from the kernel and from here,
 * and SIGKILL if they do not go. The group's number cannot be given to others
 * while one of them lives, and as their reaper we see each of them off.
 */
static void
on_sweep(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct run *r = t->data;

	(void)revents;
	if (kill(-r->child, 0) < 0) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	if (ev_now(loop) < r->sweep_end)
		return;
	kill(-r->child, SIGKILL);
	if (r->sweep_end > 0. && ev_now(loop) > r->sweep_end + SWEEP_LIMIT_S) {
		gw_log(GW_EV_FATAL, NULL,
		       "message=\"processes of group %ld cannot be ended\"",
		       (long)r->child);
		r->status = EXIT_FAILURE;
		ev_break(loop, EVBREAK_ALL);
	}
}

static void
log_unexpected_end(int wait_status)
{
	if (WIFEXITED(wait_status))
		gw_log(GW_EV_FATAL, NULL,
		       "message=\"lighttpd ended by itself with status %d; the "
		       "lines above may say why\"",
		       WEXITSTATUS(wait_status));
	else
		gw_log(GW_EV_FATAL, NULL,
		       "message=\"lighttpd was ended by signal %d (%s)\"",
		       WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
}

static void
on_child(struct ev_loop *loop, ev_child *c, int revents)
{
	struct run *r = c->data;

	(void)revents;
	/* Orphaned responders come here too; reaping them is all they need. */
	if (c->rpid != r->child ||
	    !(WIFEXITED(c->rstatus) || WIFSIGNALED(c->rstatus)))
		return;
	if (r->phase < PHASE_DRAINING) {
		log_unexpected_end(c->rstatus);
		r->status = EXIT_FAILURE;
	}
	gw_up_probe_stop(&r->probe);
	ev_timer_stop(loop, &r->limit);
	kill(-r->child, r->phase == PHASE_KILLING ? SIGKILL : SIGTERM);
	r->sweep_end =
		ev_now(loop) +
		(r->phase == PHASE_DRAINING ? TERM_LIMIT_S : URGENT_LIMIT_S);
	r->phase = PHASE_SWEEPING;
	ev_timer_start(loop, &r->sweep);
}

/* ---- up and edited ------------------------------------------------------- */

static void
on_up(void *arg)
{
	struct run *r = arg;

	r->phase = PHASE_SERVING;
	ev_timer_stop(r->loop, &r->limit);
	printf("RoleMesh Gateway %s on %s (pid %ld)\n", PACKAGE_VERSION,
	       r->l->site.url, (long)getpid());
	fflush(stdout);
	gw_log(GW_EV_START, NULL, "url=%s workers=%u models=%zu shm=%s",
	       r->l->site.url, (unsigned)r->l->config->gateway.workers,
	       r->l->config->n_models, r->l->instance->shm_name);
}

/* One of the processes of an instance reports an edit, not each of them. */
static void
report_broken(struct run *r, const struct gw_diag *diag, uint64_t fingerprint)
{
	if (!reg_once(r->l->reg, ONCE_CONFIG, fingerprint))
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
	struct run *r = arg;
	struct launcher *l = r->l;
	struct gw_err err = {0};

	if (!fresh) {
		report_broken(r, diag, fingerprint);
		return;
	}
	if (gw_last_good_write(l->site.folder.path,
			       (const char *const *)l->instance->paths,
			       l->instance->n_paths, &err) < 0)
		gw_log(GW_EV_CONFIG_WARNING, NULL,
		       "finding=\"no copy of the configuration was kept: %s\"",
		       err.msg);
	if (launcher_options_apply(l->options, fresh, &err) < 0) {
		gw_config_unref(fresh);
		return;
	}
	if (reg_once(l->reg, ONCE_CONFIG, fingerprint))
		gw_log(GW_EV_CONFIG_LOADED, NULL,
		       "models=%zu fingerprint=%016llx", fresh->n_models,
		       (unsigned long long)fingerprint);
	gw_config_needs_restart(l->config, fresh);
	gw_config_unref(l->config);
	l->config = fresh;
}

static void
start_signal(struct run *r, ev_signal *s, int signum)
{
	ev_signal_init(s, on_signal, signum);
	s->data = r;
	ev_signal_start(r->loop, s);
}

static void
start_watchers(struct run *r)
{
	struct sigaction hup;

	start_signal(r, &r->on_int, SIGINT);
	start_signal(r, &r->on_term, SIGTERM);
	/* A closed terminal ends it like SIGTERM, unless nohup says no. */
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
		start_signal(r, &r->on_hup, SIGHUP);
	ev_child_init(&r->on_child, on_child, 0, 0);
	r->on_child.data = r;
	ev_child_start(r->loop, &r->on_child);
	ev_timer_init(&r->limit, on_limit, 0., 0.);
	r->limit.data = r;
	ev_timer_init(&r->sweep, on_sweep, 0., SWEEP_POLL_S);
	r->sweep.data = r;
}

int
launcher_run(struct launcher *l)
{
	struct run r = {.l = l, .status = EXIT_SUCCESS};
	struct gw_err err = {0};
	char conf[PATH_MAX];

	/* A reader of the ready line that left must not end the gateway. */
	signal(SIGPIPE, SIG_IGN);
	/* Responders that outlive lighttpd become our children: reaped here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r.loop = ev_default_loop(0);
	if (!r.loop) {
		gw_log(GW_EV_FATAL, NULL, "message=\"no event loop\"");
		return EXIT_FAILURE;
	}
	start_watchers(&r);
	snprintf(conf, sizeof(conf), "%s/" GW_SITE_CONF, l->site.folder.path);
	r.child = gw_spawn_lighttpd(l->site.lighttpd, conf, &l->site.listen_fd,
				    &err);
	if (r.child < 0) {
		gw_log(GW_EV_FATAL, NULL, "message=\"%s\"", err.msg);
		return EXIT_FAILURE;
	}
	gw_log(GW_EV_CHILD_STARTED, NULL, "program=%s pid=%ld folder=%s",
	       l->site.lighttpd, (long)r.child, l->site.folder.path);
	r.watch = gw_config_watch_new(r.loop,
				      (const char *const *)l->instance->paths,
				      l->instance->n_paths, on_config, &r);
	if (r.watch)
		gw_config_watch_since(r.watch, l->config->fingerprint);
	else
		gw_log(GW_EV_CONFIG_WARNING, NULL,
		       "finding=\"out of memory: edits are not watched here\"");
	set_limit(&r, START_LIMIT_S);
	gw_up_probe_start(&r.probe, r.loop, &l->site.address,
			  "rolemesh-gateway", on_up, &r);
	ev_run(r.loop, 0);
	gw_config_watch_free(r.watch);
	gw_log(GW_EV_STOP, NULL, "status=%d", r.status);
	return r.status;
}
