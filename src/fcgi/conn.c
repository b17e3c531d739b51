/* SPDX-License-Identifier: MIT */
/*
 * conn.c - life of a connection from the web server: holds and the ways it can
 * end. Parses nothing and writes nothing.
 */
#include "fcgi/conn.h"

void
gw_conn_uncount(struct gw_fcgi_conn *c)
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
	gw_queue_undirty(c);
	gw_conn_uncount(c);
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

const char *
gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name)
{
	return c->exchange ? gw_exchange_param(c->exchange, name) : NULL;
}
