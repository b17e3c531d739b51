/* SPDX-License-Identifier: MIT */
/*
 * scan.h - looks for single bytes in text, eight at a time.
 *
 * Pure: no I/O, no allocation, any thread. Method: "Bit Twiddling Hacks"
 * (S. E. Anderson), hasless() and haszero(): exact about whether there is one.
 */
#ifndef GW_BASE_SCAN_H
#define GW_BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GW_SCAN_ONES (UINT64_MAX / 255)	      /* 0x01 in each byte */
#define GW_SCAN_HIGH (GW_SCAN_ONES << 7)      /* 0x80 in each byte */

/* Not 0 when one of the eight bytes is below @limit (1 to 128). */
static inline uint64_t
gw_scan_less(uint64_t word, unsigned limit)
{
	return (word - GW_SCAN_ONES * limit) & ~word & GW_SCAN_HIGH;
}

/* Not 0 when one of the eight bytes is @byte. */
static inline uint64_t
gw_scan_equal(uint64_t word, unsigned char byte)
{
	return gw_scan_less(word ^ GW_SCAN_ONES * byte, 1);
}

static inline bool
gw_is_control(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* gw_has_control - is there a control byte other than a tab? */
static inline bool
gw_has_control(const char *p, size_t n)
{
	uint64_t word;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		if (gw_scan_less(word, 0x20) | gw_scan_equal(word, 0x7f))
			for (size_t i = 0; i < sizeof(word); i++)
				if (gw_is_control((unsigned char)p[i]))
					return true;
	}
	for (size_t i = 0; i < n; i++)
		if (gw_is_control((unsigned char)p[i]))
			return true;
	return false;
}

/* gw_find_either - where the first @a or @b is; @n when there is none. */
static inline size_t
gw_find_either(const char *p, size_t n, char a, char b)
{
	size_t i = 0;
	uint64_t word;

	for (; i + sizeof(word) <= n; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if (gw_scan_equal(word, (unsigned char)a) |
		    gw_scan_equal(word, (unsigned char)b))
			break;
	}
	while (i < n && p[i] != a && p[i] != b)
		i++;
	return i;
}

#endif
