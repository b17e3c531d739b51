/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_output.c - answers to a web server that pauses: their end arrives,
 * wherever the socket happened to become full.
 */
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "fcgi_manual.h"
#include "fcgi_pair.h"
#include "tap.h"

#define SIZE_MAX_BYTES 400
#define LITTLE_CREDIT 1024 /* an empty write needs more */

static char event[SIZE_MAX_BYTES];

/*
 * Events of @size bytes, each in a turn of its own, to a reader that reads
 * nothing: until one had to wait (@waits), or until there is hardly room for
 * more. Returns the bytes written.
 */
static size_t
fill(size_t size, bool waits)
{
	size_t bytes = 0;

	while (gw_fcgi_backlog(owner.conn) == 0) {
		struct pollfd p = {.fd = owner.conn->fd, .events = POLLOUT};

		if (!waits && owner.conn->write_credit < LITTLE_CREDIT &&
		    poll(&p, 1, 0) == 0)
			break;
		owner_write(event, size);
		bytes += size;
		turn(&server);
	}
	return bytes;
}

/* One answer, which ends when the socket is full; does all of it arrive? */
static bool
arrives(size_t size, bool waits, bool abort_it)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	gw_auto_fd int fd = dial(&server);
	struct answer a;
	size_t bytes;
	bool right;

	put_request(&out, 1, false, "-", "");
	say(&server, fd, out.data, out.len);
	bytes = fill(size, waits);
	turn(&server);
	if (abort_it)
		gw_fcgi_abort(owner.conn);
	else
		owner_finish();
	turn(&server);
	hear(&server, fd, &in, &a);
	right = a.text.len == bytes && a.id == (abort_it ? 0 : 1);
	forget(&a);
	close(fd);
	fd = -1;
	turn(&server);
	return right;
}

static void
test_ends(bool waits, const char *title)
{
	unsigned right = 0;

	for (size_t size = 1; size <= SIZE_MAX_BYTES; size++)
		right += arrives(size, waits, false);
	is_int(right, SIZE_MAX_BYTES, title);
}

/* An answer that has to wait; nothing is read from then on. */
static int
stalled_conn(uint32_t limit_ms)
{
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	int fd = dial(&server);

	put_request(&out, 1, false, "-", "");
	say(&server, fd, out.data, out.len);
	gw_fcgi_limit_client(owner.conn, limit_ms);
	(void)fill(sizeof(event), true);
	turn(&server);
	return fd;
}

/* Reads what is left; true when it ends without the end of the answer. */
static bool
is_cut(int fd)
{
	gw_auto_buf struct gw_buf in = GW_BUF_INIT(BYTES_MAX);
	struct answer a;
	bool cut;

	hear(&server, fd, &in, &a);
	cut = a.closed && a.id == 0;
	forget(&a);
	close(fd);
	turn(&server);
	return cut;
}

static void
test_stalled(void)
{
	int fd = stalled_conn(10);

	owner.stalled = owner.gone = 0;
	while (!owner.stalled)
		ev_run(server.loop, EVRUN_ONCE);
	ok(owner.gone == 0 && server.front->n_conns == 0,
	   "stall: a client takes nothing for its limit -> its owner is told "
	   "so, once, and it is cut off");
	ok(is_cut(fd), "stall: the answer has no end");

	fd = stalled_conn(10);
	owner_finish();
	while (server.front->n_conns)
		ev_run(server.loop, EVRUN_ONCE);
	is_int(owner.stalled, 1, "stall: of a finished answer nobody is told");
	ok(is_cut(fd), "stall: but it is cut off as well");
}

/* The timer is due, but the socket has room again: the process was stopped. */
static void
test_stalled_late(void)
{
	static char bin[1 << 20];
	int fd = stalled_conn(1);

	owner.stalled = 0;
	while (recv(fd, bin, sizeof(bin), MSG_DONTWAIT) > 0)
		;
	poll(NULL, 0, 5); /* the limit has to pass */
	gw_output_on_stall(server.loop, &owner.conn->stall_timer, EV_TIMER);
	is_int(owner.stalled, 0, "stall: it has read meanwhile -> stays");
	gw_fcgi_abort(owner.conn);
	turn(&server);
	close(fd);
	turn(&server);
}

/* Sent, and not acknowledged. */
static int
pending_bytes(int fd)
{
	int n = 0;

	if (ioctl(fd, SIOCOUTQ, &n) < 0)
		abort();
	return n;
}

/* What the kernel took for a client lies between here and there. */
static void
test_slow_reader(void)
{
	struct pair p = pair_open();
	int fd = dial(&server);

	ask_for(&p, fd, 1, "-");
	(void)fill(sizeof(event), true);
	turn(&server);
	gw_fcgi_limit_client(owner.conn, 1);
	owner.stalled = 0;
	for (int i = 0; i < 3 && !owner.stalled; i++) {
		if (send(p.accepted, "x", 1, MSG_NOSIGNAL) != 1)
			abort();
		while (pending_bytes(p.accepted) > 0)
			poll(NULL, 0, 1);
		poll(NULL, 0, 5); /* the limit has to pass */
		gw_output_on_stall(server.loop, &owner.conn->stall_timer,
				   EV_TIMER);
	}
	is_int(owner.stalled, 0,
	       "stall: its client takes what lies in between -> stays");
	poll(NULL, 0, 5);
	if (!owner.stalled)
		gw_output_on_stall(server.loop, &owner.conn->stall_timer,
				   EV_TIMER);
	is_int(owner.stalled, 1, "stall: and when it takes no more -> cut off");
	owner.stalled = 0;
	close(fd);
	turn(&server);
	pair_close(&p);
}

static void
test_no_limit(void)
{
	int fd = stalled_conn(0);

	ok(!ev_is_active(&owner.conn->stall_timer),
	   "stall: a limit of 0 -> none");
	owner.gone = 0;
	close(fd);
	while (!owner.gone)
		ev_run(server.loop, EVRUN_ONCE);
	ok(owner.stalled == 0, "stall: and who leaves has left");
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	gw_log_init("test_fcgi_output");
	owner_start(4);
	test_ends(false, "output: the socket is full when the answer ends, "
			 "events of 1 to 400 bytes -> the end arrives");
	test_ends(true, "output: bytes wait when the answer ends, events of 1 "
			"to 400 bytes -> they and the end arrive");
	ok(arrives(100, true, true),
	   "output: bytes wait when the answer breaks off -> they arrive, and "
	   "no end");
	test_stalled();
	test_stalled_late();
	test_slow_reader();
	test_no_limit();
	is_int(gw_fcgi_open_requests(server.front), 0,
	       "output: at the end -> nothing is open");
	owner_stop();
	return done_testing();
}
