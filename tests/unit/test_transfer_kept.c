/* SPDX-License-Identifier: MIT */
/*
 * test_transfer_kept.c - what is kept from one transfer to the next: a handle
 * for its address, a connection and its socket. And what begins just before the
 * loop sleeps begins all the same.
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "tap.h"
#include "upstream/curl_private.h"
#include "upstream/transfer.h"

#define BYTES_MAX 65536
#define LIMIT_S 300 /* what never comes ends here */
#define SLEEP_S 0.3
#define TURNS_MAX 20 /* of a loop that has nothing to do meanwhile */
#define URL_BYTES 64
#define SPARE 200 /* descriptors */

static struct ev_loop *loop;
static struct gw_upstreams *upstreams;
static unsigned forgotten; /* the loop sleeps on what is due */

static void
on_release(struct ev_loop *l) EV_NOEXCEPT
{
	(void)l;
	forgotten += upstreams->due && !ev_is_active(&upstreams->timer);
}

static void
on_acquire(struct ev_loop *l) EV_NOEXCEPT
{
	(void)l;
}

/* ---- the upstream: answers with the target it was asked for ---------------
 */

static int listener;
static int port;

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
	port = ntohs(at.sin_port);
}

static void
wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (poll(&p, 1, 1) != 1)
		ev_run(loop, EVRUN_NOWAIT);
}

static int
upstream_accept(void)
{
	wait_readable(listener);
	return accept(listener, NULL, NULL);
}

static void
upstream_answers(int fd)
{
	char in[4096], target[URL_BYTES], out[256];
	size_t have = 0;
	ssize_t n;

	do {
		wait_readable(fd);
		n = recv(fd, in + have, sizeof(in) - 1 - have, 0);
		if (n <= 0)
			abort();
		have += (size_t)n;
		in[have] = '\0';
	} while (!strstr(in, "\r\n\r\n"));
	if (sscanf(in, "GET %60s", target) != 1)
		abort();
	snprintf(out, sizeof(out),
		 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(target), target);
	if (send(fd, out, strlen(out), MSG_NOSIGNAL) < 0)
		abort();
}

/* ---- the owner of a transfer ----------------------------------------------
 */

struct owner {
	struct gw_transfer *t;
	char said[URL_BYTES];
	size_t n;
	bool done;
	enum gw_transfer_result result;
	long failed;	    /* errno that libcurl tells */
	struct owner *next; /* is started when this one has ended */
	const char *next_url;
};

static void
on_head(void *arg, const struct gw_transfer_head *h)
{
	(void)arg;
	(void)h;
}

static bool
on_data(void *arg, const char *p, size_t n)
{
	struct owner *o = arg;

	if (n >= sizeof(o->said) - o->n)
		abort();
	memcpy(o->said + o->n, p, n);
	o->n += n;
	curl_easy_getinfo(o->t->easy, CURLINFO_OS_ERRNO, &o->failed);
	return true;
}

static void start(struct owner *o, const char *url, struct gw_transfer_tls tls);

static const struct gw_transfer_tls usual;

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct owner *o = arg;

	(void)detail;
	o->done = true;
	o->result = result;
	if (o->next)
		start(o->next, o->next_url, usual);
}

static const struct gw_transfer_ops ops = {
	.on_head = on_head, .on_data = on_data, .on_done = on_done};

static void
start(struct owner *o, const char *url, struct gw_transfer_tls tls)
{
	const struct gw_transfer_request req = {.url = url, .tls = tls};
	struct gw_err err = {0};

	o->t = gw_transfer_start(upstreams, &req, &ops, o, &err);
	if (!o->t)
		abort();
}

static bool
hears(struct owner *o, const char *target)
{
	while (!o->done)
		ev_run(loop, EVRUN_ONCE);
	return o->result == GW_TRANSFER_OK && strcmp(o->said, target) == 0;
}

