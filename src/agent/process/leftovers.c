/* SPDX-License-Identifier: MIT */
/*
 * leftovers.c - a family without its head, from what /proc says.
 *
 * A number may be somebody else's by now. That of a group or session is not
 * given away as long as it has members: so who was a member when the leader
 * still lived is of that family. Those that came later, or left for a session
 * of their own, have the mark.
 */
#include "agent/process/leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/process/proc_stat.h"
#include "base/cleanup.h"
#include "base/log.h"

#define FOUND_MAX 1024 /* of one round; the others in the next one */
#define ROUNDS_MAX 16
#define READ_BYTES 65536

struct search {
	const struct ag_leftovers *of;
	char entry[128]; /* of an environment, with its '\0'; "" = none */
	size_t n;
	struct ag_leader found[FOUND_MAX];
};

/* ---- who is one of them ---------------------------------------------------
 */

static bool
has_mark(const struct search *s, pid_t pid)
{
	size_t want = strlen(s->entry) + 1, have = 0;
	gw_auto_free char *text = NULL;
	gw_auto_fd int fd = -1;
	char path[64];
	ssize_t n;

	if (want == 1)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	text = fd < 0 ? NULL : malloc(READ_BYTES);
	while (text && (n = read(fd, text + have, READ_BYTES - have)) > 0) {
		have += (size_t)n;
		if (memmem(text, have, s->entry, want))
			return true;
		/* It may be cut in two. */
		if (have >= want) {
			memmove(text, text + have - (want - 1), want - 1);
			have = want - 1;
		}
	}
	return false;
}

static bool
belongs_to(const struct ag_proc_stat *stat, pid_t pid)
{
	return stat->group == pid || stat->session == pid;
}

static bool
is_found(const struct search *s, pid_t pid)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->found[i].pid == pid)
			return true;
	return false;
}

static bool
is_one(const struct search *s, pid_t pid, const struct ag_proc_stat *stat)
{
	const struct ag_leftovers *of = s->of;

	for (size_t i = 0; i < of->n; i++) {
		const struct ag_leader *l = &of->leader[i];

		if (pid == l->pid && stat->start_time == l->start_time)
			return true;
		if (belongs_to(stat, l->pid) &&
		    stat->start_time >= l->start_time &&
		    stat->start_time <= of->alive_at)
			return true;
	}
	/* These live, or did a moment ago: their numbers are theirs. */
	for (size_t i = 0; i < s->n; i++)
		if (belongs_to(stat, s->found[i].pid) ||
		    stat->ppid == s->found[i].pid)
			return true;
	return has_mark(s, pid);
}

static bool
look(struct search *s, DIR *proc)
{
	struct ag_proc_stat stat;
	size_t before = s->n;
	struct dirent *e;
	pid_t pid;

	while ((e = readdir(proc)) && s->n < FOUND_MAX) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid <= 1 || pid == getpid() || is_found(s, pid) ||
		    ag_proc_stat(pid, &stat) != 0 || stat.state == 'Z' ||
		    stat.state == 'X' || !is_one(s, pid, &stat))
			continue;
		s->found[s->n++] = (struct ag_leader){
			.pid = pid, .start_time = stat.start_time};
	}
	return s->n > before && s->n < FOUND_MAX;
}

/* ---- their end ------------------------------------------------------------
 */

static bool
kill_one(const struct ag_leader *who)
{
	struct ag_proc_stat now;
	int fd, rc;

	/* Held, so that the number stays its own; before Linux 5.3 it is looked
	 * at once more, which has to do. */
	fd = (int)syscall(SYS_pidfd_open, who->pid, 0);
	rc = ag_proc_stat(who->pid, &now) != 0 ||
	     now.start_time != who->start_time;
	if (rc == 0)
		rc = fd < 0 ? kill(who->pid, SIGKILL)
			    : (int)syscall(SYS_pidfd_send_signal, fd, SIGKILL,
					   NULL, 0);
	if (fd >= 0)
		close(fd);
	return rc == 0;
}

/* Those of an earlier round may take a moment to be gone. */
static bool
was_killed(const struct ag_leader *killed, size_t n,
	   const struct ag_leader *who)
{
	for (size_t i = 0; i < n; i++)
		if (killed[i].pid == who->pid &&
		    killed[i].start_time == who->start_time)
			return true;
	return false;
}

void
ag_leftovers_kill(const struct ag_leftovers *l)
{
	gw_auto_free struct ag_leader *killed =
		calloc(FOUND_MAX, sizeof(*killed));
	gw_auto_free struct search *s = calloc(1, sizeof(*s));
	DIR *proc = opendir("/proc");
	size_t n_killed = 0;

	if (!s || !proc || !killed)
		goto out;
	s->of = l;
	if (l->mark)
		snprintf(s->entry, sizeof(s->entry), AG_MARK_VARIABLE "=%s",
			 l->mark);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		size_t before = n_killed;

		s->n = 0;
		do
			rewinddir(proc);
		while (look(s, proc));
		for (size_t i = 0; i < s->n && n_killed < FOUND_MAX; i++) {
			if (was_killed(killed, n_killed, &s->found[i]) ||
			    !kill_one(&s->found[i]))
				continue;
			killed[n_killed++] = s->found[i];
			gw_log(GW_EV_LEFTOVER_KILLED, NULL, "pid=%d",
			       (int)s->found[i].pid);
		}
		if (n_killed == before)
			break;
	}
out:
	if (proc)
		closedir(proc);
}
