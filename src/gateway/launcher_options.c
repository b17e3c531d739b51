/* SPDX-License-Identifier: MIT */
/*
 * launcher_options.c - the command line of rolemesh-gateway.
 *
 * One table feeds getopt_long() and --help. Reads no file and starts nothing.
 */
#include "gateway/launcher.h"

#include <getopt.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define OVERRIDES_MAX (GW_INSTANCE_FILES_MAX - 1)

enum option_id {
	OPT_CONFIG = 256,
	OPT_OVERRIDE,
	OPT_HOST,
	OPT_PORT,
	OPT_WORKERS,
	OPT_CHECK,
	OPT_PRINT,
	OPT_VERSION,
	OPT_HELP
};

static const struct {
	enum option_id id;
	const char *name;
	const char *argument; /* NULL = none */
	const char *help;
} rows[] = {
	{OPT_CONFIG, "config", "FILE",
	 "configuration (else $ROLE_MESH_CONFIG, else configs/models.yaml)"},
	{OPT_OVERRIDE, "config-override", "FILE",
	 "merged over the configuration; may repeat, later wins"},
	{OPT_HOST, "host", "ADDRESS", "listen here instead of gateway.host"},
	{OPT_PORT, "port", "NUMBER", "listen here instead of gateway.port"},
	{OPT_WORKERS, "workers", "NUMBER",
	 "inference processes instead of gateway.workers"},
	{OPT_CHECK, "check", NULL, "check the configuration and exit"},
	{OPT_PRINT, "print-config", NULL,
	 "print the merged configuration, keys masked, and exit"},
	{OPT_VERSION, "version", NULL, "print the version and exit"},
	{OPT_HELP, "help", NULL, "print this and exit"},
};

static void
print_help(void)
{
	printf("usage: rolemesh-gateway [OPTION]...\n"
	       "Serve the OpenAI API, each model name routed to its role.\n\n");
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		char left[32];

		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
			 rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		printf("  %-24s %s\n", left, rows[i].help);
	}
	printf("\nSIGINT or SIGTERM: open answers may finish within "
	       "gateway.shutdown_grace_s;\na second signal ends everything at "
	       "once.\nExit status: 0 stopped as asked, 1 could not run, "
	       "2 bad option or configuration.\n");
}

static bool
parse_number(const char *option, const char *text, uint32_t max, uint32_t *out)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < 1 ||
	    value > max) {
		fprintf(stderr,
			"rolemesh-gateway: --%s must be a number from 1 to "
			"%lu, not \"%s\"\n",
			option, (unsigned long)max, text);
		return false;
	}
	*out = (uint32_t)value;
	return true;
}

/* One option; false when it is a mistake, which is printed. */
static bool
take(struct launcher_options *o, enum option_id id, const char *value)
{
	switch (id) {
	case OPT_CONFIG:
		o->config = value;
		return true;
	case OPT_OVERRIDE:
		if (o->n_overrides == OVERRIDES_MAX) {
			fprintf(stderr,
				"rolemesh-gateway: more than %d "
				"--config-override\n",
				OVERRIDES_MAX);
			return false;
		}
		o->overrides[o->n_overrides++] = value;
		return true;
	case OPT_HOST:
		o->host = value;
		if (*value)
			return true;
		fputs("rolemesh-gateway: --host is empty\n", stderr);
		return false;
	case OPT_PORT:
		return parse_number("port", value, 65535, &o->port);
	case OPT_WORKERS:
		return parse_number("workers", value, 256, &o->workers);
	case OPT_CHECK:
		o->check = true;
		return true;
	case OPT_PRINT:
		o->print_config = true;
		return true;
	case OPT_VERSION:
	case OPT_HELP:
		break;
	}
	return true;
}

bool
launcher_options_parse(struct launcher_options *o, int argc, char **argv,
		       int *exit_status)
{
	struct option longs[GW_ARRAY_LEN(rows) + 1] = {{0}};
	bool good = true;
	int id;

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		longs[i].name = rows[i].name;
		longs[i].has_arg =
			rows[i].argument ? required_argument : no_argument;
		longs[i].val = (int)rows[i].id;
	}
	memset(o, 0, sizeof(*o));
	*exit_status = 0;
	while ((id = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (id == OPT_HELP) {
			print_help();
			return false;
		}
		if (id == OPT_VERSION) {
			printf("rolemesh-gateway %s\n", PACKAGE_VERSION);
			return false;
		}
		/* getopt_long() has printed what it does not know. */
		good &= id != '?' && take(o, (enum option_id)id, optarg);
	}
	for (int i = optind; i < argc; i++) {
		fprintf(stderr,
			"rolemesh-gateway: unexpected argument \"%s\"\n",
			argv[i]);
		good = false;
	}
	if (good)
		return true;
	fputs("Try rolemesh-gateway --help.\n", stderr);
	*exit_status = LAUNCHER_EXIT_CONFIG;
	return false;
}

int
launcher_options_apply(const struct launcher_options *o,
		       struct gw_config *config, struct gw_err *err)
{
	if (o->host) {
		char *host = strdup(o->host);

		if (!host)
			return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
					  "out of memory");
		free(config->gateway.host);
		config->gateway.host = host;
	}
	if (o->port)
		config->gateway.port = o->port;
	if (o->workers)
		config->gateway.workers = o->workers;
	return 0;
}
