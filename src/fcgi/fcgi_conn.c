/* SPDX-License-Identifier: MIT */
/*
 * fcgi_conn.c - connections from the web server; the only includer of
 * fcgiapp.h and the only place that touches FCGX_Request.ipcFd.
 *
 * File order = life of a connection: end (needed by all), input, output, front.
 *
 * Why the hatch: libfcgi reads 8 KiB at a time from ipcFd and blocks when the
 * record it is in has not arrived. Here only whole records, stripped of their
 * padding, are written into a socket pair that ipcFd points at while libfcgi
 * reads. It consumes exactly what was put in, so the pair is empty between two
 * calls and one pair serves every connection of the process.
 */
#include "fcgi/fcgi_conn.h"

#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/log.h"
#include "fcgi/record.h"

#define ACCEPT_BATCH 32
#define ACCEPT_PAUSE_S 0.2
#define RECEIVE_BYTES (2 * GW_RECORD_MAX_BYTES)
#define HATCH_BYTES (GW_FCGI_PARAMS_MAX + 2 * GW_RECORD_MAX_BYTES)
/* libfcgi's output buffer holds 8192 bytes, record heads and end included. */
#define CHUNK_UNIX_BYTES 7936
#define CHUNK_TCP_BYTES 4096

enum input_state {
	INPUT_IDLE,	/* between requests */
	INPUT_PARAMS,	/* BEGIN seen, parameters incomplete */
	INPUT_BODY,	/* parameters known, body incomplete */
	INPUT_COMPLETE	/* the whole request was read */
};

struct gw_fcgi_conn {
	struct gw_fcgi_front *front;
	struct gw_fcgi_conn *prev, *next; /* all connections of the front */
	struct gw_fcgi_conn *prev_dirty, *next_dirty;
	int fd;
	ev_io readable;
	ev_io writable;
	ev_timer input_timer;
	enum input_state input;
	unsigned holds;		/* calls under way that use this struct */
	uint16_t request_id;
	bool closed;		/* freed when the last hold ends */
	bool keep;		/* FCGI_KEEP_CONN */
	bool counted;		/* in front->n_requests */
	bool open;		/* `fcgx` holds a request of libfcgi's */
	bool finishing;		/* the answer is complete, its queue may not be */
	bool dirty;
	bool above_high_water;
	bool is_unix;
	long write_credit;	/* bytes that surely fit into the socket */
	long write_credit_full;
	void *request;		/* the owner's; NULL before and after */
	struct gw_buf raw;	/* an incomplete record */
	struct gw_buf params;	/* records up to the end of the parameters */
	struct gw_buf params_content; /* the same without record heads */
	struct gw_buf out;
	size_t out_sent;
	FCGX_Request fcgx;
};

struct gw_fcgi_front {
	struct ev_loop *loop;
	const struct gw_fcgi_ops *ops;
	void *arg;
	int listen_fd;
	int hatch[2];		/* we write [0], libfcgi reads [1] */
	ev_io acceptable;
	ev_timer accept_pause;
	ev_prepare flush;
	struct gw_fcgi_conn *conns;
	struct gw_fcgi_conn *dirty;
	unsigned n_conns, n_requests, max_conns;
	long unix_credit;	/* 0 = not asked yet */
	struct gw_log_limit limit;
	char receive[RECEIVE_BYTES];
	char batch[HATCH_BYTES];
	char body[65536];
};

static void input_take(struct gw_fcgi_conn *c, const char *p, size_t n);

/* ---- end of a connection ------------------------------------------------- */

static void
fcgx_release(struct gw_fcgi_conn *c)
{
	if (!c->open)
		return;
	c->open = false;
	/* Not FCGX_Finish_r: after a failed write it would close the fd and
	 * poll up to two seconds for the peer to do the same. */
	FCGX_Free(&c->fcgx, 0);
}

