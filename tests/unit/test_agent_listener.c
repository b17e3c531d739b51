/* SPDX-License-Identifier: MIT */
/* test_agent_listener.c - who listens on a port, and whose that socket is. */
#include "agent/process/listener.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* Port 0: any. -1 = cannot be bound. */
static int
listen_at(int family, const char *address, unsigned *port, bool shared,
	  bool only_v6)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)*port)};
	struct sockaddr_in four = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)*port)};
	bool is_six = family == AF_INET6;
	struct sockaddr *at = is_six ? (void *)&six : (void *)&four;
	socklen_t len = is_six ? sizeof(six) : sizeof(four);
	int fd = socket(family, SOCK_STREAM, 0), on = 1, v6 = only_v6;

	inet_pton(family, address,
		  is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr);
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (is_six)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6, sizeof(v6));
	if (fd < 0 || bind(fd, at, len) != 0 || listen(fd, 8) != 0 ||
	    getsockname(fd, at, &len) != 0) {
		close(fd);
		return -1;
	}
	*port = ntohs(is_six ? six.sin6_port : four.sin_port);
	return fd;
}

/* It has what is open now, and ends when @told is closed. */
static pid_t
child_that_waits(int *told)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) != 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		char c;

		close(ends[1]);
		while (read(ends[0], &c, 1) < 0)
			;
		_exit(0);
	}
	close(ends[0]);
	*told = ends[1];
	return pid;
}

static void
end_child(pid_t pid, int told)
{
	close(told);
	waitpid(pid, NULL, 0);
}

static void
addresses(void)
{
	static const struct {
		int family;
		const char *address;
		size_t seen;
	} rows[] = {
		{AF_INET, "127.0.0.1", 1},	   {AF_INET, "0.0.0.0", 1},
		{AF_INET, "127.0.0.2", 0},	   {AF_INET6, "::", 1},
		{AF_INET6, "::ffff:127.0.0.1", 1}, {AF_INET6, "::1", 0},
	};
	struct ag_listener l;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned port = 0;
		int fd = listen_at(rows[i].family, rows[i].address, &port,
				   false, false);

		ag_listener_look(port, &l);
		ok(fd >= 0 && l.n == rows[i].seen &&
			   (!l.n || (l.socket[0].user == geteuid() &&
				     ag_listener_is_of(&l, getpid()))),
		   "address: one listens on %s -> %s", rows[i].address,
		   rows[i].seen ? "would get a connection to 127.0.0.1"
				: "is not meant");
		close(fd);
		ag_listener_look(port, &l);
		ok(l.n == 0, "address: it is closed -> nobody listens");
	}
}

static void
preferred(void)
{
	struct ag_listener l, before;
	unsigned port = 0;
	int all = listen_at(AF_INET, "0.0.0.0", &port, true, false);
	int six = listen_at(AF_INET6, "::", &port, true, true);
	int exact;

	ag_listener_look(port, &before);
	exact = listen_at(AF_INET, "127.0.0.1", &port, true, false);
	ag_listener_look(port, &l);
	ok(all >= 0 && six >= 0 && before.n == 1,
	   "several: all IPv4 addresses and, for IPv6 only, all -> the former");
	ok(exact >= 0 && l.n == 1 &&
		   l.socket[0].inode != before.socket[0].inode,
	   "several: on the address itself, too -> that one");
	ok(ag_listener_within(&l, &l) && !ag_listener_within(&l, &before),
	   "several: another one than before -> seen");
	close(all);
	close(six);
	close(exact);
}

static void
shared(void)
{
	int fds[AG_LISTENERS_MAX + 1];
	struct ag_listener l, full;
	unsigned port = 0;

	for (size_t i = 0; i < AG_LISTENERS_MAX; i++)
		fds[i] = listen_at(AF_INET, "127.0.0.1", &port, true, false);
	ag_listener_look(port, &full);
	ok(full.n == AG_LISTENERS_MAX && !full.more &&
		   ag_listener_is_of(&full, getpid()) &&
		   ag_listener_within(&full, &full),
	   "shared: as many sockets as fit -> all are looked at");
	fds[AG_LISTENERS_MAX] =
		listen_at(AF_INET, "127.0.0.1", &port, true, false);
	ag_listener_look(port, &l);
	ok(l.n == AG_LISTENERS_MAX && l.more &&
		   !ag_listener_is_of(&l, getpid()) &&
		   !ag_listener_within(&l, &full),
	   "shared: one more -> none is believed");
	for (size_t i = 0; i <= AG_LISTENERS_MAX; i++)
		close(fds[i]);
}

static void
families(void)
{
	struct ag_listener ours, both;
	unsigned port = 0;
	int told, mine, other = -1;
	pid_t child, before;

	before = child_that_waits(&other);
	mine = listen_at(AF_INET, "127.0.0.1", &port, true, false);
	child = child_that_waits(&told);
	ag_listener_look(port, &ours);
	ok(ag_listener_is_of(&ours, getpid()),
	   "family: the root holds it -> its");
	ok(ag_listener_is_of(&ours, child),
	   "family: one that inherited it -> its, too");
	ok(!ag_listener_is_of(&ours, before),
	   "family: one that does not have it -> a stranger's");
	ok(!ag_listener_is_of(&(struct ag_listener){0}, getpid()),
	   "family: nobody listens -> nobody's");
	close(mine);
	ok(ag_listener_is_of(&ours, getpid()),
	   "family: a child of the root holds it -> the root's family");
	/* A stranger beside it, which the kernel might choose as well. */
	mine = listen_at(AF_INET, "127.0.0.1", &port, true, false);
	ag_listener_look(port, &both);
	ok(both.n == 2 && !ag_listener_is_of(&both, child),
	   "family: shares the port with a stranger -> not believed");
	close(mine);
	end_child(child, told);
	end_child(before, other);
}

int
main(void)
{
	addresses();
	preferred();
	shared();
	families();
	return done_testing();
}
