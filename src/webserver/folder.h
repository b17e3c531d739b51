/* SPDX-License-Identifier: MIT */
/*
 * folder.h - the private folder of a program that runs a web server.
 *
 * Holds the sockets, uploads, the web server's configuration and whatever else
 * the program keeps there. Mode 0700; it is locked (flock) as long as its owner
 * lives, so that the next start can tell a leftover from a folder in use, and
 * systemd-tmpfiles leaves it alone however old it is.
 */
#ifndef GW_WEBSERVER_FOLDER_H
#define GW_WEBSERVER_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Room for "/i-255" and '\0' within the 108 bytes of a Unix socket's path. */
#define GW_FOLDER_PATH_MAX 100

struct gw_folder {
	char path[GW_FOLDER_PATH_MAX + 1]; /* absolute; "" = none */
	int lock_fd;			   /* the folder; -1 = none */
};

/*
 * gw_folder_create - remove leftovers of this instance, make a fresh folder.
 * @instance  text that names the instance; only a hash of it is used
 * @leftover  set to true when the folder of a dead owner was found; its web
 *            server may need a moment more to let go of the port
 * @err       INTERNAL: no candidate is usable, with the reason for each
 * Tries $XDG_RUNTIME_DIR, $TMPDIR and /tmp, in this order: a candidate must be
 * an absolute path of harmless characters, short enough, writable, and not of
 * another user; where TMPDIR's turn comes and it is, that is an error. The
 * caller must own the instance by something that one process at a time can have
 * (reg_own(), a listening port), so that nobody else creates one now.
 */
GW_MUSTCHECK int gw_folder_create(struct gw_folder *f, const char *instance,
				  bool *leftover, struct gw_err *err);

/*
 * gw_folder_leftovers - look at what dead owners of this instance left behind.
 * @visit  called with the absolute path of each such folder, which stays
 * Returns their number. Looks where gw_folder_create() would make one. Needs not
 * own the instance; without that, a folder that its owner is just creating may
 * be among them.
 */
unsigned gw_folder_leftovers(const char *instance,
			     void (*visit)(const char *path, void *arg),
			     void *arg);

/*
 * gw_folder_is_there - is what is at its path still the folder that was made?
 * A look at the file system, which is the memory of a machine or a local disk.
 */
bool gw_folder_is_there(const struct gw_folder *f);

/* gw_folder_has - is there a @name in it? Follows no link. */
bool gw_folder_has(const struct gw_folder *f, const char *name);

/*
 * gw_folder_touch - make it and what is in it look new, three levels deep, to
 * programs that remove what is old in /tmp and know no locks.
 */
void gw_folder_touch(const struct gw_folder *f);

/* gw_folder_destroy - remove the folder and all that is in it; safe twice. */
void gw_folder_destroy(struct gw_folder *f);

/*
 * gw_folder_remove - remove a folder and its contents; never follows a link.
 * @path  may be missing. What cannot be removed stays; nesting beyond 16 too.
 */
void gw_folder_remove(const char *path);

/*
 * gw_file_write - create a file of mode 0600 and write it whole.
 * @path  must not exist
 * Returns 0, or -1 with errno.
 */
GW_MUSTCHECK int gw_file_write(const char *path, const char *data, size_t len);

#endif
