/* SPDX-License-Identifier: MIT */
/*
 * fcgi_conn.h - the web server's side: FastCGI connections on an event loop.
 *
 * libfcgi speaks the protocol; this module decides when it may. libfcgi blocks
 * on every read until its record is there and takes EAGAIN for a dead stream,
 * so bytes are received here without blocking, libfcgi gets complete records
 * from memory (exchange.h), and answers are written only when the socket is
 * known to have room.
 *
 * One thread a process; nothing here blocks. A connection belongs to its front
 * and is valid until it was closed or finished; after on_gone or a finish the
 * owner must not use it again.
 */
#ifndef GW_FCGI_FCGI_CONN_H
#define GW_FCGI_FCGI_CONN_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GW_FCGI_PARAMS_MAX                                                     \
	(128u << 10) /* bytes of all parameters of a request */
#define GW_FCGI_QUEUE_MAX                                                      \
	(64u << 20) /* bytes of answer waiting to be written */
#define GW_FCGI_HIGH_WATER (64u << 10) /* relays pause above this backlog */
#define GW_FCGI_LOW_WATER (16u << 10)  /* and resume below this one */
#define GW_FCGI_INPUT_IDLE_S 300.0     /* silence in the middle of a request */
/* A client that takes nothing while something waits for it. */
#define GW_FCGI_CLIENT_IDLE_MS 300000
/* lighttpd takes an answer and its missing end, read in one go, for a whole
 * one: the head has to reach the client before the connection closes. */
#define GW_FCGI_BREAK_S 0.1
#define GW_FCGI_DRAIN_S 10.0 /* unread input behind an early answer */
/* From a new connection, or from BEGIN on a kept one, to the end of the
 * parameters: web servers connect when they have a request. */
#define GW_FCGI_HEAD_S 30.0
/* A kept connection without a request: longer than nginx keeps one, so that it
 * is the web server that closes. */
#define GW_FCGI_KEPT_S 120.0
#define GW_FCGI_LATE_S 1.0 /* for the head of a request, once draining */

struct gw_fcgi_front;
struct gw_fcgi_conn;

/*
 * A front holds so many connections and no more. A new one takes the place of
 * the one that has been without a request for longest; when all have requests
 * it waits to be accepted.
 */

/* What the owner of a front is told. @arg is the front's. */
struct gw_fcgi_ops {
	/* A request's parameters are complete. Returns the owner's object for
	 * it, or NULL when it cannot be served (the connection closes). */
	void *(*on_request)(struct gw_fcgi_conn *c, void *arg);
	/* Next bytes of the body, 1 .. 65535; not called after an answer was
	 * finished. */
	void (*on_body)(void *request, const char *p, size_t n);
	/* The body is complete. */
	void (*on_body_end)(void *request);
	/* The web server went away, or its client did: the web server says so,
	 * or the kernel (client_watch.h), within about a second. For the owner
	 * the connection is gone when this returns. */
	void (*on_gone)(void *request);
	/* The client took nothing for as long as gw_fcgi_limit_client() says.
	 * The connection closes as after on_gone. */
	void (*on_stalled)(void *request);
	/* The backlog fell below GW_FCGI_LOW_WATER after being above the high
	 * one. */
	void (*on_writable)(void *request);
};

/*
 * gw_fcgi_front_new - a front on an event loop.
 * @max_conns  connections held at one time
 * Returns a front the caller frees, or NULL with err INTERNAL.
 */
GW_MUSTCHECK struct gw_fcgi_front *
gw_fcgi_front_new(struct ev_loop *loop, const struct gw_fcgi_ops *ops,
		  void *arg, unsigned max_conns, struct gw_err *err);

/* gw_fcgi_front_free - close everything; open requests get their on_gone. */
void gw_fcgi_front_free(struct gw_fcgi_front *f);

/*
 * gw_fcgi_listen - accept connections of a listening socket.
 * @fd  made non-blocking; closed with the front. 0 / -1 (err INTERNAL).
 */
GW_MUSTCHECK int gw_fcgi_listen(struct gw_fcgi_front *f, int fd,
				struct gw_err *err);

/*
 * gw_fcgi_stop_accepting - close the listening socket and idle connections;
 * open requests go on. What had connected or sent a request before is still
 * served: see gw_fcgi_unfinished().
 */
void gw_fcgi_stop_accepting(struct gw_fcgi_front *f);

/* gw_fcgi_open_requests - requests between on_request and their end. */
unsigned gw_fcgi_open_requests(const struct gw_fcgi_front *f);

/*
 * gw_fcgi_unfinished - the same, and connections that may be about to send one.
 * After gw_fcgi_stop_accepting() the latter are served or gone within
 * GW_FCGI_LATE_S.
 */
unsigned gw_fcgi_unfinished(const struct gw_fcgi_front *f);

/*
 * gw_fcgi_param - a parameter of the request, or NULL.
 * Valid until the request ends.
 */
const char *gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name);

/*
 * gw_fcgi_has_param - does the request have a parameter whose name begins so?
 * @prefix  "HTTP_X_FORWARDED_": also of no value. Looks at all of them.
 */
bool gw_fcgi_has_param(const struct gw_fcgi_conn *c, const char *prefix);

/*
 * gw_fcgi_params_clean - may parameters be put into a header or a log line?
 * False when one of what the client sent (HTTP_*, CONTENT_*, REQUEST_*)
 * holds a control byte other than a tab. No web server lets that
 * pass; who speaks FastCGI himself can send it.
 */
bool gw_fcgi_params_clean(const struct gw_fcgi_conn *c);

/*
 * gw_fcgi_is_from_here - does the web server that sent the request run on this
 * host? True on a unix socket, and on TCP where its address is a loopback one or
 * the one it connected to. Two system calls on TCP, none else; false when they
 * fail.
 */
bool gw_fcgi_is_from_here(const struct gw_fcgi_conn *c);

/*
 * gw_fcgi_asks_admission - is it a question (FastCGI's authorizer) whether a
 * request may come whose body the web server has not read? A 200 says yes.
 */
bool gw_fcgi_asks_admission(const struct gw_fcgi_conn *c);

/*
 * gw_fcgi_write - queue bytes of the answer (CGI headers first).
 * They leave in this turn of the event loop, in as few writes as possible.
 * Returns 0, or -1 when GW_FCGI_QUEUE_MAX would be passed or memory is out.
 */
GW_MUSTCHECK int gw_fcgi_write(struct gw_fcgi_conn *c, const void *p, size_t n);

/*
 * gw_fcgi_limit_client - cut a client off that takes nothing for so long while
 * bytes of its answer wait, the time after gw_fcgi_finish() included.
 * @ms  0 = never; until it is called GW_FCGI_CLIENT_IDLE_MS
 */
void gw_fcgi_limit_client(struct gw_fcgi_conn *c, uint32_t ms);

/* gw_fcgi_backlog - bytes queued and not yet given to the socket. */
size_t gw_fcgi_backlog(const struct gw_fcgi_conn *c);

/*
 * gw_fcgi_finish - the answer is complete. What is queued still leaves; the
 * connection then serves the next request or closes. The request gets no
 * further callback.
 */
void gw_fcgi_finish(struct gw_fcgi_conn *c);

/*
 * gw_fcgi_abort - break the answer off so that the web server notices: what is
 * queued still leaves, then the connection closes without an end record. The
 * request gets no further callback.
 */
void gw_fcgi_abort(struct gw_fcgi_conn *c);

#endif
