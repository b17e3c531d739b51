/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_front.c - requests cut anywhere, sent ahead, broken off, damaged;
 * answers larger than the socket. The owner of the front is played here.
 */
#include "base/log.h"
#include "fcgi_client.h"
#include "tap.h"

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
	if (gw_fcgi_write(r->conn, head, strlen(head)) < 0)
		abort();
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
	writable++;
	pour(request);
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

/* ---- tests --------------------------------------------------------------- */

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

static void
test_cuts(bool keep)
{
	static const char body[] = "a body of thirty-one bytes, cut";
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int kept = dial(&server);
	unsigned right = 0;

	put_request(&out, 7, keep, "echo", body);
	for (size_t at = 1; at <= out.len; at++) {
		int fd = keep ? kept : dial(&server);

		say(&server, fd, out.data, at);
		say(&server, fd, out.data + at, out.len - at);
		right += echoes(fd, &in, 7, body);
		if (!keep) {
			gw_buf_clear(&in);
			close(fd);
			turn(&server);
		}
	}
	is_int(right, (long long)out.len,
	       keep ? "front: a request cut at every byte, one connection -> "
		      "each is answered"
		    : "front: a request cut at every byte -> each is answered");
}

static void
test_byte_by_byte(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);

	put_request(&out, 1, true, "echo", "slowly");
	for (size_t at = 0; at < out.len; at++)
		say(&server, fd, out.data + at, 1);
	ok(echoes(fd, &in, 1, "slowly"),
	   "front: one byte at a time -> the request is answered");
}

static void
test_early_close(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	unsigned begun_before = begun, gone_before = gone;

	put_request(&out, 1, false, "wait", "a request that nobody completes");
	for (size_t at = 0; at <= out.len; at++) {
		int fd = dial(&server);

		say(&server, fd, out.data, at);
		close(fd);
		turn(&server);
	}
	ok(begun > begun_before, "front: closed at every byte -> some begin");
	is_int(gone - gone_before, begun - begun_before,
	       "front: closed at every byte -> whoever began is told once");
	is_int(gw_fcgi_open_requests(server.front), 0,
	       "front: closed at every byte -> nothing stays open");
}

static void
test_ahead(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	unsigned right = 0;
	char text[32];

	for (int i = 1; i <= 300; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		put_request(&out, i, true, i % 3 ? "echo" : "now", text);
	}
	say(&server, fd, out.data, out.len);
	for (int i = 1; i <= 300; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		right += echoes(fd, &in, i, i % 3 ? text : "");
	}
	is_int(right, 300,
	       "front: 300 requests sent ahead on one connection "
	       "-> answered in their order");
}

/* Sends @bad; the connection must close, and others must not suffer. */
static void
refuses(const struct gw_buf *bad, const char *what)
{
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;

	say(&server, fd, bad->data, bad->len);
	hear(&server, fd, &in, &a);
	ok(a.closed && !a.id && still_serves(),
	   "front: %s -> closed, and others are served", what);
	forget(&a);
}

static void
test_damage(void)
{
	static const char *const pairs[] = {"\x7f", "\x81", "\x80\xff\xff",
					    "\x01\x05name",
					    "\xff\xff\xff\xff\xff\xff\xff\xff"};
	static const char zeros[65535];
	struct gw_buf b = GW_BUF_INIT(BYTES_MAX);

	put(&b, "GET / HTTP/1.1\r\n\r\n", 18);
	refuses(&b, "no FastCGI at all");
	gw_buf_clear(&b);
	put_record(&b, GW_RECORD_BEGIN, 1, "\0\1\0", 3, 0);
	refuses(&b, "a short BEGIN");
	gw_buf_clear(&b);
	put_record(&b, GW_RECORD_BEGIN, 1, "\0\2\0\0\0\0\0\0", 8, 0);
	refuses(&b, "another role");
	gw_buf_clear(&b);
	put_begin(&b, 1, true);
	put_begin(&b, 1, true);
	refuses(&b, "BEGIN twice");
	gw_buf_clear(&b);
	put_begin(&b, 1, true);
	put_record(&b, GW_RECORD_STDIN, 1, "x", 1, 0);
	refuses(&b, "a body before the parameters");
	for (size_t i = 0; i < GW_ARRAY_LEN(pairs); i++) {
		gw_buf_clear(&b);
		put_begin(&b, 1, true);
		put_record(&b, GW_RECORD_PARAMS, 1, pairs[i], strlen(pairs[i]),
			   0);
		put_record(&b, GW_RECORD_PARAMS, 1, "", 0, 0);
		refuses(&b, "parameter lengths beyond their end");
	}
	gw_buf_clear(&b);
	put_begin(&b, 1, true);
	for (int i = 0; i < 3; i++)
		put_record(&b, GW_RECORD_PARAMS, 1, zeros, sizeof(zeros), 0);
	refuses(&b, "parameters over 128 KiB");
	gw_buf_clear(&b);
	put_request(&b, 1, true, "refuse", "whole body");
	refuses(&b, "a request that the owner refuses");
	gw_buf_clear(&b);
	put_request(&b, 1, true, "abort", "whole body");
	refuses(&b, "an answer broken off at once, its body fed already");
	gw_buf_release(&b);
}