static void
undirty(struct gw_fcgi_conn *c)
{
	if (!c->dirty)
		return;
	if (c->next_dirty)
		c->next_dirty->prev_dirty = c->prev_dirty;
	if (c->prev_dirty)
		c->prev_dirty->next_dirty = c->next_dirty;
	else
		c->front->dirty = c->next_dirty;
	c->dirty = false;
}

static void
uncount(struct gw_fcgi_conn *c)
{
	if (c->counted)
		c->front->n_requests--;
	c->counted = false;
}

static void
conn_free(struct gw_fcgi_conn *c)
{
	gw_buf_release(&c->raw);
	gw_buf_release(&c->params);
	gw_buf_release(&c->params_content);
	gw_buf_release(&c->out);
	free(c);
}

static void
hold(struct gw_fcgi_conn *c)
{
	c->holds++;
}

/* Returns false when the connection was closed meanwhile (and is freed now). */
static bool
unhold(struct gw_fcgi_conn *c)
{
	bool lives = !c->closed;

	if (--c->holds == 0 && !lives)
		conn_free(c);
	return lives;
}

static void
conn_close(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	if (c->closed)
		return;
	c->closed = true;
	ev_io_stop(f->loop, &c->readable);
	ev_io_stop(f->loop, &c->writable);
	ev_timer_stop(f->loop, &c->input_timer);
	undirty(c);
	uncount(c);
	fcgx_release(c);
	close(c->fd);
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		f->conns = c->next;
	if (f->n_conns-- == f->max_conns && f->listen_fd >= 0)
		ev_io_start(f->loop, &f->acceptable);
	if (c->holds == 0)
		conn_free(c);
}

/* The peer is gone: tell the owner once, while its parameters still exist. */
static void
conn_gone(struct gw_fcgi_conn *c)
{
	void *request = c->request;

	c->request = NULL;
	if (request) {
		hold(c);
		c->front->ops->on_gone(request);
		if (!unhold(c))
			return;
	}
	conn_close(c);
}

static void
protocol_error(struct gw_fcgi_conn *c, const char *what)
{
	gw_log_limited(&c->front->limit, GW_EV_FCGI_PROTOCOL, NULL,
		       "reason=\"%s\"", what);
	conn_gone(c);
}

/* Answer sent and request read: serve the next one, or close. */
static void
conn_next_request(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	size_t n = c->raw.len;

	if (!c->keep || f->listen_fd < 0) {
		conn_close(c);
		return;
	}
	c->input = INPUT_IDLE;
	c->finishing = false;
	ev_timer_stop(f->loop, &c->input_timer);
	ev_io_start(f->loop, &c->readable);
	if (n > 0 && c->holds == 0) {	/* it was sent ahead */
		memcpy(f->receive, c->raw.data, n);
		gw_buf_clear(&c->raw);
		input_take(c, f->receive, n);
	}
}

/* ---- input --------------------------------------------------------------- */

static size_t
put_record(char *out, const struct gw_record *rec)
{
	memcpy(out, rec->content - GW_RECORD_HEAD_BYTES,
	       (size_t)GW_RECORD_HEAD_BYTES + rec->content_len);
	out[6] = 0; /* no padding: see the file head */
	return (size_t)GW_RECORD_HEAD_BYTES + rec->content_len;
}

