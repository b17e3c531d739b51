/* SPDX-License-Identifier: MIT */
/*
 * free_port.c - prints N free TCP ports of 127.0.0.1, one a line; with a second
 * argument FIRST, FIRST and the N - 1 behind it, or fails when one is taken.
 *
 * All are bound at once before any is released, so they differ; the kernel
 * hands out ephemeral ports in an order that makes a quick reuse unlikely, but
 * nothing reserves them: start what needs them and check that it started.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORTS_MAX 64

static int
bind_to(int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((in_port_t)*port)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&at, &len) == 0) {
		*port = ntohs(at.sin_port);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

int
main(int argc, char **argv)
{
	long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	long first = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	int fds[PORTS_MAX], port;

	if (n < 1 || n > PORTS_MAX || first < 0 || first + n > 65536) {
		fprintf(stderr, "usage: free_port [1..%d [FIRST]]\n",
			PORTS_MAX);
		return 2;
	}
	for (long i = 0; i < n; i++) {
		port = first ? (int)(first + i) : 0;
		fds[i] = bind_to(&port);
		if (fds[i] < 0) {
			fprintf(stderr, "free_port: %s\n", strerror(errno));
			return 1;
		}
		printf("%d\n", port);
	}
	for (long i = 0; i < n; i++)
		close(fds[i]);
	return 0;
}
