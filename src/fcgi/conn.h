/* SPDX-License-Identifier: MIT */
/*
 * conn.h - a connection from the web server, shared by the files of this
 * folder only. Who calls whom, from the top down: front.c (accepting), output.c
 * (what leaves), input.c (what comes), client_watch.c, conn.c (its end), fresh.c,
 * queue.c (what the owner of a request says).
 */
#ifndef GW_FCGI_CONN_H
#define GW_FCGI_CONN_H

#include "base/buf.h"
#include "base/log.h"
#include "fcgi/client_watch.h"
#include "fcgi/exchange.h"
#include "fcgi/fcgi_conn.h"
#include "fcgi/record.h"

#define GW_FCGI_RECEIVE_BYTES (2 * GW_RECORD_MAX_BYTES)

enum gw_fcgi_input {
	GW_INPUT_IDLE,	  /* between requests */
	GW_INPUT_PARAMS,  /* BEGIN seen, parameters incomplete */
	GW_INPUT_BODY,	  /* parameters known, body incomplete */
	GW_INPUT_COMPLETE /* the whole request was read */
};

struct gw_fcgi_conn {
	struct gw_fcgi_front *front;
	struct gw_fcgi_conn *prev, *next; /* all of the front */
	struct gw_fcgi_conn *prev_dirty, *next_dirty;
	struct gw_fcgi_conn *prev_idle, *next_idle; /* GW_INPUT_IDLE */
	struct gw_fcgi_conn *prev_fresh, *next_fresh; /* client_watch.c */
	int fd;
	ev_io readable;
	ev_io writable;
	ev_timer input_timer;
	ev_timer stall_timer; /* while the socket is full */
	uint64_t taken_ms;    /* when it last took something */
	uint32_t client_idle_ms;
	enum gw_fcgi_input input;
	unsigned holds; /* calls under way that use this struct */
	uint16_t request_id;
	bool closed;	/* freed when the last hold ends */
	bool keep;	/* FCGI_KEEP_CONN */
	bool asks_admission; /* the role of an authorizer */
	bool counted;	/* in front->n_requests */
	bool finishing; /* the answer is complete, its queue may not be */
	bool wrote;	/* bytes of this answer have left */
	bool breaking;	/* the answer broke off: close when the queue left */
	bool dirty;
	bool fresh;  /* its request is too young to be watched */
	bool ignored; /* its input waits for the end of this answer */
	bool above_high_water;
	bool is_unix;
	bool clean;  /* see gw_fcgi_params_clean() */
	bool served; /* it is not the first request's turn any more */
	bool deaf;   /* its reading side was shut here: see gw_conn_retire() */
	enum gw_client client;	/* client_watch.c */
	uint64_t looked_ms;	/* when, CLOCK_MONOTONIC; at first: begun */
	uint64_t acked_bytes;	/* its client took, at the last look at that */
	long write_credit; /* bytes that surely fit into the socket */
	long write_credit_full;
	void *request;		      /* the owner's; NULL before and after */
	struct gw_exchange *exchange; /* NULL before and after */
	struct gw_buf raw;	      /* an incomplete record */
	struct gw_buf params; /* records up to the end of the parameters */
	struct gw_buf out;
	size_t out_sent;
};

/* Seconds; fields so that tests need not wait for them. */
struct gw_fcgi_limits {
	double head_s, kept_s, late_s, input_s;
};

struct gw_fcgi_front {
	struct ev_loop *loop;
	struct gw_fcgi_limits limits;
	const struct gw_fcgi_ops *ops;
	void *arg;
	int listen_fd;
	struct gw_writer *writer;
	ev_io acceptable;
	ev_timer accept_pause;
	ev_prepare flush;
	struct gw_client_watch client_watch;
	struct gw_fcgi_conn *conns;
	struct gw_fcgi_conn *dirty;
	struct gw_fcgi_conn *idle, *idle_last; /* longest idle first */
	unsigned n_conns, n_requests, max_conns;
	long unix_credit; /* 0 = not asked yet */
	struct gw_log_limit limit;
	char receive[GW_FCGI_RECEIVE_BYTES];
	char record[GW_RECORD_MAX_BYTES]; /* one without its padding */
	char merged[GW_RECORD_MAX_BYTES];
	char body[65536];
};

