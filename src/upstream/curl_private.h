/* SPDX-License-Identifier: MIT */
/*
 * curl_private.h - shared by the curl_*.c files, the only ones that include
 * libcurl (src/config/url.c uses its URL parser).
 *
 * libcurl forbids removing a handle from inside one of its callbacks, and any
 * of ours may cancel. A cancelled transfer therefore only loses its owner there
 * (`ops` becomes NULL) and is taken down when libcurl has returned.
 */
#ifndef GW_UPSTREAM_CURL_PRIVATE_H
#define GW_UPSTREAM_CURL_PRIVATE_H

#include <curl/curl.h>

#include "upstream/transfer.h"

#define GW_IDLE_EASY_MAX 256  /* easy handles kept for reuse, in all */
#define GW_IDLE_EASY_PER_ADDRESS 64
#define GW_ADDRESSES 1024     /* places for addresses with handles of their own */
#define GW_HEAD_VALUE_MAX 256 /* bytes of a header value we hand on */
#define GW_HEAD_WORD_MAX 64   /* of one that is a word, a number or a date */

struct gw_transfer {
	struct gw_upstreams *upstreams;
	struct gw_transfer *prev, *next;
	struct gw_transfer *next_reap;
	CURL *easy;
	struct gw_curl_address *address; /* whose handle it is, or NULL */
	struct curl_slist *headers; /* all of them and their text: one piece */
	const struct gw_transfer_ops *ops; /* NULL = cancelled */
	void *arg;
	gw_transfer_read_fn *read;
	void *read_arg;
	uint64_t read_offset;
	bool reaping;
	bool paused;
	bool connected;
	uint64_t connected_ms; /* when it first was, CLOCK_MONOTONIC */
	uint64_t sent_ms;      /* when the request last began to go out */
	curl_socket_t fd;      /* what it waits for, CURL_SOCKET_BAD = none */
	bool barred;	       /* whoever was connected is to get nothing */
	bool silent;	       /* nothing acknowledged, at the latest look */
	bool vanished;	       /* ... and to be ended for that */
	bool retried;	       /* its connection was dead; sent once more */
	bool failed;	       /* libcurl keeps the errno in the handle */
	bool head_done;
	bool flooded; /* ... by headers or trailers */
	bool left;    /* its owner does not want the answer ... */
	enum gw_transfer_result left_as; /* ... for this reason */
	size_t header_bytes;
	struct gw_transfer_head head;
	char content_type[GW_HEAD_VALUE_MAX];
	char content_encoding[GW_HEAD_WORD_MAX];
	char retry_after[GW_HEAD_WORD_MAX];
	char detail[CURL_ERROR_SIZE];
};

struct gw_upstreams {
	struct ev_loop *loop;
	CURLM *multi;
	CURLSH *share; /* TLS sessions, of all handles */
	ev_timer timer;
	ev_timer look;	  /* are their hosts still there? curl_vanish.c */
	ev_prepare sleeps; /* see curl_loop.c */
	unsigned in_curl; /* depth of calls into libcurl */
	struct gw_transfer *transfers;
	struct gw_transfer *to_reap;
	bool due;	/* libcurl's timer has run out: see curl_loop.c */
	/* Tells libcurl of a socket; @mask  CURL_CSELECT_* */
	void (*on_ready)(struct gw_upstreams *u, curl_socket_t fd, int mask);
	struct gw_curl_socket **sockets; /* by descriptor, or NULL */
	size_t n_sockets;
	struct gw_curl_address *addresses[GW_ADDRESSES];
	unsigned n_idle; /* handles, of all addresses */
	size_t next_to_lose; /* the address that gives a place up next */
};

struct gw_curl_socket;
struct gw_curl_address;

/*
 * curl_sockets.c: gw_curl_on_socket is a CURLMOPT_SOCKETFUNCTION; a handle gets
 * the rest by gw_curl_sockets_of. Freed after the multi handle.
 */
int gw_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
		      void *socket_arg);
void gw_curl_sockets_of(struct gw_upstreams *u, CURL *easy);
void gw_curl_sockets_free(struct gw_upstreams *u);

/*
 * curl_handle.c: an easy handle for a transfer, with everything set that does
 * not change from one to the next of its address. 0; 1 when it is a new one and
 * has no callbacks yet; -1 when memory is out. Put back when libcurl has let go
 * of it.
 */
GW_MUSTCHECK int gw_curl_handle_take(struct gw_transfer *t,
				     const struct gw_transfer_request *req);
void gw_curl_handle_put_back(struct gw_transfer *t);
void gw_curl_handles_free(struct gw_upstreams *u);

/* gw_curl_settle - libcurl has returned: hand out results, free what was
 * cancelled. Does nothing while another call into libcurl is on the stack. */
void gw_curl_settle(struct gw_upstreams *u);

/* gw_transfer_finished - libcurl reports the end of a transfer; frees it. */
void gw_transfer_finished(struct gw_transfer *t, CURLcode code);

/*
 * gw_transfer_end - it has ended that way: frees it, then tells its owner, who
 * may start, cancel and end others. Not from inside a call into libcurl.
 */
void gw_transfer_end(struct gw_transfer *t, enum gw_transfer_result result);

/* gw_curl_result - what the end that libcurl reports means for a transfer. */
enum gw_transfer_result gw_curl_result(const struct gw_transfer *t,
				       CURLcode code);

/*
 * curl_vanish.c: while there are transfers, look once a second whether a host
 * has stopped acknowledging a request; that ends its transfer as
 * UNACKNOWLEDGED. init once; watch whenever a transfer begins (it stops by
 * itself); socket with what CURLMOPT_SOCKETFUNCTION tells.
 */
void gw_curl_vanish_init(struct gw_upstreams *u);
void gw_curl_vanish_watch(struct gw_upstreams *u);
void gw_curl_vanish_socket(CURL *easy, curl_socket_t fd, int what);
void gw_curl_vanish_stop(struct gw_upstreams *u);

/* gw_transfer_free - take it off libcurl and free it; no callback. */
void gw_transfer_free(struct gw_transfer *t);

#endif
