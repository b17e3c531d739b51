/* SPDX-License-Identifier: MIT */
/* secret.h - words that nobody can guess. */
#ifndef GW_BASE_SECRET_H
#define GW_BASE_SECRET_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/cleanup.h"

/*
 * gw_secret_hex - @n random bytes as 2 * @n hexadecimal digits and a '\0'.
 * @n  1 .. 256
 * Returns 0, or -1 with errno: the kernel has no randomness yet. Does not block.
 */
GW_MUSTCHECK static inline int
gw_secret_hex(char *out, size_t n)
{
	unsigned char bits[256];

	if (n > sizeof(bits)) {
		errno = EINVAL;
		return -1;
	}
	if (getrandom(bits, n, GRND_NONBLOCK) != (ssize_t)n)
		return -1;
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", bits[i]);
	return 0;
}

#endif