/* One exchange on a new connection, which stays. */
static int
one(const char *url)
{
	struct owner o = {0};
	int fd;

	start(&o, url, usual);
	fd = upstream_accept();
	upstream_answers(fd);
	if (!hears(&o, strrchr(url, '/')))
		abort();
	return fd;
}

static const char *
url_of(char *out, unsigned n)
{
	snprintf(out, URL_BYTES, "http://127.0.0.1:%d/%u", port, n);
	return out;
}

/* ---- handles --------------------------------------------------------------
 */

static char first[URL_BYTES], second[URL_BYTES];

static size_t
place_of(const char *url)
{
	return gw_hash_slot(gw_hash_text(url), GW_ADDRESSES);
}

/* Two addresses that share a place. */
static void
find_urls(void)
{
	url_of(first, 0);
	for (unsigned n = 1; place_of(url_of(second, n)) != place_of(first);)
		n++;
}

/* How it treats certificates belongs to an address. */
static void
test_others(void)
{
	static const char ca[] = "-----BEGIN CERTIFICATE-----\n";
	struct owner a = {0}, same = {0}, other = {0}, insecure = {0},
		     own_ca = {0};

	start(&a, first, usual);
	start(&same, first, usual);
	start(&other, second, usual);
	start(&insecure, first, (struct gw_transfer_tls){.insecure = true});
	ok(a.t->address && same.t->address == a.t->address,
	   "kept: two transfers to an address -> share its handles");
	ok(!other.t->address, "kept: one to another address -> does not");
	ok(!insecure.t->address,
	   "kept: one that takes any certificate -> does not");
	gw_transfer_cancel(a.t);
	gw_transfer_cancel(same.t);
	gw_transfer_cancel(other.t);
	gw_transfer_cancel(insecure.t);
	start(&own_ca, first,
	      (struct gw_transfer_tls){.ca = ca, .ca_len = strlen(ca)});
	ok(!own_ca.t->address,
	   "kept: one with certificates of its own -> does not");
	gw_transfer_cancel(own_ca.t);
}

static void
test_used_again(void)
{
	struct owner a = {0}, b = {0}, c = {0};
	int fd = one(first);
	CURL *easy;

	start(&a, first, usual);
	easy = a.t->easy;
	upstream_answers(fd);
	ok(hears(&a, strrchr(first, '/')),
	   "kept: the same address again -> is asked");
	start(&b, second, usual);
	ok(b.t->address != NULL, "kept: another address takes its place");
	upstream_answers(fd);
	ok(hears(&b, strrchr(second, '/')), "kept: ... -> and is asked itself");
	start(&c, first, usual);
	ok(c.t->address && easy, "kept: the first takes it back");
	upstream_answers(fd);
	ok(hears(&c, strrchr(first, '/')), "kept: ... -> and is asked");
	close(fd);
}

/* What went wrong with a transfer says nothing about the next. */
static void
test_failed(void)
{
	struct owner refused = {0}, served = {0};
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	char url[URL_BYTES];
	int fd, conn;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		abort();
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/f", ntohs(at.sin_port));
	start(&refused, url, usual);
	ok(!hears(&refused, "/f") && refused.result == GW_TRANSFER_REFUSED,
	   "kept: nobody listens -> refused");
	if (listen(fd, 8) < 0)
		abort();
	start(&served, url, usual);
	wait_readable(fd);
	conn = accept(fd, NULL, NULL);
	upstream_answers(conn);
	ok(hears(&served, "/f") && served.failed == 0,
	   "kept: somebody does -> answered, and nothing has failed");
	close(conn);
	close(fd);
}

/* ---- sockets --------------------------------------------------------------
 */

static bool awake;

static void
on_alarm(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	awake = true;
}

static unsigned
turns_of_a_sleep(void)
{
	ev_timer timer;
	unsigned turns = 0;

	awake = false;
	ev_timer_init(&timer, on_alarm, SLEEP_S, 0.);
	ev_timer_start(loop, &timer);
	for (; !awake; turns++)
		ev_run(loop, EVRUN_ONCE);
	return turns;
}

