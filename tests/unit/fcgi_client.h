/* SPDX-License-Identifier: MIT */
/*
 * fcgi_client.h - a FastCGI front and its web server in one process: what the
 * web server sends can be cut anywhere, and the loop turns in between.
 */
#ifndef TESTS_UNIT_FCGI_CLIENT_H
#define TESTS_UNIT_FCGI_CLIENT_H

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "fcgi/fcgi_conn.h"
#include "fcgi/record.h"

#define BYTES_MAX (8u << 20)

enum {
	END_REQUEST = 3,
	STDOUT = 6
};

struct web_server {
	struct ev_loop *loop;
	struct gw_fcgi_front *front;
	struct sockaddr_un at;
	socklen_t at_len;
};

/* ---- records ------------------------------------------------------------- */

static inline void
put(struct gw_buf *b, const void *p, size_t n)
{
	if (gw_buf_append(b, p, n) < 0)
		abort();
}

static inline void
put_record(struct gw_buf *b, int type, int id, const void *p, size_t n,
	   size_t padding)
{
	const unsigned char head[] = {1,
				      (unsigned char)type,
				      (unsigned char)(id >> 8),
				      (unsigned char)id,
				      (unsigned char)(n >> 8),
				      (unsigned char)n,
				      (unsigned char)padding,
				      0};
	static const char zeros[255];

	put(b, head, sizeof(head));
	put(b, p, n);
	put(b, zeros, padding);
}

static inline void
put_begin(struct gw_buf *b, int id, bool keep)
{
	const unsigned char responder[8] = {0, 1, keep};

	put_record(b, GW_RECORD_BEGIN, id, responder, 8, 0);
}

static inline void
put_length(struct gw_buf *b, size_t n)
{
	const unsigned char four[] = {
		(unsigned char)(0x80 | n >> 24), (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n};
	const unsigned char one = (unsigned char)n;

	if (n < 0x80)
		put(b, &one, 1);
	else
		put(b, four, sizeof(four));
}

static inline void
put_pair(struct gw_buf *b, const char *name, const char *value)
{
	put_length(b, strlen(name));
	put_length(b, strlen(value));
	put(b, name, strlen(name));
	put(b, value, strlen(value));
}

/* PARAMS in records of @piece bytes, and the empty one. */
static inline void
put_params(struct gw_buf *b, int id, const struct gw_buf *pairs, size_t piece)
{
	for (size_t at = 0; at < pairs->len; at += piece) {
		size_t n = pairs->len - at;

		put_record(b, GW_RECORD_PARAMS, id, pairs->data + at,
			   n < piece ? n : piece, at % 8);
	}
	put_record(b, GW_RECORD_PARAMS, id, "", 0, 0);
}

/* A whole request with parameters of the caller's. */
static inline void
put_request_of(struct gw_buf *b, int id, bool keep, const struct gw_buf *pairs,
	       const char *body)
{
	size_t half = strlen(body) / 2;

	put_begin(b, id, keep);
	put_params(b, id, pairs, 20);
	if (half)
		put_record(b, GW_RECORD_STDIN, id, body, half, 3);
	if (*body)
		put_record(b, GW_RECORD_STDIN, id, body + half,
			   strlen(body) - half, 0);
	put_record(b, GW_RECORD_STDIN, id, "", 0, 0);
}

/* A whole request; @mode tells the owner what to do with it. */
static inline void
put_request(struct gw_buf *b, int id, bool keep, const char *mode,
	    const char *body)
{
	gw_auto_buf struct gw_buf pairs = GW_BUF_INIT(BYTES_MAX);

	put_pair(&pairs, "REQUEST_METHOD", "POST");
	put_pair(&pairs, "MODE", mode);
	put_request_of(b, id, keep, &pairs, body);
}

/* ---- the connection ------------------------------------------------------ */

static inline void
turn(struct web_server *s)
{
	for (int i = 0; i < 4; i++)
		ev_run(s->loop, EVRUN_NOWAIT);
}

static inline int
dial(struct web_server *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&s->at, s->at_len) < 0)
		abort();
	turn(s);
	return fd;
}

/* Sends all of it, turning the loop as often as the socket is full. */
static inline void
say(struct web_server *s, int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t put = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put < 0 && errno != EAGAIN)
			break;
		turn(s);
		if (put > 0) {
			p += put;
			n -= (size_t)put;
		}
	}
	turn(s);
}

/* What came of an answer. */
struct answer {
	struct gw_buf text; /* STDOUT */
	int id;		    /* of END_REQUEST, 0 = none came */
	bool closed;
};

/*
 * Takes whole records out of @in, which holds what was received and not yet
 * looked at, up to the end of one request.
 */
static inline void
hear(struct web_server *s, int fd, struct gw_buf *in, struct answer *a)
{
	struct gw_record rec;
	char bytes[65536];
	int idle = 0;

	*a = (struct answer){.text = GW_BUF_INIT(BYTES_MAX)};
	for (;;) {
		while (gw_record_read(in->data, in->len, &rec) == 1) {
			if (rec.type == STDOUT)
				put(&a->text, rec.content, rec.content_len);
			if (rec.type == END_REQUEST)
				a->id = rec.id;
			gw_buf_consume(in, rec.whole_len);
			if (a->id)
				return;
		}
		turn(s);
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n > 0)
			put(in, bytes, (size_t)n);
		else if (n == 0 || errno != EAGAIN)
			a->closed = true;
		if (a->closed || (n <= 0 && ++idle > 50))
			return;
	}
}

static inline void
forget(struct answer *a)
{
	gw_buf_release(&a->text);
}

#endif
