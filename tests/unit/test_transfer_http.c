/* SPDX-License-Identifier: MIT */
/*
 * test_transfer_http.c - transfers against an upstream that is played here, on
 * the same loop: how they end, pause, are cancelled and sent once more.
 *
 * The clock is the test's own and stands still unless it is told to go on, and
 * so is what the kernel says about a host that does not acknowledge.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "tap.h"
#include "upstream/transfer.h"

#define TURNS_MAX 2000 /* without what is waited for: it does not come */
#define BYTES_MAX (1u << 20)
#define RETRY_WITHIN_MS                                                        \
	1000 /* what is promised, whatever the constants say                   \
	      */
#define SILENT_MS 6000
#define GIVE_UP_MS 60000
#define VALUE_MAX 256

/* ---- a clock and a kernel ------------------------------------------------ */

#define NS_PER_MS 1000000ll

static long long mono_ns = 1000000 * NS_PER_MS;
static long long silent_ms = -1; /* since the last acknowledgement, -1 = ask */
static unsigned unanswered = 5;	 /* times that the kernel has sent it again */

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = mono_ns / (1000 * NS_PER_MS);
	ts->tv_nsec = mono_ns % (1000 * NS_PER_MS);
	return 0;
}

int
getsockopt(int fd, int level, int name, void *out, socklen_t *len)
{
	struct tcp_info *info = out;

	if (level != IPPROTO_TCP || name != TCP_INFO || silent_ms < 0)
		return (int)syscall(SYS_getsockopt, fd, level, name, out, len);
	memset(info, 0, *len);
	info->tcpi_last_ack_recv = (uint32_t)silent_ms;
	info->tcpi_unacked = 1;
	info->tcpi_retransmits = (uint8_t)unanswered;
	return 0;
}

static struct ev_loop *loop;
static struct gw_upstreams *upstreams;

/* What is due now is for the loop what was due a moment ago. */
static void
turn(void)
{
	for (int i = 0; i < 4; i++) {
		mono_ns++;
		ev_run(loop, EVRUN_NOWAIT);
	}
}

/* Else turns might add up to a millisecond. */
static void
align(void)
{
	mono_ns -= mono_ns % NS_PER_MS - NS_PER_MS;
}

static void
pass(long long ms)
{
	for (long long step; ms > 0; ms -= step) {
		step = ms < 250 ? ms : 250;
		mono_ns += step * NS_PER_MS;
		if (silent_ms >= 0)
			silent_ms += step;
		turn();
	}
}

/* ---- the upstream -------------------------------------------------------- */

static int listener;
static char url[64];

static void
upstream_open(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 ||
	    listen(listener, 8) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		abort();
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1",
		 ntohs(at.sin_port));
}

static bool
is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (int i = 0; i < TURNS_MAX; i++) {
		turn();
		if (poll(&p, 1, 1) == 1)
			return true;
	}
	return false;
}

/* The next connection, or -1. */
static int
upstream_accept(void)
{
	return is_readable(listener) ? accept(listener, NULL, NULL) : -1;
}

/* Does a whole request arrive, and is @body its body? */
static bool
upstream_reads(int fd, const char *body)
{
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	char bytes[4096];
	const char *end;
	ssize_t n;

	for (;;) {
		end = in.len ? strstr(in.data, "\r\n\r\n") : NULL;
		if (end && strlen(end + 4) >= strlen(body))
			return strcmp(end + 4, body) == 0;
		if (fd < 0 || !is_readable(fd))
			return false;
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0 || gw_buf_append(&in, bytes, (size_t)n) < 0)
			return false;
	}
}

static void
upstream_says(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		printf("# %s\n", strerror(errno));
	turn();
}

static void
upstream_resets(int *fd)
{
	const struct linger now = {.l_onoff = 1};

	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(*fd);
	*fd = -1;
}

/* ---- the owner of a transfer ----------------------------------------------
 */

struct owner {
	struct gw_transfer *t;
	struct gw_buf data;
	unsigned connected, heads, asked, done;
	enum gw_transfer_result result;
	int status;
	char type[VALUE_MAX + 1], retry_after[VALUE_MAX + 1];
	bool refuses; /* on_data, once */
	bool cancels_head, cancels_data, leaves_head;
	struct owner *next; /* is started when this one has ended */
	bool may_leave;
};

