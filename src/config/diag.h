/* SPDX-License-Identifier: MIT */
/*
 * diag.h - everything wrong with a configuration, in the order of the files.
 *
 * Loading collects instead of stopping, so that one run shows every mistake.
 */
#ifndef GW_CONFIG_DIAG_H
#define GW_CONFIG_DIAG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"

struct gw_diag_item {
	bool warning;
	char *text;		/* "file:line:column: error: message" */
	size_t file_len;	/* bytes of the file's name in front; 0 = none */
	unsigned line, column;	/* for gw_diag_sort() */
};

struct gw_diag {
	struct gw_diag_item *items;
	size_t n;
	size_t errors;		/* how many are errors, those left out included */
	size_t left_out;	/* beyond GW_DIAG_MAX, or no memory for them */
};

#define GW_DIAG_MAX 100

/*
 * gw_diag_add - one finding; always one line, control characters become '?'.
 * @file          may be NULL
 * @line, @column from 1; 0 = none
 */
void gw_diag_add(struct gw_diag *d, bool warning, const char *file,
		 unsigned line, unsigned column, const char *fmt, ...)
	GW_PRINTF(6, 7);

/* gw_diag_vadd - the same with the arguments as a list. */
void gw_diag_vadd(struct gw_diag *d, bool warning, const char *file,
		  unsigned line, unsigned column, const char *fmt, va_list ap)
	GW_PRINTF(6, 0);

/*
 * gw_diag_sort - put findings in the order of the files, then of lines.
 * @paths, @n  order of the files; findings of other files come first
 */
void gw_diag_sort(struct gw_diag *d, const char *const *paths, size_t n);

/* gw_diag_print - one finding a line to @f; ends with a count when cut. */
void gw_diag_print(const struct gw_diag *d, FILE *f);

/* gw_diag_release - free the findings; @d is empty and usable again. */
void gw_diag_release(struct gw_diag *d);

#define gw_auto_diag GW_CLEANUP(gw_diag_release)

#endif
