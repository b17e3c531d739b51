/* SPDX-License-Identifier: MIT */
/* digest.c - the one place that asks libcrypto for a hash. */
#include "base/digest.h"

#include <openssl/sha.h>
#include <string.h>

_Static_assert(GW_DIGEST_BYTES == SHA256_DIGEST_LENGTH,
	       "a digest is what libcrypto fills");

void
gw_digest(const void *p, size_t n, uint8_t out[static GW_DIGEST_BYTES])
{
	SHA256(n ? p : (const void *)"", n, out);
}

void
gw_digest_hex(const uint8_t digest[static GW_DIGEST_BYTES],
	      char out[static GW_DIGEST_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < GW_DIGEST_BYTES; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * (size_t)GW_DIGEST_BYTES] = '\0';
}

/* The value of a hexadecimal digit, or -1. */
static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
gw_digest_read(const char *text, size_t len,
	       uint8_t out[static GW_DIGEST_BYTES])
{
	uint8_t bytes[GW_DIGEST_BYTES];

	if (len != 2 * (size_t)GW_DIGEST_BYTES)
		return false;
	for (size_t i = 0; i < GW_DIGEST_BYTES; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(out, bytes, sizeof(bytes));
	return true;
}

bool
gw_digest_same(const uint8_t a[static GW_DIGEST_BYTES],
	       const uint8_t b[static GW_DIGEST_BYTES])
{
	volatile uint8_t differ = 0;

	for (size_t i = 0; i < GW_DIGEST_BYTES; i++)
		differ = (uint8_t)(differ | (a[i] ^ b[i]));
	return differ == 0;
}
