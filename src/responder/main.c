/* SPDX-License-Identifier: MIT */
/*
 * main.c - rolemesh-responder: reads options, then serves fd 0 (spawned by
 * lighttpd or mod_fcgid) or a pool of its own (--listen, pool.c).
 */
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/command_line.h"
#include "base/log.h"
#include "config/config.h"
#include "responder/pool.h"
#include "responder/pool_listen.h"
#include "responder/responder.h"

#ifdef HAVE_CONFIG_H
#include <autoconf.h>
#endif

#define PROGRAM "rolemesh-responder"

struct options {
	const char *config;
	const char *overrides[GW_INSTANCE_FILES_MAX];
	size_t n_overrides;
	struct gw_pool_options pool;
};

#define AT(field) offsetof(struct options, field)

static bool
parse_number(const char *text, int base, unsigned long min, unsigned long max,
	     unsigned *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, base);
	if (errno || end == text || *end || n < min || n > max || *text < '0' ||
	    *text > '9')
		return false;
	*out = (unsigned)n;
	return true;
}

static bool
take_override(const struct gw_command_line *cl, void *options,
	      const char *value)
{
	struct options *o = options;

	if (o->n_overrides + 1 >= GW_INSTANCE_FILES_MAX) {
		gw_command_line_mistake(cl, "too many --config-override");
		return false;
	}
	o->overrides[o->n_overrides++] = value;
	return true;
}

static bool
take_workers(const struct gw_command_line *cl, void *options, const char *value)
{
	struct options *o = options;

	if (parse_number(value, 10, 1, 256, &o->pool.workers))
		return true;
	gw_command_line_mistake(cl, "--workers wants 1 .. 256: %s", value);
	return false;
}

static bool
take_mode(const struct gw_command_line *cl, void *options, const char *value)
{
	struct options *o = options;

	if (parse_number(value, 8, 0, 0777, &o->pool.mode))
		return true;
	gw_command_line_mistake(cl, "--socket-mode wants an octal mode: %s",
				value);
	return false;
}

static const struct gw_switch rows[] = {
	{"config", "FILE",
	 "configuration (default: as rolemesh-gateway finds it)",
	 .kind = GW_SWITCH_TEXT, .offset = AT(config)},
	{"config-override", "FILE",
	 "merged over it; may be repeated, later ones win",
	 .kind = GW_SWITCH_TAKE, .take = take_override},
	{"listen", "ADDRESS",
	 "unix:PATH or HOST:PORT: serve a pool there instead of on fd 0",
	 .kind = GW_SWITCH_TEXT, .offset = AT(pool.address)},
	{"workers", "N",
	 "processes of the pool, 1 .. 256 (default: gateway.workers)",
	 .kind = GW_SWITCH_TAKE, .take = take_workers},
	{"socket-mode", "MODE", "octal mode of the unix socket (default 0600)",
	 .kind = GW_SWITCH_TAKE, .take = take_mode},
	{"socket-group", "GROUP", "group of the unix socket, e.g. www-data",
	 .kind = GW_SWITCH_TEXT, .offset = AT(pool.group)},
	{"version", NULL, "print the version", .kind = GW_SWITCH_VERSION},
	{"help", NULL, "print this text", .kind = GW_SWITCH_HELP},
};

static const struct gw_command_line command_line = {
	.program = PROGRAM,
	.usage =
		"Usage: " PROGRAM " [OPTION]...\n\n"
		"Serves the gateway's endpoints as a FastCGI responder: on the "
		"listening socket\nthat a web server hands over as fd 0, or "
		"with --listen on one of its own.\n\n",
	.help_column = 26,
	.options = rows,
	.n = GW_ARRAY_LEN(rows),
	.first_mistake_only = true,
};

static bool
is_listening(int fd)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 &&
	       yes;
}

static int
serve(int listen_fd, void *arg)
{
	struct gw_err err = {0};
	struct gw_responder *p;
	int rc = -1;

	gw_log_init(PROGRAM);
	p = gw_responder_new(arg, &err);
	if (p)
		rc = gw_responder_run(p, listen_fd, &err);
	if (rc < 0)
		gw_log_told(GW_EV_FATAL, "message", err.msg);
	gw_responder_free(p);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The checks of every process of the pool go by its address. */
static int
say_address(const char *address)
{
	char host[GW_LISTEN_HOST_BYTES];

	if (!gw_listener_is_open(address, host))
		return unsetenv(GW_CONFIG_LISTEN_ENV);
	return setenv(GW_CONFIG_LISTEN_ENV, host, 1);
}

/*
 * A pool whose processes cannot start would listen and answer nobody. Without
 * --workers it is as large as the configuration says.
 */
static int
check_config(const struct gw_instance *in, unsigned *workers)
{
	gw_auto_diag struct gw_diag diag = {0};
	struct gw_config *c;

	c = gw_config_load((const char *const *)in->paths, in->n_paths, &diag);
	gw_diag_print(&diag, stderr);
	if (!c)
		return -1;
	gw_log_set_format(c->gateway.log_format);
	if (!*workers)
		*workers = c->gateway.workers;
	gw_config_unref(c);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = {.pool.mode = 0600};
	struct gw_instance instance = {0};
	struct gw_err err = {0};
	int status;

	gw_log_init(PROGRAM);
	if (!gw_command_line_parse(&command_line, argc, argv, &o, &status))
		return status;
	if (gw_instance_from_env(&instance, o.config, o.overrides,
				 o.n_overrides, &err) < 0) {
		fprintf(stderr, "%s: %s\n", PROGRAM, err.msg);
		gw_instance_release(&instance);
		return GW_EXIT_USAGE;
	}
	if (instance.by_default)
		fprintf(stderr,
			PROGRAM ": nobody named a configuration: using %s\n",
			instance.paths[0]);
	if (!o.pool.address && !is_listening(STDIN_FILENO)) {
		gw_command_line_mistake(&command_line,
					"standard input is no listening "
					"socket: let a web server start this "
					"program, or use --listen");
		status = GW_EXIT_USAGE;
	} else if (!o.pool.address) {
		status = serve(STDIN_FILENO, &instance);
	} else if (say_address(o.pool.address) < 0 ||
		   check_config(&instance, &o.pool.workers) < 0) {
		status = GW_EXIT_USAGE;
	} else {
		status = gw_pool_run(&o.pool, serve, &instance);
	}
	gw_instance_release(&instance);
	return status;
}
