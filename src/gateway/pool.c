/* SPDX-License-Identifier: MIT */
/* pool.c - the parent of a --listen pool; it never touches a request. */
#include "gateway/pool.h"

#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define BACKLOG 4096
#define WORKERS_MAX 256
#define QUICK_DEATH_MS 1000 /* a process that dies this soon waits */
#define RESTART_PAUSE_MS 1000

struct worker_slot {
	pid_t pid; /* 0 = none */
	uint64_t started_ms;
	uint64_t restart_ms; /* not before */
};

struct pool {
	const struct gw_pool_options *options;
	gw_pool_serve_fn *serve;
	void *arg;
	int fd;
	const char *socket_path; /* unix socket to remove, or NULL */
	struct worker_slot workers[WORKERS_MAX];
	bool stopping;
};

static int
failed(const char *address, const char *what)
{
	gw_log(GW_EV_FATAL, NULL, "address=%s message=\"%s: %s\"", address,
	       what, strerror(errno));
	return -1;
}

static bool
is_answered(const struct sockaddr_un *at)
{
	gw_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 &&
	       connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0;
}

static int
give_group(const struct gw_pool_options *o, const char *path)
{
	struct group *g;

	if (!o->group)
		return 0;
	g = getgrnam(o->group);
	if (!g) {
		errno = ENOENT;
		return failed(o->address, "no such group");
	}
	return chown(path, (uid_t)-1, g->gr_gid) < 0
		       ? failed(o->address, "cannot give the socket its group")
		       : 0;
}

static int
listen_unix(struct pool *p, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	mode_t before;
	int rc;

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return failed(p->options->address, "socket path");
	}
	memcpy(at.sun_path, path, strlen(path));
	if (is_answered(&at)) {
		errno = EADDRINUSE;
		return failed(p->options->address, "listen");
	}
	unlink(path);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Nobody may connect before the mode and group are right. */
	before = umask(0177);
	rc = p->fd < 0 ? -1 : bind(p->fd, (struct sockaddr *)&at, sizeof(at));
	umask(before);
	if (rc < 0)
		return failed(p->options->address, "bind");
	p->socket_path = path;
	if (give_group(p->options, path) < 0)
		return -1;
	if (chmod(path, p->options->mode) < 0)
		return failed(p->options->address, "chmod");
	return listen(p->fd, BACKLOG) < 0
		       ? failed(p->options->address, "listen")
		       : 0;
}

static int
listen_tcp(struct pool *p, const char *address)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM,
				.ai_flags = AI_PASSIVE | AI_NUMERICSERV},
			*found = NULL;
	const char *colon = strrchr(address, ':');
	char host[256];
	size_t n = colon ? (size_t)(colon - address) : 0;
	int one = 1, rc;

	if (n == 0 || n >= sizeof(host))
		return -1;
	if (address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	}
	memcpy(host, address, n);
	host[n] = '\0';
	rc = getaddrinfo(host, colon + 1, &want, &found);
	if (rc != 0) {
		gw_log(GW_EV_FATAL, NULL, "address=%s message=\"%s\"", address,
		       gai_strerror(rc));
		return -1;
	}
	p->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 ||
	    setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) <
		    0 ||
	    bind(p->fd, found->ai_addr, found->ai_addrlen) < 0 ||
	    listen(p->fd, BACKLOG) < 0)
		rc = failed(address, "listen");
	freeaddrinfo(found);
	return rc;
}

static void
start_worker(struct pool *p, struct worker_slot *s, const sigset_t *unblocked)
{
	pid_t pid = fork();

	if (pid == 0) {
		sigprocmask(SIG_SETMASK, unblocked, NULL);
		exit(p->serve(p->fd, p->arg));
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
supervise(struct pool *p)
{
	struct timespec tick = {.tv_nsec = 200 * 1000000L};
	sigset_t wait_for, before;

	sigemptyset(&wait_for);
	sigaddset(&wait_for, SIGCHLD);
	sigaddset(&wait_for, SIGTERM);
	sigaddset(&wait_for, SIGINT);
	sigprocmask(SIG_BLOCK, &wait_for, &before);
	start_missing(p, &before);
	for (;;) {
		int sig = sigtimedwait(&wait_for, NULL, &tick);

		if (sig == SIGTERM || sig == SIGINT) {
			signal_workers(p, p->stopping ? SIGKILL : SIGTERM);
			p->stopping = true;
		}
		if (reap_workers(p) == 0 && p->stopping)
			break;
		if (!p->stopping)
			start_missing(p, &before);
	}
}

int
gw_pool_run(const struct gw_pool_options *o, gw_pool_serve_fn *serve, void *arg)
{
	struct pool p = {.options = o, .serve = serve, .arg = arg, .fd = -1};
	int rc;

	if (strncmp(o->address, "unix:", 5) == 0)
		rc = listen_unix(&p, o->address + 5);
	else if (strchr(o->address, ':'))
		rc = listen_tcp(&p, o->address);
	else {
		gw_log(GW_EV_FATAL, NULL,
		       "message=\"--listen wants unix:PATH or HOST:PORT\"");
		return 2;
	}
	if (rc == 0) {
		gw_log(GW_EV_START, NULL, "listen=%s workers=%u", o->address,
		       o->workers);
		supervise(&p);
		gw_log(GW_EV_STOP, NULL, "listen=%s", o->address);
	}
	if (p.fd >= 0)
		close(p.fd);
	if (p.socket_path)
		unlink(p.socket_path);
	return rc == 0 ? 0 : 1;
}
