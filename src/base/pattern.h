/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - names with `*` and `?` in them, as configurations hold them.
 */
#ifndef GW_BASE_PATTERN_H
#define GW_BASE_PATTERN_H

#include <stdbool.h>

/*
 * gw_pattern_is_name - has it neither `*` nor `?`, so that it fits one name
 * only? Pure.
 */
bool gw_pattern_is_name(const char *pattern);

/*
 * gw_pattern_fits - does the whole of a name fit?
 * @pattern  `*` stands for any characters, none included, `?` for one
 *           character (of UTF-8, however many bytes it has), everything else
 *           for itself: there is no way to write a literal `*`, which a `?`
 *           fits
 * @name     UTF-8; of other bytes each counts as it looks
 * Takes at most the product of both lengths; allocates nothing. Pure.
 */
bool gw_pattern_fits(const char *pattern, const char *name);

#endif
