/* SPDX-License-Identifier: MIT */
/*
 * test_folder.c - the private folder, and what dead owners left of theirs.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tap.h"
#include "webserver/folder.h"

struct seen {
	unsigned n;
	char last[PATH_MAX];
};

static void
see(const char *path, void *arg)
{
	struct seen *s = arg;

	s->n++;
	snprintf(s->last, sizeof(s->last), "%s", path);
}

/* What stays when an owner is killed: the folder without a lock on it. */
static void
forget(struct gw_folder *f)
{
	close(f->lock_fd);
	f->lock_fd = -1;
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void
test_own(const char *instance)
{
	struct gw_folder f;
	struct gw_err err = {0};
	struct seen seen = {0};
	struct stat st;
	bool leftover = true;

	ok(gw_folder_create(&f, instance, &leftover, &err) == 0 && !leftover &&
		   stat(f.path, &st) == 0 && (st.st_mode & 0777) == 0700,
	   "folder: nothing was there -> a new one of mode 0700");
	ok(gw_folder_leftovers(instance, see, &seen) == 0 && seen.n == 0,
	   "folder: its owner lives -> no leftover");
	gw_folder_destroy(&f);
	ok(f.path[0] == '\0' && f.lock_fd == -1 &&
		   gw_folder_leftovers(instance, see, &seen) == 0,
	   "folder: destroyed -> nothing is left");
}

static void
test_dead(const char *instance)
{
	struct gw_folder dead, f;
	struct gw_err err = {0};
	struct seen seen = {0};
	bool leftover;

	if (gw_folder_create(&dead, instance, &leftover, &err) < 0)
		abort();
	forget(&dead);
	ok(gw_folder_leftovers(instance, see, &seen) == 1 && seen.n == 1 &&
		   strcmp(seen.last, dead.path) == 0,
	   "folder: its owner is dead -> visited once, TMPDIR named twice");
	ok(is_there(dead.path), "folder: a leftover was looked at -> it stays");
	memset(&seen, 0, sizeof(seen));
	ok(gw_folder_leftovers("somebody else", see, &seen) == 0 && seen.n == 0,
	   "folder: another instance -> sees nothing of it");
	ok(gw_folder_create(&f, instance, &leftover, &err) == 0 && leftover &&
		   !is_there(dead.path) && is_there(f.path),
	   "folder: created again -> the leftover is gone, and it is told");
	gw_folder_destroy(&f);
}

static bool
is_new(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_mtime > time(NULL) - 3600 &&
	       st.st_atime > time(NULL) - 3600;
}

static void
test_taken_away(const char *instance)
{
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	char inner[PATH_MAX], moved[PATH_MAX];
	struct gw_folder f;
	struct gw_err err = {0};
	bool leftover;

	if (gw_folder_create(&f, instance, &leftover, &err) < 0)
		abort();
	snprintf(inner, sizeof(inner), "%s/inner", f.path);
	snprintf(moved, sizeof(moved), "%s.moved", f.path);
	ok(gw_folder_is_there(&f) && !gw_folder_has(&f, "inner"),
	   "folder: nobody touched it -> it is there, and nothing is in it");
	if (gw_file_write(inner, "x", 1) < 0 ||
	    utimensat(AT_FDCWD, inner, old, 0) < 0 ||
	    utimensat(AT_FDCWD, f.path, old, 0) < 0)
		abort();
	ok(gw_folder_has(&f, "inner"), "folder: a file is made -> it has it");
	gw_folder_touch(&f);
	ok(is_new(f.path) && is_new(inner),
	   "folder: touched -> it and what is in it look new");
	if (rename(f.path, moved) < 0 || mkdir(f.path, 0700) < 0)
		abort();
	ok(!gw_folder_is_there(&f),
	   "folder: moved away, another in its place -> it is not there");
	gw_folder_remove(moved);
	gw_folder_destroy(&f);
}

int
main(void)
{
	char own[] = "/tmp/test_folder.XXXXXX";

	if (!mkdtemp(own) || setenv("TMPDIR", own, 1) < 0 ||
	    setenv("XDG_RUNTIME_DIR", own, 1) < 0)
		abort();
	test_own("test_folder one");
	test_dead("test_folder two");
	test_taken_away("test_folder three");
	ok(rmdir(own) == 0, "folder: at the end -> nothing lies about");
	return done_testing();
}
