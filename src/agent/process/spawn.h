/* SPDX-License-Identifier: MIT */
/* spawn.h - start of a guard and the descriptors that lead to it. */
#ifndef AG_PROCESS_SPAWN_H
#define AG_PROCESS_SPAWN_H

#include <sys/types.h>

#include "agent/process/process.h"

/* Both descriptors are non-blocking and CLOEXEC; the caller closes them. */
struct ag_spawned {
	pid_t guard;   /* a child of ours, in a process group of its own */
	int guard_fd;  /* our end of the socket pair, see guard.h */
	int output_fd; /* standard output and error of the command */
};

/*
 * ag_process_spawn - start a guard.
 * @out  filled on success
 * @err  INTERNAL: no memory, no descriptors, no process, or no guard
 */
GW_MUSTCHECK int ag_process_spawn(const struct ag_process_spec *spec,
				  struct ag_spawned *out, struct gw_err *err);

#endif
