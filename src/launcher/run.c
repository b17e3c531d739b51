/* SPDX-License-Identifier: MIT */
/*
 * run.c - the event loop around lighttpd: signals, end, edits.
 *
 * How lighttpd ends is webserver.c's; here is what asks for it, and what is
 * said about it.
 */
#include "launcher/launcher.h"

#include <ev.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "config/reload.h"
#include "config/watch.h"
#include "launcher/last_good.h"
#include "responder/follow.h"
#include "webserver/webserver.h"

#ifdef HAVE_CONFIG_H
#include <autoconf.h>
#endif

#define ONCE_CONFIG 0 /* reg_once() word: last edit reported */

struct run {
	struct launcher *l;
	struct ev_loop *loop;
	int status; /* exit status of the launcher */
	bool again; /* the folder was lost, and nobody asked for the end */
	ev_signal on_int, on_term, on_hup;
	struct gw_webserver web;
	struct gw_config_watch *watch;
	struct gw_follow follow;
};

static void
on_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct run *r = s->data;

	(void)loop;
	(void)revents;
	r->again = false;
	reg_process_say(r->l->reg, GW_LAUNCHER_POOL, GW_NOTE_STOPS);
	if (gw_webserver_is_running(&r->web))
		gw_webserver_drain(&r->web, strsignal(s->signum),
				   r->l->config->gateway.shutdown_grace_ms);
	else
		gw_webserver_urgent(&r->web);
}

static void
on_up(void *arg)
{
	struct run *r = arg;

	printf("RoleMesh Gateway %s on %s (pid %ld)\n", PACKAGE_VERSION,
	       r->l->site.url, (long)getpid());
	fflush(stdout);
	gw_log(GW_EV_START, NULL, "url=%s workers=%u models=%zu shm=%s",
	       r->l->site.url, (unsigned)r->l->config->gateway.workers,
	       r->l->config->n_models, r->l->instance->shm_name);
}

static void
on_folder_lost(void *arg)
{
	struct run *r = arg;

	r->again = true;
	reg_process_say(r->l->reg, GW_LAUNCHER_POOL, GW_NOTE_STOPS);
	gw_webserver_drain(&r->web, "the private folder was removed",
			   r->l->config->gateway.shutdown_grace_ms);
}

static void
on_ended(void *arg, bool failed)
{
	struct run *r = arg;

	r->status = failed     ? EXIT_FAILURE
		    : r->again ? LAUNCHER_AGAIN
			       : EXIT_SUCCESS;
	ev_break(r->loop, EVBREAK_ALL);
}

static const struct gw_webserver_ops web_ops = {
	.on_up = on_up, .on_folder_lost = on_folder_lost, .on_ended = on_ended};

/* One of the processes of an instance reports an edit, not each of them. */
static void
report_broken(struct run *r, const struct gw_diag *diag, uint64_t fingerprint)
{
	if (!reg_once(r->l->reg, ONCE_CONFIG, fingerprint))
		return;
	gw_reload_put(r->l->reg, false, diag, fingerprint);
	for (size_t i = 0; i < diag->n; i++)
		gw_log_told(diag->items[i].warning ? GW_EV_CONFIG_WARNING
						   : GW_EV_CONFIG_BROKEN,
			    "finding", diag->items[i].text);
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
	{
		gw_err_prefix(&err, "no copy of the configuration was kept: ");
		gw_log_told(GW_EV_CONFIG_WARNING, "finding", err.msg);
	}
	if (launcher_options_apply(l->options, fresh, &err) < 0) {
		gw_config_unref(fresh);
		return;
	}
	gw_log_set_format(fresh->gateway.log_format);
	if (reg_once(l->reg, ONCE_CONFIG, fingerprint)) {
		gw_reload_put(l->reg, true, diag, fingerprint);
		gw_log(GW_EV_CONFIG_LOADED, NULL,
		       "models=%zu fingerprint=%016llx", fresh->n_models,
		       (unsigned long long)fingerprint);
	}
	if (gw_webserver_is_running(&r->web))
		reg_process_say(l->reg, GW_LAUNCHER_POOL, fingerprint);
	gw_config_needs_restart(l->config, fresh);
	gw_config_unref(l->config);
	l->config = fresh;
}

/* Another launcher may have been started on the new segment: then it is its. */
static void
on_moved(void *arg)
{
	struct run *r = arg;
	struct reg_err err = {0};

	r->l->owns = reg_own(r->l->reg, &err) == 0;
	if (!r->l->owns)
		gw_log(GW_EV_SHM_REFUSED, NULL,
		       "shm=%s message=\"%s: two gateways share it now; give "
		       "one of them a ROLE_MESH_SHM of its own\"",
		       r->l->instance->shm_name, err.msg);
}

static void
start_signal(struct run *r, ev_signal *s, int signum)
{
	ev_signal_init(s, on_signal, signum);
	s->data = r;
	ev_signal_start(r->loop, s);
}

static void
start_signals(struct run *r)
{
	struct sigaction hup;

	start_signal(r, &r->on_int, SIGINT);
	start_signal(r, &r->on_term, SIGTERM);
	/* A closed terminal ends it like SIGTERM, unless nohup says no. */
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
		start_signal(r, &r->on_hup, SIGHUP);
}

int
launcher_run(struct launcher *l)
{
	struct run r = {.l = l, .status = EXIT_SUCCESS};
	struct gw_err err = {0};

	/* A reader of the ready line that left must not end the gateway. */
	signal(SIGPIPE, SIG_IGN);
	r.loop = ev_default_loop(0);
	if (!r.loop) {
		gw_log(GW_EV_FATAL, NULL, "message=\"no event loop\"");
		return EXIT_FAILURE;
	}
	start_signals(&r);
	if (gw_webserver_start(&r.web, r.loop, &l->site, &web_ops, &r, &err) <
	    0) {
		gw_log_told(GW_EV_FATAL, "message", err.msg);
		return EXIT_FAILURE;
	}
	r.watch = gw_config_watch_new(r.loop,
				      (const char *const *)l->instance->paths,
				      l->instance->n_paths, on_config, &r);
	if (r.watch)
		gw_config_watch_since(r.watch, l->config->fingerprint);
	else
		gw_log(GW_EV_CONFIG_WARNING, NULL,
		       "finding=\"out of memory: edits are not watched here\"");
	reg_process_say(
		l->reg, GW_LAUNCHER_POOL,
		gw_reload_started(l->reg, l->config->fingerprint));
	r.follow = (struct gw_follow){.loop = r.loop,
				      .reg = l->reg,
				      .name = l->instance->shm_name,
				      .on_moved = on_moved,
				      .arg = &r};
	gw_follow_start(&r.follow);
	ev_run(r.loop, 0);
	gw_follow_now(&r.follow); /* what is released then has the name */
	gw_follow_stop(&r.follow);
	gw_config_watch_free(r.watch);
	if (r.status != LAUNCHER_AGAIN)
		gw_log(GW_EV_STOP, NULL, "status=%d", r.status);
	return r.status;
}
