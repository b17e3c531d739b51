/* SPDX-License-Identifier: MIT */
/*
 * reload.h - what became of the edits of the configuration: one truth for all
 * processes of an instance, in the registry.
 *
 * Of all processes that read an edit the one that reports it (reg_once()) puts
 * it here. Never blocks; one thread a process.
 */
#ifndef GW_CONFIG_RELOAD_H
#define GW_CONFIG_RELOAD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "reg.h"

#define GW_RELOAD_ERROR_MAX 400 /* bytes of what is kept of the findings */

/* What a launcher says of itself (reg_process_say()), and the note with which
 * it says that it stops: requests that would never end by themselves end then.
 */
#define GW_LAUNCHER_POOL "launcher"
#define GW_NOTE_STOPS UINT64_MAX

struct gw_reload {
	uint64_t generation; /* configurations that came into force, the one
			      * of the start included; 0 = none is known */
	int64_t loaded_ms;   /* wall clock: when the last of them did */
	bool edited;	     /* there was an edit since the start ... */
	int64_t edited_ms;   /* ... the last one then */
	bool success;	     /* it came into force */
	char error[GW_RELOAD_ERROR_MAX + 1]; /* the first finding, else */
};

/*
 * gw_reload_started - a process began with this configuration. It counts as one
 * that came into force, unless it is the last one that did or the last edit is
 * broken: then the process began with a copy of what is in force.
 * Returns the fingerprint of what it has, as the others call it.
 */
uint64_t gw_reload_started(struct reg *reg, uint64_t fingerprint);

/*
 * gw_reload_put - an edit was read.
 * @diag  the findings; of one that is broken the first error is kept
 */
void gw_reload_put(struct reg *reg, bool success, const struct gw_diag *diag,
		   uint64_t fingerprint);

/* gw_reload_read - how it stands; all zero where nothing is known. */
void gw_reload_read(const struct reg *reg, struct gw_reload *out);

/* gw_reload_stops - does a launcher say that it stops? Reads /proc once for
 * each process. */
bool gw_reload_stops(const struct reg *reg);

/*
 * gw_reload_generation - which of the configurations that came into force has
 * this fingerprint; 0: it is none of the last REG_EDITS_MAX.
 */
uint64_t gw_reload_generation(const struct reg *reg, uint64_t fingerprint);

/* gw_reload_fingerprint - of the one that came into force last; 0: none did. */
uint64_t gw_reload_fingerprint(const struct reg *reg);

/*
 * gw_reload_object - the last edit, as documents tell it: {time, success,
 * error}, or NULL: there was none. The caller puts it.
 */
struct json_object *gw_reload_object(const struct gw_reload *reload);

#endif
