/* SPDX-License-Identifier: MIT */
/*
 * address.c - the agent's address, and what belongs to who holds it: the
 * private folder, what a dead agent left in one, the socket behind lighttpd.
 */
#include "agent/address.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "agent/process/children.h"
#include "webserver/find.h"

#define SOCKET_NAME "agent" /* agent.conf.in names it */
#define BACKLOG 4096

static void
end_leftovers(const char *folder, void *arg)
{
	(void)arg;
	ag_children_end_leftovers(folder);
}

/*
 * The port is what one agent at a time can have: who holds it owns the folder
 * of that address, and what a dead agent left in one.
 */
int
ag_address_prepare(struct gw_site *s, struct ag_agent *a, struct gw_err *err)
{
	const struct ag_config *c = a->config;
	char instance[300];
	bool leftover;

	snprintf(instance, sizeof(instance), "node agent %s %u", c->listen_host,
		 (unsigned)c->listen_port);
	if (gw_find_lighttpd(s->lighttpd, err) < 0 ||
	    gw_find_program("rolemesh-guard", "ROLEMESH_GUARD", a->guard, err) <
		    0)
		return -1;
	leftover = gw_folder_leftovers(instance, end_leftovers, NULL) > 0;
	if (gw_site_listen(s, c->listen_host, c->listen_port, leftover,
			   "--port or listen_port", err) < 0 ||
	    gw_folder_create(&s->folder, instance, &leftover, err) < 0 ||
	    gw_site_fill(s, err) < 0 ||
	    ag_children_init(&a->children, s->folder.path, err) < 0)
		return -1;
	gw_site_need(s, SOCKET_NAME, 0);
	return gw_site_write_conf(s, "agent.conf.in", NULL, 0,
				  c->max_body_bytes, err);
}

/* The socket behind lighttpd; only we and it can reach it. */
int
ag_address_listen(const struct gw_site *s, struct gw_err *err)
{
	gw_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int out, n;

	n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/" SOCKET_NAME,
		     s->folder.path);
	if (fd < 0 || n < 0 || n >= (int)sizeof(at.sun_path) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chmod(at.sun_path, 0600) < 0 || listen(fd, BACKLOG) < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "cannot listen on %s: %s", at.sun_path,
				  strerror(errno));
	out = fd;
	fd = -1;
	return out;
}
