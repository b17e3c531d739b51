/* SPDX-License-Identifier: MIT */
/*
 * listener.h - who would get a connection to a port of this host?
 *
 * A port that was free a moment ago may be a stranger's when it is connected.
 * The kernel names the sockets that listen, and /proc the processes that hold
 * them open.
 */
#ifndef AG_PROCESS_LISTENER_H
#define AG_PROCESS_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AG_LISTENERS_MAX 16 /* sockets that share one port (SO_REUSEPORT) */

/* Sockets among which the kernel chooses for a connection. */
struct ag_listener {
	size_t n;		/* 0 = nobody listens, or it cannot be known */
	bool more;		/* than fit */
	struct {
		uint64_t inode;
		uid_t user;	/* whose process opened it */
	} socket[AG_LISTENERS_MAX];
};

/*
 * ag_listener_look - who listens for connections to 127.0.0.1:@port?
 * Those on that address, or else those on all addresses. Reads as much of
 * /proc/net/tcp as lists listening sockets; does not wait for anything.
 */
void ag_listener_look(unsigned port, struct ag_listener *out);

/*
 * ag_listener_within - somebody listens @now, and only with sockets that
 * @before has as well. A socket that was closed never comes back: it listened
 * all the time between the two.
 */
bool ag_listener_within(const struct ag_listener *now,
			const struct ag_listener *before);

/*
 * ag_listener_is_of - does the process @root, or one of its descendants, hold
 * every one of these sockets open?
 * Where descriptors of one of them cannot be read (a program with capabilities
 * of its own), a socket counts when our user opened it.
 * Reads /proc/PID/stat of every process, and /proc/PID/fd of the family.
 */
bool ag_listener_is_of(const struct ag_listener *l, pid_t root);

#endif
