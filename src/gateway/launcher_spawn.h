/* SPDX-License-Identifier: MIT */
/*
 * launcher_spawn.h - start lighttpd as a child in a process group of its own.
 */
#ifndef GW_GATEWAY_LAUNCHER_SPAWN_H
#define GW_GATEWAY_LAUNCHER_SPAWN_H

#include <sys/types.h>

#include "gateway/launcher.h"

/*
 * launcher_spawn - start lighttpd.
 * @l    prepared; its listening socket goes over to lighttpd
 * @err  INTERNAL
 * Returns the child's pid, which is its process group too, or -1. The child
 * gets SIGTERM when the launcher dies.
 */
GW_MUSTCHECK pid_t launcher_spawn(struct launcher *l, struct gw_err *err);

#endif
