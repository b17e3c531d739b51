/* SPDX-License-Identifier: MIT */
/*
 * conn.c - life of a connection from the web server: begin, holds, the step
 * from one request to the next, end. Parses nothing and writes nothing.
 */
#include "fcgi/conn.h"

#include <string.h>
#include <sys/socket.h>

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

void
gw_conn_hold(struct gw_fcgi_conn *c)
{
	c->holds++;
}

/* Returns false when the connection was closed meanwhile (and is freed now). */
bool
gw_conn_unhold(struct gw_fcgi_conn *c)
{
	bool lives = !c->closed;

	if (--c->holds == 0 && !lives)
		conn_free(c);
	return lives;
}

void
gw_conn_close(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	if (c->closed)
		return;
	c->closed = true;
	ev_io_stop(f->loop, &c->readable);
	ev_io_stop(f->loop, &c->writable);
	ev_timer_stop(f->loop, &c->input_timer);
	gw_output_undirty(c);
	uncount(c);
	gw_exchange_free(c->exchange);
	c->exchange = NULL;
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
void
gw_conn_gone(struct gw_fcgi_conn *c)
{
	void *request = c->request;

	c->request = NULL;
	if (request) {
		gw_conn_hold(c);
		c->front->ops->on_gone(request);
		if (!gw_conn_unhold(c))
			return;
	}
	gw_conn_close(c);
}

void
gw_conn_client_gone(struct gw_fcgi_conn *c)
{
	static const char head[] = "Status: 499\r\n\r\n";
	void *request = c->request;

	c->request = NULL;
	gw_conn_hold(c);
	c->front->ops->on_gone(request);
	if (!gw_conn_unhold(c))
		return;
	/* Whoever closed his sending side alone must not take a part of the
	 * answer for all of it; but a web server that gets no answer at all
	 * reports a crash. */
	if (c->wrote || gw_fcgi_backlog(c) > 0)
		gw_fcgi_abort(c);
	else if (gw_fcgi_write(c, head, sizeof(head) - 1) < 0)
		gw_conn_close(c);
	else
		gw_fcgi_finish(c);
}

void
gw_conn_protocol_error(struct gw_fcgi_conn *c, const char *what)
{
	gw_log_limited(&c->front->limit, GW_EV_FCGI_PROTOCOL, NULL,
		       "reason=\"%s\"", what);
	gw_conn_gone(c);
}

/* Answer sent and request read: serve the next one, or close. */
void
gw_conn_next_request(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	size_t n = c->raw.len;

	if (!c->keep || f->listen_fd < 0) {
		gw_conn_close(c);
		return;
	}
	c->input = GW_INPUT_IDLE;
	c->finishing = false;
	c->wrote = false;
	ev_timer_stop(f->loop, &c->input_timer);
	ev_io_start(f->loop, &c->readable);
	if (n > 0 && c->holds == 0) { /* it was sent ahead */
		memcpy(f->receive, c->raw.data, n);
		gw_buf_clear(&c->raw);
		gw_input_take(c, f->receive, n);
	}
}

void
gw_conn_answered(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	gw_exchange_free(c->exchange);
	c->exchange = NULL;
	uncount(c);
	/* A kept connection must not keep the largest answer's memory, too. */
	if (c->out.cap > GW_FCGI_HIGH_WATER)
		gw_buf_release(&c->out);
	else
		gw_buf_clear(&c->out);
	c->out_sent = 0;
	c->above_high_water = false;
	if (c->input == GW_INPUT_COMPLETE) {
		gw_conn_next_request(c);
		return;
	}
	/* Closing with unread input would reset the answer away. */
	c->input_timer.repeat = GW_FCGI_DRAIN_S;
	ev_timer_again(f->loop, &c->input_timer);
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

void
gw_conn_new(struct gw_fcgi_front *f, int fd, bool is_unix)
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
	gw_buf_init(&c->raw, GW_FCGI_RECEIVE_BYTES);
	gw_buf_init(&c->params, GW_FCGI_PARAMS_MAX);
	gw_buf_init(&c->params_content, GW_FCGI_PARAMS_MAX);
	gw_buf_init(&c->out, GW_FCGI_QUEUE_MAX);
	ev_io_init(&c->readable, gw_input_on_readable, fd, EV_READ);
	ev_io_init(&c->writable, gw_output_on_writable, fd, EV_WRITE);
	ev_init(&c->input_timer, gw_input_on_timer);
	c->readable.data = c->writable.data = c->input_timer.data = c;
	c->next = f->conns;
	if (f->conns)
		f->conns->prev = c;
	f->conns = c;
	f->n_conns++;
	ev_io_start(f->loop, &c->readable);
	/* The request is usually there already: saves a turn of the loop. */
	gw_input_receive(c);
}

const char *
gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name)
{
	return c->exchange ? gw_exchange_param(c->exchange, name) : NULL;
}
