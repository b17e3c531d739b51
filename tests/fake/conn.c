/* SPDX-License-Identifier: MIT */
/*
 * conn.c - one client connection: its socket, its timer, its life.
 *
 * Reading never stops while an answer is under way, because the end of the
 * input is how a client that left shows itself; a pipelined request waits in
 * `in`. Parsing is intake.c's part, answering route.c's.
 *
 * A connection is freed only from its own event callbacks' last line
 * (reap), so that code further up the stack may look at c->fd after any call.
 */
#include "fake.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"

#define READ_BYTES (64u << 10)

void
fake_exchange_clear(struct fake_conn *c)
{
	struct fake_exchange *x = &c->x;
	struct fake_stats *st = &c->srv->stats;

	if (x->counted) {
		st->active--;
		st->models -= x->kind == FAKE_MODELS;
	}
	json_object_put(x->request);
	json_object_put(x->mode_json);
	gw_buf_release(&x->text);
	gw_buf_release(&x->head);
	gw_buf_release(&x->prefix);
	gw_buf_release(&x->suffix);
	gw_buf_release(&x->rest);
	*x = (struct fake_exchange){0};
	fake_script_init(&x->script);
	gw_buf_init(&x->text, FAKE_OUT_MAX_BYTES);
	gw_buf_init(&x->head, FAKE_OUT_MAX_BYTES);
	gw_buf_init(&x->prefix, FAKE_OUT_MAX_BYTES);
	gw_buf_init(&x->suffix, FAKE_OUT_MAX_BYTES);
	gw_buf_init(&x->rest, FAKE_OUT_MAX_BYTES);
}

/*
 * What is heard of a request that is being answered (its client leaves) is seen
 * before what is new, when both came while we were busy or stood still: whoever
 * asks only once another has left is not counted beside it.
 */
static void
hear_first(struct fake_conn *c, int priority)
{
	if (c->fd < 0 || ev_priority(&c->rd) == priority)
		return;
	ev_io_stop(c->srv->loop, &c->rd);
	ev_set_priority(&c->rd, priority);
	ev_io_start(c->srv->loop, &c->rd);
}

void
fake_conn_begin(struct fake_conn *c)
{
	c->x.active = true;
	hear_first(c, 1);
}

static void
close_as(struct fake_conn *c, bool reset, const char *event)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (c->fd < 0)
		return;
	ev_io_stop(c->srv->loop, &c->rd);
	ev_io_stop(c->srv->loop, &c->wr);
	ev_timer_stop(c->srv->loop, &c->timer);
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger,
			   sizeof(linger));
	close(c->fd);
	c->fd = -1;
	c->srv->stats.open--;
	if (c->x.counted)
		fake_journal_end(c, event);
	fake_exchange_clear(c);
}

void
fake_conn_close(struct fake_conn *c, bool reset)
{
	close_as(c, reset, "response_done");
}

static void
client_closed(struct fake_conn *c)
{
	c->srv->stats.aborted += c->x.counted;
	close_as(c, false, "client_closed");
}

static void
reap(struct fake_conn *c)
{
	if (c->fd >= 0)
		return;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	gw_buf_release(&c->in);
	gw_buf_release(&c->out);
	gw_buf_release(&c->url);
	gw_buf_release(&c->headers);
	gw_buf_release(&c->body);
	free(c);
}

void
fake_conn_free(struct fake_conn *c)
{
	fake_conn_close(c, false);
	reap(c);
}

/* --- output --- */

/* All is sent. A client that still sends is let finish: closing now would
 * reset the connection, and take the answer from it. */
static void
finish(struct fake_conn *c)
{
	if (!c->draining) {
		fake_conn_close(c, false);
		return;
	}
	c->closing = false;
	shutdown(c->fd, SHUT_WR);
	if (c->x.counted)
		fake_journal_end(c, "response_done");
	fake_exchange_clear(c);
	hear_first(c, 0);
	c->active_ms = gw_mono_ms();
}

static void
flush_out(struct fake_conn *c)
{
	void (*drained)(struct fake_conn *) = c->drained;
	ssize_t n;

	while (c->out_off < c->out.len) {
		n = send(c->fd, c->out.data + c->out_off,
			 c->out.len - c->out_off, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			ev_io_start(c->srv->loop, &c->wr);
			return;
		}
		if (n < 0) {
			client_closed(c);
			return;
		}
		c->out_off += (size_t)n;
	}
	ev_io_stop(c->srv->loop, &c->wr);
	gw_buf_clear(&c->out);
	c->out_off = 0;
	if (c->closing) {
		finish(c);
	} else if (drained) {
		c->drained = NULL;
		drained(c);
	}
}