static void
on_connected(void *arg)
{
	((struct owner *)arg)->connected++;
}

static void
on_head(void *arg, const struct gw_transfer_head *h)
{
	struct owner *o = arg;

	o->heads++;
	o->status = h->status;
	snprintf(o->type, sizeof(o->type), "%s", h->content_type);
	snprintf(o->retry_after, sizeof(o->retry_after), "%s", h->retry_after);
	if (o->cancels_head)
		gw_transfer_cancel(o->t);
	if (o->leaves_head)
		gw_transfer_leave(o->t, GW_TRANSFER_UNAVAILABLE);
}

static bool
on_data(void *arg, const char *p, size_t n)
{
	struct owner *o = arg;

	if (o->refuses) {
		o->refuses = false;
		return false;
	}
	if (gw_buf_append(&o->data, p, n) < 0)
		abort();
	if (o->cancels_data)
		gw_transfer_cancel(o->t);
	return true;
}

static bool
may_leave(void *arg)
{
	struct owner *o = arg;

	o->asked++;
	return o->may_leave;
}

static void start(struct owner *o);

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct owner *o = arg;

	(void)detail;
	o->done++;
	o->result = result;
	if (o->next)
		start(o->next);
}

static const struct gw_transfer_ops ops = {.on_connected = on_connected,
					   .on_head = on_head,
					   .on_data = on_data,
					   .may_leave = may_leave,
					   .on_done = on_done};

static const char body[] = "{\"model\":\"m\"}";

static size_t
read_body(void *arg, uint64_t offset, char *out, size_t cap)
{
	size_t n = sizeof(body) - 1 - (size_t)offset;

	(void)arg;
	n = n < cap ? n : cap;
	memcpy(out, body + offset, n);
	return n;
}

static void
start(struct owner *o)
{
	const struct gw_transfer_request req = {.url = url,
						.post = true,
						.body_len = sizeof(body) - 1,
						.read = read_body};
	struct gw_err err = {0};

	gw_buf_init(&o->data, BYTES_MAX);
	o->t = gw_transfer_start(upstreams, &req, &ops, o, &err);
	if (!o->t)
		abort();
}

