/* SPDX-License-Identifier: MIT */
/*
 * children.h - which llama-servers run, on disk: for the agent that comes after
 * one that was killed.
 *
 * Whoever kills an agent kills its llama-servers with it (process.h). This file
 * is for the rest: agent and guard killed in one moment, and a wrapper script
 * between guard and llama-server, which is dead then, too. It holds what
 * leftovers.h needs to find all of them and nobody else.
 */
#ifndef AG_PROCESS_CHILDREN_H
#define AG_PROCESS_CHILDREN_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/process/leftovers.h"
#include "base/err.h"

#define AG_CHILDREN_MAX 64 /* one a model */
#define AG_CHILDREN_BYTES_MAX (256u << 10)

/* Of one agent; its storage. */
struct ag_children {
	char path[PATH_MAX];		  /* "" = not kept */
	char mark[2 * AG_MARK_BYTES + 1]; /* AG_MARK_VARIABLE of its commands */
};

/* One that runs. */
struct ag_child {
	const char *name;	/* for people who read the file */
	pid_t pid;		/* also the number of its process group */
	uint64_t start_time;	/* ag_process_start_time() */
};

/*
 * ag_children_init - choose a mark.
 * @folder  the private one, where the file will be
 * @err     INTERNAL: no random numbers, or the path is too long
 */
GW_MUSTCHECK int ag_children_init(struct ag_children *c, const char *folder,
				  struct gw_err *err);

/*
 * ag_children_write - replace the file by what runs now, in one step (rename).
 * Call it whenever one comes or goes, and when one is ready: who has started
 * until then is found without the mark.
 * @child, @n  all of them; read during the call
 * Failures are not reported: the file is a second safety net. Blocks on writing
 * a few hundred bytes. Crash: the old content or the new one.
 */
void ag_children_write(const struct ag_children *c,
		       const struct ag_child *child, size_t n);

/*
 * ag_children_end_leftovers - SIGKILL to what a dead agent's file leads to and
 * that still runs; logs each.
 * @folder  that agent's private one
 */
void ag_children_end_leftovers(const char *folder);

#endif
