/* SPDX-License-Identifier: MIT */
/* family.h - a process and its descendants, from /proc. libc alone: the guard
 * uses it. */
#ifndef AG_PROCESS_FAMILY_H
#define AG_PROCESS_FAMILY_H

#include <stddef.h>
#include <sys/types.h>

#include "agent/process/proc_stat.h"

#define AG_FAMILY_MAX 4096 /* members that are found in one go, with the root */

struct ag_family {
	size_t n;
	pid_t pid[AG_FAMILY_MAX]; /* [0] is the root */
};

/*
 * ag_family_find - fill in a process and its descendants.
 * @f      the caller's storage; afterwards n >= 1, also without a /proc
 * @root   need not live
 * @found  called for each descendant at once, a parent before its children;
 *         NULL = nobody asks
 * What is started meanwhile may be missed; so is who lost his parent to another
 * reaper. Blocks for as long as /proc is read.
 */
void ag_family_find(struct ag_family *f, pid_t root,
		    void (*found)(pid_t pid, const struct ag_proc_stat *stat));

#endif
