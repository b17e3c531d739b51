/* SPDX-License-Identifier: MIT */
/*
 * command_line.h - a program's options as a table, which feeds getopt_long()
 * and --help. Long options only.
 */
#ifndef GW_BASE_COMMAND_LINE_H
#define GW_BASE_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define GW_EXIT_USAGE 2
#define GW_SWITCHES_MAX 32     /* rows of a table */
#define GW_SWITCH_LIST_MAX 16 /* values of an option that may repeat */

struct gw_command_line;

/* What a row does with its value: where it goes, and of what type that is. */
enum gw_switch_kind {
	GW_SWITCH_FLAG,	  /* bool: set to true */
	GW_SWITCH_TEXT,	  /* const char *: points into argv */
	GW_SWITCH_NUMBER, /* uint32_t: 1 .. max */
	GW_SWITCH_LIST,	  /* struct gw_switch_list: at most max of them */
	GW_SWITCH_TAKE,	  /* take() decides */
	GW_SWITCH_VERSION,
	GW_SWITCH_HELP
};

struct gw_switch_list {
	const char *items[GW_SWITCH_LIST_MAX]; /* point into argv */
	size_t n;
};

struct gw_switch {
	const char *name;
	const char *argument; /* as --help calls it; NULL = takes none */
	const char *help;
	enum gw_switch_kind kind;
	size_t offset; /* of the field in the program's struct */
	uint32_t max;
	/* false = a mistake, told with gw_command_line_mistake() */
	bool (*take)(const struct gw_command_line *cl, void *options,
		     const char *value);
};

struct gw_command_line {
	const char *program;
	const char *usage;    /* what --help begins with, whole lines */
	const char *epilogue; /* and ends with; may be NULL */
	int help_column;      /* room for the options in --help */
	const struct gw_switch *options;
	size_t n; /* 1 .. GW_SWITCHES_MAX */
	/* End at the first mistake, which names --help itself. Else all are
	 * told, and a last line names it. */
	bool first_mistake_only;
};

/*
 * gw_command_line_parse - fill the program's struct.
 * @options      what the offsets refer to; has the defaults
 * @exit_status  set when the program is to end now: 0 after --help or
 *               --version, GW_EXIT_USAGE after a mistake; all has been printed
 * Returns true to go on.
 */
GW_MUSTCHECK bool gw_command_line_parse(const struct gw_command_line *cl,
					int argc, char **argv, void *options,
					int *exit_status);

/* gw_command_line_mistake - say what is wrong, on standard error. */
void gw_command_line_mistake(const struct gw_command_line *cl, const char *fmt,
			     ...) GW_PRINTF(2, 3);

#endif
