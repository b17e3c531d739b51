/* SPDX-License-Identifier: MIT */
/*
 * front.c - the listening socket: accepts connections as long as there is room
 * for them, and stops when told.
 */
#include "fcgi/conn.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define ACCEPT_BATCH 32
#define ACCEPT_PAUSE_S 0.2
#define GIVE_WAY_LOOKS 32 /* idle connections looked at for one that may go */
/* A web server whose host vanished is noticed after about two minutes. */
#define TCP_IDLE_S 60
#define TCP_INTERVAL_S 15
#define TCP_PROBES 4

static void
accept_later(struct gw_fcgi_front *f, const char *why)
{
	gw_log_limited(&f->limit, GW_EV_ACCEPT_PAUSED, NULL,
		       "reason=\"%s\" connections=%u", why, f->n_conns);
	ev_io_stop(f->loop, &f->acceptable);
	ev_timer_again(f->loop, &f->accept_pause);
}

/* Accepted unix sockets all start with the system's default buffer. */
static long
unix_credit(struct gw_fcgi_front *f, int fd)
{
	int sndbuf = 0;
	socklen_t len = sizeof(sndbuf);

	if (f->unix_credit == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, &len) == 0 &&
	    sndbuf > 16384)
		f->unix_credit = sndbuf / 4L * 3 - 4096;
	return f->unix_credit;
}

/* Best effort: without it, what the web server's end says is believed longer.
 */
static void
keep_probing(int fd)
{
	const int on = 1, idle = TCP_IDLE_S, interval = TCP_INTERVAL_S,
		  probes = TCP_PROBES;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval,
			 sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/* A connection for an accepted socket; closes @fd when memory is out. */
static void
conn_new(struct gw_fcgi_front *f, int fd, bool is_unix)
{
	struct gw_fcgi_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->front = f;
	c->fd = fd;
	c->is_unix = is_unix;
	if (is_unix) /* and nothing was written yet: all of it is free */
		c->write_credit = c->write_credit_full = unix_credit(f, fd);
	else
		keep_probing(fd);
	gw_buf_init(&c->raw, GW_FCGI_RECEIVE_BYTES);
	gw_buf_init(&c->params, GW_FCGI_PARAMS_MAX);
	gw_buf_init(&c->out, GW_FCGI_QUEUE_MAX);
	ev_io_init(&c->readable, gw_input_on_readable, fd, EV_READ);
	ev_io_init(&c->writable, gw_output_on_writable, fd, EV_WRITE);
	ev_init(&c->input_timer, gw_input_on_timer);
	ev_init(&c->stall_timer, gw_output_on_stall);
	c->readable.data = c->writable.data = c;
	c->input_timer.data = c->stall_timer.data = c;
	c->client_idle_ms = GW_FCGI_CLIENT_IDLE_MS;
	c->next = f->conns;
	if (f->conns)
		f->conns->prev = c;
	f->conns = c;
	f->n_conns++;
	gw_conn_rest(c);
	/* The request is usually there already: saves a turn of the loop. */
	gw_input_receive(c);
}

/* Close the connection that has been idle for longest; false: there is none. */
static bool
give_way(struct gw_fcgi_front *f)
{
	struct gw_fcgi_conn *c = f->idle, *next;

	for (int i = 0; c && i < GIVE_WAY_LOOKS; i++, c = next) {
		next = c->next_idle;
		if (gw_conn_retire(c))
			return true;
	}
	return false;
}

/* Nobody has to go when nobody comes. */
static bool
someone_waits(const struct gw_fcgi_front *f)
{
	struct pollfd p = {.fd = f->listen_fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* Accept one connection. False: there is none, or no room for it. */
static bool
accept_one(struct gw_fcgi_front *f)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	int fd;

	if (f->n_conns >= f->max_conns && !someone_waits(f))
		return false;
	if (f->n_conns >= f->max_conns && !give_way(f)) {
		gw_log_limited(&f->limit, GW_EV_ACCEPT_PAUSED, NULL,
			       "reason=\"request limit\" connections=%u",
			       f->n_conns);
		ev_io_stop(f->loop, &f->acceptable);
		return false;
	}
	fd = accept4(f->listen_fd, (struct sockaddr *)&peer, &len,
		     SOCK_CLOEXEC);
	if (fd >= 0) {
		conn_new(f, fd, peer.ss_family == AF_UNIX);
		return true;
	}
	if ((errno == EMFILE || errno == ENFILE) && give_way(f))
		return true;
	if (errno == EINVAL) /* it takes no more: its pool ends */
		ev_io_stop(f->loop, &f->acceptable);
	/* Whatever it is, the loop must not spin on it. */
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		accept_later(f, strerror(errno));
	return false;
}

static void
on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	for (int i = 0; i < ACCEPT_BATCH; i++)
		if (!accept_one(w->data))
			return;
}

static void
on_accept_pause(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_fcgi_front *f = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	if (f->listen_fd >= 0)
		ev_io_start(loop, &f->acceptable);
}

struct gw_fcgi_front *
gw_fcgi_front_new(struct ev_loop *loop, const struct gw_fcgi_ops *ops,
		  void *arg, unsigned max_conns, struct gw_err *err)
{
	struct gw_fcgi_front *f = calloc(1, sizeof(*f));

	if (!f) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	f->loop = loop;
	f->ops = ops;
	f->arg = arg;
	f->max_conns = max_conns;
	f->limits = (struct gw_fcgi_limits){
		.head_s = GW_FCGI_HEAD_S,
		.kept_s = GW_FCGI_KEPT_S,
		.late_s = GW_FCGI_LATE_S,
		.input_s = GW_FCGI_INPUT_IDLE_S,
	};
	f->listen_fd = -1;
	gw_client_watch_init(f);
	f->writer = gw_writer_new(err);
	if (!f->writer)
		goto fail;
	ev_prepare_init(&f->flush, gw_output_on_flush);
	f->flush.data = f;
	ev_set_priority(&f->flush, EV_MINPRI); /* after everything queued */
	ev_prepare_start(loop, &f->flush);
	ev_unref(loop);
	ev_init(&f->accept_pause, on_accept_pause);
	f->accept_pause.repeat = ACCEPT_PAUSE_S;
	f->accept_pause.data = f;
	return f;
fail:
	gw_fcgi_front_free(f);
	return NULL;
}

int
gw_fcgi_listen(struct gw_fcgi_front *f, int fd, struct gw_err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "listening socket: %s", strerror(errno));
	f->listen_fd = fd;
	ev_io_init(&f->acceptable, on_acceptable, fd, EV_READ);
	f->acceptable.data = f;
	ev_io_start(f->loop, &f->acceptable);
	return 0;
}