/* A place for each socket, however high its number. */
static void
test_high_numbers(void)
{
	struct owner low = {0}, high = {0};
	int spare[SPARE], fds[2];

	start(&low, first, usual);
	fds[0] = upstream_accept();
	for (int i = 0; i < SPARE; i++)
		spare[i] = dup(listener);
	start(&high, first, usual);
	fds[1] = upstream_accept();
	upstream_answers(fds[0]);
	upstream_answers(fds[1]);
	ok(hears(&low, strrchr(first, '/')) && hears(&high, low.said),
	   "kept: sockets with numbers of all sizes -> both are answered");
	close(fds[0]);
	close(fds[1]);
	ok(turns_of_a_sleep() <= TURNS_MAX,
	   "kept: ... and are closed -> the loop sleeps");
	for (int i = 0; i < SPARE; i++)
		close(spare[i]);
}

/* The number of a socket that was closed is the next one's. */
static void
test_closed_by_upstream(void)
{
	struct owner o = {0};
	int fd = one(first);

	close(fd);
	ok(turns_of_a_sleep() <= TURNS_MAX,
	   "kept: the upstream closes a connection that nobody uses -> the "
	   "loop sleeps");
	for (int i = 0; i < 3; i++) {
		o = (struct owner){0};
		start(&o, first, usual);
		fd = upstream_accept();
		upstream_answers(fd);
		ok(hears(&o, strrchr(first, '/')),
		   "kept: ... -> the next transfer has one of its own");
		close(fd);
	}
}

/* ---- before the loop sleeps -----------------------------------------------
 */

static struct owner *to_start;

static void
on_sleep(struct ev_loop *l, ev_prepare *w, int revents)
{
	(void)revents;
	ev_prepare_stop(l, w);
	start(to_start, first, usual);
}

static void
test_begins_late(int priority, const char *title)
{
	struct owner o = {0};
	ev_prepare sleeps;
	int fd;

	to_start = &o;
	ev_prepare_init(&sleeps, on_sleep);
	ev_set_priority(&sleeps, priority);
	ev_prepare_start(loop, &sleeps);
	forgotten = 0;
	ev_run(loop, EVRUN_NOWAIT);
	fd = upstream_accept();
	upstream_answers(fd);
	ok(hears(&o, strrchr(first, '/')) && !forgotten, "kept: %s", title);
	close(fd);
}

/* Whoever is refused may try the next, at once. */
static void
test_begins_at_an_end(void)
{
	struct owner o = {0}, next = {0};
	int fd, closed = port;

	close(listener);
	upstream_open();
	if (port == closed)
		abort();
	url_of(second, 1);
	o.next = &next;
	o.next_url = second;
	forgotten = 0;
	start(&o, first, usual); /* of the port that nobody listens at */
	fd = upstream_accept();
	upstream_answers(fd);
	ok(hears(&next, "/1") && o.result == GW_TRANSFER_REFUSED && !forgotten,
	   "kept: one is refused, the next begins -> it is answered");
	close(fd);
}

int
main(void)
{
	struct gw_err err = {0};

	alarm(LIMIT_S);
	loop = ev_loop_new(EVFLAG_AUTO);
	upstreams = gw_upstreams_new(loop, &err);
	if (!loop || !upstreams)
		return 99;
	ev_set_loop_release_cb(loop, on_release, on_acquire);
	upstream_open();
	find_urls();
	test_others();
	test_used_again();
	test_failed();
	test_high_numbers();
	test_closed_by_upstream();
	test_begins_late(EV_MAXPRI, "begins before the rest of a turn is told");
	test_begins_late(EV_MINPRI, "begins when the rest of a turn was told");
	test_begins_at_an_end();
	gw_upstreams_free(upstreams);
	ev_loop_destroy(loop);
	close(listener);
	return done_testing();
}
