/* SPDX-License-Identifier: MIT */
/*
 * up_probe.c - wait until GET /health is answered.
 *
 * A few bytes of HTTP/1.0 on a socket of its own: no more is needed
 * of an HTTP client than the first line of one answer.
 */
#include "webserver/up_probe.h"

#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"

#define RETRY_S 0.05
#define REQUEST                                                                \
	"GET /health HTTP/1.0\r\nHost: localhost\r\nUser-Agent: %s\r\n\r\n"
/* "HTTP/1.x 200 " */
#define STATUS_AT 9
#define STATUS_END 13

static void
close_attempt(struct gw_up_probe *p)
{
	ev_io_stop(p->loop, &p->io);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void
gw_up_probe_stop(struct gw_up_probe *p)
{
	if (!p->loop)
		return;
	close_attempt(p);
	ev_timer_stop(p->loop, &p->retry);
	p->loop = NULL;
}

static void
try_later(struct gw_up_probe *p)
{
	close_attempt(p);
	ev_timer_stop(p->loop, &p->retry);
	ev_timer_set(&p->retry, RETRY_S, 0.);
	ev_timer_start(p->loop, &p->retry);
}

static void
read_answer(struct gw_up_probe *p)
{
	ssize_t n = recv(p->fd, p->head + p->head_len,
			 sizeof(p->head) - 1 - p->head_len, 0);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		p->head_len += (unsigned)n;
	if (p->head_len >= STATUS_END) {
		if (memcmp(p->head + STATUS_AT, "200 ", 4) == 0) {
			gw_up_probe_stop(p);
			p->up(p->arg);
			return;
		}
		n = 0;
	}
	if (n <= 0)
		try_later(p);
}

static void
on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct gw_up_probe *p = io->data;
	char request[256];
	int len;

	(void)revents;
	if (p->sent) {
		read_answer(p);
		return;
	}
	len = snprintf(request, sizeof(request), REQUEST, p->user_agent);
	/* So short that it goes out whole or not at all. */
	if (len < 0 || (size_t)len >= sizeof(request) ||
	    send(p->fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
		try_later(p);
		return;
	}
	p->sent = true;
	ev_io_stop(loop, io);
	ev_io_set(io, p->fd, EV_READ);
	ev_io_start(loop, io);
}

static void
on_retry(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_up_probe *p = t->data;

	(void)revents;
	p->sent = false;
	p->head_len = 0;
	p->fd = socket(p->address.ss_family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || (connect(p->fd, (const struct sockaddr *)&p->address,
				  p->address.ss_family == AF_INET6
					  ? sizeof(struct sockaddr_in6)
					  : sizeof(struct sockaddr_in)) < 0 &&
			  errno != EINPROGRESS)) {
		try_later(p);
		return;
	}
	ev_io_set(&p->io, p->fd, EV_WRITE);
	ev_io_start(loop, &p->io);
}

static void
wildcard_to_loopback(struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6) {
		struct sockaddr_in6 *in6 = (void *)address;

		if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
			in6->sin6_addr = in6addr_loopback;
	} else {
		struct sockaddr_in *in = (void *)address;

		if (in->sin_addr.s_addr == htonl(INADDR_ANY))
			in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
}

void
gw_up_probe_start(struct gw_up_probe *p, struct ev_loop *loop,
		  const struct sockaddr_storage *address,
		  const char *user_agent, void (*up)(void *arg), void *arg)
{
	memset(p, 0, sizeof(*p));
	p->loop = loop;
	p->address = *address;
	p->user_agent = user_agent;
	p->up = up;
	p->arg = arg;
	p->fd = -1;
	wildcard_to_loopback(&p->address);
	ev_init(&p->io, on_io);
	p->io.data = p;
	ev_timer_init(&p->retry, on_retry, 0., 0.);
	p->retry.data = p;
	ev_timer_start(loop, &p->retry);
}
