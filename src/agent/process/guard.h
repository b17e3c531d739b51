/* SPDX-License-Identifier: MIT */
/*
 * guard.h - what the agent and rolemesh-guard say to each other.
 *
 * The guard is started as `rolemesh-guard FD ENV -- program args...`. FD is one
 * end of a SOCK_SEQPACKET socket pair; each packet is one struct ag_guard_msg,
 * both ways. ENV is a descriptor of a file with the command's whole environment
 * (guard_env.h): on a command line everybody could read it, and in the guard's
 * own environment it would change the guard. Both programs are built together:
 * the format may change with any version.
 *
 * The guard says STARTED and later ENDED, or EXEC_FAILED alone, and exits only
 * when the command and all it left behind are gone. End of file on FD, or a
 * packet it does not know, means KILL.
 */
#ifndef AG_PROCESS_GUARD_H
#define AG_PROCESS_GUARD_H

#include <assert.h>
#include <stdint.h>

enum ag_guard_word {
	/* to the guard */
	AG_GUARD_TERMINATE = 1, /* SIGTERM to the command's process group */
	AG_GUARD_KILL,		/* SIGKILL to the command and its family */
	/* from the guard */
	AG_GUARD_STARTED,     /* value: pid; start_time: of that pid */
	AG_GUARD_EXEC_FAILED, /* value: errno */
	AG_GUARD_ENDED,	      /* value: wait status of the command */
};

struct ag_guard_msg {
	int32_t word; /* enum ag_guard_word */
	int32_t value;
	uint64_t start_time; /* field 22 of /proc/PID/stat */
};

static_assert(sizeof(struct ag_guard_msg) == 16, "no padding in a message");

#endif
