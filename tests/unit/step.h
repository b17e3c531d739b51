/* SPDX-License-Identifier: MIT */
/*
 * step.h - a child runs one machine instruction at a time, and between any two
 * of them its parent acts.
 *
 * What ought to be one atomic step and is in truth a load and a store is found
 * out so every time, however many processors there are.
 */
#ifndef TESTS_UNIT_STEP_H
#define TESTS_UNIT_STEP_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_MAX 200000 /* where stepping through an atomic never gets by */
#define CANNOT_TRACE 77	 /* this machine, or whoever traces us, forbids it */

/* In the child: is stepped through from here on. 0, or CANNOT_TRACE. */
static int
step_begin(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return CANNOT_TRACE;
	raise(SIGSTOP);
	return 0;
}

static void
step_wait(pid_t pid, int *status)
{
	while (waitpid(pid, status, WUNTRACED) < 0 && errno == EINTR)
		continue;
}

/*
 * Runs @child in a process of its own, and @between after each instruction
 * behind its step_begin(). Returns how many there were; its exit status, or
 * 128 when it had none, in *status.
 */
static long
step_through(int (*child)(void *), void (*between)(void *), void *arg,
	     int *status)
{
	long steps = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		/* A test that is killed leaves nobody behind. */
		_exit(prctl(PR_SET_PDEATHSIG, SIGKILL) ? 97 : child(arg));
	step_wait(pid, status);
	while (WIFSTOPPED(*status) && steps < STEPS_MAX) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		step_wait(pid, status);
		between(arg);
		steps++;
	}
	while (WIFSTOPPED(*status)) {
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		step_wait(pid, status);
	}
	*status = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128;
	return steps;
}

#endif
