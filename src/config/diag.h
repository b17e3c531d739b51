/* SPDX-License-Identifier: MIT */
/*
 * diag.h - everything wrong with a configuration, in the order of the files.
 *
 * Loading collects instead of stopping, so that one run shows every mistake.
 */
#ifndef GW_CONFIG_DIAG_H
#define GW_CONFIG_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"

struct gw_diag_item {
	bool warning;
	char *text;	/* "file:line:column: error: message" */
};

struct gw_diag {
	struct gw_diag_item *items;
	size_t n;
	size_t errors;		/* how many of them are errors, not warnings */
	size_t left_out;	/* beyond GW_DIAG_MAX */
};

#define GW_DIAG_MAX 100

/* gw_diag_add - one finding. @file may be NULL; @line, @column from 1, 0 = none. */
void gw_diag_add(struct gw_diag *d, bool warning, const char *file,
		 unsigned line, unsigned column, const char *fmt, ...)
	GW_PRINTF(6, 7);

/* gw_diag_print - one finding a line to @f; ends with a count when cut. */
void gw_diag_print(const struct gw_diag *d, FILE *f);

/* gw_diag_release - free the findings. */
void gw_diag_release(struct gw_diag *d);

#define gw_auto_diag GW_CLEANUP(gw_diag_release)

#endif
