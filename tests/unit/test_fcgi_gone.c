/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_gone.c - somebody leaves: the web server's connection, the client
 * behind it as far as the kernel knows, or the owner with an answer cut short.
 */
#include "fcgi/conn.h"
#include "fcgi_owner.h"
#include "fcgi_pair.h"
#include "tap.h"

/*
 * A wait is as long as the loop's own timers need, however slow the machine: a
 * pace counts once when the loop comes round late, as the front's timers do.
 */
#define PACE_S 0.25
#define PACES_MAX 12

static ev_timer pace;
static unsigned paces;

static void
on_pace(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	paces++;
}

static void
wait_gone(unsigned n)
{
	paces = 0;
	while (gone < n && paces < PACES_MAX)
		ev_run(server.loop, EVRUN_ONCE);
}

/* Until the end of a request or of the connection. */
static void
hear_all(int fd, struct gw_buf *in, struct answer *all)
{
	struct answer a;

	*all = (struct answer){.text = GW_BUF_INIT(BYTES_MAX)};
	paces = 0;
	while (!all->id && !all->closed && paces < PACES_MAX) {
		hear(&server, fd, in, &a);
		put(&all->text, a.text.data, a.text.len);
		all->id = a.id;
		all->closed = a.closed;
		forget(&a);
		if (!all->id && !all->closed)
			ev_run(server.loop, EVRUN_ONCE);
	}
}

/* ---- ABORT --------------------------------------------------------------- */

static void
test_abort_record(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
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

	gw_buf_clear(&out);
	put_request(&out, 5, true, "wait", "body");
	out.len -= GW_RECORD_HEAD_BYTES;
	put_record(&out, GW_RECORD_ABORT, 5, "", 0, 0);
	fd = dial(&server);
	say(&server, fd, out.data, out.len);
	is_int(gone - before, 3,
	       "front: ABORT in the middle of the body -> client gone");
	close(fd);
	turn(&server);
}

static void
test_abort_of_another(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	unsigned before = gone;
	int fd = dial(&server);

	put_request(&out, 5, true, "wait", "body");
	put_record(&out, GW_RECORD_ABORT, 6, "", 0, 0);
	say(&server, fd, out.data, out.len);
	is_int(gone - before, 0,
	       "front: ABORT of a request that is none -> this one goes on");
	close(fd);
	turn(&server);
}

/* ---- the web server says that its client left -----------------------------
 */

/* lighttpd says so by closing its sending side. */
static void
test_half_close(void)
{
	static const char bare[] = "Status: 499\r\n\r\n";
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	unsigned before = gone;
	struct answer a;

	/* A second request, so that the first one's answer must be forgotten */
	put_request(&out, 1, true, "echo", "body");
	say(&server, fd, out.data, out.len);
	hear(&server, fd, &in, &a);
	forget(&a);
	gw_buf_clear(&out);
	put_request(&out, 2, true, "wait", "body");
	say(&server, fd, out.data, out.len);
	shutdown(fd, SHUT_WR);
	hear_all(fd, &in, &a);
	is_int(gone - before, 1, "front: half closed in a wait -> client gone");
	ok(a.id == 2 && a.text.len == strlen(bare) &&
		   memcmp(a.text.data, bare, a.text.len) == 0,
	   "front: ... -> a bare 499, or the web server reports a crash");
	forget(&a);
}

static void
test_half_close_in_answer(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	unsigned before = gone;
	struct answer a;

	put_request(&out, 1, true, "head", "");
	say(&server, fd, out.data, out.len);
	shutdown(fd, SHUT_WR);
	hear_all(fd, &in, &a);
	is_int(gone - before, 1,
	       "front: half closed in an answer -> client gone");
	ok(a.closed && !a.id && a.text.len == strlen(head),
	   "front: ... -> no end, which would make a part of it look whole");
	forget(&a);
}

/* ---- the owner breaks off ------------------------------------------------ */

static void
test_cut(void)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;

	put_request(&out, 1, true, "cut", "");
	say(&server, fd, out.data, out.len);
	hear_all(fd, &in, &a);
	is_int((long long)a.text.len, (long long)(strlen(head) + BIG_BYTES),
	       "front: an answer broken off -> what was queued still leaves");
	ok(a.closed && !a.id, "front: ... -> and no end");
	forget(&a);
	is_int(gw_fcgi_open_requests(server.front), 0,
	       "front: ... -> none is left open");
}

/* ---- the kernel knows ---------------------------------------------------- */