static bool
ends_as(struct owner *o, enum gw_transfer_result result)
{
	for (int i = 0; i < TURNS_MAX && !o->done; i++) {
		turn();
		poll(NULL, 0, 1);
	}
	if (o->done == 1 && o->result != result)
		printf("# %s\n", gw_transfer_reason(o->result));
	gw_buf_release(&o->data);
	return o->done == 1 && o->result == result;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"

/* A whole exchange that leaves its connection for the next one. */
static bool
exchanges(int fd)
{
	struct owner o = {0};
	bool heard;

	start(&o);
	heard = upstream_reads(fd, body);
	upstream_says(fd, OK_HEAD "\r\n0123456789");
	return ends_as(&o, GW_TRANSFER_OK) && heard;
}

/* A kept connection, used once, and nothing else. */
static int
kept_connection(void)
{
	struct owner o = {0};
	int fd;

	start(&o);
	fd = upstream_accept();
	if (!upstream_reads(fd, body))
		abort();
	upstream_says(fd, OK_HEAD "\r\n0123456789");
	if (!ends_as(&o, GW_TRANSFER_OK))
		abort();
	return fd;
}

/* Kept connections are gone for libcurl, too. */
static void
forget_connections(int fd)
{
	close(fd);
	pass(10000); /* more than libcurl keeps one */
}

/* llama-server closes a connection that was idle for five seconds. */
static void
idle_connections(void)
{
	struct owner o = {0};
	int fd = kept_connection(), fresh;

	pass(3000);
	ok(exchanges(fd), "transfer: a connection idle for 3 s -> used again");
	pass(5000);
	start(&o);
	fresh = upstream_accept();
	ok(upstream_reads(fresh, body),
	   "transfer: idle for 5 s -> another one, though it is still open");
	upstream_says(fresh, OK_HEAD "\r\n0123456789");
	ok(ends_as(&o, GW_TRANSFER_OK), "transfer: ... and it is answered");
	close(fd);
	forget_connections(fresh);
}

static size_t
read_blanks(void *arg, uint64_t offset, char *out, size_t cap)
{
	(void)arg;
	(void)offset;
	memset(out, ' ', cap);
	return cap;
}

/* libcurl would wait for a 100 Continue that llama-server does not send. */
static void
large_body_expects_nothing(void)
{
	const struct gw_transfer_request req = {.url = url,
						.post = true,
						.body_len = 8u << 20,
						.read = read_blanks};
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	struct owner o = {0};
	struct gw_err err = {0};
	char bytes[4096];
	ssize_t n = 0;
	int fd;

	o.t = gw_transfer_start(upstreams, &req, &ops, &o, &err);
	fd = upstream_accept();
	while (!in.len || !strstr(in.data, "\r\n\r\n")) {
		if (fd < 0 || !is_readable(fd) ||
		    (n = recv(fd, bytes, sizeof(bytes), 0)) <= 0 ||
		    gw_buf_append(&in, bytes, (size_t)n) < 0)
			break;
	}
	ok(in.len && strstr(in.data, "Content-Length: 8388608\r\n") &&
		   !strcasestr(in.data, "\r\nExpect:"),
	   "transfer: a large body -> is sent without asking before");
	if (!o.done)
		gw_transfer_cancel(o.t);
	forget_connections(fd);
}

/* What comes behind a body is no second head. */
static void
trailers(void)
{
	struct owner o = {0};
	int fd;

	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
	upstream_says(fd, "0\r\nContent-Type: c/d\r\nX: y\r\n\r\n");
	ok(ends_as(&o, GW_TRANSFER_OK) && o.heads == 1 &&
		   strcmp(o.type, "a/b") == 0,
	   "transfer: trailers -> the owner was told of one head");
	forget_connections(fd);
}

/* A head of so many bytes, its blank line included. */
static bool
head_ends_as(size_t bytes, enum gw_transfer_result result)
{
	static const char begin[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
				    "Connection: close\r\nX: ";
	static char head[GW_HEADERS_MAX + 100];
	struct owner o = {0};
	bool as;
	int fd;

	memset(head, 'x', sizeof(head));
	memcpy(head, begin, sizeof(begin) - 1);
	memcpy(head + bytes - 4, "\r\n\r\n", 5);
	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, head);
	as = ends_as(&o, result);
	forget_connections(fd);
	return as;
}

static void
size_of_head(void)
{
	ok(head_ends_as(GW_HEADERS_MAX, GW_TRANSFER_OK),
	   "transfer: a head of 64 KiB -> is one");
	ok(head_ends_as(GW_HEADERS_MAX + 1, GW_TRANSFER_HEADERS_TOO_LARGE),
	   "transfer: one byte more -> the upstream floods");
}

/* ---- ends ---------------------------------------------------------------- */

struct answer {
	const char *text;
	bool resets;
	enum gw_transfer_result result;
	const char *title;
};

static void
test_ends(void)
{
	/* clang-format off */
	static const struct answer rows[] = {
		{ "", false, GW_TRANSFER_CLOSED, "no answer" },
		{ "", true, GW_TRANSFER_CLOSED, "a reset" },
		{ "HTTP/1.1 200 OK\r\nContent-", false, GW_TRANSFER_CLOSED,
		  "half a head" },
		{ OK_HEAD "\r\n01234", false, GW_TRANSFER_BROKEN,
		  "half a body" },
		{ OK_HEAD "\r\n01234", true, GW_TRANSFER_BROKEN,
		  "half a body and a reset" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3\r\nabc\r\n", false, GW_TRANSFER_BROKEN,
		  "chunks without their end" },
		{ "hello\r\n", false, GW_TRANSFER_NOT_HTTP, "a greeting" },
		{ "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade"
		  "\r\n\r\nabc", false, GW_TRANSFER_NOT_HTTP,
		  "another protocol" },
		{ "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\nabc", false,
		  GW_TRANSFER_OK, "an answer until the connection closes" },
	};
	/* clang-format on */

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct owner o = {0};
		int fd;

		start(&o);
		fd = upstream_accept();
		upstream_reads(fd, body);
		if (*rows[i].text)
			upstream_says(fd, rows[i].text);
		if (rows[i].resets)
			upstream_resets(&fd);
		else
			close(fd);
		ok(ends_as(&o, rows[i].result), "transfer: %s -> %s",
		   rows[i].title, gw_transfer_reason(rows[i].result));
	}
}

/* An answer that is not wanted: its body does not come, and the next transfer
 * begins from inside on_done. */
