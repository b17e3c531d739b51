/* SPDX-License-Identifier: MIT */
/*
 * guard_family.c - finds every descendant through /proc and kills it.
 *
 * Must never hit a stranger: a pid found a moment ago may belong to somebody
 * else by now. A child of ours keeps its pid until we reap it; any other
 * descendant is held by a descriptor and looked at once more first.
 */
#include "agent/process/guard_family.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/process/proc_stat.h"

#define FAMILY_MAX 1024 /* killed in one round; the others in the next one */

struct family {
	size_t n;
	pid_t pid[FAMILY_MAX]; /* [0] is the calling process */
};

static bool
is_member(const struct family *f, pid_t pid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->pid[i] == pid)
			return true;
	return false;
}

static void
kill_member(pid_t pid, const struct ag_proc_stat *seen)
{
	struct ag_proc_stat now;
	int fd;

	if (seen->ppid == getpid()) {
		kill(pid, SIGKILL);
		return;
	}
	/* Before Linux 5.3 it has to wait until it is a child of ours. */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return;
	if (ag_proc_stat(pid, &now) == 0 && now.start_time == seen->start_time)
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close(fd);
}

/* A parent dies before its children are looked for: it starts no more. */
static bool
add_members(struct family *f, DIR *proc)
{
	struct ag_proc_stat stat;
	size_t before = f->n;
	struct dirent *e;
	pid_t pid;

	while ((e = readdir(proc)) && f->n < FAMILY_MAX) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (is_member(f, pid) || ag_proc_stat(pid, &stat) != 0 ||
		    !is_member(f, stat.ppid))
			continue;
		f->pid[f->n++] = pid;
		kill_member(pid, &stat);
	}
	return f->n > before && f->n < FAMILY_MAX;
}

void
guard_family_kill(void)
{
	struct family f = {.n = 1, .pid = {getpid()}};
	DIR *proc = opendir("/proc");

	if (!proc)
		return;
	/* Once more while it grew: a child's pid may be the smaller one. */
	while (add_members(&f, proc))
		rewinddir(proc);
	closedir(proc);
}
