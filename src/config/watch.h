/* SPDX-License-Identifier: MIT */
/*
 * watch.h - notice that a configuration file changed.
 *
 * Polls (device, inode, size, modification and change time in ns) of every file
 * twice a second on the event loop and loads after 100 ms of quiet: file events
 * miss swapped symlinks and fire on the empty file of an in-place write.
 */
#ifndef GW_CONFIG_WATCH_H
#define GW_CONFIG_WATCH_H

#include <ev.h>

#include "config/config.h"

struct gw_config_watch;

/*
 * Called with a new snapshot (the callee takes the reference over), or with
 * NULL and the findings when the files are broken; once per edit.
 */
typedef void gw_config_changed_fn(struct gw_config *fresh,
				  const struct gw_diag *diag,
				  uint64_t fingerprint, void *arg);

/*
 * gw_config_watch_new - watch the files of a configuration.
 * @paths, @n  as for gw_config_load(); copied
 * Returns a watch the caller frees, or NULL when memory is out.
 */
GW_MUSTCHECK struct gw_config_watch *
gw_config_watch_new(struct ev_loop *loop, const char *const *paths, size_t n,
		    gw_config_changed_fn *changed, void *arg);

void gw_config_watch_free(struct gw_config_watch *w);

#endif