/* Its client goes without a word that the web server would read. */
static void
pair_reset(struct pair *p)
{
	const struct linger now = {.l_onoff = 1};

	setsockopt(p->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(p->client);
	p->client = -1;
}

/* Three ways for a client to go, each found by asking alone. */
static void
test_client_leaves(void)
{
	struct pair closing = pair_open(), resetting = pair_open(),
		    early = pair_open();
	gw_auto_fd int fd = dial(&server);
	gw_auto_fd int other = dial(&server);
	unsigned before = gone;

	ask_for(&closing, fd, 1, "wait");
	ask_for(&resetting, other, 1, "wait");
	turn(&server);
	is_int(gone - before, 0, "watch: clients are there -> nothing is told");
	close(closing.client);
	closing.client = -1;
	wait_gone(before + 1);
	is_int(gone - before, 1, "watch: a client closes -> it is gone");
	pair_reset(&resetting);
	wait_gone(before + 2);
	is_int(gone - before, 2, "watch: a client resets -> it is gone");
	shutdown(early.client, SHUT_WR);
	close(fd);
	fd = dial(&server);
	ask_for(&early, fd, 1, "wait");
	wait_gone(before + 3);
	is_int(gone - before, 3,
	       "watch: it left before its request was read -> it is gone");
	pair_close(&closing);
	pair_close(&resetting);
	pair_close(&early);
}

/* A connection that is reset leaves nothing to be found. */
static void
test_client_resets_early(void)
{
	struct pair fresh = pair_open(), known = pair_open();
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	gw_auto_fd int other = dial(&server);
	unsigned before = gone;
	struct answer a;

	ask_for(&fresh, fd, 1, "wait");
	pair_reset(&fresh);
	wait_gone(before + 1);
	is_int(gone - before, 1,
	       "watch: reset as soon as its request was read -> it is gone");
	ask_for(&known, other, 1, "echo");
	hear(&server, other, &in, &a);
	forget(&a);
	pair_reset(&known);
	ask_for(&known, other, 2, "wait");
	wait_gone(before + 2);
	is_int(gone - before, 2,
	       "watch: reset before its second request was read -> it is gone");
	pair_close(&fresh);
	pair_close(&known);
}

/*
 * Requests that nobody may end, beside one whose client leaves: when that one
 * is found, the others have been looked at, too.
 */
static void
test_client_stays(void)
{
	struct pair there = pair_open(), answered = pair_open(),
		    unknown = pair_open(), leaving = pair_open();
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	int fds[CONNS_MAX];
	unsigned before = gone;
	struct answer a;

	for (int i = 0; i < CONNS_MAX; i++)
		fds[i] = dial(&server);
	ask_for(&there, fds[0], 1, "wait");
	ask_for(&answered, fds[1], 1, "head");
	shutdown(answered.client, SHUT_WR);
	/* A kept connection had a client that is known; this one is not. */
	ask_for(&there, fds[2], 1, "echo");
	hear(&server, fds[2], &in, &a);
	forget(&a);
	pair_close(&unknown);
	ask_for(&unknown, fds[2], 2, "wait");
	ask_for(&leaving, fds[3], 1, "wait");
	/* The first looks are over: those that repeat are to find it. */
	while (server.front->client_watch.fresh)
		ev_run(server.loop, EVRUN_ONCE);
	pair_reset(&leaving);
	hear_all(fds[3], &in, &a);
	forget(&a);
	is_int(gone - before, 1,
	       "watch: a client is there, or elsewhere, or has its answer "
	       "under "
	       "way -> is left alone");
	is_int(open_now, 3, "watch: ... -> their requests go on");
	for (int i = 0; i < CONNS_MAX; i++)
		close(fds[i]);
	turn(&server);
	pair_close(&there);
	pair_close(&answered);
	pair_close(&leaving);
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_fcgi_gone");
	start();
	ev_timer_init(&pace, on_pace, PACE_S, PACE_S);
	ev_timer_start(server.loop, &pace);
	test_abort_record();
	test_abort_of_another();
	test_half_close();
	test_half_close_in_answer();
	test_cut();
	test_client_leaves();
	test_client_resets_early();
	test_client_stays();
	ok(still_serves(), "front: after all of it -> others are served");
	is_int(open_now, 0, "front: at the end -> no request is forgotten");
	gw_fcgi_front_free(server.front);
	ev_timer_stop(server.loop, &pace);
	ev_loop_destroy(server.loop);
	return done_testing();
}
