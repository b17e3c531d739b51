/* SPDX-License-Identifier: MIT */
/*
 * fake_llama.c - the scripted upstream's listener and loop.
 *
 * It must not know what any request means: see route.c. README.md in this
 * folder explains its options and its script vocabulary.
 */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"

#define BACKLOG 4096
#define SWEEP_S 0.25
#define EMFILE_PAUSE_S 0.1

static int
listen_on(const struct fake_server *srv)
{
	const struct fake_options *opt = &srv->opt;
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char port[16];
	int one = 1, fd = -1;

	snprintf(port, sizeof(port), "%ld", opt->port);
	if (getaddrinfo(opt->host, port, &hints, &found) || !found) {
		fprintf(stderr, "fake_llama: bad address %s:%s\n", opt->host,
			port);
		return -1;
	}
	fd = socket(found->ai_family,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, found->ai_addr, found->ai_addrlen) ||
	    listen(fd, BACKLOG)) {
		fake_life_not_listening(srv, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

static int
port_of(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t len = sizeof(at);
	char port[NI_MAXSERV] = "0";

	if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
		getnameinfo((struct sockaddr *)&at, len, NULL, 0, port,
			    sizeof(port), NI_NUMERICSERV);
	return (int)strtol(port, NULL, 10);
}

/* Renamed into place, so that whoever sees the file sees the whole number. */
static int
write_port_file(const char *path, int port)
{
	char draft[PATH_MAX];
	FILE *f;

	snprintf(draft, sizeof(draft), "%s.new", path);
	f = fopen(draft, "we");
	if (!f || fprintf(f, "%d\n", port) < 0) {
		if (f)
			fclose(f);
		return -1;
	}
	return fclose(f) || rename(draft, path) ? -1 : 0;
}

static void
on_connection(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct fake_server *srv = w->data;
	int fd;

	(void)revents;
	while ((fd = accept4(w->fd, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		fake_conn_open(srv, fd);
	if (errno == EMFILE || errno == ENFILE) {
		/* a level-triggered listener would spin until one closes */
		ev_io_stop(loop, w);
		ev_timer_start(loop, &srv->resume);
	}
}

static void
on_resume(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct fake_server *srv = w->data;

	(void)revents;
	ev_io_start(loop, &srv->listener);
	ev_timer_set(&srv->resume, EMFILE_PAUSE_S, 0.);
}

static void
on_sweep(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	fake_conn_sweep(w->data);
}

static int
start(struct fake_server *srv)
{
	int fd, port;

	if (srv->opt.log_path && !(srv->log = fopen(srv->opt.log_path, "ae"))) {
		fprintf(stderr, "fake_llama: %s: %s\n", srv->opt.log_path,
			strerror(errno));
		return -1;
	}
	fd = listen_on(srv);
	if (fd < 0)
		return -1;
	ev_io_init(&srv->listener, on_connection, fd, EV_READ);
	ev_timer_init(&srv->sweep, on_sweep, SWEEP_S, SWEEP_S);
	ev_timer_init(&srv->resume, on_resume, EMFILE_PAUSE_S, 0.);
	srv->listener.data = srv->sweep.data = srv->resume.data = srv;
	ev_io_start(srv->loop, &srv->listener);
	ev_timer_start(srv->loop, &srv->sweep);
	port = port_of(fd);
	if (srv->opt.port_file && write_port_file(srv->opt.port_file, port)) {
		fprintf(stderr, "fake_llama: cannot write %s\n",
			srv->opt.port_file);
		return -1;
	}
	fake_life_listening(srv, port);
	return 0;
}

static void
stop(struct fake_server *srv)
{
	for (struct fake_conn *c = srv->conns, *next; c; c = next) {
		next = c->next;
		fake_conn_free(c);
	}
	if (ev_is_active(&srv->listener))
		close(srv->listener.fd);
	if (srv->log)
		fclose(srv->log);
	json_object_put(srv->mode_json);
	json_object_put(srv->base_json);
	gw_buf_release(&srv->instant);
}

static void
raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit))
			perror("fake_llama: setrlimit");
	}
}

int
main(int argc, char **argv)
{
	struct fake_server srv = {.instant = GW_BUF_INIT(FAKE_OUT_MAX_BYTES)};
	int rc;

	fake_options_read(&srv, argc, argv);
	raise_fd_limit();
	fake_life_delay(&srv.opt);
	srv.loop = ev_default_loop(0);
	srv.started_ms = gw_mono_ms();
	srv.created_s = gw_wall_s();
	/* a millisecond of slack lets tokens of many streams share a wake-up */
	ev_set_timeout_collect_interval(srv.loop, 0.001);
	fake_life_begin(&srv);
	rc = start(&srv);
	if (rc == 0)
		ev_run(srv.loop, 0);
	stop(&srv);
	ev_loop_destroy(srv.loop);
	return rc ? 1 : srv.exit_status;
}
