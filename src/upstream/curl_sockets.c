/* SPDX-License-Identifier: MIT */
/*
 * curl_sockets.c - the sockets that libcurl wants to have watched.
 *
 * It asks for each transfer anew and takes it back at the end, also on a
 * connection that is kept for the next one: two system calls a request. So a
 * socket that was opened here stays watched until it is closed here. One that
 * becomes readable while nobody uses it was closed by the upstream: libcurl
 * will see that itself, and it is not watched any more.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "upstream/curl_private.h"

#define FIRST_PLACES 64u

struct gw_curl_socket {
	ev_io io;
	struct gw_upstreams *upstreams;
	bool ours; /* opened and closed here */
	bool used; /* libcurl waits for it */
};

static void
on_ready(struct ev_loop *loop, ev_io *w, int revents)
{
	struct gw_curl_socket *s = w->data;
	int mask = (revents & EV_READ ? CURL_CSELECT_IN : 0) |
		   (revents & EV_WRITE ? CURL_CSELECT_OUT : 0);

	if (s->used)
		s->upstreams->on_ready(s->upstreams, w->fd, mask);
	else
		ev_io_stop(loop, w);
}

/* By descriptor. NULL when memory is out. */
static struct gw_curl_socket **
place(struct gw_upstreams *u, curl_socket_t fd)
{
	size_t n = u->n_sockets ? u->n_sockets : FIRST_PLACES;
	struct gw_curl_socket **more;

	while (n <= (size_t)fd)
		n *= 2;
	if (n == u->n_sockets)
		return &u->sockets[fd];
	more = realloc(u->sockets, n * sizeof(struct gw_curl_socket *));
	if (!more)
		return NULL;
	for (size_t i = u->n_sockets; i < n; i++)
		more[i] = NULL;
	u->sockets = more;
	u->n_sockets = n;
	return &u->sockets[fd];
}

static struct gw_curl_socket *
add(struct gw_upstreams *u, curl_socket_t fd, bool ours)
{
	struct gw_curl_socket **at = place(u, fd);

	if (!at || *at)
		return at ? *at : NULL;
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return NULL;
	(*at)->upstreams = u;
	(*at)->ours = ours;
	ev_io_init(&(*at)->io, on_ready, fd, EV_NONE);
	(*at)->io.data = *at;
	return *at;
}

static void
drop(struct gw_upstreams *u, curl_socket_t fd)
{
	struct gw_curl_socket *s =
		(size_t)fd < u->n_sockets ? u->sockets[fd] : NULL;

	if (!s)
		return;
	ev_io_stop(u->loop, &s->io);
	free(s);
	u->sockets[fd] = NULL;
}

static void
watch(struct gw_upstreams *u, struct gw_curl_socket *s, int events)
{
	s->used = true;
	if (ev_is_active(&s->io) &&
	    (s->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(u->loop, &s->io);
	ev_io_set(&s->io, s->io.fd, events);
	ev_io_start(u->loop, &s->io);
}

int
gw_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
		  void *socket_arg)
{
	struct gw_upstreams *u = arg;
	struct gw_curl_socket *s;

	(void)socket_arg;
	gw_curl_vanish_socket(easy, fd, what);
	if (what != CURL_POLL_REMOVE) {
		s = add(u, fd, false);
		/* -1 would end every transfer of this process, later ones too;
		 * one that nobody watches ends by its own time limits. */
		if (s)
			watch(u, s,
			      (what & CURL_POLL_IN ? EV_READ : 0) |
				      (what & CURL_POLL_OUT ? EV_WRITE : 0));
		return 0;
	}
	s = (size_t)fd < u->n_sockets ? u->sockets[fd] : NULL;
	if (!s)
		return 0;
	s->used = false;
	if (!s->ours)
		drop(u, fd);
	else if (s->io.events & EV_WRITE) /* it would be ready for ever */
		ev_io_stop(u->loop, &s->io);
	return 0;
}

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (add(arg, fd, true))
		return fd;
	close(fd);
	errno = ENOMEM;
	return CURL_SOCKET_BAD;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	drop(arg, fd);
	return close(fd);
}

void
gw_curl_sockets_of(struct gw_upstreams *u, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, u);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, u);
}

void
gw_curl_sockets_free(struct gw_upstreams *u)
{
	for (size_t fd = 0; fd < u->n_sockets; fd++)
		drop(u, (curl_socket_t)fd);
	free(u->sockets);
	u->sockets = NULL;
	u->n_sockets = 0;
}
