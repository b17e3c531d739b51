/* SPDX-License-Identifier: MIT */
/* proc_stat.c - reads /proc/PID/stat; shared with the guard, so only libc. */
#include "agent/process/proc_stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define STAT_BYTES 1024 /* a name of 64 bytes and 50 numbers */
#define FIELD_STATE 3
#define FIELD_PPID 4
#define FIELD_GROUP 5
#define FIELD_SESSION 6
#define FIELD_START_TIME 22

static void
take_field(int field, const char *p, struct ag_proc_stat *out)
{
	switch (field) {
	case FIELD_STATE:
		out->state = *p;
		break;
	case FIELD_PPID:
		out->ppid = (pid_t)strtol(p, NULL, 10);
		break;
	case FIELD_GROUP:
		out->group = (pid_t)strtol(p, NULL, 10);
		break;
	case FIELD_SESSION:
		out->session = (pid_t)strtol(p, NULL, 10);
		break;
	case FIELD_START_TIME:
		out->start_time = strtoull(p, NULL, 10);
		break;
	default:
		break;
	}
}

int
ag_proc_stat(pid_t pid, struct ag_proc_stat *out)
{
	char path[64], text[STAT_BYTES];
	gw_auto_fd int fd = -1;
	const char *p;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	/* The name stands in parentheses, and may hold some itself. */
	p = strrchr(text, ')');
	for (int field = FIELD_STATE; p && field <= FIELD_START_TIME; field++) {
		p = strchr(p, ' ');
		if (!p)
			break;
		p++;
		take_field(field, p, out);
	}
	return p ? 0 : -1;
}
