/* SPDX-License-Identifier: MIT */
/*
 * options.c - the command line of rolemesh-gateway.
 *
 * Reads no file and starts nothing.
 */
#include "launcher/launcher.h"

#include <string.h>

#include "config/url.h"

#define AT(field) offsetof(struct launcher_options, field)

static bool
take_host(const struct gw_command_line *cl, void *options, const char *value)
{
	struct launcher_options *o = options;
	struct gw_err err = {0};

	o->host = value;
	if (!*value)
		gw_command_line_mistake(cl, "--host is empty");
	else if (gw_host_check(value, &err) < 0)
		gw_command_line_mistake(cl, "--host \"%s\" %s", value, err.msg);
	else
		return true;
	return false;
}

static const struct gw_switch rows[] = {
	{"config", "FILE",
	 "configuration (else $ROLE_MESH_CONFIG,\n"
	 "                           else configs/models.yaml,\n"
	 "                           else /etc/rolemesh/models.yaml)",
	 .kind = GW_SWITCH_TEXT, .offset = AT(config)},
	{"config-override", "FILE",
	 "merged over the configuration; may repeat, later wins",
	 .kind = GW_SWITCH_LIST, .offset = AT(overrides),
	 .max = GW_INSTANCE_FILES_MAX - 1},
	{"host", "ADDRESS", "listen here instead of gateway.host",
	 .kind = GW_SWITCH_TAKE, .take = take_host},
	{"port", "NUMBER", "listen here instead of gateway.port",
	 .kind = GW_SWITCH_NUMBER, .offset = AT(port), .max = 65535},
	{"workers", "NUMBER", "inference processes instead of gateway.workers",
	 .kind = GW_SWITCH_NUMBER, .offset = AT(workers), .max = 256},
	{"check", NULL, "check the configuration and exit",
	 .kind = GW_SWITCH_FLAG, .offset = AT(check)},
	{"print-config", NULL,
	 "print the merged configuration, keys masked, and exit",
	 .kind = GW_SWITCH_FLAG, .offset = AT(print_config)},
	{"hash-key", NULL,
	 "read a key from standard input, print its\n"
	 "                           key_sha256 and exit",
	 .kind = GW_SWITCH_FLAG, .offset = AT(hash_key)},
	{"version", NULL, "print the version and exit",
	 .kind = GW_SWITCH_VERSION},
	{"help", NULL, "print this and exit", .kind = GW_SWITCH_HELP},
};

static const struct gw_command_line command_line = {
	.program = "rolemesh-gateway",
	.usage = "usage: rolemesh-gateway [OPTION]...\n"
		 "Serve the OpenAI API, each model name routed to its role."
		 "\n\n",
	.epilogue = "\nSIGINT or SIGTERM: open answers may finish within "
		    "gateway.shutdown_grace_s;\na second signal ends "
		    "everything at once.\nExit status: 0 stopped as asked, "
		    "1 could not run, 2 bad option or configuration.\n",
	.help_column = 24,
	.options = rows,
	.n = GW_ARRAY_LEN(rows),
};

bool
launcher_options_parse(struct launcher_options *o, int argc, char **argv,
		       int *exit_status)
{
	memset(o, 0, sizeof(*o));
	return gw_command_line_parse(&command_line, argc, argv, o, exit_status);
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
