/* SPDX-License-Identifier: MIT */
/*
 * test_fcgi_peer.c - does the web server at the other end run on this host? By
 * addresses, and by sockets that the kernel knows.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/conn.h"
#include "tap.h"

/* "unix", or an address of either family. */
static struct sockaddr_storage
address(const char *text)
{
	struct sockaddr_storage s = {.ss_family = AF_UNIX};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = 1};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = 2};

	if (strcmp(text, "unix") == 0)
		return s;
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(&s, &v4, sizeof(v4));
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(&s, &v6, sizeof(v6));
	else
		abort();
	return s;
}

static void
test_addresses(void)
{
	static const struct {
		const char *peer, *own;
		bool here;
	} rows[] = {
		{"unix", "unix", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.8.9.10", "127.0.0.1", true},
		{"::1", "::1", true},
		{"::ffff:127.0.0.1", "::ffff:127.0.0.1", true},
		{"192.0.2.7", "192.0.2.7", true},
		{"2001:db8::7", "2001:db8::7", true},
		{"::ffff:192.0.2.7", "192.0.2.7", true},
		{"192.0.2.8", "192.0.2.7", false},
		{"192.0.2.8", "127.0.0.1", false},
		{"126.255.255.255", "192.0.2.7", false},
		{"128.0.0.1", "192.0.2.7", false},
		{"::ffff:128.0.0.1", "::ffff:192.0.2.7", false},
		{"2001:db8::8", "2001:db8::7", false},
		{"2001:db8::7", "192.0.2.7", false},
		{"::2", "::1", false},
		{"::127.0.0.1", "::ffff:192.0.2.7", false},
		{"::", "::1", false},
		{"192.0.2.7", "unix", false},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct sockaddr_storage peer = address(rows[i].peer);
		struct sockaddr_storage own = address(rows[i].own);

		ok(gw_peer_is_here(&peer, &own) == rows[i].here,
		   "peer: %s, which connected to %s -> %s", rows[i].peer,
		   rows[i].own, rows[i].here ? "of this host" : "a stranger");
	}
}

static void
test_sockets(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int dialled = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct gw_fcgi_conn c = {.fd = -1, .is_unix = true};

	ok(gw_fcgi_is_from_here(&c), "peer: a unix socket -> of this host");
	c.is_unix = false;
	ok(!gw_fcgi_is_from_here(&c),
	   "peer: the kernel knows no other end -> a stranger");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || dialled < 0 ||
	    bind(listener, (struct sockaddr *)&at, len) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    connect(dialled, (struct sockaddr *)&at, len) < 0)
		abort();
	c.fd = accept(listener, NULL, NULL);
	ok(gw_fcgi_is_from_here(&c), "peer: TCP over loopback -> of this host");
	close(c.fd);
	close(listener);
	close(dialled);
}

int
main(void)
{
	test_addresses();
	test_sockets();
	return done_testing();
}
