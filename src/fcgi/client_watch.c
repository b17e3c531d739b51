/* SPDX-License-Identifier: MIT */
/*
 * client_watch.c - has the client of a request that waits for its answer left?
 * And does one whose answer does not move take any of it?
 * No web server tells for sure: lighttpd does not look when a request came
 * together with its connection, Apache never does. Their kernel knows, and
 * tells by the addresses that every request's parameters hold.
 *
 * A request whose addresses are not those of a connection here (its web server
 * runs elsewhere, or puts a proxy's client in) is left alone. A client that
 * closes only its sending side counts as gone, as for nginx and lighttpd.
 *
 * Sources: sock_diag(7), <linux/inet_diag.h>; states as in <netinet/tcp.h>.
 */
#include "fcgi/client_watch.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "fcgi/conn.h"

#define TICK_S 0.25
#define LOOKS_MAX 256	      /* a tick: about a millisecond */
#define INTERVAL_MS 1000      /* between two looks at one request */
#define ANSWERS_MAX 8	      /* read for one question: late ones come first */
#define ANSWER_MORE_BYTES 512 /* attributes nobody asked for: read over */
/* Of tcpi_bytes_acked in the kernel's struct tcp_info; libc's ends before. */
#define ACKED_AT 120
#define STATE_NONE 0	   /* no such connection */
#define STATE_UNKNOWN (-1) /* the kernel cannot be asked now */

/* What the kernel says of a connection. */
struct seen {
	int state;
	uint64_t acked_bytes; /* where a question asked for TCP_INFO */
};

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 diag;
};

struct answer {
	struct nlmsghdr head;
	union {
		struct inet_diag_msg diag;
		struct nlmsgerr error;
	};
	char more[ANSWER_MORE_BYTES];
};

static int
put_address(const char *text, __be32 out[4])
{
	if (!text)
		return -1;
	if (inet_pton(AF_INET, text, out) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, out) == 1 ? AF_INET6 : -1;
}

static int
put_port(const char *text, __be16 *out)
{
	unsigned long port;
	char *end;

	if (!text)
		return -1;
	port = strtoul(text, &end, 10);
	if (end == text || *end || port == 0 || port > 65535)
		return -1;
	*out = htons((uint16_t)port);
	return 0;
}

/* The web server's end of the connection, as the kernel would look it up. */
static int
put_connection(const struct gw_fcgi_conn *c, struct inet_diag_req_v2 *diag)
{
	struct inet_diag_sockid *id = &diag->id;
	int here = put_address(gw_fcgi_param(c, "SERVER_ADDR"), id->idiag_src);
	int there = put_address(gw_fcgi_param(c, "REMOTE_ADDR"), id->idiag_dst);

	if (here < 0 || here != there ||
	    put_port(gw_fcgi_param(c, "SERVER_PORT"), &id->idiag_sport) < 0 ||
	    put_port(gw_fcgi_param(c, "REMOTE_PORT"), &id->idiag_dport) < 0)
		return -1;
	diag->sdiag_family = (__u8)here;
	diag->sdiag_protocol = IPPROTO_TCP;
	diag->idiag_states = ~0u;
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return 0;
}

/* Of the attributes in @p, or 0: an older kernel's TCP_INFO is shorter. */
static uint64_t
read_acked(const char *p, size_t n)
{
	struct nlattr attr;
	uint64_t bytes = 0;
	size_t step;

	while (n >= sizeof(attr)) {
		memcpy(&attr, p, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > n)
			break;
		if (attr.nla_type == INET_DIAG_INFO &&
		    attr.nla_len >= sizeof(attr) + ACKED_AT + sizeof(bytes))
			memcpy(&bytes, p + sizeof(attr) + ACKED_AT,
			       sizeof(bytes));
		step = (size_t)NLA_ALIGN(attr.nla_len);
		if (step >= n)
			break;
		p += step;
		n -= step;
	}
	return bytes;
}