static void
test_large_params(void)
{
	static char value[125 << 10];
	struct gw_buf pairs = GW_BUF_INIT(BYTES_MAX);
	struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);

	memset(value, 'v', sizeof(value) - 1);
	put_pair(&pairs, "MODE", "echo");
	put_pair(&pairs, "LARGE", value);
	put_begin(&out, 1, false);
	put_params(&out, 1, &pairs, 65535);
	put_record(&out, GW_RECORD_STDIN, 1, "hi", 2, 0);
	put_record(&out, GW_RECORD_STDIN, 1, "", 0, 0);
	say(&server, fd, out.data, out.len);
	ok(echoes(fd, &in, 1, "hi"), "front: 125 KiB of parameters -> served");
	gw_buf_release(&pairs);
	gw_buf_release(&out);
}

static void
test_abort_record(void)
{
	struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	unsigned before = gone;
	int fd = dial(&server);

	put_request(&out, 5, true, "wait", "body");
	say(&server, fd, out.data, out.len);
	gw_buf_clear(&out);
	put_record(&out, GW_RECORD_ABORT, 5, "", 0, 0);
	say(&server, fd, out.data, out.len);
	is_int(gone - before, 1,
	       "front: ABORT while the answer is under way -> client gone");
	close(fd);

	gw_buf_clear(&out);
	put_request(&out, 5, true, "wait", "body");
	put_record(&out, GW_RECORD_ABORT, 5, "", 0, 0);
	fd = dial(&server);
	say(&server, fd, out.data, out.len);
	is_int(gone - before, 2,
	       "front: ABORT together with the request -> client gone");
	close(fd);
	gw_buf_release(&out);
	turn(&server);
}

static void
test_given_up_body(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	size_t end_bytes = GW_RECORD_HEAD_BYTES;

	/* All but its last record, and then the next request. */
	put_request(&out, 1, true, "now", "half a body");
	say(&server, fd, out.data, out.len - end_bytes);
	ok(echoes(fd, &in, 1, ""), "front: an early answer -> is complete");
	gw_buf_clear(&out);
	put_request(&out, 2, true, "echo", "next");
	say(&server, fd, out.data, out.len);
	ok(echoes(fd, &in, 2, "next"),
	   "front: the body was given up -> the next request is served");
}

static void
test_slow_reader(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;

	put_request(&out, 1, true, "big", "");
	say(&server, fd, out.data, out.len);
	ok(open_now == 1 && still_serves(),
	   "front: a client that reads nothing -> others are served");
	hear(&server, fd, &in, &a);
	is_int((long long)a.text.len, (long long)(strlen(head) + BIG_BYTES),
	       "front: then it reads -> the whole answer, resumed each time");
	ok(a.id == 1 && writable > 1, "front: and its end");
	forget(&a);
}

static void
test_connection_limit(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	int fds[CONNS_MAX + 1];

	put_request(&out, 1, false, "echo", "late");
	for (int i = 0; i <= CONNS_MAX; i++)
		fds[i] = dial(&server);
	say(&server, fds[CONNS_MAX], out.data, out.len);
	ok(!echoes(fds[CONNS_MAX], &in, 1, "late"),
	   "front: one connection too many -> waits");
	close(fds[0]);
	turn(&server);
	ok(echoes(fds[CONNS_MAX], &in, 1, "late"),
	   "front: another one closes -> it is served");
	for (int i = 1; i <= CONNS_MAX; i++)
		close(fds[i]);
	turn(&server);
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_fcgi_front");
	start();
	test_cuts(false);
	test_cuts(true);
	test_byte_by_byte();
	test_early_close();
	test_ahead();
	test_damage();
	test_large_params();
	test_abort_record();
	test_given_up_body();
	test_slow_reader();
	test_connection_limit();
	is_int(open_now, 0, "front: at the end -> no request is forgotten");
	gw_fcgi_front_free(server.front);
	ev_loop_destroy(server.loop);
	return done_testing();
}
