/* SPDX-License-Identifier: MIT */
/*
 * process.h - a child process whose whole family ends with us.
 *
 * Between this program and the command stands rolemesh-guard: it starts the
 * command in a process group of its own, reports its pid, passes signals on,
 * and when the command ends, or this program dies in whatever way, kills what
 * is left of it, its children and their children. So a wrapper script that
 * starts llama-server, and a SIGKILL to the agent, leave nothing running.
 *
 * One thread; everything happens on the event loop, which must be libev's
 * default loop (it alone watches children). Nothing here blocks but the start
 * of a program (fork and exec).
 */
#ifndef AG_PROCESS_H
#define AG_PROCESS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define AG_PROCESS_READ_MAX (64u << 10) /* bytes of output a loop turn */

struct ag_process;

/* How it ended. */
struct ag_exit {
	int exec_errno;	/* != 0: the program could not be executed at all */
	int status;	/* exit status, -1 when a signal ended it */
	int signal;	/* signal that ended it, 0 = none */
};

struct ag_process_ops {
	/* The program runs. @start_time: field 22 of /proc/PID/stat, which
	 * together with the pid names the process for good. May be NULL. */
	void (*on_started)(void *arg, pid_t pid, uint64_t start_time);
	/* Bytes of its standard output and error, as they come. May be NULL. */
	void (*on_output)(void *arg, const char *p, size_t n);
	/* It and all that it started are gone and its output is read to the
	 * end (or for a moment at most, when somebody outside holds it open).
	 * The process object does not exist any more. */
	void (*on_exit)(void *arg, const struct ag_exit *how);
};

struct ag_process_spec {
	const char *guard;	    /* path of rolemesh-guard */
	const char *const *argv;    /* NULL at the end; [0] without a '/' is
				     * looked up in PATH */
	const char *const *env;	    /* NAME=value laid over our environment,
				     * for the program, not for its guard;
				     * NULL at the end, or NULL = none */
};

/*
 * ag_process_start - start a program.
 * @spec  copied as far as needed
 * @ops   static; called on the loop, never before this returns
 * @err   INTERNAL: no memory, no descriptors, no process, or no guard. A
 *        program that is missing or not executable is told by on_exit.
 * Returns the process, or NULL. Its standard input is /dev/null; it inherits no
 * other descriptor.
 */
GW_MUSTCHECK struct ag_process *
ag_process_start(struct ev_loop *loop, const struct ag_process_spec *spec,
		 const struct ag_process_ops *ops, void *arg,
		 struct gw_err *err);

/*
 * ag_process_terminate - SIGTERM to its process group; SIGKILL to all of its
 * family when it has not ended @grace_ms later. Again: the earlier end counts.
 */
void ag_process_terminate(struct ag_process *p, uint32_t grace_ms);

/* ag_process_kill - SIGKILL to all of its family, now. on_exit follows. */
void ag_process_kill(struct ag_process *p);

/*
 * ag_process_free - kill it and forget it: no further callback, not waited for
 * (the guard sees to the rest). NULL is allowed.
 */
void ag_process_free(struct ag_process *p);

/*
 * ag_process_guard - pid of its guard: the command and all that it started are
 * its descendants, wherever they went. Its number is ours until on_exit.
 */
pid_t ag_process_guard(const struct ag_process *p);

/*
 * ag_process_start_time - field 22 of /proc/PID/stat (clock ticks since boot).
 * Returns 0 when there is no such process.
 */
uint64_t ag_process_start_time(pid_t pid);

#endif
