/* SPDX-License-Identifier: MIT */
/* utf8.c - strict UTF-8, one character at a time; see utf8.h. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t
gw_utf8_char(const char *p, size_t n)
{
	/* The least code point that needs so many following bytes. */
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)p;
	size_t tail, i;
	uint32_t point;

	if (n == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	tail = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || tail >= n)
		return 0;
	point = s[0] & (0x3fu >> tail);
	for (i = 1; i <= tail; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (s[i] & 0x3f);
	}
	if (point < least[tail] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	return tail + 1;
}

bool
gw_utf8_valid(const char *p, size_t n)
{
	size_t len;

	for (; n > 0; p += len, n -= len) {
		len = gw_utf8_char(p, n);
		if (len == 0)
			return false;
	}
	return true;
}

size_t
gw_utf8_mark(const char *p, size_t n)
{
	static const char mark[] = {'\xef', '\xbb', '\xbf'};

	return n >= sizeof(mark) && memcmp(p, mark, sizeof(mark)) == 0
		       ? sizeof(mark)
		       : 0;
}

void
gw_utf8_trim(char *s, size_t len)
{
	size_t back = 0;

	while (back < 4 && back < len) {
		unsigned char c = (unsigned char)s[len - 1 - back];

		if (c < 0x80)
			return;
		back++;
		if (c >= 0xc0) {
			size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

			if (need > back)
				s[len - back] = '\0';
			return;
		}
	}
}
