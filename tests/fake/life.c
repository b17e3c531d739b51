/* SPDX-License-Identifier: MIT */
/*
 * life.c - how the process begins and ends: late, at a time, by a signal, on
 * demand, and with llama-server's words for it.
 *
 * It must not touch connections or answers: an end that is no kill leaves the
 * loop, and the owner of the loop clears up.
 */
#include "fake.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"

#define EXIT_DELAY_S 0.02 /* so that the answer to PUT /fake/exit gets out */
#define SIGNAL_MAX 64

/* One line as llama-server logs it: time since the start, level, text. */
static void GW_PRINTF(3, 4)
	say(const struct fake_server *srv, char level, const char *format, ...)
{
	unsigned long long us = (gw_mono_ms() - srv->started_ms) * 1000;
	va_list ap;

	if (!srv->opt.llama_log)
		return;
	fprintf(stderr, "%llu.%02llu.%03llu.%03llu %c ", us / 60000000,
		us / 1000000 % 60, us / 1000 % 1000, us % 1000, level);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* A kill by our own hand is neither a sanitizer's business nor a core's. */
static void
die(struct fake_server *srv)
{
	const struct rlimit none = {0, 0};

	srv->exit_status = (int)srv->opt.exit_status;
	if (srv->opt.exit_signal) {
		signal((int)srv->opt.exit_signal, SIG_DFL);
		if (setrlimit(RLIMIT_CORE, &none) == 0)
			raise((int)srv->opt.exit_signal);
	}
	ev_break(srv->loop, EVBREAK_ALL);
}

void
fake_life_kill(struct fake_server *srv, int signum)
{
	srv->opt.exit_signal = signum;
	die(srv);
}

static void
on_end(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	die(w->data);
}

static void
on_stopped(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
on_loaded(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct fake_server *srv = w->data;

	(void)loop;
	(void)revents;
	say(srv, 'I', "srv  llama_server: model loaded");
	say(srv, 'I', "srv  llama_server: listening on http://%s:%ld",
	    srv->opt.host, srv->opt.port);
}

static void
on_signal(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	struct fake_server *srv = w->data;

	(void)revents;
	if (srv->stopping) {
		fputs("Received second interrupt, terminating immediately.\n",
		      stderr);
		srv->exit_status = 1;
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	srv->stopping = true;
	say(srv, 'I',
	    "srv    operator(): operator(): cleaning up before "
	    "exit...");
	if (!srv->opt.stop_ms) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	ev_timer_init(&srv->stopped, on_stopped,
		      (double)srv->opt.stop_ms / 1000., 0.);
	ev_timer_start(loop, &srv->stopped);
}

static void
watch_signal(struct fake_server *srv, struct ev_signal *w, int signum)
{
	ev_signal_init(w, on_signal, signum);
	w->data = srv;
	ev_signal_start(srv->loop, w);
}

void
fake_life_delay(const struct fake_options *opt)
{
	struct timespec rest = {.tv_sec = opt->start_ms / 1000,
				.tv_nsec = opt->start_ms % 1000 * 1000000};

	if (opt->ignore_sigterm)
		signal(SIGTERM, SIG_IGN);
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

void
fake_life_begin(struct fake_server *srv)
{
	struct fake_options *opt = &srv->opt;

	watch_signal(srv, &srv->intr, SIGINT);
	if (!opt->ignore_sigterm)
		watch_signal(srv, &srv->term, SIGTERM);
	ev_timer_init(&srv->end, on_end, (double)opt->exit_after_ms / 1000.,
		      0.);
	ev_timer_init(&srv->loaded, on_loaded, (double)opt->loading_ms / 1000.,
		      0.);
	srv->end.data = srv->loaded.data = srv;
	if (opt->exit_after_ms >= 0)
		ev_timer_start(srv->loop, &srv->end);
}

void
fake_life_listening(struct fake_server *srv, int port)
{
	if (!srv->opt.llama_log) {
		fprintf(stderr, "fake_llama: %s listens on http://%s:%d\n",
			srv->opt.name, srv->opt.host, port);
		return;
	}
	srv->opt.port = port;
	say(srv, 'I', "srv    load_model: loading model '%s'",
	    srv->opt.llama_log);
	ev_timer_start(srv->loop, &srv->loaded);
}

void
fake_life_not_listening(const struct fake_server *srv, const char *why)
{
	if (!srv->opt.llama_log) {
		fprintf(stderr, "fake_llama: %s:%ld: %s\n", srv->opt.host,
			srv->opt.port, why);
		return;
	}
	say(srv, 'E',
	    "srv         start: couldn't bind HTTP server socket, "
	    "hostname: %s, port: %ld",
	    srv->opt.host, srv->opt.port);
	say(srv, 'I',
	    "srv    operator(): operator(): cleaning up before "
	    "exit...");
	say(srv, 'E', "srv  llama_server: exiting due to HTTP server error");
}

/* An integer member within bounds; -1 when it is none. */
static long
bounded(struct json_object *o, const char *key, long max)
{
	struct json_object *v;
	int64_t n;

	if (!json_object_object_get_ex(o, key, &v) ||
	    !json_object_is_type(v, json_type_int))
		return -1;
	n = json_object_get_int64(v);
	return n >= 0 && n <= max ? (long)n : -1;
}

void
fake_life_exit(struct fake_conn *c)
{
	gw_auto_json struct json_object *o = fake_parse(&c->body);
	struct fake_server *srv = c->srv;
	long signum = o ? bounded(o, "signal", SIGNAL_MAX) : -1;
	long status = o ? bounded(o, "status", 255) : -1;

	if (!o || json_object_object_length(o) != 1 ||
	    (signum < 1 && status < 0)) {
		fake_answer_error(c, 400, "invalid_request_error",
				  "fake: {\"signal\":1..64} or "
				  "{\"status\":0..255}");
		return;
	}
	srv->opt.exit_signal = signum > 0 ? signum : 0;
	srv->opt.exit_status = status > 0 ? status : 0;
	ev_timer_stop(srv->loop, &srv->end);
	ev_timer_set(&srv->end, EXIT_DELAY_S, 0.);
	ev_timer_start(srv->loop, &srv->end);
	fake_answer_json(c, 200, json_object_get(o));
}
