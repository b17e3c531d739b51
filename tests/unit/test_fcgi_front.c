/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_front.c - requests cut anywhere, sent ahead, damaged or too large;
 * answers larger than the socket. Who leaves: test_fcgi_gone.c.
 */
#include <sys/resource.h>
#include <sys/syscall.h>

#include "fcgi/conn.h"
#include "fcgi_owner.h"
#include "tap.h"

/* What is promised, whatever the constants say. */
#define PARAMS_MAX (128u << 10)
#define QUEUE_MAX (64u << 20)

#define LOOKS 100   /* at something that comes after a few */
#define LIMIT_S 300 /* what blocks for ever ends here */

static unsigned waits;

/* libfcgi calls this instead of libc's: what would block is an error here. */
ssize_t
write(int fd, const void *p, size_t n)
{
	ssize_t put = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (put < 0 && errno == ENOTSOCK)
		return syscall(SYS_write, fd, p, n);
	if ((put < 0 && errno != EAGAIN) || put == (ssize_t)n)
		return put;
	waits++;
	errno = EPIPE;
	return -1;
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
	put_record(&b, GW_RECORD_BEGIN, 1, "\0\3\0\0\0\0\0\0", 8, 0);
	refuses(&b, "another role");
	gw_buf_clear(&b);
	put_begin(&b, 0, true);
	refuses(&b, "a request without a number");
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

/* Whatever libfcgi would make of them. */
static void
test_pair_lengths(void)
{
	/* clang-format off */
	static const struct { const char *p; size_t n; bool sane; } rows[] = {
		{ "", 0, true },
		{ "\1\1ab", 4, true },
		{ "\1\0a\0\0", 5, true },
		{ "\1\x80\0\0\1ab", 7, true },
		{ "\1", 1, false },
		{ "\1\0", 2, false },
		{ "\1\1a", 3, false },
		{ "\2\0a", 3, false },
		{ "\1\1ab\1", 5, false },
		{ "\1\x80\0\0", 4, false },
		{ "\1\x80\0\0\2ab", 7, false },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff", 8, false },
	};
	/* clang-format on */

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		ok(gw_record_params_sane((const unsigned char *)rows[i].p,
					 rows[i].n) == rows[i].sane,
		   "front: lengths of parameters %zu -> %s", i,
		   rows[i].sane ? "fit" : "do not fit");
}

/* One socket pair takes the bodies of all: what is left in it is not theirs. */
static void
test_another_body(void)
{
	static const char another[20000]; /* more than libfcgi reads ahead */
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf bad = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	gw_auto_fd int other = dial(&server);
	size_t end_bytes = GW_RECORD_HEAD_BYTES;

	put_begin(&bad, 1, false);
	put_record(&bad, GW_RECORD_PARAMS, 1, "\4\6MODErefuse", 12, 0);
	put_record(&bad, GW_RECORD_PARAMS, 1, "", 0, 0);
	put_record(&bad, GW_RECORD_STDIN, 1, another, sizeof(another), 0);
	put_record(&bad, GW_RECORD_STDIN, 1, "", 0, 0);
	put_request(&out, 1, true, "echo", "my own");
	say(&server, fd, out.data, out.len - 2 * end_bytes - 3);
	say(&server, other, bad.data, bad.len);
	say(&server, fd, out.data + out.len - 2 * end_bytes - 3,
	    2 * end_bytes + 3);
	ok(echoes(fd, &in, 1, "my own"),
	   "front: another request is refused, its body fed already -> this "
	   "one gets its own");
}

/* Records of another request's number, between those of one: not its own. */
static void
test_another_number(void)
{
	gw_auto_buf struct gw_buf pairs = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);

	put_pair(&pairs, "MODE", "echo");
	put_begin(&out, 1, true);
	put_params(&out, 1, &pairs, 20);
	put_record(&out, GW_RECORD_STDIN, 9, "not mine", 8, 0);
	put_record(&out, GW_RECORD_STDIN, 1, "", 0, 0);
	put_begin(&out, 2, true);
	put_params(&out, 2, &pairs, 20);
	put_record(&out, GW_RECORD_STDIN, 2, "all ", 4, 0);
	put_record(&out, GW_RECORD_STDIN, 9, "", 0, 0);
	put_record(&out, GW_RECORD_STDIN, 2, "of it", 5, 0);
	put_record(&out, GW_RECORD_STDIN, 9, "", 0, 0);
	put_record(&out, GW_RECORD_STDIN, 2, "", 0, 0);
	say(&server, fd, out.data, out.len);
	ok(echoes(fd, &in, 1, ""), "front: a body of another -> is not taken");
	ok(echoes(fd, &in, 2, "all of it"),
	   "front: the end of another's body -> does not end this one");
}