/* ---- conn.c: life -------------------------------------------------------- */

/* Between hold and unhold the struct stays, even when it is closed meanwhile.
 */
void gw_conn_hold(struct gw_fcgi_conn *c);
/* False when it was closed: it may be freed now. */
bool gw_conn_unhold(struct gw_fcgi_conn *c);

void gw_conn_close(struct gw_fcgi_conn *c);

/* It waits for a request from now on / it has one, or is closed. */
void gw_conn_rest(struct gw_fcgi_conn *c);
void gw_conn_wake(struct gw_fcgi_conn *c);

/* Does it have input that was not looked at? */
bool gw_conn_has_input(const struct gw_fcgi_conn *c);

/*
 * Close a connection that waits for a request, unless one has arrived: that
 * one is going to be served. Returns true when it was closed.
 */
bool gw_conn_retire(struct gw_fcgi_conn *c);

/* Wait for input for so long. */
void gw_conn_wait_input(struct gw_fcgi_conn *c, double seconds);

/* The peer is gone: tell the owner once, then close. */
void gw_conn_gone(struct gw_fcgi_conn *c);

/* The web server is there, its client is gone: tell the owner once, and break
 * the answer off, or give a bare 499 where none has begun. */
void gw_conn_client_gone(struct gw_fcgi_conn *c);

/* The client takes nothing any more: tell the owner once, then close. */
void gw_conn_stalled(struct gw_fcgi_conn *c);

/* gw_conn_gone() with a line in the log. */
void gw_conn_protocol_error(struct gw_fcgi_conn *c, const char *what);

/* It is no open request of the front any more. */
void gw_conn_uncount(struct gw_fcgi_conn *c);

/* ---- input.c ------------------------------------------------------------- */

/* Receive what is there, without blocking. */
void gw_input_receive(struct gw_fcgi_conn *c);

/* Answer sent and request read: serve the next one, or close. */
void gw_input_next_request(struct gw_fcgi_conn *c);

void gw_input_on_readable(struct ev_loop *loop, ev_io *w, int revents);
void gw_input_on_timer(struct ev_loop *loop, ev_timer *w, int revents);

/* ---- output.c ------------------------------------------------------------ */

void gw_output_on_writable(struct ev_loop *loop, ev_io *w, int revents);
void gw_output_on_stall(struct ev_loop *loop, ev_timer *w, int revents);
/* Runs before the loop sleeps: one flush covers all that this turn queued. */
void gw_output_on_flush(struct ev_loop *loop, ev_prepare *w, int revents);

/* ---- params.c ------------------------------------------------------------ */

/* All parameters are there. 0, or -1: libfcgi must not see them. Sets `clean`. */
int gw_params_check(struct gw_fcgi_conn *c);

/* ---- peer.c -------------------------------------------------------------- */

struct sockaddr_storage;

/* Is the other end of a connection a process of this host: is it a unix socket, or
 * its address a loopback one or the connection's own address here? */
bool gw_peer_is_here(const struct sockaddr_storage *peer,
		     const struct sockaddr_storage *own);

/* ---- fresh.c ------------------------------------------------------------- */

/* Begin a request's time on the list of those too young to be watched; end it:
 * safe twice. */
void gw_fresh_add(struct gw_fcgi_conn *c);
void gw_fresh_remove(struct gw_fcgi_conn *c);

/* ---- queue.c ------------------------------------------------------------- */

/* Take a connection off the list of those with bytes to flush. */
void gw_queue_undirty(struct gw_fcgi_conn *c);

#endif
