/* SPDX-License-Identifier: MIT */
/*
 * output.c - from queued bytes to the socket, in few writes that never block.
 */
#include "fcgi/conn.h"

#include <poll.h>

#define CHUNK_TCP_BYTES 4096 /* a writable TCP socket takes that much */

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
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
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
	size_t chunk = c->is_unix ? GW_EXCHANGE_CHUNK : CHUNK_TCP_BYTES;
	bool last;

	while (c->exchange && (c->out_sent < c->out.len || c->finishing)) {
		size_t n = c->out.len - c->out_sent;

		n = n < chunk ? n : chunk;
		if (!may_write(c, n)) {
			ev_io_start(c->front->loop, &c->writable);
			break;
		}
		last = c->finishing && c->out_sent + n == c->out.len;
		if (gw_exchange_write(c->exchange, c->out.data + c->out_sent, n,
				      last) < 0) {
			gw_conn_gone(c);
			return;
		}
		c->out_sent += n;
		c->wrote = true;
		if (last) {
			gw_conn_answered(c);
			return;
		}
	}
	if (c->breaking && !c->wrote) {
		gw_conn_close(c);
		return;
	}
	if (c->breaking && c->out_sent == c->out.len) {
		ev_io_stop(c->front->loop, &c->writable);
		c->input_timer.repeat = GW_FCGI_BREAK_S;
		ev_timer_again(c->front->loop, &c->input_timer);
		return;
	}
	if (c->out_sent == c->out.len) {
		gw_buf_clear(&c->out);
		c->out_sent = 0;
		ev_io_stop(c->front->loop, &c->writable);
	} else if (c->out_sent >= GW_FCGI_LOW_WATER &&
		   c->out_sent >= c->out.len / 2) {
		/* Moving the rest down must not cost more than writing did. */
		gw_buf_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
	low_water(c);
}

void
gw_output_undirty(struct gw_fcgi_conn *c)
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

void
gw_output_on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct gw_fcgi_front *f = w->data;

	(void)loop;
	(void)revents;
	while (f->dirty) {
		struct gw_fcgi_conn *c = f->dirty;

		gw_output_undirty(c);
		flush_conn(c);
	}
}

void
gw_output_on_writable(struct ev_loop *loop, ev_io *w, int revents)
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
	c->breaking = true;
	mark_dirty(c);
}
