/* SPDX-License-Identifier: MIT */
/*
 * test_webserver.c - how lighttpd ends, with scripts in its place: ends that
 * the real one does not come to, beside another child of the same program.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tap.h"
#include "webserver/webserver.h"

#define LIMIT_S 120.

struct fixture {
	struct ev_loop *loop;
	struct gw_site site;
	struct gw_webserver web;
	pid_t group;
	unsigned failures, ends;
	bool failed; /* as on_ended() says */
	bool failure_first;
	unsigned others;
	bool drained_again;
};

static void
on_up(void *arg)
{
	(void)arg;
}

static void
on_failed(void *arg)
{
	struct fixture *f = arg;

	f->failures++;
	f->failure_first = f->ends == 0;
}

static void
on_ended(void *arg, bool failed)
{
	struct fixture *f = arg;

	f->ends++;
	f->failed = failed;
	ev_break(f->loop, EVBREAK_ALL);
}

static const struct gw_webserver_ops ops = {
	.on_up = on_up, .on_failed = on_failed, .on_ended = on_ended};

static void
too_late(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)t;
	(void)revents;
	puts("# too late");
	ev_break(loop, EVBREAK_ALL);
}

static void
on_other(struct ev_loop *loop, ev_child *c, int revents)
{
	struct fixture *f = c->data;

	(void)revents;
	f->others++;
	ev_child_stop(loop, c);
}

static void
setup(struct fixture *f, const char *script)
{
	struct gw_err err = {0};
	char path[PATH_MAX], instance[64];
	bool leftover;

	memset(f, 0, sizeof(*f));
	f->loop = ev_default_loop(0);
	gw_site_init(&f->site, "test_webserver", "Test");
	snprintf(instance, sizeof(instance), "test_webserver %ld",
		 (long)getpid());
	if (gw_folder_create(&f->site.folder, instance, &leftover, &err) < 0 ||
	    gw_site_listen(&f->site, "127.0.0.1", 0, false, "nothing", &err) <
		    0)
		abort();
	snprintf(path, sizeof(path), "%s/fake", f->site.folder.path);
	if (gw_file_write(path, script, strlen(script)) < 0 ||
	    chmod(path, 0700) < 0)
		abort();
	snprintf(f->site.lighttpd, sizeof(f->site.lighttpd), "%s", path);
	if (gw_webserver_start(&f->web, f->loop, &f->site, &ops, f, &err) < 0)
		abort();
	f->group = f->web.child;
}

static void
run(struct fixture *f)
{
	ev_timer late;

	ev_timer_init(&late, too_late, LIMIT_S, 0.);
	ev_timer_start(f->loop, &late);
	ev_run(f->loop, 0);
	ev_timer_stop(f->loop, &late);
}

static void
teardown(struct fixture *f)
{
	gw_webserver_release(&f->web);
	kill(-f->group, SIGKILL);
	gw_site_release(&f->site);
}

static void
test_ends_by_itself(void)
{
	struct fixture f;
	ev_child other;
	pid_t pid;

	setup(&f, "#!/bin/sh\nsleep 600 &\nexit 3\n");
	pid = fork();
	if (pid == 0)
		_exit(0);
	ev_child_init(&other, on_other, pid, 0);
	other.data = &f;
	ev_child_start(f.loop, &other);
	run(&f);
	ok(f.failures == 1 && f.failure_first && f.ends == 1 && f.failed,
	   "webserver: lighttpd ends by itself -> told at once, then its end");
	ok(kill(-f.group, 0) < 0,
	   "webserver: its end is told -> no process of its group is left");
	while (f.others == 0 && ev_is_active(&other))
		ev_run(f.loop, EVRUN_ONCE);
	ok(f.others == 1, "webserver: another child ends -> its watcher knows");
	teardown(&f);
}

/* Drains once the script ignores signals, and then asks again. */
static void
ask_twice(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct fixture *f = t->data;
	char ready[PATH_MAX];

	(void)revents;
	snprintf(ready, sizeof(ready), "%s/ready", f->site.folder.path);
	if (access(ready, F_OK) < 0)
		return;
	if (!gw_webserver_is_running(&f->web)) {
		gw_webserver_drain(&f->web, "again", 0);
		f->drained_again = f->web.phase != GW_WEBSERVER_DRAINING;
		gw_webserver_urgent(&f->web);
		ev_timer_stop(loop, t);
	} else {
		gw_webserver_urgent(&f->web);
		gw_webserver_drain(&f->web, "test", 600000);
	}
}

static void
test_obeys_nothing(void)
{
	struct fixture f;
	ev_timer ask;

	setup(&f,
	      "#!/bin/sh\ntrap '' INT TERM\n"
	      "sleep 600 &\n: >\"${0%/*}/ready\"\nwhile :; do sleep 1; done\n");
	ev_timer_init(&ask, ask_twice, .02, .02);
	ask.data = &f;
	ev_timer_start(f.loop, &ask);
	run(&f);
	ok(!f.drained_again, "webserver: asked to drain twice -> the second "
			     "time changes nothing");
	ok(f.failures == 0 && f.ends == 1 && !f.failed,
	   "webserver: urgent, and it obeys no signal -> killed, as asked");
	ok(kill(-f.group, 0) < 0,
	   "webserver: killed -> no process of its group is left");
	teardown(&f);
}

static void
test_cannot_run(void)
{
	struct fixture f;

	setup(&f, "#!/nowhere/at/all\n");
	run(&f);
	ok(f.failures == 1 && f.ends == 1 && f.failed,
	   "webserver: lighttpd cannot be executed -> an end that is a "
	   "failure");
	teardown(&f);
}

int
main(void)
{
	test_ends_by_itself();
	test_obeys_nothing();
	test_cannot_run();
	return done_testing();
}
