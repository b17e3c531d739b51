/* SPDX-License-Identifier: MIT */
/*
 * fcgi_pair.h - a client's connection to a web server, as the kernel knows it,
 * and requests on behalf of that client. Include it once in a program, after
 * the header that has a `server`.
 */
#ifndef TESTS_UNIT_FCGI_PAIR_H
#define TESTS_UNIT_FCGI_PAIR_H

#include <arpa/inet.h>
#include <netinet/in.h>

#include "fcgi_client.h"

/* A client and a web server that has accepted it. */
struct pair {
	int client, accepted;
	struct sockaddr_in here, there; /* the web server's, the client's */
};

static struct pair
pair_open(void)
{
	struct pair p = {.here = {.sin_family = AF_INET}};
	socklen_t len = sizeof(p.here);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	p.here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || p.client < 0 ||
	    bind(listener, (struct sockaddr *)&p.here, len) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&p.here, &len) < 0 ||
	    connect(p.client, (struct sockaddr *)&p.here, len) < 0 ||
	    getsockname(p.client, (struct sockaddr *)&p.there, &len) < 0)
		abort();
	p.accepted = accept(listener, NULL, NULL);
	if (p.accepted < 0)
		abort();
	close(listener);
	return p;
}

static void
pair_close(struct pair *p)
{
	if (p->client >= 0)
		close(p->client);
	if (p->accepted >= 0)
		close(p->accepted);
	p->client = p->accepted = -1;
}

/* A request on behalf of that client, sent on @fd. */
static void
ask_for(const struct pair *p, int fd, int id, const char *mode)
{
	gw_auto_buf struct gw_buf pairs = GW_BUF_INIT(BYTES_MAX);
	gw_auto_buf struct gw_buf out = GW_BUF_INIT(BYTES_MAX);
	char port[8];

	put_pair(&pairs, "MODE", mode);
	put_pair(&pairs, "SERVER_ADDR", "127.0.0.1");
	put_pair(&pairs, "REMOTE_ADDR", "127.0.0.1");
	snprintf(port, sizeof(port), "%d", ntohs(p->here.sin_port));
	put_pair(&pairs, "SERVER_PORT", port);
	snprintf(port, sizeof(port), "%d", ntohs(p->there.sin_port));
	put_pair(&pairs, "REMOTE_PORT", port);
	put_request_of(&out, id, true, &pairs, "");
	say(&server, fd, out.data, out.len);
}

#endif
