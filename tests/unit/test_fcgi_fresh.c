/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_fresh.c - a request that was read whole: its connection is watched
 * when it has waited for 50 ms, and not before.
 */
#include <unistd.h>

#include "base/clock.h"
#include "fcgi_manual.h"
#include "tap.h"

#define PATIENCE_MS 50 /* what is promised, whatever the constant says */
#define LIMIT_S 300    /* what never comes ends here */
#define YOUNG 4

/* ---- the list ------------------------------------------------------------ */

static struct gw_fcgi_front front;
static struct gw_fcgi_conn conns[YOUNG];

/* @want  which of them, in their order, as digits */
static bool
list_is(const char *want)
{
	const struct gw_fcgi_conn *before = NULL, *c = front.client_watch.fresh;

	for (; *want; want++, before = c, c = c->next_fresh)
		if (c != &conns[*want - '0'] || c->prev_fresh != before)
			return false;
	return !c && front.client_watch.fresh_last == before;
}

static void
test_list(void)
{
	for (int i = 0; i < YOUNG; i++) {
		conns[i].front = &front;
		gw_fresh_add(&conns[i]);
	}
	ok(list_is("0123"), "fresh: the oldest comes first");
	gw_fresh_remove(&conns[1]);
	ok(list_is("023"), "fresh: one in the middle leaves");
	gw_fresh_remove(&conns[3]);
	ok(list_is("02"), "fresh: the last one leaves");
	gw_fresh_add(&conns[1]);
	gw_fresh_remove(&conns[3]);
	ok(list_is("021"),
	   "fresh: one comes again; who has left leaves once more");
	gw_fresh_remove(&conns[0]);
	ok(list_is("21"), "fresh: the first one leaves");
	gw_fresh_remove(&conns[2]);
	gw_fresh_remove(&conns[1]);
	ok(list_is(""), "fresh: all have left");
}

/* ---- its time ------------------------------------------------------------ */

static bool
is_watched(void)
{
	return ev_is_active(&owner.conn->readable);
}

/* A new connection, its whole request there at once. */
static int
ask(bool keep)
{
	struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	owner.conn = NULL;
	put_request(&out, 1, keep, "-", "body");
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&server.at, server.at_len) < 0 ||
	    send(fd, out.data, out.len, 0) != (ssize_t)out.len)
		abort();
	gw_buf_release(&out);
	while (!owner.conn)
		ev_run(server.loop, EVRUN_ONCE);
	return fd;
}

/* The look that is due for an older one must not take a younger one. */
static bool
is_left_alone(void)
{
	struct gw_client_watch *w = &server.front->client_watch;
	uint64_t begun_ms = owner.conn->looked_ms = gw_mono_ms();

	ev_invoke(server.loop, &w->patience, EV_TIMER);
	if (!owner.conn->fresh && gw_mono_ms() - begun_ms >= PATIENCE_MS)
		return false; /* a slow machine: another try */
	ok(owner.conn->fresh && !is_watched(),
	   "fresh: a request younger than 50 ms -> is not watched");
	return true;
}

static void
test_patience(void)
{
	uint64_t begun_ms;
	int fd = ask(true);

	while (!is_left_alone()) {
		close(fd);
		fd = ask(true);
	}
	begun_ms = owner.conn->looked_ms;
	while (owner.conn->fresh)
		ev_run(server.loop, EVRUN_ONCE);
	ok(is_watched() && gw_mono_ms() - begun_ms >= PATIENCE_MS,
	   "fresh: it has waited for 50 ms -> is watched");
	close(fd);
	while (owner.conn)
		ev_run(server.loop, EVRUN_ONCE);
	turn(&server);
	is_int(gw_fcgi_open_requests(server.front), 0,
	       "fresh: and who leaves then has left");
}

/* Answered at once, and its connection is not kept. */
static void
test_closed(void)
{
	int fd = ask(false);

	owner_write("x", 1);
	owner_finish();
	while (gw_fcgi_unfinished(server.front))
		ev_run(server.loop, EVRUN_ONCE);
	ok(!server.front->conns && !server.front->client_watch.fresh,
	   "fresh: answered and closed while it was young -> is forgotten");
	close(fd);
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_fcgi_fresh");
	alarm(LIMIT_S);
	test_list();
	owner_start(4);
	test_closed();
	test_patience();
	owner_stop();
	return done_testing();
}
