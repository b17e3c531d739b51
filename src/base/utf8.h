/* SPDX-License-Identifier: MIT */
/*
 * utf8.h - is it UTF-8? Strict: no overlong forms, no surrogates, nothing
 * beyond U+10FFFF. What goes into logs, headers and JSON must pass.
 */
#ifndef GW_BASE_UTF8_H
#define GW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * gw_utf8_char - length of the character at the beginning of a text.
 * @n  bytes readable at @p
 * Returns 1 .. 4, or 0 when no complete valid character begins there.
 */
size_t gw_utf8_char(const char *p, size_t n);

/* gw_utf8_valid - is all of it UTF-8? The empty text is. NUL is a character. */
bool gw_utf8_valid(const char *p, size_t n);

/* gw_utf8_mark - bytes of the byte order mark that a text begins with: 3 or 0.
 */
size_t gw_utf8_mark(const char *p, size_t n);

/*
 * gw_utf8_trim - drop what a cut left of a character at the end of a text.
 * @len  strlen(@s)
 */
void gw_utf8_trim(char *s, size_t len);

#endif
