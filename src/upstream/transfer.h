/* SPDX-License-Identifier: MIT */
/*
 * transfer.h - HTTP to upstreams: libcurl's multi interface on the event loop.
 *
 * Nothing here blocks: names are resolved by libcurl's resolver thread, and
 * cancelling does not wait for it. Connections are kept and reused; one
 * that turns out dead is retried once on a fresh one by libcurl itself. Proxies
 * of the environment are not used, redirects not followed.
 */
#ifndef GW_UPSTREAM_TRANSFER_H
#define GW_UPSTREAM_TRANSFER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GW_HEADERS_MAX (64u << 10) /* bytes of an answer's heads and trailers */

enum gw_transfer_result {
#define RESULT(name, code, text) GW_TRANSFER_##name,
#include "upstream/transfer_result.def"
#undef RESULT
	GW_TRANSFER__MAX
};

struct gw_upstreams;	/* one per process: the multi handle and its pools */
struct gw_transfer;	/* one HTTP exchange */

/* What an answer's head says; valid during on_head. */
struct gw_transfer_head {
	int status;
	const char *content_type;	/* "" when absent */
	const char *content_encoding;	/* "" when absent or without effect */
	const char *retry_after;	/* "" when absent */
	int64_t content_length;		/* -1 = unknown */
};

/* Called on the event loop. Any of them may call gw_transfer_cancel(). */
struct gw_transfer_ops {
	/* The connection stands, a kept one perhaps, and nothing was sent yet.
	 * False: nothing will be, it ends as STRANGER. Must not start, end or
	 * cancel transfers. NULL = true. */
	bool (*may_send)(void *arg);
	/* The connection stands and the request goes out. May be NULL. */
	void (*on_connected)(void *arg);
	void (*on_head)(void *arg, const struct gw_transfer_head *head);
	/* Bytes of the body; false = not taken: deliver them again after
	 * gw_transfer_resume(). */
	bool (*on_data)(void *arg, const char *p, size_t n);
	/* Its host has not acknowledged the request for some seconds (it may
	 * have got it all the same). True: end it now as UNACKNOWLEDGED, there
	 * is another one to turn to; else it is asked again a second later, for
	 * a minute in all. Must not start or end transfers. NULL = false. */
	bool (*may_leave)(void *arg);
	/* The end; the transfer does not exist any more. @detail is libcurl's
	 * own message ("" = none), valid during the call. */
	void (*on_done)(void *arg, enum gw_transfer_result result,
			const char *detail);
};

/* Reads the next piece of a large request body; 0 = end. */
typedef size_t gw_transfer_read_fn(void *arg, uint64_t offset, char *out,
				   size_t cap);

/* Whose certificates are good; all zero: those of the system's authorities. */
struct gw_transfer_tls {
	const char *ca;			/* PEM: these instead; copied */
	size_t ca_len;
	bool insecure;			/* any will do */
};

struct gw_transfer_request {
	const char *url;		/* absolute; copied */
	const char *bearer;		/* copied; NULL = no Authorization */
	const char *const *headers;	/* "Name: value", copied */
	size_t n_headers;
	bool post;			/* else GET */
	const char *body;		/* POST: must live as long as the transfer;
					 * NULL = read it with `read` */
	uint64_t body_len;
	gw_transfer_read_fn *read;
	void *read_arg;
	struct gw_transfer_tls tls;
	bool trickles;			/* the answer comes in small pieces,
					 * for long: less memory, more reads
					 * if it does not */
	uint32_t connect_ms;		/* 0 = no limit */
	uint32_t total_ms;		/* 0 = no limit (probes use it) */
};

/* gw_upstreams_new - the process's side to upstreams. NULL with err INTERNAL. */
GW_MUSTCHECK struct gw_upstreams *gw_upstreams_new(struct ev_loop *loop,
						   struct gw_err *err);

/* gw_upstreams_free - cancel everything (no callbacks) and close. */
void gw_upstreams_free(struct gw_upstreams *u);

/*
 * gw_transfer_start - begin an exchange.
 * @ops  static; @arg is theirs
 * Returns the transfer, or NULL with err INTERNAL. No callback runs before this
 * returns.
 */
GW_MUSTCHECK struct gw_transfer *
gw_transfer_start(struct gw_upstreams *u, const struct gw_transfer_request *req,
		  const struct gw_transfer_ops *ops, void *arg,
		  struct gw_err *err);

/* gw_transfer_resume - deliver what on_data refused. */
void gw_transfer_resume(struct gw_transfer *t);

/*
 * gw_transfer_cancel - end it now: the connection closes (unless the answer was
 * complete), no further callback. Allowed inside callbacks.
 */
void gw_transfer_cancel(struct gw_transfer *t);

/*
 * gw_transfer_leave - inside on_head or on_data: this answer is not wanted. The connection
 * closes, and on_done tells @result as soon as libcurl has returned: only then
 * another transfer can be started.
 */
void gw_transfer_leave(struct gw_transfer *t, enum gw_transfer_result result);

/* gw_transfer_is_over - inside one of its events: it was cancelled or left. */
bool gw_transfer_is_over(const struct gw_transfer *t);

/* gw_transfer_sent - request body bytes that have left. */
uint64_t gw_transfer_sent(const struct gw_transfer *t);

/* Rows of transfer_result.def; static storage. */
const char *gw_transfer_reason(enum gw_transfer_result result);
enum gw_code gw_transfer_code(enum gw_transfer_result result);

#endif
