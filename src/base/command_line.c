/* SPDX-License-Identifier: MIT */
/*
 * command_line.c - a program's options as a table.
 *
 * Knows no option but --help and --version, reads no file and starts nothing.
 */
#include "base/command_line.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#include <autoconf.h>
#endif

#define FIRST_ID 256 /* above every character that getopt_long() returns */

void
gw_command_line_mistake(const struct gw_command_line *cl, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", cl->program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (cl->first_mistake_only)
		fprintf(stderr, "; see %s --help", cl->program);
	fputc('\n', stderr);
}

static void
print_help(const struct gw_command_line *cl)
{
	fputs(cl->usage, stdout);
	for (size_t i = 0; i < cl->n; i++) {
		const struct gw_switch *row = &cl->options[i];
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", row->name,
			 row->argument ? " " : "",
			 row->argument ? row->argument : "");
		printf("  %-*s %s\n", cl->help_column, left, row->help);
	}
	if (cl->epilogue)
		fputs(cl->epilogue, stdout);
}

static bool
take_number(const struct gw_command_line *cl, const struct gw_switch *row,
	    const char *text, uint32_t *out)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < 1 ||
	    value > row->max) {
		gw_command_line_mistake(
			cl, "--%s must be a number from 1 to %lu, not \"%s\"",
			row->name, (unsigned long)row->max, text);
		return false;
	}
	*out = (uint32_t)value;
	return true;
}

static bool
take_item(const struct gw_command_line *cl, const struct gw_switch *row,
	  const char *value, struct gw_switch_list *list)
{
	if (list->n >= row->max || list->n >= GW_SWITCH_LIST_MAX) {
		gw_command_line_mistake(cl, "more than %lu --%s",
					(unsigned long)row->max, row->name);
		return false;
	}
	list->items[list->n++] = value;
	return true;
}

/* One option; false when it is a mistake, which is printed. */
static bool
take(const struct gw_command_line *cl, const struct gw_switch *row,
     const char *value, void *options)
{
	void *field = (char *)options + row->offset;

	switch (row->kind) {
	case GW_SWITCH_FLAG:
		*(bool *)field = true;
		return true;
	case GW_SWITCH_TEXT:
		*(const char **)field = value;
		return true;
	case GW_SWITCH_NUMBER:
		return take_number(cl, row, value, field);
	case GW_SWITCH_LIST:
		return take_item(cl, row, value, field);
	case GW_SWITCH_TAKE:
		return row->take(cl, options, value);
	case GW_SWITCH_VERSION:
	case GW_SWITCH_HELP:
		break;
	}
	return true;
}

/* Arguments that belong to no option; false when there are any. */
static bool
refuse_rest(const struct gw_command_line *cl, int argc, char **argv)
{
	if (optind >= argc)
		return true;
	if (cl->first_mistake_only) {
		gw_command_line_mistake(cl, "unexpected argument: %s",
					argv[optind]);
		return false;
	}
	for (int i = optind; i < argc; i++)
		gw_command_line_mistake(cl, "unexpected argument \"%s\"",
					argv[i]);
	return false;
}

/* true when the row says that the program is to end. */
static bool
answers(const struct gw_command_line *cl, const struct gw_switch *row)
{
	if (row->kind == GW_SWITCH_HELP)
		print_help(cl);
	else if (row->kind == GW_SWITCH_VERSION)
		printf("%s %s\n", cl->program, PACKAGE_VERSION);
	else
		return false;
	return true;
}

bool
gw_command_line_parse(const struct gw_command_line *cl, int argc, char **argv,
		      void *options, int *exit_status)
{
	struct option longs[GW_SWITCHES_MAX + 1] = {{0}};
	bool good = true;
	int id;

	assert(cl->n <= GW_SWITCHES_MAX);
	for (size_t i = 0; i < cl->n; i++) {
		longs[i].name = cl->options[i].name;
		longs[i].has_arg = cl->options[i].argument ? required_argument
							   : no_argument;
		longs[i].val = FIRST_ID + (int)i;
	}
	*exit_status = 0;
	while ((good || !cl->first_mistake_only) &&
	       (id = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		/* getopt_long() has printed what it does not know. */
		const struct gw_switch *row =
			id < FIRST_ID ? NULL : &cl->options[id - FIRST_ID];

		if (row && answers(cl, row))
			return false;
		good &= row && take(cl, row, optarg, options);
	}
	if (good || !cl->first_mistake_only)
		good &= refuse_rest(cl, argc, argv);
	if (good)
		return true;
	if (!cl->first_mistake_only)
		fprintf(stderr, "Try %s --help.\n", cl->program);
	*exit_status = GW_EXIT_USAGE;
	return false;
}
