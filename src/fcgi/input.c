/* SPDX-License-Identifier: MIT */
/*
 * input.c - from received bytes to requests: whole records go through libfcgi,
 * their content to the owner. Never waits for the rest of a record.
 */
#include "fcgi/conn.h"

#include <string.h>
#include <sys/socket.h>

#define KEPT_BYTES 4096 /* of a buffer between its uses */

static void take_records(struct gw_fcgi_conn *c, const char *p, size_t n);

void
gw_input_next_request(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	size_t n = c->raw.len;

	if (!c->keep) {
		gw_conn_close(c);
		return;
	}
	c->finishing = false;
	c->wrote = false;
	c->served = true;
	gw_conn_rest(c);
	ev_io_start(f->loop, &c->readable);
	if (f->listen_fd < 0 && c->holds == 0 && gw_conn_retire(c))
		return;
	if (n > 0 && c->holds == 0) { /* it was sent ahead */
		memcpy(f->receive, c->raw.data, n);
		gw_buf_clear(&c->raw);
		take_records(c, f->receive, n);
	}
}

static void
put_record_head(char *out, const struct gw_record *rec)
{
	memcpy(out, rec->content - GW_RECORD_HEAD_BYTES, GW_RECORD_HEAD_BYTES);
	out[6] = 0; /* no padding: see exchange.h */
}

static size_t
put_record(char *out, const struct gw_record *rec)
{
	put_record_head(out, rec);
	memcpy(out + GW_RECORD_HEAD_BYTES, rec->content, rec->content_len);
	return (size_t)GW_RECORD_HEAD_BYTES + rec->content_len;
}

/*
 * mod_proxy_fcgi stops sending a body when its answer is complete, and uses the
 * kept connection for the next request: then the rest will never come.
 */
static bool
body_was_given_up(const struct gw_fcgi_conn *c)
{
	return c->input == GW_INPUT_BODY && c->finishing && !c->exchange &&
	       c->keep;
}

enum {
	ROLE_RESPONDER = 1,
	ROLE_AUTHORIZER = 2
};

static void
take_begin(struct gw_fcgi_conn *c, const struct gw_record *rec)
{
	char record[GW_RECORD_HEAD_BYTES + 8];

	if (body_was_given_up(c))
		gw_input_next_request(c);
	if (c->closed)
		return;
	if (c->input != GW_INPUT_IDLE || rec->content_len != 8 ||
	    rec->id == 0) {
		gw_conn_protocol_error(c, "unexpected BEGIN_REQUEST");
		return;
	}
	/* An authorizer is asked about a request's head, before its body. */
	if (rec->content[0] != 0 || (rec->content[1] != ROLE_RESPONDER &&
				     rec->content[1] != ROLE_AUTHORIZER)) {
		gw_conn_protocol_error(
			c, "a role other than responder and authorizer");
		return;
	}
	c->request_id = rec->id;
	c->keep = rec->content[2] & 1;
	c->asks_admission = rec->content[1] == ROLE_AUTHORIZER;
	gw_conn_wake(c);
	c->input = GW_INPUT_PARAMS;
	gw_conn_wait_input(c, c->front->limits.head_s);
	if (gw_buf_append(&c->params, record, put_record(record, rec)) < 0)
		gw_conn_gone(c);
}

static void
take_params_end(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	void *request;

	if (gw_params_check(c) < 0) {
		gw_conn_protocol_error(c, "damaged parameters");
		return;
	}
	c->exchange = gw_exchange_begin(f->writer, c->fd, c->params.data,
					c->params.len);
	if (!c->exchange) {
		gw_conn_protocol_error(c, "libfcgi refused the parameters");
		return;
	}
	gw_buf_release(&c->params); /* an answer may take minutes */
	c->input = GW_INPUT_BODY;
	gw_conn_wait_input(c, f->limits.input_s);
	c->counted = true;
	f->n_requests++;
	gw_client_watch_begin(c);
	request = f->ops->on_request(c, f->arg);
	if (c->closed || c->finishing || c->breaking)
		return; /* answered already, and forgotten by its owner */
	c->request = request;
	if (!request)
		gw_conn_close(c);
}

