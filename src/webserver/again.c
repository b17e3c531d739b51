/* SPDX-License-Identifier: MIT */
/* again.c - the program starts over, as the process it is. */
#include "webserver/again.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

void
gw_again_init(struct gw_again *a, char **argv)
{
	size_t n = 0;

	while (environ[n])
		n++;
	a->argv = argv;
	a->environment = calloc(n + 1, sizeof(*a->environment));
	if (a->environment)
		memcpy(a->environment, environ, n * sizeof(*environ));
}

void
gw_again_start(const struct gw_again *a)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char **environment = a->environment ? a->environment : environ;
	sigset_t none;

	/* Libraries may have opened some that would stay open. */
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (n > 0) {
		self[n] = '\0';
		execve(self, a->argv, environment); /* keeps its name */
	}
	execve("/proc/self/exe", a->argv, environment);
}

void
gw_again_release(struct gw_again *a)
{
	free(a->environment);
	a->environment = NULL;
}
