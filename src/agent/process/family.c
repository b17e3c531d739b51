/* SPDX-License-Identifier: MIT */
/* family.c - who descends from whom; touches none of them. */
#include "agent/process/family.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>

static bool
is_member(const struct ag_family *f, pid_t pid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->pid[i] == pid)
			return true;
	return false;
}

static bool
add_members(struct ag_family *f, DIR *proc,
	    void (*found)(pid_t pid, const struct ag_proc_stat *stat))
{
	struct ag_proc_stat stat;
	size_t before = f->n;
	struct dirent *e;
	pid_t pid;

	while ((e = readdir(proc)) && f->n < AG_FAMILY_MAX) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (is_member(f, pid) || ag_proc_stat(pid, &stat) != 0 ||
		    !is_member(f, stat.ppid))
			continue;
		f->pid[f->n++] = pid;
		if (found)
			found(pid, &stat);
	}
	return f->n > before && f->n < AG_FAMILY_MAX;
}

void
ag_family_find(struct ag_family *f, pid_t root,
	       void (*found)(pid_t pid, const struct ag_proc_stat *stat))
{
	DIR *proc = opendir("/proc");

	f->pid[0] = root;
	f->n = 1;
	if (!proc)
		return;
	/* Once more while it grew: a child's pid may be the smaller one. */
	while (add_members(f, proc, found))
		rewinddir(proc);
	closedir(proc);
}
