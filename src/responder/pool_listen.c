/* SPDX-License-Identifier: MIT */
/*
 * pool_listen.c - opens the socket of a --listen pool. Knows addresses, modes
 * and stale files; starts no process and serves nothing.
 */
#include "responder/pool_listen.h"

#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "config/url.h"

#define BACKLOG 4096
#define LOCK_TRIES 250
#define LOCK_PAUSE_MS 20
#define PORT_BYTES 6 /* 65535 and its end */

static int
failed(const struct gw_pool_options *o, const char *what, struct gw_err *err)
{
	return gw_err_set(err, GW_ERR_INTERNAL, errno, "%s: %s: %s", o->address,
			  what, strerror(errno));
}

static int
in_use(const struct gw_pool_options *o, struct gw_err *err)
{
	errno = EADDRINUSE;
	return failed(o, "cannot listen", err);
}

/* ---- unix sockets -------------------------------------------------------- */

/*
 * Lock the folder of a socket against other pools that start or stop there. A
 * folder that cannot be locked at all (not readable, no such file system) is
 * used as it is.
 * @fd  the lock, held until it is closed; -1 = none
 * Returns 0, or -1 with errno when somebody else holds it for too long.
 */
static int
lock_folder(const char *path, int *fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(folder, sizeof(folder), "%s", path);
	*fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0)
		return 0;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(*fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
			return 0;
		nanosleep(&pause, NULL);
	}
	errno = EWOULDBLOCK;
	return -1;
}

/* Make room for a socket at @at; only a dead one may be taken away. */
static int
clear_path(const struct gw_pool_options *o, const struct sockaddr_un *at,
	   struct gw_err *err)
{
	gw_auto_fd int fd = -1;
	struct stat st;

	if (lstat(at->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : failed(o, "socket path", err);
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return failed(o, "a file that is no socket is there", err);
	}
	/* Non-blocking: a living but busy listener must not hold this up. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return failed(o, "socket", err);
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ||
	    errno != ECONNREFUSED)
		return in_use(o, err);
	return unlink(at->sun_path) < 0
		       ? failed(o, "the dead socket cannot be removed", err)
		       : 0;
}

static int
give_away(const struct gw_pool_options *o, const char *path, struct gw_err *err)
{
	const struct group *g = o->group ? getgrnam(o->group) : NULL;

	if (o->group && !g)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOENT,
				  "%s: there is no group \"%s\"", o->address,
				  o->group);
	if (g && chown(path, (uid_t)-1, g->gr_gid) < 0)
		return failed(o, "the socket cannot be given its group", err);
	if (chmod(path, o->mode) < 0)
		return failed(o, "the socket cannot be given its mode", err);
	return 0;
}

/* The socket file is there: what a later close may take away. */
static int
remember(const struct gw_pool_options *o, const char *path,
	 struct gw_listener *l, struct gw_err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return failed(o, "the socket's file is gone", err);
	snprintf(l->path, sizeof(l->path), "%s", path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

static int
listen_unix(const struct gw_pool_options *o, const char *path,
	    struct gw_listener *l, struct gw_err *err)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	gw_auto_fd int lock = -1;
	mode_t before;
	int rc;

	if (strlen(path) >= sizeof(at.sun_path)) {
		errno = ENAMETOOLONG;
		return failed(o, "socket path", err);
	}
	memcpy(at.sun_path, path, strlen(path));
	/* Up to listen(): until then it looks like a dead one's. */
	if (lock_folder(path, &lock) < 0)
		return failed(o, "another program has locked the folder", err);
	if (clear_path(o, &at, err) < 0)
		return -1;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Nobody may connect before mode and group are right. */
	before = umask(0177);
	rc = l->fd < 0 ? -1 : bind(l->fd, (struct sockaddr *)&at, sizeof(at));
	umask(before);
	if (rc < 0)
		return failed(o, "cannot bind", err);
	if (remember(o, path, l, err) < 0 || give_away(o, path, err) < 0)
		return -1;
	return listen(l->fd, BACKLOG) < 0 ? failed(o, "cannot listen", err) : 0;
}

/* ---- TCP ----------------------------------------------------------------- */

static bool
is_port(const char *text)
{
	unsigned n = 0;

	if (!*text || strlen(text) >= PORT_BYTES)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned)(*text - '0');
	}
	return n >= 1 && n <= 65535;
}

/* HOST:PORT, the host of an IPv6 address in brackets. */
static bool
split_address(const char *address, char host[GW_LISTEN_HOST_BYTES],
	      const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;

	if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	}
	if (n == 0 || n >= GW_LISTEN_HOST_BYTES || !is_port(colon + 1))
		return false;
	memcpy(host, address, n);
	host[n] = '\0';
	*port = colon + 1;
	return true;
}

bool
gw_listener_is_open(const char *address, char host[GW_LISTEN_HOST_BYTES])
{
	const char *port;

	return strncmp(address, "unix:", 5) != 0 &&
	       split_address(address, host, &port) &&
	       !gw_host_is_loopback(host);
}

static int
listen_tcp(const struct gw_pool_options *o, const char *host, const char *port,
	   struct gw_listener *l, struct gw_err *err)
{
	struct addrinfo want = {.ai_socktype = SOCK_STREAM,
				.ai_flags = AI_PASSIVE | AI_NUMERICSERV},
			*found = NULL;
	int one = 1, rc = getaddrinfo(host, port, &want, &found);

	if (rc != 0)
		return gw_err_set(err, GW_ERR_INTERNAL, 0, "%s: %s", o->address,
				  gai_strerror(rc));
	l->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Connections inherit NODELAY: a token must not wait for the web
	 * server's delayed acknowledgement of the one before. */
	if (l->fd < 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) <
		    0 ||
	    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) <
		    0 ||
	    bind(l->fd, found->ai_addr, found->ai_addrlen) < 0 ||
	    listen(l->fd, BACKLOG) < 0)
		rc = failed(o, "cannot listen", err);
	freeaddrinfo(found);
	return rc;
}

int
gw_listener_open(const struct gw_pool_options *o, struct gw_listener *out,
		 struct gw_err *err)
{
	char host[GW_LISTEN_HOST_BYTES];
	const char *port;
	int rc;

	*out = (struct gw_listener){.fd = -1};
	if (strncmp(o->address, "unix:", 5) == 0 && o->address[5])
		rc = listen_unix(o, o->address + 5, out, err);
	else if (split_address(o->address, host, &port))
		rc = listen_tcp(o, host, port, out, err);
	else
		return gw_err_set(err, GW_ERR_INVALID_REQUEST, 0,
				  "--listen wants unix:PATH or HOST:PORT, not "
				  "\"%s\"",
				  o->address);
	if (rc < 0)
		gw_listener_close(out);
	return rc;
}

static void
remove_own(const struct gw_listener *l)
{
	gw_auto_fd int lock = -1;
	struct stat st;

	/* Without the lock it is still a look at the very last moment. */
	(void)lock_folder(l->path, &lock);
	if (lstat(l->path, &st) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlink(l->path);
}

void
gw_listener_close(struct gw_listener *l)
{
	/* In this order: a socket file that nobody answers on is a dead one to
	 * the next pool, which would have its own removed here. */
	if (l->path[0])
		remove_own(l);
	if (l->path[0] && l->fd >= 0)
		shutdown(l->fd, SHUT_RD);
	if (l->fd >= 0)
		close(l->fd);
	*l = (struct gw_listener){.fd = -1};
}
