/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_idle.c - connections without a request: they give way to new ones,
 * have their time, and a request that arrives as they close is served.
 */
#include "base/log.h"
#include "fcgi_manual.h"
#include "tap.h"

#define CONNS_MAX 4
#define AT_ONCE_S 0.01 /* a limit, where it is meant to pass */

static struct gw_buf request = GW_BUF_INIT(BYTES_MAX);

/* Turns the loop, sleeping in between, until the front closes @fd. */
static bool
is_closed(int fd)
{
	char byte;
	ssize_t n;

	do {
		ev_run(server.loop, EVRUN_ONCE);
		n = recv(fd, &byte, 1, MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	return true;
}

static bool
is_open(int fd)
{
	char byte;

	turn(&server);
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

/* The request that is open gets its answer; does it arrive at @fd? */
static bool
answer_arrives(int fd)
{
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	struct answer a;
	bool right;

	if (!owner.conn)
		return false;
	owner_write("x", 1);
	owner_finish();
	hear(&server, fd, &in, &a);
	right = a.id == 1 && a.text.len == 1;
	forget(&a);
	return right;
}

static bool
is_served(int fd)
{
	owner.conn = NULL;
	say(&server, fd, request.data, request.len);
	return answer_arrives(fd);
}

static void
close_all(int *fds, int n)
{
	for (int i = 0; i < n; i++)
		close(fds[i]);
	turn(&server);
}

static void
test_give_way(bool served)
{
	int fds[CONNS_MAX + 1];
	unsigned open = 0;

	owner_start(CONNS_MAX);
	for (int i = 0; i < CONNS_MAX; i++) {
		fds[i] = dial(&server);
		if (served && !is_served(fds[i]))
			abort();
	}
	if (served) /* the first is not the one that is idle for longest */
		(void)is_served(fds[0]);
	fds[CONNS_MAX] = dial(&server);
	ok(is_served(fds[CONNS_MAX]),
	   "idle: all places are taken by %s connections -> a new one is "
	   "served",
	   served ? "kept" : "silent");
	for (int i = 0; i < CONNS_MAX; i++)
		open += is_open(fds[i]);
	is_int(open, CONNS_MAX - 1, "idle: one of them made room");
	ok(!is_open(fds[served ? 1 : 0]),
	   "idle: the one without a request for longest");
	close_all(fds, CONNS_MAX + 1);
	owner_stop();
}

static void
test_busy_stays(void)
{
	int fds[CONNS_MAX + 1];

	owner_start(CONNS_MAX);
	for (int i = 0; i < CONNS_MAX; i++) {
		fds[i] = dial(&server);
		say(&server, fds[i], request.data, request.len);
	}
	fds[CONNS_MAX] = dial(&server);
	is_int(server.front->n_conns, CONNS_MAX,
	       "idle: all have requests -> a new one waits");
	ok(answer_arrives(fds[CONNS_MAX - 1]) && is_served(fds[CONNS_MAX]),
	   "idle: one of them becomes idle -> the new one is served");
	is_int(owner.gone, 0, "idle: no request was lost for it");
	close_all(fds, CONNS_MAX + 1);
	owner_stop();
}

/* A request lies in the socket, not looked at, when another one wants in. */
static void
test_arrived(void)
{
	int fds[CONNS_MAX + 1];

	owner_start(CONNS_MAX);
	for (int i = 0; i < CONNS_MAX; i++)
		fds[i] = dial(&server);
	owner.conn = NULL;
	for (int i = 0; i < CONNS_MAX - 1; i++)
		if (send(fds[i], request.data, 3, 0) != 3)
			abort();
	fds[CONNS_MAX] = dial(&server);
	ok(is_open(fds[0]) && is_open(fds[1]) && is_open(fds[2]),
	   "idle: a request has begun to arrive -> not that connection");
	ok(!is_open(fds[CONNS_MAX - 1]), "idle: but one that is silent");
	say(&server, fds[0], request.data + 3, request.len - 3);
	ok(answer_arrives(fds[0]), "idle: and the request is served");
	close_all(fds, CONNS_MAX + 1);
	owner_stop();
}

static void
test_limits(void)
{
	int fd, with_request;

	owner_start(CONNS_MAX);
	server.front->limits.head_s = AT_ONCE_S;
	fd = dial(&server);
	ok(is_closed(fd), "idle: a connection that says nothing -> closed");
	close(fd);
	fd = dial(&server);
	say(&server, fd, request.data, GW_RECORD_HEAD_BYTES + 8 + 4);
	ok(is_closed(fd), "idle: parameters that never end -> closed");
	close(fd);
	with_request = dial(&server);
	say(&server, with_request, request.data, request.len);
	fd = dial(&server);
	ok(is_closed(fd) && is_open(with_request),
	   "idle: one with a request -> stays");
	server.front->limits.kept_s = AT_ONCE_S;
	ok(answer_arrives(with_request) && is_closed(with_request),
	   "idle: its answer is there, and no other request comes -> closed");
	is_int(owner.gone, 0, "idle: nobody was told that a client left");
	close(fd);
	close(with_request);
	owner_stop();
}

/* The limit passes while the request lies in the socket: the process slept. */
static void
test_late(void)
{
	int fd;

	owner_start(CONNS_MAX);
	server.front->limits.head_s = AT_ONCE_S;
	fd = dial(&server);
	owner.conn = NULL;
	if (send(fd, request.data, request.len, 0) < 0)
		abort();
	ev_feed_event(server.loop, &server.front->conns->input_timer, EV_TIMER);
	turn(&server);
	ok(answer_arrives(fd),
	   "idle: a request waits when the limit passes -> it is served");
	close(fd);
	owner_stop();
}

static void
test_drain(void)
{
	int kept, late, silent, queued;

	owner_start(CONNS_MAX);
	server.front->limits.late_s = AT_ONCE_S;
	kept = dial(&server);
	late = dial(&server);
	silent = dial(&server);
	if (!is_served(kept) || !is_served(late))
		abort();
	queued = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (send(late, request.data, request.len, 0) < 0 ||
	    connect(queued, (struct sockaddr *)&server.at, server.at_len) < 0 ||
	    send(queued, request.data, request.len, 0) < 0)
		abort();
	owner.conn = NULL;
	owner.begun = 0;
	gw_fcgi_stop_accepting(server.front);
	ok(!is_open(kept), "drain: a kept connection -> closed at once");
	is_int(owner.begun, 2,
	       "drain: a request that just arrived, one whose connection was "
	       "not accepted yet -> both begin");
	is_int(gw_fcgi_open_requests(server.front), 2, "drain: and are open");
	for (struct gw_fcgi_conn *c = server.front->conns, *next; c; c = next) {
		next = c->next;
		owner.conn = c->request ? c : NULL;
		if (!owner.conn)
			continue;
		owner_write("x", 1);
		owner_finish();
	}
	ok(is_closed(late) && is_closed(queued),
	   "drain: answered -> they close as well");
	ok(is_closed(silent), "drain: one that never had a request -> a moment "
			      "for it, then closed");
	is_int(gw_fcgi_unfinished(server.front), 0,
	       "drain: then nothing is left");
	close(kept);
	close(late);
	close(silent);
	close(queued);
	owner_stop();
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_fcgi_idle");
	put_request(&request, 1, true, "-", "");
	test_give_way(false);
	test_give_way(true);
	test_busy_stays();
	test_arrived();
	test_limits();
	test_late();
	test_drain();
	gw_buf_release(&request);
	return done_testing();
}
