/* SPDX-License-Identifier: MIT */
/*
 * hang_stat.c - a file system that hangs, for programs that have this
 * preloaded: stat() and access() of the path $HANG_STAT do not return before
 * the file $HANG_STAT_GO is there.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_US 20000

static void
hang(const char *path)
{
	int (*real)(const char *, int) =
		(int (*)(const char *, int))dlsym(RTLD_NEXT, "access");
	const char *which = getenv("HANG_STAT"), *go = getenv("HANG_STAT_GO");

	while (which && go && strcmp(path, which) == 0 && real(go, F_OK) != 0)
		usleep(LOOK_US);
}

int
stat(const char *restrict path, struct stat *restrict st)
{
	int (*real)(const char *, struct stat *) =
		(int (*)(const char *, struct stat *))dlsym(RTLD_NEXT, "stat");

	hang(path);
	return real(path, st);
}

int
access(const char *path, int mode)
{
	int (*real)(const char *, int) =
		(int (*)(const char *, int))dlsym(RTLD_NEXT, "access");

	hang(path);
	return real(path, mode);
}
