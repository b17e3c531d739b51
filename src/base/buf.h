/* SPDX-License-Identifier: MIT */
/*
 * buf.h - a growing byte buffer that must state its maximum.
 *
 * Invariants: len <= cap <= max + 1; data[len] is always a readable '\0' once
 * data is not NULL, so a buffer of text is a C string too. A buffer never grows
 * past max: appending more is an error, never a truncation.
 */
#ifndef GW_BASE_BUF_H
#define GW_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/cleanup.h"

struct gw_buf {
	char *data;	/* NULL until the first byte */
	size_t len;	/* bytes in use, without the final '\0' */
	size_t cap;	/* bytes allocated */
	size_t max;	/* most bytes it may ever hold */
};

#define GW_BUF_INIT(max_bytes) { .max = (max_bytes) }

/* gw_buf_init - empty buffer in the caller's storage; @max 1 .. SIZE_MAX/4. */
void gw_buf_init(struct gw_buf *b, size_t max);

/* gw_buf_release - free the bytes; the buffer is empty and usable again. */
void gw_buf_release(struct gw_buf *b);

/* gw_buf_clear - forget the bytes, keep the allocation. */
void gw_buf_clear(struct gw_buf *b);

/*
 * gw_buf_reserve - make room for @more bytes beyond len.
 * Returns 0, or -1 when that passes max or memory is out (buffer unchanged).
 */
GW_MUSTCHECK int gw_buf_reserve(struct gw_buf *b, size_t more);

/*
 * gw_buf_fit - give back what is allocated behind len: for a buffer that is
 * complete and stays. Best effort.
 */
void gw_buf_fit(struct gw_buf *b);

/* gw_buf_append - copy @n bytes to the end. 0, or -1 as gw_buf_reserve. */
GW_MUSTCHECK int gw_buf_append(struct gw_buf *b, const void *p, size_t n);

/* gw_buf_puts - append a C string. 0, or -1 as gw_buf_reserve. */
GW_MUSTCHECK int gw_buf_puts(struct gw_buf *b, const char *s);

/*
 * gw_buf_join - append C strings, the last of which is followed by NULL.
 * 0, or -1 as gw_buf_reserve, with nothing appended. A tenth of gw_buf_printf's
 * time: for what every request writes.
 */
GW_MUSTCHECK int gw_buf_join(struct gw_buf *b, ...)
	__attribute__((sentinel));

/* gw_buf_printf - append formatted text. 0, or -1 as gw_buf_reserve. */
GW_MUSTCHECK int gw_buf_printf(struct gw_buf *b, const char *fmt, ...)
	GW_PRINTF(2, 3);

/* gw_buf_consume - drop the first @n bytes (n <= len); moves the rest down. */
void gw_buf_consume(struct gw_buf *b, size_t n);

#define gw_auto_buf GW_CLEANUP(gw_buf_release)

#endif
