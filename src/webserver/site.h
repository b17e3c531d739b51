/* SPDX-License-Identifier: MIT */
/*
 * site.h - what has to be in place before lighttpd starts: the program, the
 * private folder with its configuration, and the socket it will accept on.
 */
#ifndef GW_WEBSERVER_SITE_H
#define GW_WEBSERVER_SITE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "webserver/folder.h"
#include "webserver/render.h"

#define GW_SITE_CONF "lighttpd.conf" /* in the folder; what lighttpd reads */
#define GW_SITE_VARS_MAX 8	     /* @NAME@s of the program's own */
#define GW_SITE_NEEDS_MAX 8

/* What must stay in the folder while lighttpd serves. */
struct gw_site_need {
	const char *name; /* static */
	uint32_t n;	  /* name-0 .. name-(n - 1), or 0: just name */
};

struct gw_site {
	const char *program; /* who runs it, e.g. "rolemesh-gateway"; static */
	const char *tag;     /* header "Server", e.g. "RoleMesh-Gateway" */
	char lighttpd[PATH_MAX];	 /* program */
	struct gw_folder folder;	 /* by gw_folder_create() */
	int listen_fd;			 /* handed to lighttpd, then -1 here */
	struct sockaddr_storage address; /* where it listens */
	uint32_t port;
	char url[128]; /* http://host:port, for people */
	uint64_t max_body_bytes; /* by gw_site_write_conf() */
	unsigned max_connections; /* the same */
	struct gw_site_need needs[GW_SITE_NEEDS_MAX];
	size_t n_needs;
};

/* gw_site_init - nothing is there yet; @program and @tag are kept. */
void gw_site_init(struct gw_site *s, const char *program, const char *tag);

/*
 * gw_site_listen - bind the port; fills listen_fd, address, port and url.
 * @leftover       a dead owner left its folder: its web server may need a
 *                 moment to let go of the port, and gets it
 * @port_settings  how a person chooses another port; goes into the message
 * @err            INTERNAL naming host and port
 * Resolves names and may wait, both of which block.
 */
GW_MUSTCHECK int gw_site_listen(struct gw_site *s, const char *host,
				uint32_t port, bool leftover,
				const char *port_settings, struct gw_err *err);

/*
 * gw_site_link - a link in the folder to what @target really is.
 * @target  must be there
 * @err     INTERNAL
 * Paths of the user's choice never get into lighttpd's configuration: it splits
 * bin-path at blanks, and quotes cannot be escaped there.
 */
GW_MUSTCHECK int gw_site_link(const struct gw_site *s, const char *target,
			      const char *name, struct gw_err *err);

/*
 * gw_site_need - @name must stay in the folder while lighttpd serves.
 * @name  static
 * @n     0, or the number of sockets that lighttpd numbers: name-0, name-1, ...
 * At most GW_SITE_NEEDS_MAX, gw_site_fill()'s own two included.
 */
void gw_site_need(struct gw_site *s, const char *name, uint32_t n);

/*
 * gw_site_missing - what is no longer in the folder.
 * @served  everything that was needed is expected; else only the folder itself
 * Returns "" for the folder itself, a name in it (in @name), or NULL: all is
 * there.
 */
const char *gw_site_missing(const struct gw_site *s, bool served,
			    char name[32]);

/*
 * gw_site_fill - put error pages and empty folders into the folder.
 * @err  INTERNAL
 */
GW_MUSTCHECK int gw_site_fill(struct gw_site *s, struct gw_err *err);

/*
 * gw_site_write_conf - write lighttpd's configuration into the folder.
 * @template        the program's part among the data files, e.g.
 *                  "gateway.conf.in"; includes server.conf
 * @vars, @n        what it has beside @RUNTIME_DIR@; 0 .. GW_SITE_VARS_MAX
 * @max_body_bytes  largest request body that the program itself refuses
 * @err             INTERNAL
 * Raises this process's limit of descriptors to the hard one: lighttpd inherits
 * it, and its number of connections follows from it.
 */
GW_MUSTCHECK int gw_site_write_conf(struct gw_site *s,
				    const char *template,
				    const struct gw_render_var *vars, size_t n,
				    uint64_t max_body_bytes,
				    struct gw_err *err);

/* gw_site_release - close the socket, remove the folder; safe twice. */
void gw_site_release(struct gw_site *s);

#endif
