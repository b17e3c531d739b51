/* SPDX-License-Identifier: MIT */
/*
 * folder.c - the private folder of a running program.
 *
 * Must not follow links while removing and must not touch folders of other
 * users or of living owners.
 */
#include "webserver/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/hash.h"

#define REMOVE_DEPTH_MAX 16
#define TOUCH_DEPTH_MAX 3
#define UNIQUE "XXXXXX" /* for mkdtemp() */
#define PREFIX_BYTES 32
#define CANDIDATES 3
#define TMPDIR 1 /* the one that a person sets */
/* These go unquoted through the web server's configuration and through YAML. */
#define HARMLESS                                                               \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/"      \
	"._-+@,=~"

static void remove_in(int parent, const char *name, unsigned depth);

static void
empty_folder(int fd, unsigned depth)
{
	DIR *dir = fdopendir(fd); /* takes fd over */
	struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			remove_in(dirfd(dir), entry->d_name, depth + 1);
	closedir(dir);
}

static void
remove_in(int parent, const char *name, unsigned depth)
{
	int fd;

	if (unlinkat(parent, name, 0) == 0)
		return;
	if (depth > REMOVE_DEPTH_MAX || (errno != EISDIR && errno != EPERM))
		return;
	fd = openat(parent, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		empty_folder(fd, depth);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

void
gw_folder_remove(const char *path)
{
	remove_in(AT_FDCWD, path, 0);
}

/*
 * Does it belong to somebody who could take the folder away, or put another one
 * in its place? Where everybody may write, the sticky bit says who owns what.
 */
static bool
is_foreign(const char *parent)
{
	struct stat st;

	return stat(parent, &st) == 0 && st.st_uid != geteuid() &&
	       st.st_uid != 0 && !(st.st_mode & S_ISVTX);
}

/* Why a candidate cannot be used, or NULL. */
static const char *
candidate_fault(const char *parent, size_t name_len)
{
	struct stat st;

	if (parent[0] != '/')
		return "is no absolute path";
	if (parent[strspn(parent, HARMLESS)] != '\0')
		return "has blanks or unusual characters in its name";
	if (strlen(parent) + 1 + name_len > GW_FOLDER_PATH_MAX)
		return "is too long for the paths of sockets (108 bytes)";
	if (stat(parent, &st) < 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "is not a folder";
	if (is_foreign(parent))
		return "belongs to another user";
	return access(parent, W_OK | X_OK) < 0 ? strerror(errno) : NULL;
}

/* Is this the folder of an owner that is no more? */
static bool
is_leftover(int parent, const char *name)
{
	gw_auto_fd int folder = openat(
		parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	return folder >= 0 && fstat(folder, &st) == 0 &&
	       st.st_uid == geteuid() && flock(folder, LOCK_EX | LOCK_NB) == 0;
}

/* Calls @visit with each leftover in @parent; returns their number. */
static unsigned
visit_leftovers(const char *parent, const char *prefix,
		void (*visit)(const char *path, void *arg), void *arg)
{
	char path[GW_FOLDER_PATH_MAX + NAME_MAX + 2];
	DIR *dir = opendir(parent);
	struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
		    !is_leftover(dirfd(dir), entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		visit(path, arg);
		n++;
	}
	closedir(dir);
	return n;
}

static void
remove_visited(const char *path, void *arg)
{
	(void)arg;
	gw_folder_remove(path);
}

static void
name_candidates(const char *parents[CANDIDATES])
{
	parents[0] = getenv("XDG_RUNTIME_DIR");
	parents[TMPDIR] = getenv("TMPDIR");
	parents[2] = "/tmp";
}

static void
make_prefix(const char *instance, char out[PREFIX_BYTES])
{
	uint64_t h = gw_hash_text(instance);

	snprintf(out, PREFIX_BYTES, "rolemesh-%08" PRIx32 "-",
		 (uint32_t)(h ^ h >> 32));
}

static const char *
fault_of(const char *parent, const char *prefix)
{
	return candidate_fault(parent, strlen(prefix) + strlen(UNIQUE));
}

/* Is candidate @i the same folder as one before it? */
static bool
seen_before(const char *const parents[CANDIDATES], size_t i)
{
	struct stat here, there;

	if (stat(parents[i], &here) < 0)
		return false;
	for (size_t k = 0; k < i; k++)
		if (parents[k] && stat(parents[k], &there) == 0 &&
		    here.st_dev == there.st_dev && here.st_ino == there.st_ino)
			return true;
	return false;
}

unsigned
gw_folder_leftovers(const char *instance,
		    void (*visit)(const char *path, void *arg), void *arg)
{
	const char *parents[CANDIDATES];
	char prefix[PREFIX_BYTES];
	unsigned n = 0;

	name_candidates(parents);
	make_prefix(instance, prefix);
	for (size_t i = 0; i < CANDIDATES; i++)
		if (parents[i] && *parents[i] &&
		    !fault_of(parents[i], prefix) && !seen_before(parents, i))
			n += visit_leftovers(parents[i], prefix, visit, arg);
	return n;
}

/*
 * The folder itself is locked: systemd-tmpfiles, which removes what is old in
 * /tmp, leaves a locked folder alone and all that is in it.
 */
static int
lock(struct gw_folder *f)
{
	f->lock_fd =
		open(f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return f->lock_fd < 0 ? -1 : flock(f->lock_fd, LOCK_EX | LOCK_NB);
}

int
gw_folder_create(struct gw_folder *f, const char *instance, bool *leftover,
		 struct gw_err *err)
{
	const char *parents[CANDIDATES];
	char prefix[PREFIX_BYTES], why[GW_ERR_MSG_BYTES / 2] = "";
	size_t why_len = 0;

	f->path[0] = '\0';
	f->lock_fd = -1;
	*leftover = false;
	name_candidates(parents);
	make_prefix(instance, prefix);
	for (size_t i = 0; i < CANDIDATES; i++) {
		const char *parent = parents[i], *fault;

		if (!parent || !*parent)
			continue;
		/* Somebody chose it: another place would hide the mistake. */
		if (i == TMPDIR && !f->path[0] && is_foreign(parent))
			return gw_err_set(err, GW_ERR_INTERNAL, 0,
					  "TMPDIR is %.150s, a folder of "
					  "another user, who could remove what "
					  "is in it: set TMPDIR to one of user "
					  "%u's own, or unset it",
					  parent, (unsigned)geteuid());
		fault = fault_of(parent, prefix);
		if (!fault &&
		    visit_leftovers(parent, prefix, remove_visited, NULL) > 0)
			*leftover = true;
		if (!fault && !f->path[0]) {
			snprintf(f->path, sizeof(f->path), "%s/%s" UNIQUE,
				 parent, prefix);
			if (mkdtemp(f->path) && lock(f) == 0)
				continue;
			fault = strerror(errno);
			gw_folder_destroy(f);
		}
		if (fault && why_len < sizeof(why))
			why_len += (size_t)snprintf(
				why + why_len, sizeof(why) - why_len,
				"%s%.100s: %s", why_len ? "; " : "", parent,
				fault);
	}
	if (f->path[0])
		return 0;
	return gw_err_set(err, GW_ERR_INTERNAL, 0,
			  "no place for the private folder (%s): set TMPDIR to "
			  "a short path you can write to",
			  why);
}

void
gw_folder_destroy(struct gw_folder *f)
{
	if (f->path[0])
		gw_folder_remove(f->path);
	f->path[0] = '\0';
	if (f->lock_fd >= 0)
		close(f->lock_fd);
	f->lock_fd = -1;
}

bool
gw_folder_is_there(const struct gw_folder *f)
{
	struct stat made, found;

	return fstat(f->lock_fd, &made) == 0 && lstat(f->path, &found) == 0 &&
	       made.st_dev == found.st_dev && made.st_ino == found.st_ino;
}

bool
gw_folder_has(const struct gw_folder *f, const char *name)
{
	struct stat st;

	return fstatat(f->lock_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
touch_in(int parent, const char *name, unsigned depth)
{
	int fd = openat(parent, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;

	(void)utimensat(parent, name, NULL, AT_SYMLINK_NOFOLLOW);
	if (fd < 0)
		return;
	dir = fdopendir(fd); /* takes fd over */
	if (!dir) {
		close(fd);
		return;
	}
	while (depth < TOUCH_DEPTH_MAX && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			touch_in(dirfd(dir), entry->d_name, depth + 1);
	closedir(dir);
}

void
gw_folder_touch(const struct gw_folder *f)
{
	touch_in(AT_FDCWD, f->path, 0);
}

int
gw_file_write(const char *path, const char *data, size_t len)
{
	gw_auto_fd int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t done = 0;

	if (fd < 0)
		return -1;
	while (done < len) {
		ssize_t n = write(fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}