static int
hatch_put(struct gw_fcgi_front *f, const char *p, size_t n)
{
	ssize_t put = send(f->hatch[0], p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return put == (ssize_t)n ? 0 : -1;
}

/* Let libfcgi parse BEGIN and PARAMS, all of which are in the hatch. */
static int
fcgx_begin(struct gw_fcgi_conn *c)
{
	FCGX_InitRequest(&c->fcgx, -1, 0);
	c->fcgx.ipcFd = c->front->hatch[1];
	/* Else FCGX_Accept_r starts by closing ipcFd. */
	c->fcgx.keepConnection = 1;
	if (FCGX_Accept_r(&c->fcgx) != 0)
		return -1;
	c->open = true;
	c->fcgx.ipcFd = c->fd;
	return 0;
}

/* Let libfcgi read @n content bytes that are in the hatch; 0 = end of body. */
static int
fcgx_read(struct gw_fcgi_conn *c, size_t n)
{
	int got, want = n ? (int)n : 1;

	c->fcgx.ipcFd = c->front->hatch[1];
	got = FCGX_GetStr(c->front->body, want, c->fcgx.in);
	c->fcgx.ipcFd = c->fd;
	return got == (int)n ? 0 : -1;
}

static void
take_begin(struct gw_fcgi_conn *c, const struct gw_record *rec)
{
	char record[GW_RECORD_HEAD_BYTES + 8];

	if (c->input != INPUT_IDLE || rec->content_len != 8 || rec->id == 0) {
		protocol_error(c, "unexpected BEGIN_REQUEST");
		return;
	}
	if (rec->content[0] != 0 || rec->content[1] != 1) {
		protocol_error(c, "a role other than responder");
		return;
	}
	c->request_id = rec->id;
	c->keep = rec->content[2] & 1;
	c->input = INPUT_PARAMS;
	c->input_timer.repeat = GW_FCGI_INPUT_IDLE_S;
	ev_timer_again(c->front->loop, &c->input_timer);
	if (gw_buf_append(&c->params, record, put_record(record, rec)) < 0)
		conn_gone(c);
}

static void
take_params_end(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	void *request;

	if (!gw_record_params_sane((unsigned char *)c->params_content.data,
				   c->params_content.len)) {
		protocol_error(c, "damaged parameters");
		return;
	}
	if (hatch_put(f, c->params.data, c->params.len) < 0 ||
	    fcgx_begin(c) < 0) {
		protocol_error(c, "libfcgi refused the parameters");
		return;
	}
	gw_buf_clear(&c->params);
	gw_buf_clear(&c->params_content);
	c->input = INPUT_BODY;
	c->counted = true;
	f->n_requests++;
	request = f->ops->on_request(c, f->arg);
	if (c->closed || c->finishing)
		return;		/* answered already, and forgotten by its owner */
	c->request = request;
	if (!request)
		conn_close(c);
}

static void
take_params(struct gw_fcgi_conn *c, const struct gw_record *rec)
{
	char head[GW_RECORD_HEAD_BYTES];

	if (c->input != INPUT_PARAMS) {
		protocol_error(c, "unexpected PARAMS");
		return;
	}
	memcpy(head, rec->content - GW_RECORD_HEAD_BYTES, sizeof(head));
	head[6] = 0;
	if (gw_buf_append(&c->params, head, sizeof(head)) < 0 ||
	    gw_buf_append(&c->params, rec->content, rec->content_len) < 0 ||
	    gw_buf_append(&c->params_content, rec->content,
			  rec->content_len) < 0) {
		protocol_error(c, "parameters over 128 KiB");
		return;
	}
	if (rec->content_len == 0)
		take_params_end(c);
}

static void
body_ended(struct gw_fcgi_conn *c)
{
	c->input = INPUT_COMPLETE;
	ev_timer_stop(c->front->loop, &c->input_timer);
	if (c->request)
		c->front->ops->on_body_end(c->request);
	else if (c->finishing && !c->open)
		conn_next_request(c);
}

/*
 * @end  the record that ends the body when it arrived together with this one:
 *       both then pass the hatch in one write
 */
static void
take_stdin(struct gw_fcgi_conn *c, const struct gw_record *rec,
	   const struct gw_record *end)
{
	struct gw_fcgi_front *f = c->front;
	size_t n;

	if (c->input != INPUT_BODY) {
		protocol_error(c, "unexpected STDIN");
		return;
	}
	ev_timer_again(f->loop, &c->input_timer);
	if (c->open) {
		n = put_record(f->batch, rec);
		if (end)
			n += put_record(f->batch + n, end);
		if (hatch_put(f, f->batch, n) < 0 ||
		    fcgx_read(c, rec->content_len) < 0) {
			protocol_error(c, "libfcgi refused the body");
			return;
		}
		if (rec->content_len && c->request)
			f->ops->on_body(c->request, f->body, rec->content_len);
		if (c->closed)
			return;
		if (end && c->open && fcgx_read(c, 0) < 0) {
			protocol_error(c, "libfcgi refused the end of the body");
			return;
		}
	}
	if (end || rec->content_len == 0)
		body_ended(c);
}

/* Returns the bytes taken from the record(s) at @p. */
static size_t
take_record(struct gw_fcgi_conn *c, const char *p, size_t n,
	    const struct gw_record *rec)
{
	struct gw_record end;

	if (rec->type == GW_RECORD_BEGIN) {
		take_begin(c, rec);
	} else if (rec->id == 0 || rec->id != c->request_id) {
		/* Management records: none of the servers sends any. */
	} else if (rec->type == GW_RECORD_PARAMS) {
		take_params(c, rec);
	} else if (rec->type == GW_RECORD_ABORT) {
		conn_gone(c);
	} else if (rec->type == GW_RECORD_STDIN) {
		bool ends = rec->content_len &&
			    gw_record_read(p + rec->whole_len,
					   n - rec->whole_len, &end) == 1 &&
			    end.type == GW_RECORD_STDIN &&
			    end.id == rec->id && end.content_len == 0;

		take_stdin(c, rec, ends ? &end : NULL);
		return rec->whole_len + (ends ? end.whole_len : 0);
	}
	return rec->whole_len;
}

/* Take every whole record of @p; what is left over waits in c->raw. */
static void
input_take(struct gw_fcgi_conn *c, const char *p, size_t n)
{
	struct gw_record rec;
	int whole;

	hold(c);
	while (!c->closed && c->input != INPUT_COMPLETE) {
		whole = gw_record_read(p, n, &rec);
		if (whole < 0)
			protocol_error(c, "not FastCGI version 1");
		if (whole <= 0)
			break;
		size_t taken = take_record(c, p, n, &rec);

		p += taken;
		n -= taken;
	}
	if (!c->closed && n > 0 && gw_buf_append(&c->raw, p, n) < 0)
		protocol_error(c, "more input than one request");
	unhold(c);
}

static void
on_readable_complete(struct gw_fcgi_conn *c)
{
	char one;
	ssize_t n = recv(c->fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)	/* the next request of a kept connection */
		ev_io_stop(c->front->loop, &c->readable);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		conn_gone(c);
}

static void
receive(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	size_t have = c->raw.len;
	ssize_t n;

	if (c->input == INPUT_COMPLETE) {
		on_readable_complete(c);
		return;
	}
	/* What was left over goes in front, so that records lie in one piece. */
	if (have)
		memcpy(f->receive, c->raw.data, have);
	n = recv(c->fd, f->receive + have, sizeof(f->receive) - have,
		 MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		conn_gone(c);
		return;
	}
	if (n < 0)
		return;
	gw_buf_clear(&c->raw);
	input_take(c, f->receive, have + (size_t)n);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	receive(w->data);
}

static void
on_input_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_fcgi_conn *c = w->data;

	(void)loop;
	(void)revents;
	if (c->finishing && !c->open)
		conn_close(c);
	else
		protocol_error(c, "the web server stopped in mid-request");
}

