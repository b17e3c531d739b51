/* SPDX-License-Identifier: MIT */
/*
 * webserver.c - lighttpd as a child of this program, from start to end.
 *
 * Owns the way down, from the first request to end to the moment when no
 * process of the group is left: graceful stop (SIGINT, exactly one: lighttpd
 * takes a second one as "now"); after the grace time SIGURG, on which
 * responders end what is open with an error; then SIGTERM, SIGKILL as the last
 * resort. Must not exit or leave the loop.
 */
#include "webserver/webserver.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "webserver/spawn.h"

#define START_LIMIT_S 60. /* until /health has to answer */
#define CUT_LIMIT_S 1.	  /* between the last words to clients and SIGTERM */
#define TERM_LIMIT_S 2.	  /* between SIGTERM and SIGKILL */
#define URGENT_CUT_S .2	  /* both after a second signal */
#define URGENT_LIMIT_S .5
#define SWEEP_POLL_S .02
#define SWEEP_LIMIT_MS 5000 /* for responders to go after lighttpd went */

static void
set_limit(struct gw_webserver *w, ev_tstamp seconds)
{
	ev_timer_stop(w->loop, &w->limit);
	ev_now_update(w->loop);
	ev_timer_set(&w->limit, seconds, 0.);
	ev_timer_start(w->loop, &w->limit);
}

static void
stop_looking(struct gw_webserver *w)
{
	gw_up_probe_stop(&w->probe);
	gw_folder_watch_stop(&w->folder);
}

static void
terminate(struct gw_webserver *w, ev_tstamp limit_s)
{
	w->phase = GW_WEBSERVER_TERMINATING;
	kill(w->child, SIGTERM);
	set_limit(w, limit_s);
}

/* Once lighttpd is gone nobody can be told anything: first the last words. It
 * ends by itself when they have left. */
static void
cut(struct gw_webserver *w, ev_tstamp limit_s)
{
	w->phase = GW_WEBSERVER_CUTTING;
	kill(-w->child, SIGURG);
	set_limit(w, limit_s);
	if (w->ops->on_cut)
		w->ops->on_cut(w->arg);
}

static void
tell_failed(struct gw_webserver *w)
{
	w->failed = true;
	if (w->ops->on_failed)
		w->ops->on_failed(w->arg);
}

bool
gw_webserver_is_running(const struct gw_webserver *w)
{
	return w->phase == GW_WEBSERVER_STARTING ||
	       w->phase == GW_WEBSERVER_SERVING;
}

void
gw_webserver_drain(struct gw_webserver *w, const char *reason,
		   uint32_t grace_ms)
{
	if (!gw_webserver_is_running(w))
		return;
	gw_log(GW_EV_DRAIN, NULL, "reason=\"%s\" grace_ms=%u", reason,
	       (unsigned)grace_ms);
	stop_looking(w);
	w->phase = GW_WEBSERVER_DRAINING;
	kill(w->child, SIGINT);
	if (grace_ms)
		set_limit(w, grace_ms / 1000.);
	else
		cut(w, CUT_LIMIT_S);
}

void
gw_webserver_urgent(struct gw_webserver *w)
{
	w->urgent = true;
	if (w->phase == GW_WEBSERVER_DRAINING)
		cut(w, URGENT_CUT_S);
	else if (w->phase == GW_WEBSERVER_CUTTING)
		terminate(w, URGENT_LIMIT_S);
	else if (w->phase == GW_WEBSERVER_SWEEPING)
		w->sweep_end_ms = 0;
}

static void
fail_start(struct gw_webserver *w)
{
	gw_log(GW_EV_FATAL, NULL,
	       "message=\"no answer from %s/health within %.0f s; the lines "
	       "above may say why\"",
	       w->site->url, START_LIMIT_S);
	stop_looking(w);
	terminate(w, TERM_LIMIT_S);
	tell_failed(w);
}

static void
on_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_webserver *w = t->data;

	(void)loop;
	(void)revents;
	switch (w->phase) {
	case GW_WEBSERVER_STARTING:
		fail_start(w);
		break;
	case GW_WEBSERVER_DRAINING:
		gw_log(GW_EV_DRAIN, NULL, "reason=\"grace time over\"");
		cut(w, CUT_LIMIT_S);
		break;
	case GW_WEBSERVER_CUTTING:
		terminate(w, w->urgent ? URGENT_LIMIT_S : TERM_LIMIT_S);
		break;
	case GW_WEBSERVER_TERMINATING:
		w->phase = GW_WEBSERVER_KILLING;
		kill(-w->child, SIGKILL);
		break;
	case GW_WEBSERVER_NONE:
	case GW_WEBSERVER_SERVING:
	case GW_WEBSERVER_KILLING:
	case GW_WEBSERVER_SWEEPING:
		break;
	}
}

