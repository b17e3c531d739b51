/* SPDX-License-Identifier: MIT */
/* port.c - tries a port by listening on it for a moment; keeps nothing. */
#include "agent/port.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/cleanup.h"

bool
ag_port_is_free(unsigned port)
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