static void
read_answer(const struct answer *a, size_t n, struct seen *out)
{
	size_t head = sizeof(a->head) + sizeof(a->diag);

	if (a->head.nlmsg_type == SOCK_DIAG_BY_FAMILY && n >= head) {
		out->state = a->diag.idiag_state;
		out->acked_bytes = read_acked((const char *)a + head, n - head);
	} else if (a->head.nlmsg_type == NLMSG_ERROR &&
		   n >= sizeof(a->head) + sizeof(a->error.error) &&
		   a->error.error == -ENOENT) {
		out->state = STATE_NONE;
	}
}

/* The kernel answers before send() returns. */
static struct seen
ask(struct gw_client_watch *w, struct question *q)
{
	struct seen seen = {.state = STATE_UNKNOWN};
	struct answer a;
	ssize_t n;

	q->head.nlmsg_len = sizeof(*q);
	q->head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q->head.nlmsg_flags = NLM_F_REQUEST;
	q->head.nlmsg_seq = ++w->seq;
	if (send(w->fd, q, sizeof(*q), MSG_NOSIGNAL) != (ssize_t)sizeof(*q))
		return seen;
	for (int i = 0; i < ANSWERS_MAX; i++) {
		n = recv(w->fd, &a, sizeof(a), MSG_DONTWAIT);
		if (n < (ssize_t)sizeof(a.head))
			break;
		if (a.head.nlmsg_seq == w->seq) {
			read_answer(&a, (size_t)n, &seen);
			break;
		}
	}
	return seen;
}

/* Its place among those that stood once, and its hash there. */
static uint64_t *
known_place(struct gw_client_watch *w, const struct gw_fcgi_conn *c,
	    uint64_t *hash)
{
	static const char *const names[] = {"REMOTE_ADDR", "REMOTE_PORT",
					    "SERVER_ADDR", "SERVER_PORT"};
	uint64_t h = GW_HASH_INIT;

	for (size_t i = 0; i < GW_ARRAY_LEN(names); i++) {
		const char *value = gw_fcgi_param(c, names[i]);

		value = value ? value : "";
		h = gw_hash_more(h, value, strlen(value) + 1);
	}
	*hash = h;
	return &w->known[gw_hash_slot(h, GW_CLIENTS_KNOWN)];
}

static void
note_known(struct gw_client_watch *w, const struct gw_fcgi_conn *c, bool stands)
{
	uint64_t hash, *place = known_place(w, c, &hash);

	if (stands)
		*place = hash;
	else if (*place == hash)
		*place = 0;
}

static bool
is_known(struct gw_client_watch *w, const struct gw_fcgi_conn *c)
{
	uint64_t hash;

	return *known_place(w, c, &hash) == hash;
}

static void
look(struct gw_client_watch *w, struct gw_fcgi_conn *c)
{
	struct question q = {0};

	if (put_connection(c, &q.diag) < 0) {
		c->client = GW_CLIENT_ELSEWHERE;
		return;
	}
	switch (ask(w, &q).state) {
	case STATE_UNKNOWN:
		break;
	case TCP_ESTABLISHED:
		c->client = GW_CLIENT_SEEN;
		note_known(w, c, true);
		break;
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
		c->client = GW_CLIENT_GONE;
		break;
	default: /* not any more, or never one of ours */
		c->client = c->client == GW_CLIENT_UNKNOWN ? GW_CLIENT_ELSEWHERE
							   : GW_CLIENT_GONE;
		note_known(w, c, false);
		break;
	}
}

bool
gw_client_watch_takes(struct gw_fcgi_conn *c)
{
	struct gw_client_watch *w = &c->front->client_watch;
	struct question q = {0};
	struct seen seen;
	bool more;

	if (w->fd < 0 || put_connection(c, &q.diag) < 0)
		return false;
	q.diag.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	seen = ask(w, &q);
	if (seen.state != TCP_ESTABLISHED)
		return false;
	more = seen.acked_bytes > c->acked_bytes;
	c->acked_bytes = seen.acked_bytes;
	return more;
}

/* Once an answer has begun, the next write that fails tells: comments of a
 * silent stream, too. */
