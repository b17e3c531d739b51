/* SPDX-License-Identifier: MIT */
/*
 * conn.c - life of a connection from the web server: holds, rest between two
 * requests, and the ways it can end. Parses nothing and writes nothing.
 */
#include "fcgi/conn.h"

#include <sys/socket.h>

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
	ev_timer_stop(f->loop, &c->stall_timer);
	gw_queue_undirty(c);
	gw_fresh_remove(c);
	gw_conn_wake(c);
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

void
gw_conn_wait_input(struct gw_fcgi_conn *c, double seconds)
{
	c->input_timer.repeat = seconds;
	ev_timer_again(c->front->loop, &c->input_timer);
}

void
gw_conn_rest(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	c->input = GW_INPUT_IDLE;
	c->ignored = false;
	gw_fresh_remove(c);
	c->next_idle = NULL;
	c->prev_idle = f->idle_last;
	if (f->idle_last)
		f->idle_last->next_idle = c;
	else
		f->idle = c;
	f->idle_last = c;
	gw_conn_wait_input(c, f->listen_fd < 0 ? f->limits.late_s
			      : c->served      ? f->limits.kept_s
					       : f->limits.head_s);
	/* Whoever waits to be accepted may have its place. */
	if (f->n_conns >= f->max_conns && f->listen_fd >= 0)
		ev_io_start(f->loop, &f->acceptable);
}

void
gw_conn_wake(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	if (!c->prev_idle && f->idle != c)
		return;
	if (c->next_idle)
		c->next_idle->prev_idle = c->prev_idle;
	else
		f->idle_last = c->prev_idle;
	if (c->prev_idle)
		c->prev_idle->next_idle = c->next_idle;
	else
		f->idle = c->next_idle;
	c->prev_idle = c->next_idle = NULL;
}

bool
gw_conn_has_input(const struct gw_fcgi_conn *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * Between a look at the socket and its close a request may arrive. On a unix
 * socket the web server's writes are refused first: then a request is here
 * whole and gets its answer, or was not taken and can be sent elsewhere. TCP
 * has no such thing.
 */
bool
gw_conn_retire(struct gw_fcgi_conn *c)
{
	if (c->raw.len > 0 || gw_conn_has_input(c))
		return false;
	if (c->is_unix && shutdown(c->fd, SHUT_RD) == 0) {
		c->deaf = true;
		if (gw_conn_has_input(c))
			return false;
	}
	gw_conn_close(c);
	return true;
}

/* Tell the owner once, while its parameters still exist, then close. */
static void
end_with(struct gw_fcgi_conn *c, void (*tell)(void *request))
{
	void *request = c->request;

	c->request = NULL;
	if (request) {
		gw_conn_hold(c);
		tell(request);
		if (!gw_conn_unhold(c))
			return;
	}
	gw_conn_close(c);
}

void
gw_conn_gone(struct gw_fcgi_conn *c)
{
	end_with(c, c->front->ops->on_gone);
}

void
gw_conn_stalled(struct gw_fcgi_conn *c)
{
	gw_log_limited(&c->front->limit, GW_EV_CLIENT_STALLED, NULL,
		       "idle_s=%.10g waiting=%zu", c->client_idle_ms / 1000.0,
		       gw_fcgi_backlog(c));
	end_with(c, c->front->ops->on_stalled);
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

bool
gw_fcgi_params_clean(const struct gw_fcgi_conn *c)
{
	return c->clean;
}

bool
gw_fcgi_asks_admission(const struct gw_fcgi_conn *c)
{
	return c->asks_admission;
}

const char *
gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name)
{
	return c->exchange ? gw_exchange_param(c->exchange, name) : NULL;
}

bool
gw_fcgi_has_param(const struct gw_fcgi_conn *c, const char *prefix)
{
	return c->exchange && gw_exchange_has_param(c->exchange, prefix);
}
