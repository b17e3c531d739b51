/* SPDX-License-Identifier: MIT */
/*
 * port.c - tries a port by listening on it for a moment, and keeps other agents
 * away from it.
 */
#include "agent/model/port.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

static bool
is_free(unsigned port)
{
	gw_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int on = 1;

	/* What is left of closed connections (TIME_WAIT) does not count. */
	return fd >= 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	       bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	       listen(fd, 1) == 0;
}

/* Abstract names belong to the same network namespace as ports do. */
static int
take_name(unsigned port)
{
	gw_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int out, n;

	n = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1,
		     "rolemesh-llama-server-%u", port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at,
			   (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				       1 + (size_t)n)) < 0)
		return -1;
	out = fd;
	fd = -1;
	return out;
}

int
ag_port_take(unsigned port)
{
	int fd = take_name(port);

	if (fd < 0 || is_free(port))
		return fd;
	close(fd);
	return -1;
}