/* A request whose parameters have @bytes in all; is it answered? */
static bool
takes_params(size_t bytes)
{
	static char value[PARAMS_MAX + 1];
	gw_auto_buf struct gw_buf pairs = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);

	put_pair(&pairs, "MODE", "echo");
	memset(value, 'v', sizeof(value));
	value[bytes - pairs.len - 1 - 4 - strlen("LARGE")] = '\0';
	put_pair(&pairs, "LARGE", value);
	put_begin(&out, 1, false);
	put_params(&out, 1, &pairs, 65535);
	put_record(&out, GW_RECORD_STDIN, 1, "hi", 2, 0);
	put_record(&out, GW_RECORD_STDIN, 1, "", 0, 0);
	say(&server, fd, out.data, out.len);
	return pairs.len == bytes && echoes(fd, &in, 1, "hi");
}

static void
test_large_params(void)
{
	/* The heads of BEGIN and of three records count. */
	size_t most = PARAMS_MAX - 16 - 3 * GW_RECORD_HEAD_BYTES;
	unsigned before = begun;

	ok(takes_params(most), "front: 128 KiB of parameters -> served");
	is_int(begun - before, 1, "front: ... once");
	ok(!takes_params(most + 1) && begun - before == 1,
	   "front: one byte more -> refused, and the owner hears nothing");
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

/* An answer that is complete before its body is: the rest belongs to it. */
static void
test_early_answer_unread(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	size_t end_bytes = GW_RECORD_HEAD_BYTES;

	put_request(&out, 1, true, "now", "half a body");
	say(&server, fd, out.data, out.len - end_bytes);
	ok(echoes(fd, &in, 1, ""), "front: an early answer -> is complete");
	say(&server, fd, out.data + out.len - end_bytes, end_bytes);
	gw_buf_clear(&out);
	put_request(&out, 2, true, "echo", "next");
	say(&server, fd, out.data, out.len);
	ok(echoes(fd, &in, 2, "next"),
	   "front: its body ends later -> the next request is served");
}

/*
 * An early answer that the socket does not hold, then the end of the body: the
 * connection has to stay with this request until all of the answer left.
 */
static void
test_early_answer_queued(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	size_t end_bytes = GW_RECORD_HEAD_BYTES;
	struct answer a;

	put_request(&out, 1, true, "l3072", "a body");
	say(&server, fd, out.data, out.len - end_bytes);
	is_int(gw_fcgi_open_requests(server.front), 1,
	       "front: a client that does not read an early answer -> waits");
	say(&server, fd, out.data + out.len - end_bytes, end_bytes);
	hear(&server, fd, &in, &a);
	ok(a.id == 1 && a.text.len == 3072u << 10,
	   "front: its body ends meanwhile -> the whole answer, and its end");
	forget(&a);
	gw_buf_clear(&out);
	put_request(&out, 2, true, "echo", "next");
	say(&server, fd, out.data, out.len);
	ok(echoes(fd, &in, 2, "next"),
	   "front: ... -> then the next request is served");
}

/* No web server sends it: it must not get two answers in one. */
static void
test_early_next_request(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	size_t end_bytes = GW_RECORD_HEAD_BYTES;
	unsigned before = begun;
	struct answer a;

	put_request(&out, 1, true, "l3072", "half a body");
	say(&server, fd, out.data, out.len - end_bytes);
	gw_buf_clear(&out);
	put_request(&out, 2, true, "echo", "too early");
	say(&server, fd, out.data, out.len);
	hear(&server, fd, &in, &a);
	ok(a.closed && !a.id && begun - before == 1,
	   "front: the next request before the answer was sent -> closed");
	is_int(gw_fcgi_open_requests(server.front), 0,
	       "front: ... -> none is left open");
	forget(&a);
}

static void
test_not_kept(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;

	put_request(&out, 1, false, "echo", "once");
	say(&server, fd, out.data, out.len);
	ok(echoes(fd, &in, 1, "once"), "front: not to be kept -> is answered");
	hear(&server, fd, &in, &a);
	ok(a.closed, "front: ... -> and closed");
	forget(&a);
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

/* Its arrival is not read on: that must not be for ever. */
static void
test_ahead_in_answer(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;

	put_request(&out, 1, true, "big", "");
	say(&server, fd, out.data, out.len);
	gw_buf_clear(&out);
	put_request(&out, 2, true, "echo", "next");
	say(&server, fd, out.data, out.len);
	hear(&server, fd, &in, &a);
	ok(a.id == 1 && echoes(fd, &in, 2, "next"),
	   "front: a request sent ahead in an answer -> is served behind it");
	forget(&a);
}

/* What one answer had queued is no reason to wake the owner of the next. */
static void
test_kept_water(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;

	put_request(&out, 1, true, "l65", "");
	say(&server, fd, out.data, out.len);
	hear(&server, fd, &in, &a);
	ok(a.id == 1, "front: 65 KiB at once -> an answer");
	forget(&a);
	gw_buf_clear(&out);
	put_request(&out, 2, true, "head", "");
	say(&server, fd, out.data, out.len);
	ok(open_now == 1 && !spurious,
	   "front: the next request on that connection -> is told of no room "
	   "that it did not wait for");
	close(fd);
	fd = -1;
	turn(&server);
}

/* An idle connection does not keep the memory of the largest answer. */
static void
test_kept_memory(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;

	put_request(&out, 1, true, "l3072", "");
	say(&server, fd, out.data, out.len);
	hear(&server, fd, &in, &a);
	ok(a.id == 1 && server.front->conns &&
		   server.front->conns->out.cap <= GW_FCGI_HIGH_WATER,
	   "front: 3 MiB were queued -> their memory is given back");
	forget(&a);
	close(fd);
	fd = -1;
	turn(&server);
}

static void
test_queue_limit(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	int fd = dial(&server);

	put_request(&out, 1, true, "fill", "");
	say(&server, fd, out.data, out.len);
	is_int((long long)queued, QUEUE_MAX,
	       "front: an answer that nobody reads -> 64 MiB are queued");
	close(fd);
	turn(&server);
	is_int(open_now, 0, "front: its client leaves -> it ends");
}

static void
test_connection_limit(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	int fds[CONNS_MAX + 1];

	put_request(&out, 1, false, "wait", "");
	for (int i = 0; i <= CONNS_MAX; i++) {
		fds[i] = dial(&server);
		if (i < CONNS_MAX)
			say(&server, fds[i], out.data, out.len);
	}
	gw_buf_clear(&out);
	put_request(&out, 1, false, "echo", "late");
	say(&server, fds[CONNS_MAX], out.data, out.len);
	ok(!echoes(fds[CONNS_MAX], &in, 1, "late"),
	   "front: one connection too many, all have requests -> waits");
	close(fds[0]);
	turn(&server);
	ok(echoes(fds[CONNS_MAX], &in, 1, "late"),
	   "front: another one closes -> it is served");
	for (int i = 1; i <= CONNS_MAX; i++)
		close(fds[i]);
	turn(&server);
}

/* No descriptor is left: nothing is accepted, until there is one again. */
static void
test_descriptors(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct rlimit before, none;
	bool served = false;
	struct answer a;

	put_request(&out, 1, false, "echo", "late");
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&server.at, server.at_len) < 0)
		abort();
	say(&server, fd, out.data, out.len);
	hear(&server, fd, &in, &a);
	ok(!a.id && !a.closed, "front: no descriptor is left -> waits");
	forget(&a);
	setrlimit(RLIMIT_NOFILE, &before);
	for (int i = 0; i < LOOKS && !served; i++) {
		ev_run(server.loop, EVRUN_ONCE); /* at most the pause */
		served = echoes(fd, &in, 1, "late");
	}
	ok(served, "front: there is one again -> it is served");
}

