/* SPDX-License-Identifier: MIT */
/*
 * main.c - rolemesh-node-agent: reads options and configuration, then hands
 * over to ag_run(). Errors of the start are printed here, once.
 */
#include <string.h>

#include "agent/config/agent_config.h"
#include "agent/run.h"
#include "base/command_line.h"
#include "base/file.h"
#include "base/log.h"
#include "config/url.h"
#include "config/yaml.h"
#include "webserver/again.h"

#define PROGRAM "rolemesh-node-agent"
#define CONFIG_HERE "configs/node_agent.yaml"
#define CONFIG_INSTALLED "/etc/rolemesh/node_agent.yaml"
#define PRINT_MAX (16u << 20)
#define AT(field) offsetof(struct options, field)

struct options {
	const char *config;
	struct gw_switch_list overrides;
	const char *host; /* NULL = the configuration's */
	uint32_t port;	  /* 0 = the configuration's */
	bool check, print_config, dry_run;
};

static bool
take_host(const struct gw_command_line *cl, void *options, const char *value)
{
	struct options *o = options;
	struct gw_err err = {0};

	o->host = value;
	if (gw_host_check(value, &err) == 0)
		return true;
	gw_command_line_mistake(cl, "--host \"%s\" %s", value, err.msg);
	return false;
}

static const struct gw_switch rows[] = {
	{"config", "FILE",
	 "configuration (else $ROLE_MESH_AGENT_CONFIG,\n"
	 "                           else " CONFIG_HERE ",\n"
	 "                           else " CONFIG_INSTALLED ")",
	 .kind = GW_SWITCH_TEXT, .offset = AT(config)},
	{"config-override", "FILE",
	 "merged over the configuration; may repeat, later wins",
	 .kind = GW_SWITCH_LIST, .offset = AT(overrides),
	 .max = GW_CONFIG_FILES_MAX - 1},
	{"host", "ADDRESS", "listen here instead of listen_host",
	 .kind = GW_SWITCH_TAKE, .take = take_host},
	{"port", "NUMBER", "listen here instead of listen_port",
	 .kind = GW_SWITCH_NUMBER, .offset = AT(port), .max = 65535},
	{"check", NULL, "check the configuration and the files it names, exit",
	 .kind = GW_SWITCH_FLAG, .offset = AT(check)},
	{"print-config", NULL,
	 "print the merged configuration, keys masked, and exit",
	 .kind = GW_SWITCH_FLAG, .offset = AT(print_config)},
	{"dry-run", NULL,
	 "print how each model would be started on each device, and exit",
	 .kind = GW_SWITCH_FLAG, .offset = AT(dry_run)},
	{"version", NULL, "print the version and exit",
	 .kind = GW_SWITCH_VERSION},
	{"help", NULL, "print this and exit", .kind = GW_SWITCH_HELP},
};

static const struct gw_command_line command_line = {
	.program = PROGRAM,
	.usage = "usage: rolemesh-node-agent [OPTION]...\n"
		 "Run this host's llama-servers, one a device, behind one "
		 "address.\n\n",
	.epilogue = "\nSIGINT or SIGTERM: leaves the gateway, lets open "
		    "answers finish within\nshutdown_grace_s and ends every "
		    "llama-server; a second signal ends all at once.\n"
		    "Exit status: 0 stopped as asked, 1 could not run, "
		    "2 bad option or configuration.\n",
	.help_column = 24,
	.options = rows,
	.n = GW_ARRAY_LEN(rows),
};

static struct ag_config *
load(const struct options *o, const char *config)
{
	gw_auto_diag struct gw_diag diag = {0};
	const char *paths[GW_CONFIG_FILES_MAX] = {config};
	struct ag_config *c;

	for (size_t i = 0; i < o->overrides.n; i++)
		paths[1 + i] = o->overrides.items[i];
	c = ag_config_load(paths, 1 + o->overrides.n, o->host, o->port, &diag);
	/* Only now: the files may have taken something from there. */
	ag_config_clean_environment(&diag);
	if (c && o->check)
		ag_config_warn_files(c, &diag);
	gw_diag_print(&diag, stderr);
	return c;
}

static int
print_config(const struct ag_config *c)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(PRINT_MAX);

	if (ag_config_print(c, &text) < 0) {
		fputs(PROGRAM ": out of memory\n", stderr);
		return EXIT_FAILURE;
	}
	fwrite(text.data, 1, text.len, stdout);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
act(const struct options *o, const char *config, struct ag_config *c)
{
	int status = EXIT_SUCCESS;

	if (o->print_config)
		status = print_config(c);
	if (o->dry_run && status == EXIT_SUCCESS)
		status = ag_dry_run(c);
	if (o->check)
		printf("%s: ok\n", config);
	if (o->print_config || o->dry_run || o->check)
		return status;
	gw_log_set_format(c->log_format);
	return ag_run(c);
}

/* NULL: there is none, which was said. */
static const char *
find_default(const struct options *o)
{
	bool found;
	const char *config =
		gw_default_file(CONFIG_HERE, CONFIG_INSTALLED, &found);

	if (!found)
		fputs(PROGRAM ": no configuration: neither " CONFIG_HERE " in "
			      "the current folder nor " CONFIG_INSTALLED " is "
			      "there; name one with --config or "
			      "ROLE_MESH_AGENT_CONFIG\n",
		      stderr);
	else if (!o->check)
		fprintf(stderr,
			PROGRAM ": nobody named a configuration: using %s\n",
			config);
	return found ? config : NULL;
}

int
main(int argc, char **argv)
{
	const char *config = getenv("ROLE_MESH_AGENT_CONFIG");
	struct options o = {0};
	struct gw_again again;
	struct ag_config *c;
	int status;

	gw_log_init(PROGRAM);
	if (!gw_command_line_parse(&command_line, argc, argv, &o, &status))
		return status;
	if (o.config)
		config = o.config;
	else if (!config || !*config)
		config = find_default(&o);
	if (!config)
		return GW_EXIT_USAGE;
	gw_again_init(&again, argv);
	c = load(&o, config);
	if (!c) {
		gw_again_release(&again);
		return GW_EXIT_USAGE;
	}
	status = act(&o, config, c);
	ag_config_free(c);
	if (status == AG_RUN_AGAIN) {
		gw_again_start(&again);
		fprintf(stderr, PROGRAM ": cannot start over: %s\n",
			strerror(errno));
		status = EXIT_FAILURE;
	}
	gw_again_release(&again);
	return status;
}
