/* SPDX-License-Identifier: MIT */
/*
 * launcher.h - what the parts of the program rolemesh-gateway share.
 *
 * main() reads the options and the configuration, launcher_prepare() puts
 * everything into place and launcher_run() is the event loop around lighttpd.
 * The launcher serves no request itself.
 */
#ifndef GW_LAUNCHER_LAUNCHER_H
#define GW_LAUNCHER_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/command_line.h"
#include "base/err.h"
#include "config/config.h"
#include "reg.h"
#include "responder/instance.h"
#include "webserver/site.h"

#define LAUNCHER_EXIT_CONFIG GW_EXIT_USAGE /* bad option or configuration */
#define LAUNCHER_AGAIN (-1)		   /* no exit status */

/* The command line. Strings point into argv. */
struct launcher_options {
	const char *config; /* NULL = environment or default */
	struct gw_switch_list overrides;
	const char *host; /* NULL = the configuration's */
	uint32_t port;	  /* 0 = the configuration's */
	uint32_t workers; /* 0 = the configuration's */
	bool check;
	bool print_config;
	bool hash_key;
};

/*
 * launcher_options_parse - read the command line.
 * @exit_status  set when the program is to end now: 0 after --help or
 *               --version, LAUNCHER_EXIT_CONFIG after a mistake; all mistakes
 *               have been printed
 * Returns true to go on.
 */
bool launcher_options_parse(struct launcher_options *o, int argc, char **argv,
			    int *exit_status);

/*
 * launcher_hash_key - print the SHA-256 of a key, as `key_sha256` has it.
 * @in  its first line is the key; a byte order mark and the line's end are no
 *      part of it; nothing behind that is waited for. Blocks until it is there.
 * Returns the program's exit status: LAUNCHER_EXIT_CONFIG when there is no key,
 * or one that nobody could send; why is printed, the key never is.
 */
int launcher_hash_key(FILE *in);

/* launcher_options_apply - let --host, --port and --workers win in @config. */
int launcher_options_apply(const struct launcher_options *o,
			   struct gw_config *config, struct gw_err *err);

/* Everything a running launcher holds; zero before prepare, site apart. */
struct launcher {
	const struct launcher_options *options;
	struct gw_instance *instance;
	struct gw_config *config; /* the snapshot in force; owned */
	struct reg *reg;
	bool owns; /* the instance; another launcher may own what we moved to */
	struct gw_site site;
};

/*
 * launcher_prepare - own the instance, bind the port, fill the folder.
 * @err  INTERNAL, with what to do: running already, port taken, lighttpd
 *       missing, ...
 * Returns 0 / -1; launcher_release() cleans up after both.
 */
GW_MUSTCHECK int launcher_prepare(struct launcher *l, struct gw_err *err);

/*
 * launcher_release - remove folder and shared memory, free everything.
 * @again  the shared memory stays: this process is about to start over
 * Shared memory that processes outside this launcher use (a pool behind
 * another web server) stays.
 */
void launcher_release(struct launcher *l, bool again);

/*
 * launcher_run - run lighttpd until it ends or a signal asks for the end.
 * Returns the exit status, or LAUNCHER_AGAIN when the private folder was removed
 * by somebody and the program should start over. Nothing that it started is left
 * running.
 */
int launcher_run(struct launcher *l);

#endif
