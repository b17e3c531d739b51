/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - start lighttpd as a child in a process group of its own.
 */
#ifndef GW_WEBSERVER_SPAWN_H
#define GW_WEBSERVER_SPAWN_H

#include <sys/types.h>

#include "base/err.h"

/*
 * gw_spawn_lighttpd - start lighttpd.
 * @lighttpd   the program
 * @conf       its configuration, with server.systemd-socket-activation
 * @listen_fd  goes over to lighttpd; -1 afterwards, untouched on failure
 * @err        INTERNAL
 * Returns the child's pid, which is its process group too, or -1. To be called
 * by the first thread: the child gets SIGTERM when the thread that started it
 * ends, and the environment changes for a moment.
 */
GW_MUSTCHECK pid_t gw_spawn_lighttpd(const char *lighttpd, const char *conf,
				     int *listen_fd, struct gw_err *err);

#endif
