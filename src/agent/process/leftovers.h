/* SPDX-License-Identifier: MIT */
/*
 * leftovers.h - finds what still runs of a dead agent's models, and ends it.
 *
 * Both the agent and a guard were killed, so nobody watched: the program that
 * was started may be dead itself, and what it started is somewhere else in the
 * tree of processes. Whoever is not certainly one of them is left alone.
 */
#ifndef AG_PROCESS_LEFTOVERS_H
#define AG_PROCESS_LEFTOVERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* In the environment of every command: NAME=mark. */
#define AG_MARK_VARIABLE "ROLEMESH_AGENT_RUN"
#define AG_MARK_BYTES 16 /* of random, twice as many digits */

/* A process by its number and what makes that unique. */
struct ag_leader {
	pid_t pid;
	uint64_t start_time; /* ag_proc_stat.start_time */
};

/* What is known of a dead agent's. */
struct ag_leftovers {
	const char *mark;    /* NULL = none known */
	uint64_t alive_at;   /* they lived at that tick since boot; 0 = they ran
			      * before the host was booted: numbers of dead ones
			      * mean nothing */
	const struct ag_leader *leader; /* each the leader of a group */
	size_t n;
};

/*
 * ag_leftovers_kill - SIGKILL to each process
 *   - that is one of the leaders,
 *   - or is in the group or session of one, and was by alive_at,
 *   - or has the mark in its environment,
 *   - or is in the group or session of one of these, or their child.
 * Logs each. Once more for what they started meanwhile. Blocks on reading /proc.
 */
void ag_leftovers_kill(const struct ag_leftovers *l);

#endif
