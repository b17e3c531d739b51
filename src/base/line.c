/* SPDX-License-Identifier: MIT */
/* line.c - numbers as text; see line.h. */
#include "base/line.h"

#define DIGITS_MAX 20 /* of 2^64 */

void
gw_line_uint(struct gw_line *l, uint64_t n, unsigned digits)
{
	char text[DIGITS_MAX];
	unsigned at = DIGITS_MAX;

	while (n > 0 || at > DIGITS_MAX - digits) {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	}
	gw_line_bytes(l, text + at, DIGITS_MAX - at);
}

void
gw_line_hex(struct gw_line *l, uint64_t n)
{
	static const char digit[] = "0123456789abcdef";
	char text[16];

	for (unsigned at = sizeof(text); at-- > 0; n >>= 4)
		text[at] = digit[n & 15];
	gw_line_bytes(l, text, sizeof(text));
}
