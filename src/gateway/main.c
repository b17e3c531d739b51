/* SPDX-License-Identifier: MIT */
/*
 * main.c - rolemesh-responder: reads options, then serves fd 0 (spawned by
 * lighttpd or mod_fcgid) or a pool of its own (--listen, pool.c).
 */
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "config/config.h"
#include "gateway/pool.h"
#include "gateway/responder.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#define PROGRAM "rolemesh-responder"
#define EXIT_USAGE 2

struct options {
	const char *config;
	const char *overrides[GW_INSTANCE_FILES_MAX];
	size_t n_overrides;
	struct gw_pool_options pool;
};

enum {
	OPT_CONFIG = 256,
	OPT_OVERRIDE,
	OPT_LISTEN,
	OPT_WORKERS,
	OPT_MODE,
	OPT_GROUP,
	OPT_VERSION,
	OPT_HELP
};

static const struct {
	struct option option;
	const char *argument, *help;
} table[] = {
	{{"config", required_argument, NULL, OPT_CONFIG},
	 "FILE",
	 "configuration (default: ROLE_MESH_CONFIG, else configs/models.yaml)"},
	{{"config-override", required_argument, NULL, OPT_OVERRIDE},
	 "FILE",
	 "merged over it; may be repeated, later ones win"},
	{{"listen", required_argument, NULL, OPT_LISTEN},
	 "ADDRESS",
	 "unix:PATH or HOST:PORT: serve a pool there instead of on fd 0"},
	{{"workers", required_argument, NULL, OPT_WORKERS},
	 "N",
	 "processes of the pool, 1 .. 256 (default: gateway.workers)"},
	{{"socket-mode", required_argument, NULL, OPT_MODE},
	 "MODE",
	 "octal mode of the unix socket (default 0600)"},
	{{"socket-group", required_argument, NULL, OPT_GROUP},
	 "GROUP",
	 "group of the unix socket, e.g. www-data"},
	{{"version", no_argument, NULL, OPT_VERSION}, "", "print the version"},
	{{"help", no_argument, NULL, OPT_HELP}, "", "print this text"},
};

static void
print_help(void)
{
	printf("Usage: %s [OPTION]...\n\n"
	       "Serves the gateway's endpoints as a FastCGI responder: on the "
	       "listening socket\nthat a web server hands over as fd 0, or "
	       "with "
	       "--listen on one of its own.\n\n",
	       PROGRAM);
	for (size_t i = 0; i < GW_ARRAY_LEN(table); i++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s %s", table[i].option.name,
			 table[i].argument);
		printf("  %-26s %s\n", left, table[i].help);
	}
}

static int
usage_error(const char *what, const char *value)
{
	fprintf(stderr, "%s: %s%s%s; see %s --help\n", PROGRAM, what,
		value ? ": " : "", value ? value : "", PROGRAM);
	return EXIT_USAGE;
}

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

/* Returns -1 to go on, else the exit status. */
static int
take_option(int opt, struct options *o)
{
	switch (opt) {
	case OPT_CONFIG:
		o->config = optarg;
		return -1;
	case OPT_OVERRIDE:
		if (o->n_overrides + 1 >= GW_INSTANCE_FILES_MAX)
			return usage_error("too many --config-override", NULL);
		o->overrides[o->n_overrides++] = optarg;
		return -1;
	case OPT_LISTEN:
		o->pool.address = optarg;
		return -1;
	case OPT_WORKERS:
		if (!parse_number(optarg, 10, 1, 256, &o->pool.workers))
			return usage_error("--workers wants 1 .. 256", optarg);
		return -1;
	case OPT_MODE:
		if (!parse_number(optarg, 8, 0, 0777, &o->pool.mode))
			return usage_error("--socket-mode wants an octal mode",
					   optarg);
		return -1;
	case OPT_GROUP:
		o->pool.group = optarg;
		return -1;
	case OPT_VERSION:
		printf("%s %s\n", PROGRAM, VERSION);
		return 0;
	case OPT_HELP:
		print_help();
		return 0;
	default:
		return EXIT_USAGE;
	}
}

static int
parse_options(int argc, char **argv, struct options *o)
{
	struct option longs[GW_ARRAY_LEN(table) + 1] = {{0}};
	int opt, status;

	for (size_t i = 0; i < GW_ARRAY_LEN(table); i++)
		longs[i] = table[i].option;
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		status = take_option(opt, o);
		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return usage_error("unexpected argument", argv[optind]);
	return -1;
}

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
		gw_log(GW_EV_FATAL, NULL, "message=\"%s\"", err.msg);
	gw_responder_free(p);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
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
	if (!c) {
		gw_diag_print(&diag, stderr);
		return -1;
	}
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
	status = parse_options(argc, argv, &o);
	if (status >= 0)
		return status;
	if (gw_instance_from_env(&instance, o.config, o.overrides,
				 o.n_overrides, &err) < 0) {
		fprintf(stderr, "%s: %s\n", PROGRAM, err.msg);
		gw_instance_release(&instance);
		return EXIT_USAGE;
	}
	if (!o.pool.address && !is_listening(STDIN_FILENO))
		status = usage_error("standard input is no listening socket: "
				     "let a web server start this program, or "
				     "use --listen",
				     NULL);
	else if (!o.pool.address)
		status = serve(STDIN_FILENO, &instance);
	else if (check_config(&instance, &o.pool.workers) < 0)
		status = EXIT_USAGE;
	else
		status = gw_pool_run(&o.pool, serve, &instance);
	gw_instance_release(&instance);
	return status;
}
