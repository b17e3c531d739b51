/* SPDX-License-Identifier: MIT */
/* proc_stat.h - what /proc/PID/stat says about a process. Needs only libc. */
#ifndef AG_PROCESS_PROC_STAT_H
#define AG_PROCESS_PROC_STAT_H

#include <stdint.h>
#include <sys/types.h>

struct ag_proc_stat {
	char state;	     /* R, S, ...; Z and X run no more */
	pid_t ppid, group, session;
	uint64_t start_time; /* field 22: clock ticks since boot */
};

/*
 * ag_proc_stat - read it.
 * Returns 0, or -1 when there is no such process (or no /proc).
 */
int ag_proc_stat(pid_t pid, struct ag_proc_stat *out);

#endif
