/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - libfcgi behind a door that cannot block.
 *
 * libfcgi reads 8 KiB at a time from ipcFd and blocks when the record it is in
 * has not arrived. Here it reads from memory, in which whole records without
 * padding lie: it reads through a function that the program replaces
 * (exchange.c). It consumes exactly what it is given. Writing goes to the real
 * socket; the caller has made sure that it has room.
 *
 * Its streams hold 17 KiB of buffers. An exchange gives its input up when the
 * request was read, and its output with the first part of an answer that comes
 * in parts; then the process's one writer writes for it.
 *
 * One thread a process.
 */
#ifndef GW_FCGI_EXCHANGE_H
#define GW_FCGI_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct gw_writer;   /* one per process */
struct gw_exchange; /* one request and its answer, as libfcgi sees them */

/* gw_writer_new - NULL with err INTERNAL: memory is out, or this libfcgi cannot
 * be made to read from memory. Freed after the last exchange. */
GW_MUSTCHECK struct gw_writer *gw_writer_new(struct gw_err *err);
void gw_writer_free(struct gw_writer *w);

/*
 * gw_exchange_begin - let libfcgi parse the start of a request.
 * @fd       the connection; stays the caller's
 * @records  BEGIN_REQUEST and PARAMS up to the empty one, without padding, the
 *           lengths inside checked (record.h)
 * Returns an exchange the caller frees, or NULL when libfcgi refused.
 */
GW_MUSTCHECK struct gw_exchange *
gw_exchange_begin(struct gw_writer *w, int fd, const char *records, size_t n);

/* gw_exchange_free - forget it; writes nothing, does not close the fd. */
void gw_exchange_free(struct gw_exchange *x);

/*
 * gw_exchange_read - the content of the request's next STDIN record.
 * @records  the record, without padding
 * @content  bytes of it, which @out has room for; 0 = it ends the body
 * Returns 0, or -1 when libfcgi saw something else.
 */
GW_MUSTCHECK int gw_exchange_read(struct gw_exchange *x, const char *records,
				  size_t n, char *out, size_t content);

/* gw_exchange_read_all - the body was read; nothing is read after this. */
void gw_exchange_read_all(struct gw_exchange *x);

/* gw_exchange_param - a CGI parameter or NULL; valid as long as the exchange.
 * @name  not empty
 */
const char *gw_exchange_param(const struct gw_exchange *x, const char *name);

/* gw_exchange_has_param - is there one whose name begins with @prefix? */
bool gw_exchange_has_param(const struct gw_exchange *x, const char *prefix);

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
