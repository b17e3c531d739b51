/* SPDX-License-Identifier: MIT */
/*
 * stream_reader.c - one stream of the load client: its request out, its tokens
 * in. Lines are put together only when a read cut them.
 */
#include "stream_client.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define LINE_MAX_BYTES 16384
#define READ_BYTES 65536

static void
fail_stream(struct stream *s, const char *why)
{
	struct client *cl = s->cl;

	if (s->failed)
		return;
	s->failed = true;
	if (cl->failed++ == 0)
		fprintf(stderr, "stream_client: %s (HTTP %u)\n", why,
			s->parser.status_code);
	if (s->last)
		cl->running--;
	if (s->fd >= 0) {
		ev_io_stop(cl->loop, &s->io);
		close(s->fd);
		s->fd = -1;
	}
}

/* `"t17@123456"`: the token's number, and when it was sent (us). */
static void
take_token(struct stream *s, const char *text)
{
	struct client *cl = s->cl;
	char *end;
	long number = strtol(text, &end, 10);
	uint64_t delay;

	if (s->last == 0)
		cl->running++;
	if (cl->counting) {
		cl->tokens++;
		cl->gaps += number != s->last + 1;
	}
	s->last = number;
	if (!cl->counting && cl->running == cl->n)
		client_begin_counting(cl);
	if (!cl->counting)
		return;
	if (*end != '@') {
		cl->unstamped++;
		return;
	}
	delay = (gw_mono_us() - strtoull(end + 1, NULL, 10)) / DELAY_STEP_US;
	cl->delays[delay > DELAYS_MAX ? DELAYS_MAX : delay]++;
}

static void
take_line(struct stream *s, const char *line, size_t n)
{
	static const char mark[] = "\"content\":\"t";
	const char *at = memmem(line, n, mark, sizeof(mark) - 1);

	if (at)
		take_token(s, at + sizeof(mark) - 1);
}

static int
on_body(http_parser *parser, const char *p, size_t n)
{
	struct stream *s = parser->data;
	const char *end;

	while (n && (end = memchr(p, '\n', n))) {
		size_t len = (size_t)(end - p);

		if (s->line.len) {
			if (gw_buf_append(&s->line, p, len))
				return -1;
			take_line(s, s->line.data, s->line.len);
			gw_buf_clear(&s->line);
		} else {
			take_line(s, p, len);
		}
		n -= len + 1;
		p = end + 1;
	}
	return gw_buf_append(&s->line, p, n);
}

static int
on_headers(http_parser *parser)
{
	return parser->status_code == 200 ? 0 : -1;
}

static int
on_end(http_parser *parser)
{
	(void)parser;
	return -1;
}

static const http_parser_settings settings = {
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_end,
};

static void
send_request(struct stream *s)
{
	const struct gw_buf *r = &s->cl->request;
	ssize_t n =
		send(s->fd, r->data + s->sent, r->len - s->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail_stream(s, strerror(errno));
		return;
	}
	s->sent += n > 0 ? (size_t)n : 0;
	if (s->sent < r->len)
		return;
	ev_io_stop(s->cl->loop, &s->io);
	ev_io_set(&s->io, s->fd, EV_READ);
	ev_io_start(s->cl->loop, &s->io);
}

static void
on_socket(struct ev_loop *loop, struct ev_io *w, int revents)
{
	static char chunk[READ_BYTES];
	struct stream *s = w->data;
	ssize_t n;

	(void)loop;
	if (revents & EV_WRITE) {
		send_request(s);
		return;
	}
	n = recv(s->fd, chunk, sizeof(chunk), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		fail_stream(s, n ? strerror(errno) : "the stream was closed");
	else if (http_parser_execute(&s->parser, &settings, chunk, (size_t)n) !=
		 (size_t)n)
		fail_stream(s, "no stream, or its end");
}

void
stream_open(struct client *cl, struct stream *s)
{
	int one = 1;

	s->cl = cl;
	gw_buf_init(&s->line, LINE_MAX_BYTES);
	http_parser_init(&s->parser, HTTP_RESPONSE);
	s->parser.data = s;
	ev_init(&s->io, on_socket);
	s->io.data = s;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 ||
	    (connect(s->fd, (struct sockaddr *)&cl->to, sizeof(cl->to)) &&
	     errno != EINPROGRESS)) {
		fail_stream(s, strerror(errno));
		return;
	}
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ev_io_set(&s->io, s->fd, EV_WRITE);
	ev_io_start(cl->loop, &s->io);
}
