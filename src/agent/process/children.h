/* SPDX-License-Identifier: MIT */
/*
 * children.h - which llama-servers run, on disk: for the agent that comes after
 * one that was killed.
 *
 * Whoever kills an agent kills its llama-servers with it (process.h). This file
 * is for the rest: agent and guard killed in one moment, and a wrapper script
 * between guard and llama-server. A process is named by pid and start time, so
 * that a pid that was given to somebody else is left alone.
 */
#ifndef AG_PROCESS_CHILDREN_H
#define AG_PROCESS_CHILDREN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AG_CHILDREN_NAME "children.json"
#define AG_CHILDREN_BYTES_MAX (256u << 10)

/* One that runs. */
struct ag_child {
	const char *name;	/* for people who read the file */
	pid_t pid;		/* also the number of its process group */
	uint64_t start_time;	/* ag_process_start_time() */
};

/*
 * ag_children_write - replace the file by what runs now.
 * @path       in the private folder; replaced in one step (rename)
 * @child, @n  all of them; read during the call
 * Failures are not reported: the file is a second safety net. Blocks on writing
 * a few hundred bytes. Crash: the old content or the new one.
 */
void ag_children_write(const char *path, const struct ag_child *child,
		       size_t n);

/*
 * ag_children_end_leftovers - SIGKILL to the process groups that a dead agent's
 * file names and that still run; logs each.
 */
void ag_children_end_leftovers(const char *path);

#endif