static bool
is_due(struct gw_fcgi_conn *c, uint64_t now_ms, uint64_t interval_ms)
{
	if (!c->request || c->input != GW_INPUT_COMPLETE || c->wrote ||
	    c->client == GW_CLIENT_ELSEWHERE ||
	    now_ms - c->looked_ms < interval_ms)
		return false;
	c->looked_ms = now_ms;
	return true;
}

static struct gw_fcgi_conn *
find_gone(const struct gw_fcgi_front *f)
{
	struct gw_fcgi_conn *c = f->conns;

	while (c && !(c->request && c->client == GW_CLIENT_GONE))
		c = c->next;
	return c;
}

/* Marked first: what the end of one request leads to may end others. */
static void
on_tick(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_fcgi_front *f = t->data;
	uint64_t now_ms = gw_mono_ms(), interval_ms = INTERVAL_MS;
	struct gw_fcgi_conn *c;
	unsigned looks = 0;

	(void)revents;
	/* With more requests than looks, each has its turn all the same. */
	if (f->n_requests > interval_ms)
		interval_ms = f->n_requests;
	for (c = f->conns; c && looks < LOOKS_MAX; c = c->next) {
		if (!is_due(c, now_ms, interval_ms))
			continue;
		look(&f->client_watch, c);
		looks++;
	}
	while ((c = find_gone(f)))
		gw_conn_client_gone(c);
	if (f->n_requests == 0)
		ev_timer_stop(loop, t);
}

/* It has waited for a while: from now on its end is to be noticed. */
static void
on_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_fcgi_front *f = t->data;
	struct gw_client_watch *w = &f->client_watch;
	uint64_t now_ms = gw_mono_ms();
	struct gw_fcgi_conn *c;
	bool gone = false;

	(void)revents;
	while ((c = w->fresh) &&
	       now_ms - c->looked_ms >= GW_CLIENT_PATIENCE_MS) {
		gw_fresh_remove(c);
		if (c->input == GW_INPUT_COMPLETE && !c->ignored)
			ev_io_start(loop, &c->readable);
		if (w->fd < 0 || !c->request || c->wrote ||
		    c->client == GW_CLIENT_ELSEWHERE)
			continue;
		look(w, c);
		gone = gone || c->client == GW_CLIENT_GONE;
	}
	if (!w->fresh)
		ev_timer_stop(loop, t);
	while (gone && (c = find_gone(f)))
		gw_conn_client_gone(c);
}

void
gw_client_watch_init(struct gw_fcgi_front *f)
{
	struct gw_client_watch *w = &f->client_watch;

	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_SOCK_DIAG);
	if (w->fd < 0)
		gw_log(GW_EV_CLIENTS_UNWATCHED, NULL, "reason=\"%s\"",
		       strerror(errno));
	ev_timer_init(&w->tick, on_tick, TICK_S, TICK_S);
	w->tick.data = f;
	ev_timer_init(&w->patience, on_patience, GW_CLIENT_PATIENCE_MS / 1000.0,
		      GW_CLIENT_PATIENCE_MS / 1000.0);
	w->patience.data = f;
}

void
gw_client_watch_begin(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	struct gw_client_watch *w = &f->client_watch;

	c->client = GW_CLIENT_UNKNOWN;
	c->looked_ms = gw_mono_ms();
	if (w->fd >= 0 && is_known(w, c))
		c->client = GW_CLIENT_SEEN;
	else if (w->fd >= 0)
		look(w, c);
	gw_fresh_add(c);
	if (!ev_is_active(&w->patience))
		ev_timer_again(f->loop, &w->patience);
	if (w->fd >= 0 && !ev_is_active(&w->tick))
		ev_timer_again(f->loop, &w->tick);
}

void
gw_client_watch_free(struct gw_fcgi_front *f)
{
	ev_timer_stop(f->loop, &f->client_watch.tick);
	ev_timer_stop(f->loop, &f->client_watch.patience);
	if (f->client_watch.fd >= 0)
		close(f->client_watch.fd);
}
