/* SPDX-License-Identifier: MIT */
/*
 * identity.c - is the process that wrote this word still there?
 *
 * A pid alone comes back with another process behind it; pid and start time
 * together do not. Both come from /proc/PID/stat. A zombie counts as dead: it
 * runs no more code, whether or not its parent has noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

enum stat_field {
	STAT_STATE = 3,
	STAT_START_TIME = 22
};

/* Reads state and start time of a process. 0, or -1 with errno. */
static int
read_stat(uint32_t pid, char *state, uint64_t *start_ticks)
{
	char path[32], text[1024];
	const char *p;
	ssize_t n;
	int fd, keep;

	snprintf(path, sizeof(path), "/proc/%u/stat", (unsigned)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	keep = errno;
	close(fd);
	errno = keep;
	if (n < 0)
		return -1;
	text[n] = '\0';

	/* The second field is the program's name and may hold ") " itself. */
	p = strrchr(text, ')');
	if (!p || p[1] != ' ') {
		errno = EPROTO;
		return -1;
	}
	p += 2;
	*state = *p;
	for (int field = STAT_STATE; field < STAT_START_TIME; field++) {
		p = strchr(p, ' ');
		if (!p) {
			errno = EPROTO;
			return -1;
		}
		p++;
	}
	*start_ticks = strtoull(p, NULL, 10) & REG_BITS(41);
	return 0;
}

uint64_t
reg_identity_self(struct reg_err *err)
{
	uint32_t pid = (uint32_t)getpid();
	uint64_t start_ticks = 0;
	char state = 0;

	if (read_stat(pid, &state, &start_ticks)) {
		reg_fail(
			err, REG_SYSTEM, errno,
			"cannot read /proc/%u/stat (%s): /proc must be mounted",
			(unsigned)pid, strerror(errno));
		return 0;
	}
	return reg_identity(pid, start_ticks);
}

bool
reg_identity_alive(uint64_t identity)
{
	uint32_t pid = reg_identity_pid(identity);
	uint64_t start_ticks = 0;
	char state = 0;

	if (pid == 0)
		return false;
	if (read_stat(pid, &state, &start_ticks)) {
		if (errno == ESRCH)
			return false;
		if (errno != ENOENT)
			return true;
		/* /proc may hide other users' processes. */
		return kill((pid_t)pid, 0) == 0 || errno == EPERM;
	}
	return start_ticks == reg_identity_start(identity) && state != 'Z' &&
	       state != 'X';
}