static void
test_leave(void)
{
	struct owner next = {0}, o = {.leaves_head = true, .next = &next};
	int fd;

	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
	ok(ends_as(&o, GW_TRANSFER_UNAVAILABLE) && o.data.len == 0 &&
		   o.heads == 1,
	   "transfer: left at its head -> the end, without its body");
	close(fd);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, OK_HEAD "\r\n0123456789");
	ok(ends_as(&next, GW_TRANSFER_OK),
	   "transfer: and another one begins at once");
	close(fd);
}

/* ---- heads --------------------------------------------------------------- */

static void
test_early_hints(void)
{
	struct owner o = {0};
	int fd;

	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, "HTTP/1.1 103 Early Hints\r\n"
			  "Content-Type: text/early\r\n\r\n" OK_HEAD
			  "\r\n0123456789");
	ok(ends_as(&o, GW_TRANSFER_OK) && o.heads == 1 && o.status == 200 &&
		   !*o.type,
	   "transfer: 103 in front of the answer -> one head, the second's");
	forget_connections(fd);
}

/* An answer whose Content-Type has @n bytes: what is passed on? */
static void
test_value(size_t n)
{
	static const char words[] = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n"
				    "Content-Length: 0\r\nContent-Type: ";
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(BYTES_MAX);
	char type[VALUE_MAX + 1] = "";
	struct owner o = {0};
	int fd;

	memset(type, 't', n);
	if (gw_buf_puts(&text, words) < 0 || gw_buf_puts(&text, type) < 0 ||
	    gw_buf_puts(&text, "\r\n\r\n") < 0)
		abort();
	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, text.data);
	ok(ends_as(&o, GW_TRANSFER_OK) &&
		   strcmp(o.type, n < VALUE_MAX ? type : "") == 0,
	   "transfer: a type of %zu bytes -> %s", n,
	   n < VALUE_MAX ? "passed on" : "none, half of it is worse");
	is_str(o.retry_after, "7", "transfer: ... -> nothing else is touched");
	forget_connections(fd);
}

/* ---- pause and cancel ---------------------------------------------------- */

static void
test_pause(void)
{
	struct owner o = {.refuses = true};
	int fd;

	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, OK_HEAD "\r\nfirst");
	for (int i = 0; i < TURNS_MAX && o.refuses; i++)
		turn();
	upstream_says(fd, "later");
	pass(5000);
	ok(!o.refuses && !o.data.len && !o.done,
	   "transfer: bytes were not taken -> nothing more comes");
	gw_transfer_resume(o.t);
	for (int i = 0; i < TURNS_MAX && !o.done; i++)
		turn();
	is_str(o.data.data, "firstlater",
	       "transfer: taken up again -> each byte once");
	ok(ends_as(&o, GW_TRANSFER_OK), "transfer: ... -> and the end");
	forget_connections(fd);
}

static void
test_cancel(bool in_head)
{
	struct owner o = {.cancels_head = in_head, .cancels_data = !in_head};
	char byte;
	int fd;

	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	upstream_says(fd, OK_HEAD "\r\n01234");
	ok(is_readable(fd) && recv(fd, &byte, 1, 0) == 0,
	   "transfer: cancelled in %s -> the connection closes",
	   in_head ? "the head" : "the body");
	close(fd);
	pass(2000);
	ok(o.done == 0 && o.heads == 1 && o.data.len == (in_head ? 0 : 5),
	   "transfer: ... -> and nothing more is told");
	gw_buf_release(&o.data);
}

/* ---- once more ----------------------------------------------------------- */

/* A kept connection that was dead; the same handle often enough to be spent. */
static void
test_dead_connection(void)
{
	unsigned right = 0;
	int fd, again;

	for (int i = 0; i < 8; i++) {
		struct owner o = {0};

		fd = kept_connection();
		start(&o);
		upstream_reads(fd, body);
		close(fd);
		again = upstream_accept();
		right += upstream_reads(again, body);
		upstream_says(again, OK_HEAD "\r\n0123456789");
		right += ends_as(&o, GW_TRANSFER_OK) && o.heads == 1;
		forget_connections(again);
	}
	is_int(right, 16,
	       "transfer: a kept connection was dead -> all of the request is "
	       "sent once more, each time");
}

