/* SPDX-License-Identifier: MIT */
/*
 * line.h - text put together in storage of the caller's, without printf: for
 * what is written with every request. What does not fit is cut.
 *
 * Pure: no I/O, no allocation, any thread.
 */
#ifndef GW_BASE_LINE_H
#define GW_BASE_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct gw_line {
	char *text; /* not ended by '\0' */
	size_t len, cap;
};

/* gw_line_bytes - append @n bytes, or as many as fit. */
static inline void
gw_line_bytes(struct gw_line *l, const char *p, size_t n)
{
	if (n > l->cap - l->len)
		n = l->cap - l->len;
	memcpy(l->text + l->len, p, n);
	l->len += n;
}

/* gw_line_puts - append a string. */
static inline void
gw_line_puts(struct gw_line *l, const char *s)
{
	gw_line_bytes(l, s, strlen(s));
}

/* gw_copy_text - as much of a string as @cap bytes hold, ended by '\0'. */
static inline void
gw_copy_text(char *out, size_t cap, const char *value)
{
	size_t n = strnlen(value, cap - 1);

	memcpy(out, value, n);
	out[n] = '\0';
}

/*
 * gw_line_uint - append a number in decimal.
 * @digits  at least so many (1 to 20), with zeros in front
 */
void gw_line_uint(struct gw_line *l, uint64_t n, unsigned digits);

/* gw_line_hex - append a number's 16 hexadecimal digits. */
void gw_line_hex(struct gw_line *l, uint64_t n);

#endif
