/* SPDX-License-Identifier: MIT */
/*
 * last_good.h - copies of the last configuration files that loaded.
 *
 * A responder that is started again while an edit of the configuration is
 * broken begins with these: ROLE_MESH_LAST_GOOD names the folder, 0.yaml in it
 * is the base file, 1.yaml, 2.yaml, ... are the overrides in order.
 */
#ifndef GW_LAUNCHER_LAST_GOOD_H
#define GW_LAUNCHER_LAST_GOOD_H

#include <stddef.h>

#include "base/err.h"
#include "responder/instance.h"

/*
 * gw_last_good_write - replace the copies by the files as they are now.
 * @folder  private folder of the launcher, absolute; the copies are
 *          @folder/last-good, which is what ROLE_MESH_LAST_GOOD names
 * @paths   absolute paths, base first; 1 .. GW_INSTANCE_FILES_MAX
 * @err     INTERNAL with the reason
 * Returns 0, or -1 with the copies as they were. The new copies are loaded once
 * before they take over: files that broke since the caller loaded them replace
 * nothing. ${file:} with a relative path goes on meaning the folder of the
 * original file. Blocks on small files. Crash: readers see the old copies or
 * the new ones.
 */
GW_MUSTCHECK int gw_last_good_write(const char *folder,
				    const char *const *paths, size_t n,
				    struct gw_err *err);

#endif
