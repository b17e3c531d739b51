/* SPDX-License-Identifier: MIT */
/*
 * pool.c - the parent of a --listen pool: starts the processes, replaces dead
 * ones, ends them. It never touches a request.
 */
#include "responder/pool.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "responder/pool_listen.h"

#define WORKERS_MAX 256
#define QUICK_DEATH_MS 1000 /* a process that dies this soon waits */
#define RESTART_PAUSE_MS 1000
#define EXIT_USAGE 2

struct worker_slot {
	pid_t pid; /* 0 = none */
	uint64_t started_ms;
	uint64_t restart_ms; /* not before */
};

struct pool {
	const struct gw_pool_options *options;
	gw_pool_serve_fn *serve;
	void *arg;
	struct gw_listener listener;
	struct worker_slot workers[WORKERS_MAX];
	bool stopping;
};

static void
start_worker(struct pool *p, struct worker_slot *s, const sigset_t *unblocked)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigprocmask(SIG_SETMASK, unblocked, NULL);
		exit(p->serve(p->listener.fd, p->arg));
	}
	s->started_ms = gw_mono_ms();
	if (pid < 0) {
		s->restart_ms = s->started_ms + RESTART_PAUSE_MS;
		return;
	}
	s->pid = pid;
	gw_log(GW_EV_CHILD_STARTED, NULL, "pid=%ld", (long)pid);
}

static void
start_missing(struct pool *p, const sigset_t *unblocked)
{
	for (unsigned i = 0; i < p->options->workers; i++) {
		struct worker_slot *s = &p->workers[i];

		if (s->pid == 0 && gw_mono_ms() >= s->restart_ms)
			start_worker(p, s, unblocked);
	}
}

static unsigned
reap_workers(struct pool *p)
{
	unsigned alive = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < p->options->workers; i++) {
			struct worker_slot *s = &p->workers[i];
			uint64_t now = gw_mono_ms();

			if (s->pid != pid)
				continue;
			s->pid = 0;
			if (now - s->started_ms < QUICK_DEATH_MS)
				s->restart_ms = now + RESTART_PAUSE_MS;
			if (!p->stopping)
				gw_log(GW_EV_CHILD_EXITED, NULL,
				       "pid=%ld status=%d signal=%d", (long)pid,
				       WIFEXITED(status) ? WEXITSTATUS(status)
							 : -1,
				       WIFSIGNALED(status) ? WTERMSIG(status)
							   : 0);
		}
	for (unsigned i = 0; i < p->options->workers; i++)
		alive += p->workers[i].pid != 0;
	return alive;
}

static void
signal_workers(struct pool *p, int sig)
{
	for (unsigned i = 0; i < p->options->workers; i++)
		if (p->workers[i].pid)
			kill(p->workers[i].pid, sig);
}

static void
on_stop_signal(struct pool *p)
{
	/* First, so that who connects now is refused instead of waiting for
	 * processes that accept no more. */
	if (!p->stopping)
		gw_listener_close(&p->listener);
	signal_workers(p, p->stopping ? SIGKILL : SIGTERM);
	p->stopping = true;
}

static void
watch_signals(sigset_t *stop, sigset_t *before)
{
	struct sigaction hup;

	signal(SIGCHLD, SIG_DFL); /* ignored, no death would be told */
	sigemptyset(stop);
	sigaddset(stop, SIGCHLD);
	sigaddset(stop, SIGTERM);
	sigaddset(stop, SIGINT);
	/* A closed terminal ends it like SIGTERM, unless nohup says no. */
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
		sigaddset(stop, SIGHUP);
	sigprocmask(SIG_BLOCK, stop, before);
}

static void
supervise(struct pool *p)
{
	struct timespec tick = {.tv_nsec = 200 * 1000000L};
	sigset_t stop, before;

	watch_signals(&stop, &before);
	start_missing(p, &before);
	for (;;) {
		int sig = sigtimedwait(&stop, NULL, &tick);

		if (sig > 0 && sig != SIGCHLD)
			on_stop_signal(p);
		if (reap_workers(p) == 0 && p->stopping)
			break;
		if (!p->stopping)
			start_missing(p, &before);
	}
}

int
gw_pool_run(const struct gw_pool_options *o, gw_pool_serve_fn *serve, void *arg)
{
	struct pool p = {.options = o, .serve = serve, .arg = arg};
	char address[512];
	struct gw_err err = {0};

	if (gw_listener_open(o, &p.listener, &err) < 0) {
		gw_log_told(GW_EV_FATAL, "message", err.msg);
		return err.code == GW_ERR_INVALID_REQUEST ? EXIT_USAGE
							  : EXIT_FAILURE;
	}
	gw_log(GW_EV_START, NULL, "listen=%s workers=%u",
	       gw_log_word(address, sizeof(address), o->address), o->workers);
	supervise(&p);
	gw_log(GW_EV_STOP, NULL, "listen=%s",
	       gw_log_word(address, sizeof(address), o->address));
	return EXIT_SUCCESS;
}