static void
test_stop(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int idle = dial(&server);
	gw_auto_fd int busy = dial(&server);
	gw_auto_fd int waiting = dial(&server);
	size_t end_bytes = GW_RECORD_HEAD_BYTES;
	unsigned before = gone;
	struct answer a;

	put_request(&out, 1, true, "echo", "first");
	say(&server, idle, out.data, out.len);
	(void)echoes(idle, &in, 1, "first");
	gw_buf_clear(&out);
	put_request(&out, 1, true, "wait", "");
	say(&server, waiting, out.data, out.len);
	gw_buf_clear(&out);
	put_request(&out, 1, true, "echo", "to its end");
	say(&server, busy, out.data, out.len - end_bytes);
	gw_fcgi_stop_accepting(server.front);
	hear(&server, idle, &in, &a);
	ok(a.closed, "front: told to stop -> idle connections close");
	forget(&a);
	say(&server, busy, out.data + out.len - end_bytes, end_bytes);
	ok(echoes(busy, &in, 1, "to its end"),
	   "front: told to stop -> open requests are served");
	hear(&server, busy, &in, &a);
	ok(a.closed, "front: ... -> and their connections close, too");
	forget(&a);
	gw_fcgi_front_free(server.front);
	is_int(gone - before, 1, "front: the end -> open requests are told");
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_fcgi_front");
	alarm(LIMIT_S);
	start();
	test_cuts(false);
	test_cuts(true);
	test_byte_by_byte();
	test_early_close();
	test_ahead();
	test_damage();
	test_pair_lengths();
	test_another_body();
	test_another_number();
	test_large_params();
	test_given_up_body();
	test_early_answer_unread();
	test_early_answer_queued();
	test_early_next_request();
	test_not_kept();
	test_slow_reader();
	test_ahead_in_answer();
	test_kept_water();
	test_kept_memory();
	test_queue_limit();
	test_connection_limit();
	test_descriptors();
	is_int(open_now, 0, "front: at the end -> no request is forgotten");
	is_int(waits, 0, "front: of all that was written -> nothing waited");
	test_stop();
	ev_loop_destroy(server.loop);
	return done_testing();
}
