/* SPDX-License-Identifier: MIT */
/* file_check.c - looks at files, opens none. */
#include "agent/config/file_check.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/bin:/usr/bin" /* execvp()'s */

static const char *
why_not(const char *path, int mode, struct stat *st)
{
	if (stat(path, st) < 0)
		return strerror(errno);
	if (S_ISDIR(st->st_mode))
		return strerror(EISDIR);
	return access(path, mode) < 0 ? strerror(errno) : NULL;
}

static bool
is_in_path(const char *name)
{
	const char *folder = getenv("PATH");

	if (!folder)
		folder = DEFAULT_PATH;
	for (;;) {
		size_t len = strcspn(folder, ":");
		char path[PATH_MAX];
		struct stat st;
		int n;

		/* An empty entry is the current folder. */
		n = snprintf(path, sizeof(path), "%.*s/%s", len ? (int)len : 1,
			     len ? folder : ".", name);
		if (n > 0 && (size_t)n < sizeof(path) &&
		    !why_not(path, X_OK, &st))
			return true;
		if (!folder[len])
			return false;
		folder += len + 1;
	}
}

const char *
ag_why_no_program(const char *name)
{
	struct stat st;

	if (strchr(name, '/'))
		return why_not(name, X_OK, &st);
	return is_in_path(name) ? NULL : "no such program in PATH";
}

const char *
ag_why_no_weights(const char *path)
{
	struct stat st;
	const char *why = why_not(path, R_OK, &st);

	if (!why && !S_ISREG(st.st_mode))
		why = "no regular file";
	else if (!why && st.st_size == 0)
		why = "the file is empty";
	return why;
}
