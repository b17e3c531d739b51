/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - libfcgi behind a door that cannot block.
 *
 * libfcgi reads 8 KiB at a time from ipcFd and blocks when the record it is in
 * has not arrived. Here only whole records without padding are written into a
 * socket pair, the hatch, that ipcFd points at while libfcgi reads. It consumes
 * exactly what was put in, so the pair is empty between two calls and one pair
 * serves every connection of the process. Writing goes to the real socket; the
 * caller has made sure that it has room.
 *
 * One thread a process.
 */
#ifndef GW_FCGI_EXCHANGE_H
#define GW_FCGI_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct gw_hatch;    /* one per process */
struct gw_exchange; /* one request and its answer, as libfcgi sees them */

/* gw_hatch_new - NULL with err INTERNAL. @capacity  most bytes of one feed. */
GW_MUSTCHECK struct gw_hatch *gw_hatch_new(size_t capacity, struct gw_err *err);
void gw_hatch_free(struct gw_hatch *h);

/*
 * gw_exchange_begin - let libfcgi parse the start of a request.
 * @fd       the connection; stays the caller's
 * @records  BEGIN_REQUEST and PARAMS up to the empty one, without padding, the
 *           lengths inside checked (record.h); the STDIN records behind them
 * may follow when they are there already
 * @reads    gw_exchange_read() calls that those STDIN records make possible
 * Returns an exchange the caller frees, or NULL when libfcgi refused.
 */
GW_MUSTCHECK struct gw_exchange *gw_exchange_begin(struct gw_hatch *h, int fd,
						   const char *records,
						   size_t n, unsigned reads);

/* gw_exchange_free - forget it, and what was fed and not read; writes nothing,
 * does not close the fd. */
void gw_exchange_free(struct gw_exchange *x);

/* gw_exchange_feed - whole STDIN records to be read next, by @reads calls of
 * gw_exchange_read(). 0 / -1. */
GW_MUSTCHECK int gw_exchange_feed(struct gw_exchange *x, const char *records,
				  size_t n, unsigned reads);

/*
 * gw_exchange_read - the content of what was fed.
 * @n  exactly the content bytes of the fed records; 0 = the end of the body was
 *     fed
 * Returns 0, or -1 when libfcgi saw something else.
 */
GW_MUSTCHECK int gw_exchange_read(struct gw_exchange *x, char *out, size_t n);

/* gw_exchange_param - a CGI parameter or NULL; valid as long as the exchange.
 */
const char *gw_exchange_param(const struct gw_exchange *x, const char *name);

/*
 * gw_exchange_write - write bytes of the answer now, in one write(2).
 * @n     at most GW_EXCHANGE_CHUNK
 * @last  the answer ends with them: the end records leave in the same write
 * Returns 0, or -1 when the peer is gone.
 */
GW_MUSTCHECK int gw_exchange_write(struct gw_exchange *x, const char *p,
				   size_t n, bool last);

/* libfcgi's output buffer holds 8192 bytes, record heads and end included. */
#define GW_EXCHANGE_CHUNK 7936

#endif
