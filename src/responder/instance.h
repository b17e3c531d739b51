/* SPDX-License-Identifier: MIT */
/*
 * instance.h - which configuration and which shared memory belong together.
 *
 * Launcher, responders spawned by any web server and --listen pools of one
 * instance agree on this from the environment alone:
 *   ROLE_MESH_CONFIG               base file (default configs/models.yaml, else
 *                                  /etc/rolemesh/models.yaml)
 *   ROLE_MESH_CONFIG_OVERRIDE      override files, separated by ':'
 *   ROLE_MESH_SHM                  name of the segment, "/..." or a plain word
 *   ROLE_MESH_NODE_STALE_AFTER_S   freshness of nodes in seconds (default 30)
 *   ROLE_MESH_LAST_GOOD            folder with copies of the last files that
 *                                  loaded, kept by the launcher: what a
 *                                  responder starts from while an edit is broken
 */
#ifndef GW_RESPONDER_INSTANCE_H
#define GW_RESPONDER_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GW_INSTANCE_FILES_MAX 16
#define GW_SHM_NAME_BYTES 208
#define GW_CONFIG_HERE "configs/models.yaml"
#define GW_CONFIG_INSTALLED "/etc/rolemesh/models.yaml"

struct gw_instance {
	char *paths[GW_INSTANCE_FILES_MAX];	/* base first; owned */
	size_t n_paths;
	char shm_name[GW_SHM_NAME_BYTES];
	uint32_t stale_after_ms;		/* 1 .. 86,400,000 */
	char *last_good;			/* owned, or NULL */
	bool by_default; /* nobody named the base file */
};

/*
 * gw_instance_number - what tells this instance from every other one, on this
 * host and elsewhere; the same in all of its processes. Never 0.
 */
uint64_t gw_instance_number(const struct gw_instance *in);

/*
 * gw_instance_from_env - read the environment.
 * @config     --config, wins over ROLE_MESH_CONFIG; or NULL
 * @overrides  --config-override in order, win over the environment's; may be
 *             NULL with @n_overrides 0
 * @err        INVALID_REQUEST naming the variable and what it should be
 * @err is also for a base file that nobody named and that is in no usual place.
 * Returns 0 / -1. The segment's name is ROLE_MESH_SHM, else derives from the
 * real path of the base file and the user id.
 */
GW_MUSTCHECK int gw_instance_from_env(struct gw_instance *in,
				      const char *config,
				      const char *const *overrides,
				      size_t n_overrides, struct gw_err *err);

void gw_instance_release(struct gw_instance *in);

#endif
