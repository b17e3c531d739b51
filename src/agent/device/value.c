/* SPDX-License-Identifier: MIT */
/*
 * value.c - the numbers and names that vendor tools print. Whatever is
 * not exactly a number is unknown, never a guess and never an error.
 */
#include "agent/device/internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

#define DIGITS_MAX 15 /* of a whole number; thousandths still fit 64 bits */

bool
ag_text_is(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

void
ag_trim(const char **p, size_t *n)
{
	while (*n > 0 && isspace((unsigned char)(*p)[0])) {
		(*p)++;
		(*n)--;
	}
	while (*n > 0 && isspace((unsigned char)(*p)[*n - 1]))
		(*n)--;
}

int64_t
ag_read_milli(const char *p, size_t n, const char *unit)
{
	int64_t value = 0;
	size_t digits = 0, decimals = 0;

	ag_trim(&p, &n);
	for (; n > 0 && isdigit((unsigned char)*p); p++, n--, digits++) {
		if (digits == DIGITS_MAX)
			return AG_UNKNOWN;
		value = value * 10 + (*p - '0');
	}
	if (digits == 0)
		return AG_UNKNOWN;
	value *= 1000;
	if (n > 1 && *p == '.' && isdigit((unsigned char)p[1])) {
		static const int weight[] = {100, 10, 1};

		for (p++, n--; n > 0 && isdigit((unsigned char)*p); p++, n--)
			if (decimals < 3)
				value += (*p - '0') * weight[decimals++];
	}
	ag_trim(&p, &n);
	return n == 0 || ag_text_is(p, n, unit) ? value : AG_UNKNOWN;
}

int64_t
ag_at_most(int64_t value, int64_t max)
{
	return value > max ? AG_UNKNOWN : value;
}

int64_t
ag_read_whole(const char *p, size_t n, const char *unit, int64_t max)
{
	int64_t milli = ag_read_milli(p, n, unit);

	return milli == AG_UNKNOWN ? AG_UNKNOWN
				   : ag_at_most((milli + 500) / 1000, max);
}

void
ag_read_text(char *out, size_t cap, const char *p, size_t n)
{
	size_t len = 0;

	ag_trim(&p, &n);
	if ((n >= 2 && p[0] == '[' && p[n - 1] == ']') ||
	    ag_text_is(p, n, "N/A"))
		n = 0;
	while (n > 0) {
		size_t k = gw_utf8_char(p, n);

		if (len + (k ? k : 1) >= cap)
			break;
		if (k == 0 || iscntrl((unsigned char)*p)) {
			out[len++] = '?';
			k = 1;
		} else {
			memcpy(out + len, p, k);
			len += k;
		}
		p += k;
		n -= k;
	}
	out[len] = '\0';
}
