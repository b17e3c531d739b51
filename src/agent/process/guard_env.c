/* SPDX-License-Identifier: MIT */
/*
 * guard_env.c - reads the command's environment. It must never become the
 * guard's own: an LD_PRELOAD or a MALLOC_ variable meant for the command would
 * run in the process that has to outlive it.
 */
#include "agent/process/guard_env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All of the file, with a '\0' behind it. */
static char *
read_all(int fd, size_t *len)
{
	struct stat st;
	char *text;
	size_t n = 0;

	if (fstat(fd, &st) != 0)
		return NULL;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	while (text && n < (size_t)st.st_size) {
		ssize_t got =
			pread(fd, text + n, (size_t)st.st_size - n, (off_t)n);

		if (got <= 0) {
			free(text);
			return NULL;
		}
		n += (size_t)got;
	}
	if (text)
		text[n] = '\0';
	*len = n;
	return text;
}

char **
guard_env_read(int fd)
{
	size_t len = 0, n = 0;
	char *text = read_all(fd, &len);
	char **env;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i++)
		n += text[i] == '\0';
	env = calloc(n + 2, sizeof(*env));
	if (!env) {
		free(text);
		return NULL;
	}
	n = 0;
	for (size_t at = 0; at < len; at += strlen(text + at) + 1)
		env[n++] = text + at;
	return env;
}