/* ---- output -------------------------------------------------------------- */

/*
 * libfcgi's write blocks when the socket is full, so a write may start only
 * when its bytes surely fit. A writable unix socket has used at most a quarter
 * of its send buffer: that grants credit for many small writes without asking
 * again. Cost of a write there: the kernel charges whole buffers, at most twice
 * the bytes plus about 1 KiB. TCP is asked every time.
 */
static bool
may_write(struct gw_fcgi_conn *c, size_t n)
{
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	long cost = 2 * (long)n + 1024;

	if (c->write_credit < cost) {
		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
			return (p.revents & (POLLERR | POLLHUP)) != 0;
		c->write_credit = c->write_credit_full;
	}
	c->write_credit -= cost;
	return true;
}

static void
answer_sent(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	fcgx_release(c);
	uncount(c);
	gw_buf_clear(&c->out);
	c->out_sent = 0;
	if (c->input == INPUT_COMPLETE) {
		conn_next_request(c);
		return;
	}
	/* Closing with unread input would reset the answer away. */
	c->input_timer.repeat = GW_FCGI_DRAIN_S;
	ev_timer_again(f->loop, &c->input_timer);
}

static bool
write_chunk(struct gw_fcgi_conn *c, size_t n)
{
	FCGX_Stream *out = c->fcgx.out;
	bool last = c->finishing && c->out_sent + n == c->out.len;

	if (n)
		FCGX_PutStr(c->out.data + c->out_sent, (int)n, out);
	c->out_sent += n;
	if (last) {
		/* Data, end of stream and END_REQUEST leave in one write. */
		FCGX_FClose(c->fcgx.err);
		FCGX_FClose(out);
	} else {
		FCGX_FFlush(out);
	}
	return FCGX_GetError(out) == 0;
}

