/* SPDX-License-Identifier: MIT */
/*
 * coding.h - the Content-Encoding of an upstream's answer, undone.
 *
 * Upstreams are not asked to compress, and what one compresses all the same is
 * passed on as it is, with its header. Only a client that has its 200 already
 * cannot be told of a coding any more: for it the bytes are decoded here.
 */
#ifndef GW_UPSTREAM_CODING_H
#define GW_UPSTREAM_CODING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct gw_coding; /* one answer on its way through the decoder */

/*
 * gw_coding_is_plain - does a Content-Encoding change nothing?
 * @name  its value, any case; "" = there is none
 */
bool gw_coding_is_plain(const char *name);

/*
 * gw_coding_new - a decoder.
 * @name  the value of Content-Encoding: gzip, x-gzip or deflate, any case
 * Returns it, the caller frees it; or NULL: another coding, or no memory.
 */
GW_MUSTCHECK struct gw_coding *gw_coding_new(const char *name);

/* gw_coding_free - NULL is allowed. */
void gw_coding_free(struct gw_coding *c);

/*
 * gw_coding_step - decode as much as there is room for.
 * @p, @n  the coded bytes; moved past what was taken
 * @out    storage of @cap bytes, > 0
 * @got    set to the bytes in @out; @cap of them: call again, even with no
 *         coded bytes left
 * Returns 0, or -1 when the bytes are not of this coding. What stands behind
 * the end of the coded bytes is taken and dropped. Memory: 48 KiB, whatever
 * comes.
 */
GW_MUSTCHECK int gw_coding_step(struct gw_coding *c, const char **p, size_t *n,
				char *out, size_t cap, size_t *got);

/* gw_coding_is_whole - is nothing missing? Also before any byte came. */
bool gw_coding_is_whole(const struct gw_coding *c);

#endif
