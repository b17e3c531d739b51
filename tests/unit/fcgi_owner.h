/* SPDX-License-Identifier: MIT */
/*
 * fcgi_owner.h - the owner of a front, as a request's parameter MODE wants it,
 * and a front that it owns. Include it once in a program.
 */
#ifndef TESTS_UNIT_FCGI_OWNER_H
#define TESTS_UNIT_FCGI_OWNER_H

#include "base/log.h"
#include "fcgi_client.h"

#define BIG_BYTES (3u << 20)
#define CONNS_MAX 4

struct request {
	struct gw_fcgi_conn *conn;
	char mode; /* first letter of the parameter MODE */
	struct gw_buf body;
	size_t left; /* of a big answer */
};

static struct web_server server;
static unsigned begun, gone, writable, open_now;
static unsigned spurious; /* told to go on without having paused */
static size_t queued;	  /* until no more was taken */
static const char head[] = "Status: 200 OK\r\n\r\n";

/* ---- the owner ----------------------------------------------------------- */

static void
end(struct request *r)
{
	open_now--;
	gw_buf_release(&r->body);
	free(r);
}

static void
finish(struct request *r)
{
	gw_fcgi_finish(r->conn);
	end(r);
}

/* Queues until the high-water mark, like a relay. */
static void
pour(struct request *r)
{
	static const char block[4096];

	while (r->left && gw_fcgi_backlog(r->conn) <= GW_FCGI_HIGH_WATER) {
		size_t n = r->left < sizeof(block) ? r->left : sizeof(block);

		if (gw_fcgi_write(r->conn, block, n) < 0)
			abort();
		r->left -= n;
	}
	if (!r->left)
		finish(r);
}

/* @n bytes whatever the backlog. */
static void
heap(struct request *r, size_t n)
{
	static const char block[1024];

	for (; n; n -= sizeof(block))
		if (gw_fcgi_write(r->conn, block, sizeof(block)) < 0)
			abort();
}

static void
fill(struct request *r)
{
	static const char block[64u << 10];

	while (gw_fcgi_write(r->conn, block, sizeof(block)) == 0)
		;
	while (gw_fcgi_write(r->conn, block, 1) == 0)
		;
	queued = gw_fcgi_backlog(r->conn);
}

static void *
on_request(struct gw_fcgi_conn *c, void *arg)
{
	const char *mode = gw_fcgi_param(c, "MODE");
	struct request *r;

	(void)arg;
	begun++;
	if (!mode || *mode == 'r') /* refuse */
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	open_now++;
	gw_buf_init(&r->body, BYTES_MAX);
	r->conn = c;
	r->mode = *mode;
	r->left = BIG_BYTES;
	if (r->mode == 'n') { /* now: an answer before the body */
		if (gw_fcgi_write(c, head, strlen(head)) < 0)
			abort();
		finish(r);
	} else if (r->mode == 'l') { /* large: the same, so many KiB of it */
		heap(r, strtoul(mode + 1, NULL, 10) << 10);
		finish(r);
	} else if (r->mode == 'a') { /* abort */
		gw_fcgi_abort(c);
		end(r);
	}
	return r;
}

static void
on_body(void *request, const char *p, size_t n)
{
	put(&((struct request *)request)->body, p, n);
}

static void
on_body_end(void *request)
{
	struct request *r = request;

	if (r->mode == 'w') /* wait for ever */
		return;
	if (r->mode == 'f') { /* fill the queue, then wait */
		fill(r);
		return;
	}
	if (gw_fcgi_write(r->conn, head, strlen(head)) < 0)
		abort();
	if (r->mode == 'h') /* the head, then wait */
		return;
	if (r->mode == 'c') { /* cut short */
		heap(r, BIG_BYTES);
		gw_fcgi_abort(r->conn);
		end(r);
		return;
	}
	if (r->mode == 'b') { /* big */
		pour(r);
		return;
	}
	if (gw_fcgi_write(r->conn, r->body.data, r->body.len) < 0)
		abort();
	finish(r);
}

static void
on_gone(void *request)
{
	gone++;
	end(request);
}

static void
on_writable(void *request)
{
	struct request *r = request;

	writable++;
	if (r->mode == 'b')
		pour(r);
	else
		spurious++;
}

static const struct gw_fcgi_ops ops = {
	.on_request = on_request,
	.on_body = on_body,
	.on_body_end = on_body_end,
	.on_gone = on_gone,
	.on_writable = on_writable,
};

static void
start(void)
{
	struct gw_err err = {0};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* No path: the kernel chooses a name that is nobody else's. */
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
	server.front =
		gw_fcgi_front_new(server.loop, &ops, NULL, CONNS_MAX, &err);
	if (!server.front || gw_fcgi_listen(server.front, fd, &err) < 0)
		abort();
}

/* Is the next answer on this connection the echo of @body? */
static bool
echoes(int fd, struct gw_buf *in, int id, const char *body)
{
	struct answer a;
	bool same;

	hear(&server, fd, in, &a);
	same = a.id == id && a.text.len == strlen(head) + strlen(body) &&
	       memcmp(a.text.data + strlen(head), body, strlen(body)) == 0;
	forget(&a);
	return same;
}

/* A connection of its own, one request, its echo. */
static bool
still_serves(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);

	put_request(&out, 1, false, "echo", "are you there?");
	say(&server, fd, out.data, out.len);
	return echoes(fd, &in, 1, "are you there?");
}

#endif
