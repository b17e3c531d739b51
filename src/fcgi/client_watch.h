/* SPDX-License-Identifier: MIT */
/*
 * client_watch.h - notices clients that left while they wait for an answer: by
 * what the web server does with its connection, and by asking the kernel about
 * theirs to the web server, one look a second each. For the files of this folder
 * only.
 *
 * Most requests are answered within milliseconds, and pay for none of it: both
 * begin when a request has waited for GW_CLIENT_PATIENCE_MS. Only the first one
 * of a client's connection is looked at when it comes: one that is reset later
 * leaves nothing by which it could be told from a connection of another host.
 *
 * State: a netlink socket and two timers of the front's, which run only while
 * there are requests; of each connection what the last look found. Nothing of
 * it outlives the process.
 */
#ifndef GW_FCGI_CLIENT_WATCH_H
#define GW_FCGI_CLIENT_WATCH_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct gw_fcgi_conn;
struct gw_fcgi_front;

/* What is known of the client of a request. */
enum gw_client {
	GW_CLIENT_UNKNOWN,   /* not looked at yet */
	GW_CLIENT_SEEN,	     /* its connection stood at the last look */
	GW_CLIENT_GONE,	     /* it closed it, or its sending side */
	GW_CLIENT_ELSEWHERE, /* no connection of this host: not looked at again
			      */
};

#define GW_CLIENT_PATIENCE_MS 50
#define GW_CLIENTS_KNOWN 4096 /* places; a connection without one is looked at */

struct gw_client_watch {
	int fd; /* of netlink; -1 = the kernel cannot be asked, nobody is
		   watched */
	uint32_t seq;
	ev_timer tick;
	ev_timer patience; /* while one of the fresh ones waits */
	struct gw_fcgi_conn *fresh, *fresh_last; /* longest waiting first */
	uint64_t known[GW_CLIENTS_KNOWN]; /* hashes of connections of this host */
};

/* gw_client_watch_init - for a new front. Cannot fail: see fd. */
void gw_client_watch_init(struct gw_fcgi_front *f);

/*
 * gw_client_watch_begin - the parameters of a request are complete. Some time
 * later its connection is watched if nothing else has begun that, and it is
 * looked whether its client's connection stands (that it is one of this host was
 * found now, or with an earlier request on it); from then on
 * until the answer begins that is looked at again and again. When the client has
 * left, gw_conn_client_gone() is called from the event loop.
 */
void gw_client_watch_begin(struct gw_fcgi_conn *c);

/*
 * gw_client_watch_takes - has the client of an answer that does not move taken
 * any of it since the last look at that? At the first look any byte counts.
 * False as well where its connection is none of this host.
 */
bool gw_client_watch_takes(struct gw_fcgi_conn *c);

/* gw_client_watch_free - with the front. */
void gw_client_watch_free(struct gw_fcgi_front *f);

#endif