static void
take_params(struct gw_fcgi_conn *c, const struct gw_record *rec)
{
	char head[GW_RECORD_HEAD_BYTES];

	if (c->input != GW_INPUT_PARAMS) {
		gw_conn_protocol_error(c, "unexpected PARAMS");
		return;
	}
	put_record_head(head, rec);
	if (gw_buf_reserve(&c->params, sizeof(head) + rec->content_len) < 0 ||
	    gw_buf_append(&c->params, head, sizeof(head)) < 0 ||
	    gw_buf_append(&c->params, rec->content, rec->content_len) < 0) {
		gw_conn_protocol_error(c, "parameters over 128 KiB");
		return;
	}
	if (rec->content_len == 0)
		take_params_end(c);
}

/* It is not needed before the next request, an answer may take hours. */
static void
let_go(struct gw_buf *b)
{
	if (b->cap > KEPT_BYTES)
		gw_buf_release(b);
	else
		gw_buf_clear(b);
}

static void
body_ended(struct gw_fcgi_conn *c)
{
	c->input = GW_INPUT_COMPLETE;
	let_go(&c->raw);
	ev_timer_stop(c->front->loop, &c->input_timer);
	if (c->exchange)
		gw_exchange_read_all(c->exchange);
	if (c->request)
		c->front->ops->on_body_end(c->request);
	else if (c->finishing && !c->exchange)
		gw_input_next_request(c);
}

/* One STDIN record through libfcgi, its content to the owner. */
static int
read_record(struct gw_fcgi_conn *c, const struct gw_record *rec)
{
	struct gw_fcgi_front *f = c->front;
	size_t n = (size_t)GW_RECORD_HEAD_BYTES + rec->content_len;
	const char *bytes = (const char *)rec->content - GW_RECORD_HEAD_BYTES;

	if (n != rec->whole_len) {
		put_record(f->record, rec);
		bytes = f->record;
	}
	return gw_exchange_read(c->exchange, bytes, n, f->body,
				rec->content_len);
}

static void
take_stdin(struct gw_fcgi_conn *c, const struct gw_record *rec)
{
	struct gw_fcgi_front *f = c->front;

	if (c->input != GW_INPUT_BODY) {
		gw_conn_protocol_error(c, "unexpected STDIN");
		return;
	}
	if (c->exchange && read_record(c, rec) < 0) {
		gw_conn_protocol_error(c, "libfcgi refused the body");
		return;
	}
	if (rec->content_len == 0) {
		body_ended(c);
		return;
	}
	ev_timer_again(f->loop, &c->input_timer);
	if (c->exchange && c->request)
		f->ops->on_body(c->request, f->body, rec->content_len);
}

/* Whole, of this request's body, and not its end? */
static bool
is_body(const struct gw_fcgi_conn *c, const char *p, size_t n,
	struct gw_record *rec)
{
	return gw_record_read(p, n, rec) == 1 && rec->type == GW_RECORD_STDIN &&
	       rec->id == c->request_id && rec->content_len > 0;
}

/*
 * A client that sends a byte at a time fills the socket with thousands of tiny
 * records. So neighbours become one, in f->merged.
 * @rec  the first one at @p; replaced when others were added to it
 * Returns the bytes of all that it stands for now.
 */
static size_t
merge_body(struct gw_fcgi_conn *c, const char *p, size_t n,
	   struct gw_record *rec)
{
	char *out = c->front->merged;
	size_t taken = rec->whole_len, len = rec->content_len;
	struct gw_record next;

	if (!is_body(c, p + taken, n - taken, &next))
		return taken;
	put_record(out, rec);
	do {
		if (len + next.content_len > UINT16_MAX)
			break;
		memcpy(out + GW_RECORD_HEAD_BYTES + len, next.content,
		       next.content_len);
		len += next.content_len;
		taken += next.whole_len;
	} while (is_body(c, p + taken, n - taken, &next));
	out[4] = (char)(len >> 8);
	out[5] = (char)len;
	rec->content = (unsigned char *)out + GW_RECORD_HEAD_BYTES;
	rec->content_len = (uint16_t)len;
	rec->whole_len = GW_RECORD_HEAD_BYTES + len;
	return taken;
}

/* Returns the bytes taken from the records at @p. */
static size_t
take_body(struct gw_fcgi_conn *c, const char *p, size_t n,
	  struct gw_record *rec)
{
	size_t taken =
		rec->content_len ? merge_body(c, p, n, rec) : rec->whole_len;

	take_stdin(c, rec);
	return taken;
}

