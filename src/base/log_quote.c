/* SPDX-License-Identifier: MIT */
/*
 * log_quote.c - values that others chose, made safe for a line of the log or
 * the message of an error.
 */
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"

const char *
gw_log_quote(char *out, size_t cap, const char *value, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t o = 0, step;

	out[o++] = '"';
	for (size_t i = 0; i < len; i += step) {
		unsigned char c = (unsigned char)value[i];
		size_t whole = gw_utf8_char(value + i, len - i);
		bool plain = whole && c >= 0x20 && c != 0x7f && c != '"' &&
			     c != '\\';

		/* A whole character or a whole escape, never a part of one. */
		step = plain ? whole : 1;
		if (o + (plain ? whole : 4) + 5 > cap) {
			for (int d = 0; d < 3 && o + 2 < cap; d++)
				out[o++] = '.';
			break;
		}
		if (plain) {
			memcpy(out + o, value + i, whole);
			o += whole;
			continue;
		}
		out[o++] = '\\';
		out[o++] = 'x';
		out[o++] = hex[c >> 4];
		out[o++] = hex[c & 15];
	}
	out[o++] = '"';
	out[o] = '\0';
	return out;
}

/* Nothing that can be misread behind `key=`. */
static bool
is_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == ':' ||
	       c == '/' || c == '@' || c == '+' || c == '-';
}

const char *
gw_log_word(char *out, size_t cap, const char *value)
{
	size_t n = 0;

	if (!value)
		return "-";
	while (is_plain((unsigned char)value[n]))
		n++;
	if (n > 0 && !value[n])
		return value;
	return gw_log_quote(out, cap, value, strlen(value));
}
