/* SPDX-License-Identifier: MIT */
/*
 * watch.h - notice that a configuration file changed.
 *
 * Polls (device, inode, size, modification and change time in ns) of every file
 * twice a second on the event loop and loads after 100 ms of quiet: file events
 * miss swapped symlinks and fire on the empty file of an in-place write. Files
 * that ${file:PATH} names are watched as well, so a rotated key arrives too.
 */
#ifndef GW_CONFIG_WATCH_H
#define GW_CONFIG_WATCH_H

#include <ev.h>

#include "config/config.h"

struct gw_config_watch;

/*
 * Called with a new snapshot (the callee takes the reference over), or with
 * NULL and the findings when the files are broken; once per edit. @diag holds
 * the warnings of a new snapshot too and is valid during the call only. Must
 * not free the watch.
 */
typedef void gw_config_changed_fn(struct gw_config *fresh,
				  const struct gw_diag *diag,
				  uint64_t fingerprint, void *arg);

/*
 * gw_config_watch_new - watch the files of a configuration.
 * @paths, @n  as for gw_config_load(); copied
 * Returns a watch the caller frees, or NULL when memory is out. What the files
 * hold at this moment counts as known. The watch does not keep the loop alive.
 */
GW_MUSTCHECK struct gw_config_watch *
gw_config_watch_new(struct ev_loop *loop, const char *const *paths, size_t n,
		    gw_config_changed_fn *changed, void *arg);

/*
 * gw_config_watch_since - name the version in use.
 * @fingerprint  of the snapshot in use; the files are compared with it within
 *               0.6 s, so that an edit between loading it and
 *               gw_config_watch_new() is not lost
 */
void gw_config_watch_since(struct gw_config_watch *w, uint64_t fingerprint);

/* gw_config_watch_free - stop watching; NULL is ignored. */
void gw_config_watch_free(struct gw_config_watch *w);

#endif
