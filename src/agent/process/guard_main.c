/* SPDX-License-Identifier: MIT */
/*
 * guard_main.c - rolemesh-guard: runs one command and outlives all it starts.
 *
 * Stands between the agent and a command; guard.h has the protocol. It ends
 * only when no descendant is left, whatever signal comes (SIGKILL excepted:
 * then the kernel kills the command). Must not print, nor hold the command's
 * output open, nor keep anything of the agent but its end of the socket pair.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/process/guard.h"
#include "agent/process/guard_env.h"
#include "agent/process/guard_family.h"
#include "agent/process/guard_start.h"
#include "agent/process/proc_stat.h"

#define EXIT_USAGE 2
#define FIRST_WAIT_MS 10 /* until the family is looked for once more ... */
#define MAX_WAIT_MS 1000 /* ... twice as long each time, up to this */

struct guard {
	int agent_fd;
	int signal_fd;
	int report_fd;	     /* how exec went; -1 once that is known */
	pid_t command;	     /* 0 once it is reaped */
	uint64_t start_time; /* of the command */
	bool deaf;	     /* nothing more comes from the agent */
	bool failed;	     /* exec did */
	bool ending;	     /* whoever is left is killed */
	int wait_ms;
};

static void
tell(const struct guard *g, enum ag_guard_word word, int value,
     uint64_t start_time)
{
	struct ag_guard_msg m = {
		.word = word, .value = value, .start_time = start_time};

	/* An agent that is gone or stuck must not hold the guard up. */
	send(g->agent_fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
end(struct guard *g)
{
	if (g->ending)
		return;
	g->ending = true;
	g->wait_ms = FIRST_WAIT_MS;
}

static void
hear_agent(struct guard *g)
{
	struct ag_guard_msg m;
	ssize_t n;

	if (g->deaf)
		return;
	n = recv(g->agent_fd, &m, sizeof(m), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == sizeof(m) && m.word == AG_GUARD_TERMINATE) {
		/* Once it is reaped, the number may be somebody else's. */
		if (g->command)
			kill(-g->command, SIGTERM);
		return;
	}
	g->deaf = n <= 0;
	end(g);
}

static void
hear_exec(struct guard *g)
{
	int32_t error;
	ssize_t n;

	if (g->report_fd < 0)
		return;
	n = read(g->report_fd, &error, sizeof(error));
	if (n < 0)
		return;
	close(g->report_fd);
	g->report_fd = -1;
	g->failed = n == sizeof(error);
	if (g->failed)
		tell(g, AG_GUARD_EXEC_FAILED, error, 0);
	else
		tell(g, AG_GUARD_STARTED, g->command, g->start_time);
}

static void
reap_command(struct guard *g)
{
	int status = 0;

	/* Its end of the pipe is closed, so the word is there now. */
	hear_exec(g);
	/* The group's number is ours as long as its leader is not reaped. */
	kill(-g->command, SIGKILL);
	waitpid(g->command, &status, WNOHANG);
	if (!g->failed)
		tell(g, AG_GUARD_ENDED, status, 0);
	g->command = 0;
	end(g);
}

/* Returns false when no child is left. */
static bool
reap(struct guard *g)
{
	siginfo_t who = {0};

	while (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) == 0) {
		if (who.si_pid == 0)
			return true;
		if (who.si_pid == g->command)
			reap_command(g);
		else
			waitpid(who.si_pid, NULL, WNOHANG);
		g->wait_ms = FIRST_WAIT_MS;
		who.si_pid = 0;
	}
	return errno != ECHILD;
}

static void
watch(struct guard *g)
{
	struct pollfd fds[] = {{.fd = g->signal_fd, .events = POLLIN},
			       {.fd = g->agent_fd, .events = POLLIN},
			       {.fd = g->report_fd, .events = POLLIN}};
	struct signalfd_siginfo si;

	while (reap(g)) {
		if (g->ending) {
			if (g->command)
				kill(-g->command, SIGKILL);
			guard_family_kill();
		}
		fds[1].fd = g->deaf ? -1 : g->agent_fd;
		fds[2].fd = g->report_fd;
		poll(fds, 3, g->ending ? g->wait_ms : -1);
		if (g->ending && g->wait_ms < MAX_WAIT_MS)
			g->wait_ms *= 2;
		/* Only SIGCHLD means anything, and reap() sees to it. */
		while (read(g->signal_fd, &si, sizeof(si)) > 0)
			;
		hear_exec(g);
		hear_agent(g);
	}
}

/* What the agent holds open is no business of a command. */
static void
close_others(int keep)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int fd;

	if (!d)
		return;
	while ((e = readdir(d))) {
		fd = (int)strtol(e->d_name, NULL, 10);
		if (fd > STDERR_FILENO && fd != keep && fd != dirfd(d))
			close(fd);
	}
	closedir(d);
}

/* The agent is to see the end of the output when the command's ends. */
static void
let_go_of_output(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0) {
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		return;
	}
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
}

static bool
is_agent_socket(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static int
prepare(struct guard *g)
{
	sigset_t all;

	/* Every signal: also those that would stop it at a terminal. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	close_others(g->agent_fd);
	fcntl(g->agent_fd, F_SETFD, FD_CLOEXEC);
	g->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (g->signal_fd < 0)
		return -1;
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int
start(struct guard *g, char *const argv[], char *const env[])
{
	struct ag_proc_stat stat;

	g->command = guard_start(argv, env, &g->report_fd);
	if (g->command < 0)
		return -1;
	if (ag_proc_stat(g->command, &stat) == 0)
		g->start_time = stat.start_time;
	return 0;
}

/* -1 = none. */
static int
descriptor(const char *text)
{
	char *rest;
	long fd = strtol(text, &rest, 10);

	return *text && !*rest && fd > STDERR_FILENO && fd <= INT_MAX ? (int)fd
								      : -1;
}

int
main(int argc, char **argv)
{
	struct guard g = {.report_fd = -1};
	char **env;

	if (argc < 5 || strcmp(argv[3], "--") != 0 ||
	    (g.agent_fd = descriptor(argv[1])) < 0 ||
	    !is_agent_socket(g.agent_fd)) {
		fputs("usage: rolemesh-guard FD ENV -- program [argument ...] "
		      "(started by rolemesh-node-agent only)\n",
		      stderr);
		return EXIT_USAGE;
	}
	env = guard_env_read(descriptor(argv[2]));
	if (!env || prepare(&g) != 0 || start(&g, argv + 4, env) != 0) {
		tell(&g, AG_GUARD_EXEC_FAILED, errno, 0);
		return 1;
	}
	let_go_of_output();
	watch(&g);
	return 0;
}