static void
close_listener(struct gw_fcgi_front *f)
{
	if (f->listen_fd < 0)
		return;
	ev_io_stop(f->loop, &f->acceptable);
	ev_timer_stop(f->loop, &f->accept_pause);
	close(f->listen_fd);
	f->listen_fd = -1;
}

void
gw_fcgi_stop_accepting(struct gw_fcgi_front *f)
{
	struct gw_fcgi_conn *next;

	if (f->listen_fd < 0)
		return;
	/* Closing it resets who waits to be accepted. */
	for (unsigned i = 0; i < f->max_conns && accept_one(f); i++)
		;
	close_listener(f);
	for (struct gw_fcgi_conn *c = f->conns; c; c = next) {
		next = c->next;
		if (c->input == GW_INPUT_PARAMS ||
		    (c->input == GW_INPUT_IDLE && !c->served))
			gw_conn_wait_input(c, f->limits.late_s);
		else if (c->input == GW_INPUT_IDLE)
			gw_conn_retire(c);
	}
}

unsigned
gw_fcgi_open_requests(const struct gw_fcgi_front *f)
{
	return f->n_requests;
}

unsigned
gw_fcgi_unfinished(const struct gw_fcgi_front *f)
{
	unsigned n = f->n_requests;

	for (const struct gw_fcgi_conn *c = f->conns; c; c = c->next)
		n += c->input == GW_INPUT_IDLE || c->input == GW_INPUT_PARAMS;
	return n;
}

void
gw_fcgi_front_free(struct gw_fcgi_front *f)
{
	if (!f)
		return;
	close_listener(f);
	while (f->conns)
		gw_conn_gone(f->conns);
	if (ev_is_active(&f->flush)) {
		ev_ref(f->loop);
		ev_prepare_stop(f->loop, &f->flush);
	}
	gw_client_watch_free(f);
	gw_writer_free(f->writer);
	free(f);
}
