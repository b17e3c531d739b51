/* SPDX-License-Identifier: MIT */
/* pattern.c - one walk with a single way back: to the last `*`. */
#include "base/pattern.h"

#include <stddef.h>
#include <string.h>

bool
gw_pattern_is_name(const char *pattern)
{
	return !strpbrk(pattern, "*?");
}

/* Behind the character that @p is at; a stray byte is one of its own. */
static const char *
next_character(const char *p)
{
	p++;
	while (((unsigned char)*p & 0xc0) == 0x80)
		p++;
	return p;
}

bool
gw_pattern_fits(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			from = name;
		} else if (*pattern == '?') {
			pattern++;
			name = next_character(name);
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			/* The last one takes a character more. */
			pattern = star;
			name = from = next_character(from);
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}