/* @ms after the request went out its connection closes. */
static void
test_late_close(int ms, bool again)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};
	struct owner o = {0};
	int fd = kept_connection();

	align();
	start(&o);
	upstream_reads(fd, body);
	/* not by pass(): libcurl must not look for other reasons to end it */
	mono_ns += ms * NS_PER_MS;
	close(fd);
	fd = -1;
	if (again) {
		fd = upstream_accept();
		upstream_reads(fd, body);
		upstream_says(fd, OK_HEAD "\r\n0123456789");
	}
	ok(ends_as(&o, again ? GW_TRANSFER_OK : GW_TRANSFER_CLOSED),
	   "transfer: closes %d ms after it took the request -> %s", ms,
	   again ? "sent once more" : "not run twice");
	if (!again && poll(&p, 1, 0) == 1) /* libcurl connects before it asks */
		fd = upstream_accept();
	ok(again || !upstream_reads(fd, body), "transfer: ... -> as it says");
	forget_connections(fd);
}

/* ---- a silent host ------------------------------------------------------- */

static void
test_silent(void)
{
	struct owner o = {0}, answered = {0};
	int fd, other;

	start(&answered);
	other = upstream_accept();
	upstream_reads(other, body);
	upstream_says(other, OK_HEAD "\r\n01234");
	for (int i = 0; i < TURNS_MAX && !answered.heads; i++)
		turn();
	align();
	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	silent_ms = 0;
	pass(SILENT_MS - 1);
	ok(!o.asked && !o.done, "transfer: silent for 5.999 s -> goes on");
	pass(2000);
	ok(o.asked && !o.done,
	   "transfer: silent for longer -> its owner is asked, and stays");
	pass(GIVE_UP_MS - SILENT_MS - 2000);
	ok(!o.done, "transfer: silent for 59.999 s -> goes on");
	pass(2000);
	ok(o.done == 1 && o.result == GW_TRANSFER_UNACKNOWLEDGED,
	   "transfer: silent for a minute -> is ended");
	ok(!answered.asked && !answered.done,
	   "transfer: its answer has begun -> is left alone");
	gw_buf_release(&o.data);
	close(fd);

	o = (struct owner){.may_leave = true};
	silent_ms = -1;
	start(&o);
	fd = upstream_accept();
	upstream_reads(fd, body);
	silent_ms = 0;
	pass(SILENT_MS - 2000);
	silent_ms = 0; /* it acknowledges, and thinks */
	pass(SILENT_MS - 1);
	ok(!o.asked && !o.done,
	   "transfer: it acknowledges -> may think longer");
	unanswered = 1;
	pass(SILENT_MS);
	ok(!o.asked && !o.done, "transfer: one packet was lost -> goes on");
	unanswered = 5;
	pass(2000);
	ok(o.done == 1 && o.asked == 1 &&
		   o.result == GW_TRANSFER_UNACKNOWLEDGED,
	   "transfer: silent, and there is another node -> is ended at once");
	silent_ms = -1;
	gw_buf_release(&o.data);
	close(fd);
	upstream_says(other, "56789");
	ok(ends_as(&answered, GW_TRANSFER_OK), "transfer: ... -> to its end");
	forget_connections(other);
}

int
main(void)
{
	struct gw_err err = {0};
	int fd;

	loop = ev_loop_new(EVFLAG_AUTO);
	upstreams = gw_upstreams_new(loop, &err);
	if (!loop || !upstreams)
		return 99;
	upstream_open();
	test_ends();
	test_leave();
	test_early_hints();
	test_value(VALUE_MAX - 1);
	test_value(VALUE_MAX);
	test_pause();
	test_cancel(true);
	test_cancel(false);
	fd = kept_connection();
	ok(exchanges(fd), "transfer: a kept connection -> is used again");
	forget_connections(fd);
	idle_connections();
	large_body_expects_nothing();
	trailers();
	size_of_head();
	test_dead_connection();
	test_late_close(RETRY_WITHIN_MS, true);
	test_late_close(RETRY_WITHIN_MS + 1, false);
	test_silent();
	pass(GIVE_UP_MS);
	is_int(ev_run(loop, EVRUN_NOWAIT), 0,
	       "transfer: all have ended, or were cancelled -> none is kept, "
	       "and the loop has nothing to wait for");
	gw_upstreams_free(upstreams);
	ev_loop_destroy(loop);
	close(listener);
	return done_testing();
}