static void
end(struct gw_webserver *w)
{
	gw_webserver_release(w);
	w->ops->on_ended(w->arg, w->failed);
}

/*
 * lighttpd is gone; its responders get SIGTERM from the kernel and from here,
 * and SIGKILL if they do not go. The group's number cannot be given to others
 * while one of them lives, and as their reaper we see each of them off.
 */
static void
on_sweep(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_webserver *w = t->data;
	uint64_t now = gw_mono_ms();

	(void)loop;
	(void)revents;
	if (kill(-w->child, 0) < 0) {
		end(w);
		return;
	}
	if (now < w->sweep_end_ms)
		return;
	kill(-w->child, SIGKILL);
	if (w->sweep_end_ms > 0 && now > w->sweep_end_ms + SWEEP_LIMIT_MS) {
		gw_log(GW_EV_FATAL, NULL,
		       "message=\"processes of group %ld cannot be ended\"",
		       (long)w->child);
		w->failed = true;
		end(w);
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
	struct gw_webserver *w = c->data;
	bool asked = !gw_webserver_is_running(w);
	bool gently = !w->urgent && (w->phase == GW_WEBSERVER_DRAINING ||
				     w->phase == GW_WEBSERVER_CUTTING);
	ev_tstamp patience = gently ? TERM_LIMIT_S : URGENT_LIMIT_S;

	(void)revents;
	if (!asked)
		log_unexpected_end(c->rstatus);
	ev_child_stop(loop, c);
	stop_looking(w);
	ev_timer_stop(loop, &w->limit);
	kill(-w->child, w->phase == GW_WEBSERVER_KILLING ? SIGKILL : SIGTERM);
	w->sweep_end_ms = gw_mono_ms() + (uint64_t)(patience * 1000);
	w->phase = GW_WEBSERVER_SWEEPING;
	ev_timer_start(loop, &w->sweep);
	if (!asked)
		tell_failed(w);
}

static void
on_up(void *arg)
{
	struct gw_webserver *w = arg;

	w->phase = GW_WEBSERVER_SERVING;
	w->folder.served = true;
	ev_timer_stop(w->loop, &w->limit);
	w->ops->on_up(w->arg);
}

static void
on_folder_lost(void *arg)
{
	struct gw_webserver *w = arg;

	w->ops->on_folder_lost(w->arg);
}

int
gw_webserver_start(struct gw_webserver *w, struct ev_loop *loop,
		   struct gw_site *site, const struct gw_webserver_ops *ops,
		   void *arg, struct gw_err *err)
{
	char conf[PATH_MAX], program[PATH_MAX + 2];

	memset(w, 0, sizeof(*w));
	/* Children of lighttpd that outlive it become ours: reaped here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	snprintf(conf, sizeof(conf), "%s/" GW_SITE_CONF, site->folder.path);
	w->child =
		gw_spawn_lighttpd(site->lighttpd, conf, &site->listen_fd, err);
	if (w->child < 0)
		return -1;
	gw_log(GW_EV_CHILD_STARTED, NULL, "program=%s pid=%ld folder=%s",
	       gw_log_word(program, sizeof(program), site->lighttpd),
	       (long)w->child, site->folder.path);
	w->loop = loop;
	w->site = site;
	w->ops = ops;
	w->arg = arg;
	w->phase = GW_WEBSERVER_STARTING;
	ev_child_init(&w->on_child, on_child, w->child, 0);
	w->on_child.data = w;
	ev_child_start(loop, &w->on_child);
	ev_timer_init(&w->limit, on_limit, 0., 0.);
	w->limit.data = w;
	ev_timer_init(&w->sweep, on_sweep, 0., SWEEP_POLL_S);
	w->sweep.data = w;
	set_limit(w, START_LIMIT_S);
	gw_up_probe_start(&w->probe, loop, &site->address, site->program, on_up,
			  w);
	gw_folder_watch_start(&w->folder, loop, site, on_folder_lost, w);
	return 0;
}

void
gw_webserver_release(struct gw_webserver *w)
{
	if (!w->loop)
		return;
	stop_looking(w);
	ev_child_stop(w->loop, &w->on_child);
	ev_timer_stop(w->loop, &w->limit);
	ev_timer_stop(w->loop, &w->sweep);
	w->loop = NULL;
	w->phase = GW_WEBSERVER_NONE;
}
