/* SPDX-License-Identifier: MIT */
/*
 * fcgi_manual.h - a front whose requests are answered by the test itself, line
 * by line: the owner only remembers the last one.
 */
#ifndef TESTS_UNIT_FCGI_MANUAL_H
#define TESTS_UNIT_FCGI_MANUAL_H

#include <string.h>

#include "fcgi/conn.h"
#include "fcgi_client.h"

struct owner {
	struct gw_fcgi_conn *conn; /* of the last request; NULL = it is over */
	size_t body_bytes;
	unsigned begun, ended_bodies, gone, stalled, body_calls;
};

static struct owner owner;
static struct web_server server;

static void *
own_request(struct gw_fcgi_conn *c, void *arg)
{
	owner.conn = c;
	owner.begun++;
	return arg;
}

static void
own_body(void *request, const char *p, size_t n)
{
	(void)request;
	(void)p;
	owner.body_calls++;
	owner.body_bytes += n;
}

static void
own_body_end(void *request)
{
	(void)request;
	owner.ended_bodies++;
}

static void
own_gone(void *request)
{
	(void)request;
	owner.gone++;
	owner.conn = NULL;
}

static void
own_stalled(void *request)
{
	(void)request;
	owner.stalled++;
	owner.conn = NULL;
}

static void
own_writable(void *request)
{
	(void)request;
}

static const struct gw_fcgi_ops owner_ops = {
	.on_request = own_request,
	.on_body = own_body,
	.on_body_end = own_body_end,
	.on_gone = own_gone,
	.on_stalled = own_stalled,
	.on_writable = own_writable,
};

static inline void
owner_write(const void *p, size_t n)
{
	if (gw_fcgi_write(owner.conn, p, n) < 0)
		abort();
}

static inline void
owner_finish(void)
{
	gw_fcgi_finish(owner.conn);
	owner.conn = NULL;
}

/* A front with @max_conns connections, listening on a socket without a path. */
static inline void
owner_start(unsigned max_conns)
{
	struct gw_err err = {0};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	owner = (struct owner){0};
	server.at.sun_family = AF_UNIX;
	server.at_len = sizeof(sa_family_t);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&server.at, server.at_len) < 0 ||
	    listen(fd, 64) < 0)
		abort();
	server.at_len = sizeof(server.at);
	if (getsockname(fd, (struct sockaddr *)&server.at, &server.at_len) < 0)
		abort();
	server.loop = ev_loop_new(EVFLAG_AUTO);
	server.front = gw_fcgi_front_new(server.loop, &owner_ops, &owner,
					 max_conns, &err);
	if (!server.front || gw_fcgi_listen(server.front, fd, &err) < 0)
		abort();
}

static inline void
owner_stop(void)
{
	gw_fcgi_front_free(server.front);
	ev_loop_destroy(server.loop);
	server.front = NULL;
	server.loop = NULL;
}

#endif