void
fake_conn_write(struct fake_conn *c, const void *p, size_t n)
{
	ssize_t sent = 0;

	if (c->fd < 0)
		return;
	c->x.bytes += n;
	if (c->out.len == 0)
		sent = send(c->fd, p, n, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		client_closed(c);
		return;
	}
	sent = sent < 0 ? 0 : sent;
	if ((size_t)sent == n)
		return;
	if (gw_buf_append(&c->out, (const char *)p + sent, n - (size_t)sent)) {
		fprintf(stderr, "fake_llama: output too large\n");
		fake_conn_close(c, true);
		return;
	}
	ev_io_start(c->srv->loop, &c->wr);
}

static void
step_pipelined(struct fake_conn *c)
{
	struct gw_buf waiting = c->in;

	gw_buf_init(&c->in, FAKE_PIPELINE_MAX_BYTES);
	fake_intake(c, waiting.data, waiting.len);
	gw_buf_release(&waiting);
}

void
fake_conn_done(struct fake_conn *c)
{
	bool close_after = c->x.close_after;

	if (c->fd < 0)
		return;
	ev_timer_stop(c->srv->loop, &c->timer);
	c->drained = NULL;
	if (c->out.len && !close_after) {
		/* the exchange ends when its last byte is on its way */
		c->drained = fake_conn_done;
		return;
	}
	if (close_after) {
		c->closing = true;
		if (c->out.len == 0)
			finish(c);
		return;
	}
	if (c->x.counted)
		fake_journal_end(c, "response_done");
	fake_exchange_clear(c);
	hear_first(c, 0);
	gw_buf_clear(&c->url);
	gw_buf_clear(&c->headers);
	gw_buf_release(&c->body);
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->active_ms = gw_mono_ms();
	if (c->in.len)
		fake_conn_after(c, 0, step_pipelined);
}

/* --- events --- */

static void
on_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	static char chunk[READ_BYTES];
	struct fake_conn *c = w->data;
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);

	(void)loop;
	(void)revents;
	if (n > 0) {
		c->active_ms = gw_mono_ms();
		fake_intake(c, chunk, (size_t)n);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		client_closed(c);
	}
	reap(c);
}

static void
on_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct fake_conn *c = w->data;

	(void)loop;
	(void)revents;
	flush_out(c);
	reap(c);
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct fake_conn *c = w->data;

	(void)loop;
	(void)revents;
	c->step(c);
	reap(c);
}

void
fake_conn_after(struct fake_conn *c, double ms,
		void (*step)(struct fake_conn *c))
{
	if (c->fd < 0)
		return;
	c->step = step;
	c->waiting = false;
	ev_timer_stop(c->srv->loop, &c->timer);
	ev_timer_set(&c->timer, ms / 1000.0, 0.);
	ev_timer_start(c->srv->loop, &c->timer);
}

void
fake_conn_on_go(struct fake_conn *c, void (*step)(struct fake_conn *c))
{
	if (c->fd < 0)
		return;
	c->step = step;
	c->waiting = true;
	ev_timer_stop(c->srv->loop, &c->timer);
}

int
fake_conn_go(struct fake_server *srv)
{
	int n = fake_conn_waiting(srv);

	for (struct fake_conn *c = srv->conns; c; c = c->next)
		if (c->waiting)
			fake_conn_after(c, 0., c->step);
	return n;
}

int
fake_conn_waiting(const struct fake_server *srv)
{
	int n = 0;

	for (const struct fake_conn *c = srv->conns; c; c = c->next)
		n += c->waiting && c->fd >= 0;
	return n;
}

void
fake_conn_open(struct fake_server *srv, int fd)
{
	struct fake_conn *c = calloc(1, sizeof(*c));
	struct fake_stats *st = &srv->stats;
	int one = 1;

	if (!c) {
		close(fd);
		return;
	}
	c->srv = srv;
	c->fd = fd;
	c->id = ++st->connections;
	st->open++;
	st->open_max = st->open > st->open_max ? st->open : st->open_max;
	c->link = &srv->conns;
	c->next = srv->conns;
	if (c->next)
		c->next->link = &c->next;
	srv->conns = c;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->parser.data = c;
	gw_buf_init(&c->in, FAKE_PIPELINE_MAX_BYTES);
	gw_buf_init(&c->out, FAKE_OUT_MAX_BYTES);
	gw_buf_init(&c->url, FAKE_HEADERS_MAX_BYTES);
	gw_buf_init(&c->headers, FAKE_HEADERS_MAX_BYTES);
	gw_buf_init(&c->body, FAKE_BODY_MAX_BYTES);
	fake_exchange_clear(c);
	c->active_ms = gw_mono_ms();
	ev_io_init(&c->rd, on_readable, fd, EV_READ);
	ev_io_init(&c->wr, on_writable, fd, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->rd.data = c->wr.data = c->timer.data = c;
	ev_io_start(srv->loop, &c->rd);
}

void
fake_conn_sweep(struct fake_server *srv)
{
	uint64_t now = gw_mono_ms();
	struct fake_conn *next;

	for (struct fake_conn *c = srv->conns; c; c = next) {
		next = c->next;
		if (!c->x.active &&
		    now - c->active_ms > (uint64_t)srv->opt.idle_ms) {
			fake_conn_free(c);
		}
	}
}