static void
low_water(struct gw_fcgi_conn *c)
{
	if (!c->above_high_water || gw_fcgi_backlog(c) > GW_FCGI_LOW_WATER)
		return;
	c->above_high_water = false;
	if (c->request)
		c->front->ops->on_writable(c->request);
}

static void
flush_conn(struct gw_fcgi_conn *c)
{
	size_t chunk = c->is_unix ? CHUNK_UNIX_BYTES : CHUNK_TCP_BYTES;

	while (c->open && (c->out_sent < c->out.len || c->finishing)) {
		size_t n = c->out.len - c->out_sent;

		n = n < chunk ? n : chunk;
		if (!may_write(c, n)) {
			ev_io_start(c->front->loop, &c->writable);
			break;
		}
		if (!write_chunk(c, n)) {
			conn_gone(c);
			return;
		}
		if (c->finishing && c->out_sent == c->out.len) {
			answer_sent(c);
			return;
		}
	}
	if (c->out_sent == c->out.len) {
		gw_buf_clear(&c->out);
		c->out_sent = 0;
		ev_io_stop(c->front->loop, &c->writable);
	} else if (c->out_sent >= GW_FCGI_LOW_WATER) {
		gw_buf_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
	low_water(c);
}

static void
mark_dirty(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	if (c->dirty)
		return;
	c->dirty = true;
	c->prev_dirty = NULL;
	c->next_dirty = f->dirty;
	if (f->dirty)
		f->dirty->prev_dirty = c;
	f->dirty = c;
}

/* Runs before the loop sleeps: one flush covers all that this turn queued. */
static void
on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct gw_fcgi_front *f = w->data;

	(void)loop;
	(void)revents;
	while (f->dirty) {
		struct gw_fcgi_conn *c = f->dirty;

		undirty(c);
		flush_conn(c);
	}
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	flush_conn(w->data);
}

int
gw_fcgi_write(struct gw_fcgi_conn *c, const void *p, size_t n)
{
	if (gw_buf_append(&c->out, p, n) < 0)
		return -1;
	if (gw_fcgi_backlog(c) > GW_FCGI_HIGH_WATER)
		c->above_high_water = true;
	mark_dirty(c);
	return 0;
}

size_t
gw_fcgi_backlog(const struct gw_fcgi_conn *c)
{
	return c->out.len - c->out_sent;
}

void
gw_fcgi_finish(struct gw_fcgi_conn *c)
{
	c->request = NULL;
	c->finishing = true;
	mark_dirty(c);
}

