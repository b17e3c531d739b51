/* SPDX-License-Identifier: MIT */
/*
 * guard_start.c - fork and exec of the command that the guard watches.
 * Between the two only calls that are safe there.
 */
#include "agent/process/guard_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EXIT_NOT_EXECUTED 127 /* as shells have it */

static void
become(char *const argv[], char *const env[], pid_t guard, int report_fd)
{
	sigset_t none;
	int32_t error;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != guard)
		_exit(EXIT_NOT_EXECUTED); /* it died before the line above */
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvpe(argv[0], argv, env);
	error = errno;
	if (write(report_fd, &error, sizeof(error)) < 0)
		_exit(EXIT_NOT_EXECUTED); /* nobody is left to be told */
	_exit(EXIT_NOT_EXECUTED);
}

pid_t
guard_start(char *const argv[], char *const env[], int *report_fd)
{
	pid_t guard = getpid(), pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	pid = fork();
	if (pid == 0)
		become(argv, env, guard, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -1;
	}
	/* Here too: a signal to the group may come before the child runs. */
	setpgid(pid, pid);
	*report_fd = ends[0];
	return pid;
}