/* Returns the bytes taken from the record(s) at @p. */
static size_t
take_record(struct gw_fcgi_conn *c, const char *p, size_t n,
	    struct gw_record *rec)
{
	if (rec->type == GW_RECORD_BEGIN) {
		take_begin(c, rec);
	} else if (rec->id == 0 || rec->id != c->request_id) {
		/* Management records: none of the servers sends any. */
	} else if (rec->type == GW_RECORD_PARAMS) {
		take_params(c, rec);
	} else if (rec->type == GW_RECORD_ABORT) {
		gw_conn_gone(c);
	} else if (rec->type == GW_RECORD_STDIN) {
		return take_body(c, p, n, rec);
	}
	return rec->whole_len;
}

/* The one record that means something while the answer is under way. */
static bool
is_abort(const struct gw_fcgi_conn *c, const char *p, size_t n)
{
	struct gw_record rec;

	return n >= GW_RECORD_HEAD_BYTES && gw_record_read(p, n, &rec) >= 0 &&
	       rec.type == GW_RECORD_ABORT && rec.id == c->request_id;
}

/* A whole request is watched after a while only: see client_watch.h. */
static void
want_more(struct gw_fcgi_conn *c)
{
	if (c->input != GW_INPUT_COMPLETE)
		ev_io_start(c->front->loop, &c->readable);
}

/* Take every whole record of @p; what is left over waits in c->raw. */
static void
take_records(struct gw_fcgi_conn *c, const char *p, size_t n)
{
	struct gw_record rec;
	int whole;

	gw_conn_hold(c);
	while (!c->closed && c->input != GW_INPUT_COMPLETE) {
		whole = gw_record_read(p, n, &rec);
		if (whole < 0)
			gw_conn_protocol_error(c, "not FastCGI version 1");
		if (whole <= 0)
			break;
		size_t taken = take_record(c, p, n, &rec);

		p += taken;
		n -= taken;
	}
	if (!c->closed && c->input == GW_INPUT_COMPLETE && is_abort(c, p, n))
		gw_conn_gone(c);
	if (!c->closed && n > 0 && gw_buf_append(&c->raw, p, n) < 0)
		gw_conn_protocol_error(c, "more input than one request");
	if (!c->closed)
		want_more(c);
	gw_conn_unhold(c);
}

static void
on_readable_complete(struct gw_fcgi_conn *c)
{
	char head[GW_RECORD_HEAD_BYTES];
	ssize_t n = recv(c->fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);

	if (n == 0 && c->deaf) { /* shut here, not there: nothing to be seen */
		c->ignored = true;
		ev_io_stop(c->front->loop, &c->readable);
		return;
	}
	/* A half-close, by which lighttpd says that its client is gone, cannot
	 * be told from a close; a write would tell. */
	if (n == 0 && c->request)
		gw_conn_client_gone(c);
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
		 (n > 0 && is_abort(c, head, (size_t)n)))
		gw_conn_gone(c);
	else if (n > 0) { /* the next request of a kept connection */
		c->ignored = true;
		ev_io_stop(c->front->loop, &c->readable);
	}
}

void
gw_input_receive(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;
	size_t have = c->raw.len;
	ssize_t n;

	if (c->input == GW_INPUT_COMPLETE) {
		on_readable_complete(c);
		return;
	}
	/* What was left over goes in front, so that records lie in one piece.
	 */
	if (have)
		memcpy(f->receive, c->raw.data, have);
	n = recv(c->fd, f->receive + have, sizeof(f->receive) - have,
		 MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		gw_conn_gone(c);
		return;
	}
	if (n < 0) {
		want_more(c);
		return;
	}
	gw_buf_clear(&c->raw);
	take_records(c, f->receive, have + (size_t)n);
}

void
gw_input_on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	gw_input_receive(w->data);
}

void
gw_input_on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_fcgi_conn *c = w->data;

	(void)loop;
	(void)revents;
	if (c->breaking || (c->finishing && !c->exchange))
		gw_conn_close(c);
	else if (gw_conn_has_input(c)) /* this process was stopped, or slow */
		gw_input_receive(c);
	else if (c->input == GW_INPUT_IDLE && c->raw.len == 0)
		gw_conn_retire(c);
	else
		gw_conn_protocol_error(c,
				       "the web server stopped in mid-request");
}
