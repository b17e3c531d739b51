/* SPDX-License-Identifier: MIT */
/*
 * guard_family.c - finds every descendant through /proc and kills it.
 *
 * Must never hit a stranger: a pid found a moment ago may belong to somebody
 * else by now. A child of ours keeps its pid until we reap it; any other
 * descendant is held by a descriptor and looked at once more first.
 */
#include "agent/process/guard_family.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/process/family.h"
#include "agent/process/proc_stat.h"

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

void
guard_family_kill(void)
{
	struct ag_family f;

	/* A parent dies before its children are looked for: it starts no more.
	 */
	ag_family_find(&f, getpid(), kill_member);
}
