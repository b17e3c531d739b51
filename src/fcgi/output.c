/* SPDX-License-Identifier: MIT */
/*
 * output.c - from queued bytes to the socket, in few writes that never block.
 */
#include "fcgi/conn.h"

#include <poll.h>

#include "base/clock.h"

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

/* Seconds until the client is looked at again, at most a quarter of its time.
 */
static double
look_s(const struct gw_fcgi_conn *c, uint64_t left_ms)
{
	uint64_t ms = c->client_idle_ms / 4;

	ms = left_ms < ms ? left_ms : ms;
	return ms > 0 ? (double)ms / 1000.0 : 0.001;
}

/* Wait until the socket takes more, but not for ever. */
static void
wait_for_room(struct gw_fcgi_conn *c)
{
	struct ev_loop *loop = c->front->loop;

	if (ev_is_active(&c->writable))
		return;
	ev_io_start(loop, &c->writable);
	c->taken_ms = gw_mono_ms();
	if (!c->client_idle_ms)
		return;
	c->acked_bytes = 0;
	c->stall_timer.repeat = look_s(c, c->client_idle_ms);
	ev_timer_again(loop, &c->stall_timer);
}

static void
wait_no_more(struct gw_fcgi_conn *c)
{
	ev_io_stop(c->front->loop, &c->writable);
	ev_timer_stop(c->front->loop, &c->stall_timer);
}

/*
 * The timer is lazy: writes only move a time stamp. Megabytes may lie between
 * here and a client that reads slowly; as long as it takes some of them, it is
 * not one that takes nothing.
 */
void
gw_output_on_stall(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_fcgi_conn *c = w->data;
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};
	uint64_t idle_ms = gw_mono_ms() - c->taken_ms;

	(void)revents;
	/* A process that was stopped has not written, either. */
	if (poll(&p, 1, 0) == 1 || gw_client_watch_takes(c))
		c->taken_ms += idle_ms;
	else if (idle_ms >= c->client_idle_ms) {
		gw_conn_stalled(c);
		return;
	}
	idle_ms = gw_mono_ms() - c->taken_ms;
	w->repeat = look_s(c, idle_ms < c->client_idle_ms
				      ? c->client_idle_ms - idle_ms
				      : 0);
	ev_timer_again(loop, w);
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

/* The answer has left: let go of the request. */
static void
answered(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	wait_no_more(c);
	gw_exchange_free(c->exchange);
	c->exchange = NULL;
	gw_conn_uncount(c);
	/* A kept connection must not keep the largest answer's memory, too. */
	if (c->out.cap > GW_FCGI_HIGH_WATER)
		gw_buf_release(&c->out);
	else
		gw_buf_clear(&c->out);
	c->out_sent = 0;
	c->above_high_water = false;
	if (c->input == GW_INPUT_COMPLETE) {
		gw_input_next_request(c);
		return;
	}
	/* Closing with unread input would reset the answer away. */
	c->input_timer.repeat = GW_FCGI_DRAIN_S;
	ev_timer_again(f->loop, &c->input_timer);
}

/*
 * Write what fits; what does not is waited for, be it only the end records.
 * False: this answer is over, and the connection may be gone with it.
 */
static bool
write_queued(struct gw_fcgi_conn *c)
{
	size_t chunk = c->is_unix ? GW_EXCHANGE_CHUNK : CHUNK_TCP_BYTES;
	bool last;

	while (c->exchange && (c->out_sent < c->out.len || c->finishing)) {
		size_t n = c->out.len - c->out_sent;

		n = n < chunk ? n : chunk;
		if (!may_write(c, n)) {
			wait_for_room(c);
			return true;
		}
		last = c->finishing && c->out_sent + n == c->out.len;
		if (gw_exchange_write(c->exchange, c->out.data + c->out_sent, n,
				      last) < 0) {
			gw_conn_gone(c);
			return false;
		}
		c->out_sent += n;
		c->wrote = true;
		if (ev_is_active(&c->writable))
			c->taken_ms = gw_mono_ms();
		if (last) {
			answered(c);
			return false;
		}
	}
	wait_no_more(c);
	return true;
}

static void
flush_conn(struct gw_fcgi_conn *c)
{
	if (!write_queued(c))
		return;
	if (c->breaking && !c->wrote) {
		gw_conn_close(c);
		return;
	}
	if (c->breaking && c->out_sent == c->out.len) {
		c->input_timer.repeat = GW_FCGI_BREAK_S;
		ev_timer_again(c->front->loop, &c->input_timer);
		return;
	}
	if (c->out_sent == c->out.len) {
		gw_buf_clear(&c->out);
		c->out_sent = 0;
	} else if (c->out_sent >= GW_FCGI_LOW_WATER &&
		   c->out_sent >= c->out.len / 2) {
		/* Moving the rest down must not cost more than writing did. */
		gw_buf_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
	low_water(c);
}

void
gw_output_on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct gw_fcgi_front *f = w->data;

	(void)loop;
	(void)revents;
	while (f->dirty) {
		struct gw_fcgi_conn *c = f->dirty;

		gw_queue_undirty(c);
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
