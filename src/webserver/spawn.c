/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - start lighttpd as a child in a process group of its own.
 *
 * Between fork and exec only calls that are safe there. The group keeps a
 * terminal's Ctrl-C away from lighttpd and lets us end every process that it
 * started, whoever its parent is by then.
 */
#include "webserver/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define INHERITED_FD 3 /* where socket activation begins */
#define PID_PREFIX "LISTEN_PID="
#define PID_DIGITS 20

static const int reset_signals[] = {SIGINT, SIGTERM, SIGPIPE, SIGCHLD};

/* snprintf() is not promised to work between fork and exec. */
static void
write_pid(char *out, pid_t pid)
{
	char digits[PID_DIGITS];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
}

static void
become_lighttpd(const char *lighttpd, const char *conf, int listen_fd,
		pid_t parent, char *pid_digits)
{
	char *const argv[] = {(char *)"lighttpd", (char *)"-D", (char *)"-f",
			      (char *)conf, NULL};
	sigset_t none;
	int null;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1); /* it died before the line above */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < GW_ARRAY_LEN(reset_signals); i++)
		signal(reset_signals[i], SIG_DFL);
	/* Sockets of the responders come out as 0600. */
	umask(0177);
	if (listen_fd == INHERITED_FD)
		fcntl(INHERITED_FD, F_SETFD, 0);
	else
		dup2(listen_fd, INHERITED_FD);
	null = open("/dev/null", O_RDONLY);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	/* Standard output is for our own lines. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (null > INHERITED_FD)
		close(null);
	write_pid(pid_digits, getpid());
	execv(lighttpd, argv);
	_exit(127);
}

pid_t
gw_spawn_lighttpd(const char *lighttpd, const char *conf, int *listen_fd,
		  struct gw_err *err)
{
	static char listen_pid[sizeof(PID_PREFIX) + PID_DIGITS] = PID_PREFIX;
	pid_t parent = getpid(), pid;

	if (setenv("LISTEN_FDS", "1", 1) != 0 || putenv(listen_pid) != 0) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return -1;
	}
	pid = fork();
	if (pid == 0)
		become_lighttpd(lighttpd, conf, *listen_fd, parent,
				listen_pid + strlen(PID_PREFIX));
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	if (pid < 0) {
		gw_err_set(err, GW_ERR_INTERNAL, errno, "cannot fork: %s",
			   strerror(errno));
		return -1;
	}
	/* Here too: a signal to the group may come before the child runs. */
	setpgid(pid, pid);
	/* Held by lighttpd alone: once it stops listening, nobody does. */
	close(*listen_fd);
	*listen_fd = -1;
	return pid;
}
