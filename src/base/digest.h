/* SPDX-License-Identifier: MIT */
/*
 * digest.h - SHA-256, for keys: what is compared and shown in their place.
 *
 * Not for tables of names (hash.h): this one costs more and cannot be guessed
 * backwards.
 */
#ifndef GW_BASE_DIGEST_H
#define GW_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_DIGEST_BYTES 32
#define GW_DIGEST_TEXT 65 /* 64 hexadecimal digits and '\0' */

/*
 * gw_digest - the SHA-256 of some bytes.
 * @p    @n bytes; NULL only with @n 0
 * @out  filled
 * Cannot fail, allocates nothing. Pure, so fit for any process and thread.
 */
void gw_digest(const void *p, size_t n, uint8_t out[static GW_DIGEST_BYTES]);

/*
 * gw_digest_hex - a digest as `printf %s KEY | sha256sum` prints it.
 * @out  64 small hexadecimal digits and '\0'
 * Pure.
 */
void gw_digest_hex(const uint8_t digest[static GW_DIGEST_BYTES],
		   char out[static GW_DIGEST_TEXT]);

/*
 * gw_digest_read - the other way; large digits are fine, too.
 * @text, @len  exactly 64 hexadecimal digits
 * @out         filled, or untouched when it is something else
 * Returns whether it was a digest. Pure.
 */
bool gw_digest_read(const char *text, size_t len,
		    uint8_t out[static GW_DIGEST_BYTES]);

/*
 * gw_digest_same - are two digests one? Takes equally long whatever they hold.
 * Pure.
 */
bool gw_digest_same(const uint8_t a[static GW_DIGEST_BYTES],
		    const uint8_t b[static GW_DIGEST_BYTES]);

#endif
