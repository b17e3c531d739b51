/* SPDX-License-Identifier: MIT */
/*
 * full_backlog.c - a port of 127.0.0.1 that can be connected by nobody: writes
 * its number to a file once its queue is full, then waits for a signal.
 *
 * The kernel drops the first packet of a connection that finds the accept queue
 * full, so a client goes on waiting, as for a machine that is switched off. A
 * queue of length 0 holds one connection; the others make sure of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 4

static int
fail(const char *what)
{
	fprintf(stderr, "full_backlog: %s: %s\n", what, strerror(errno));
	return 1;
}

static int
fill(const struct sockaddr_in *at)
{
	for (int i = 0; i < CLIENTS; i++) {
		int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
		int fd = socket(AF_INET, type, 0); /* stays open to the end */

		if (fd < 0)
			return -1;
		if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
		    errno != EINPROGRESS)
			return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f;

	if (argc != 2) {
		fprintf(stderr, "usage: full_backlog PORT_FILE\n");
		return 2;
	}
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 0) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return fail("cannot listen");
	if (fill(&at) < 0)
		return fail("cannot connect");
	f = fopen(argv[1], "we");
	if (!f || fprintf(f, "%d\n", ntohs(at.sin_port)) < 0 || fclose(f) != 0)
		return fail(argv[1]);
	pause();
	return 0;
}
