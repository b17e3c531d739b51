/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - start of a guard: its arguments, environment, descriptors.
 *
 * posix_spawn() instead of fork(): a large agent starts a program as quickly as
 * a small one, and a guard that cannot be executed is told at once.
 */
#include "agent/process/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define GUARD_FD 3
#define ENV_FD 4
#define DIGITS 12
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; where it is, hosts may insist */
#endif

static size_t
count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* Is this variable set once more, by one of the entries? */
static bool
is_set_in(const char *variable, const char *const *list, size_t n)
{
	size_t len = strcspn(variable, "=");

	for (size_t i = 0; i < n; i++)
		if (strcspn(list[i], "=") == len &&
		    memcmp(list[i], variable, len) == 0)
			return true;
	return false;
}

/* The array is the caller's; the strings stay where they are. */
static const char **
overlay(const char *const *base, const char *const *over)
{
	size_t n_base = count(base), n_over = count(over), n = 0;
	const char **env = calloc(n_base + n_over + 1, sizeof(*env));

	if (!env)
		return NULL;
	for (size_t i = 0; i < n_base; i++)
		if (!is_set_in(base[i], over, n_over))
			env[n++] = base[i];
	/* The last one of a name counts, as in a list of assignments. */
	for (size_t i = 0; i < n_over; i++)
		if (!is_set_in(over[i], over + i + 1, n_over - i - 1))
			env[n++] = over[i];
	return env;
}

/* -1 = no memory or descriptor; errno is set. */
static int
write_env(const char *const *over)
{
	gw_auto_free const char **env = NULL;
	gw_auto_fd int fd = -1;
	int out;

	env = overlay((const char *const *)environ, over);
	fd = memfd_create("environment", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("environment", MFD_CLOEXEC);
	if (!env || fd < 0)
		return -1;
	for (size_t i = 0; env[i]; i++) {
		size_t len = strlen(env[i]) + 1;

		if (write(fd, env[i], len) != (ssize_t)len)
			return -1;
	}
	out = fd;
	fd = -1;
	return out;
}

static const char **
guard_argv(const struct ag_process_spec *spec, const char *fd,
	   const char *env_fd)
{
	size_t n = count(spec->argv);
	const char **argv = calloc(n + 5, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[0] = spec->guard;
	argv[1] = fd;
	argv[2] = env_fd;
	argv[3] = "--";
	memcpy(argv + 4, spec->argv, n * sizeof(*argv));
	return argv;
}

/* Above those that dup2() writes to, whatever we were started with. */
static int
lift(int *fd)
{
	int above;

	if (*fd > ENV_FD)
		return 0;
	above = fcntl(*fd, F_DUPFD_CLOEXEC, ENV_FD + 1);
	if (above < 0)
		return -1;
	close(*fd);
	*fd = above;
	return 0;
}

static int
set_attributes(posix_spawnattr_t *attr)
{
	sigset_t all;

	sigfillset(&all);
	/* Blocked until the guard is ready for them: none ends it early. */
	posix_spawnattr_setsigmask(attr, &all);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setpgroup(attr, 0);
	return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
						      POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
}

static int
spawn(const struct ag_process_spec *spec, int guard_fd, int env_fd,
      int output_fd, pid_t *pid)
{
	char fd_text[DIGITS], env_text[DIGITS];
	gw_auto_free const char **argv = NULL;
	posix_spawn_file_actions_t act;
	posix_spawnattr_t attr;
	int rc;

	snprintf(fd_text, sizeof(fd_text), "%d", GUARD_FD);
	snprintf(env_text, sizeof(env_text), "%d", ENV_FD);
	argv = guard_argv(spec, fd_text, env_text);
	if (!argv)
		return ENOMEM;
	rc = posix_spawn_file_actions_init(&act);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc != 0)
		goto no_attr;
	if ((rc = posix_spawn_file_actions_addopen(&act, STDIN_FILENO,
						   "/dev/null", O_RDONLY, 0)) ||
	    (rc = posix_spawn_file_actions_adddup2(&act, output_fd,
						   STDOUT_FILENO)) ||
	    (rc = posix_spawn_file_actions_adddup2(&act, output_fd,
						   STDERR_FILENO)) ||
	    (rc = posix_spawn_file_actions_adddup2(&act, guard_fd, GUARD_FD)) ||
	    (rc = posix_spawn_file_actions_adddup2(&act, env_fd, ENV_FD)) ||
	    (rc = set_attributes(&attr)))
		goto out;
	rc = posix_spawn(pid, spec->guard, &act, &attr, (char *const *)argv,
			 environ);
out:
	posix_spawnattr_destroy(&attr);
no_attr:
	posix_spawn_file_actions_destroy(&act);
	return rc;
}

int
ag_process_spawn(const struct ag_process_spec *spec, struct ag_spawned *out,
		 struct gw_err *err)
{
	gw_auto_fd int guard_fd = -1, child_guard_fd = -1;
	gw_auto_fd int output_fd = -1, child_output_fd = -1;
	gw_auto_fd int env_fd = write_env(spec->env);
	int ends[2], rc;

	if (env_fd < 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "no file in memory for an environment: %s",
				  strerror(errno));

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "no socket pair: %s", strerror(errno));
	guard_fd = ends[0];
	child_guard_fd = ends[1];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno, "no pipe: %s",
				  strerror(errno));
	output_fd = ends[0];
	child_output_fd = ends[1];
	/* Only our ends: a program expects a pipe that waits for it. */
	if (lift(&child_guard_fd) != 0 || lift(&child_output_fd) != 0 ||
	    lift(&env_fd) != 0 || fcntl(guard_fd, F_SETFL, O_NONBLOCK) != 0 ||
	    fcntl(output_fd, F_SETFL, O_NONBLOCK) != 0)
		return gw_err_set(err, GW_ERR_INTERNAL, errno,
				  "no descriptor: %s", strerror(errno));
	rc = spawn(spec, child_guard_fd, env_fd, child_output_fd, &out->guard);
	if (rc != 0)
		return gw_err_set(err, GW_ERR_INTERNAL, rc,
				  "cannot start %s: %s", spec->guard,
				  strerror(rc));
	out->guard_fd = guard_fd;
	out->output_fd = output_fd;
	guard_fd = output_fd = -1;
	return 0;
}
