/* SPDX-License-Identifier: MIT */
/*
 * stopped_clients.c - clients of 127.0.0.1 that ask and read nothing of their
 * answers, until a signal ends them all. Receive buffers and segments are
 * small, or the kernel would take megabytes for each before its server notices.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BYTES 4096
#define SEGMENT_BYTES 1000

static int
ask(in_port_t port, const char *path, const char *json)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int bytes = RECEIVE_BYTES, segment = SEGMENT_BYTES;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof(segment)) <
		    0 ||
	    connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	/* It stays open to the end. */
	return dprintf(fd,
		       "POST %s HTTP/1.1\r\nHost: gateway\r\n"
		       "Content-Type: application/json\r\n"
		       "Content-Length: %zu\r\n\r\n%s",
		       path, strlen(json), json);
}

int
main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr,
			"usage: stopped_clients PORT PATH COUNT JSON...\n"
			"  the clients send these bodies in turn\n");
		return 2;
	}
	for (int i = 0; i < atoi(argv[3]); i++) {
		if (ask((in_port_t)atoi(argv[1]), argv[2],
			argv[4 + i % (argc - 4)]) < 0) {
			fprintf(stderr, "stopped_clients: %s\n",
				strerror(errno));
			return 1;
		}
	}
	pause();
	return 0;
}