void
gw_fcgi_abort(struct gw_fcgi_conn *c)
{
	c->request = NULL;
	conn_close(c);
}

const char *
gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name)
{
	return c->open ? FCGX_GetParam(name, c->fcgx.envp) : NULL;
}

/* ---- front --------------------------------------------------------------- */

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
	gw_buf_init(&c->raw, RECEIVE_BYTES);
	gw_buf_init(&c->params, GW_FCGI_PARAMS_MAX);
	gw_buf_init(&c->params_content, GW_FCGI_PARAMS_MAX);
	gw_buf_init(&c->out, GW_FCGI_QUEUE_MAX);
	ev_io_init(&c->readable, on_readable, fd, EV_READ);
	ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
	ev_init(&c->input_timer, on_input_timer);
	c->readable.data = c->writable.data = c->input_timer.data = c;
	c->next = f->conns;
	if (f->conns)
		f->conns->prev = c;
	f->conns = c;
	f->n_conns++;
	ev_io_start(f->loop, &c->readable);
	/* The request is usually there already: saves a turn of the loop. */
	receive(c);
}

static void
accept_later(struct gw_fcgi_front *f, const char *why)
{
	gw_log_limited(&f->limit, GW_EV_ACCEPT_PAUSED, NULL,
		       "reason=\"%s\" connections=%u", why, f->n_conns);
	ev_io_stop(f->loop, &f->acceptable);
	ev_timer_again(f->loop, &f->accept_pause);
}

static void
on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct gw_fcgi_front *f = w->data;

	(void)loop;
	(void)revents;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd;

		if (f->n_conns >= f->max_conns) {
			ev_io_stop(f->loop, &f->acceptable);
			return;
		}
		fd = accept4(f->listen_fd, (struct sockaddr *)&peer, &len,
			     SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOMEM || errno == ENOBUFS)
				accept_later(f, strerror(errno));
			return;
		}
		conn_new(f, fd, peer.ss_family == AF_UNIX);
	}
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

static int
open_hatch(struct gw_fcgi_front *f, struct gw_err *err)
{
	int size = HATCH_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->hatch) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "socketpair: %s", strerror(errno));
	/* Best effort; a request that does not fit is refused, not hung. */
	(void)setsockopt(f->hatch[0], SOL_SOCKET, SO_SNDBUF, &size,
			 sizeof(size));
	return 0;
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
	f->listen_fd = f->hatch[0] = f->hatch[1] = -1;
	if (FCGX_Init() != 0) {
		gw_err_set(err, GW_ERR_INTERNAL, 0, "libfcgi: FCGX_Init failed");
		goto fail;
	}
	if (open_hatch(f, err) < 0)
		goto fail;
	ev_prepare_init(&f->flush, on_flush);
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

void
gw_fcgi_stop_accepting(struct gw_fcgi_front *f)
{
	struct gw_fcgi_conn *next;

	if (f->listen_fd < 0)
		return;
	ev_io_stop(f->loop, &f->acceptable);
	ev_timer_stop(f->loop, &f->accept_pause);
	close(f->listen_fd);
	f->listen_fd = -1;
	for (struct gw_fcgi_conn *c = f->conns; c; c = next) {
		next = c->next;
		if (c->input == INPUT_IDLE)
			conn_close(c);
	}
}

unsigned
gw_fcgi_open_requests(const struct gw_fcgi_front *f)
{
	return f->n_requests;
}

void
gw_fcgi_front_free(struct gw_fcgi_front *f)
{
	if (!f)
		return;
	gw_fcgi_stop_accepting(f);
	while (f->conns)
		conn_gone(f->conns);
	if (ev_is_active(&f->flush)) {
		ev_ref(f->loop);
		ev_prepare_stop(f->loop, &f->flush);
	}
	if (f->hatch[0] >= 0)
		close(f->hatch[0]);
	if (f->hatch[1] >= 0)
		close(f->hatch[1]);
	free(f);
}
