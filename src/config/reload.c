/* SPDX-License-Identifier: MIT */
/*
 * reload.c - see reload.h. What others wrote is looked at before it is
 * believed: it may be of another version.
 */
#include "config/reload.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"

#define MARK UINT32_C(0x52454c31) /* "REL1" */

enum kind {
	STARTED,
	LOADED,
	BROKEN
};

/* One edit, as the registry keeps it. */
struct edit {
	uint32_t mark;
	uint32_t kind; /* enum kind */
	uint64_t generation;
	uint64_t fingerprint;
	int64_t wall_ms;
	/* What is in force after it; a broken one changes nothing of that. */
	uint64_t in_force;
	int64_t loaded_ms;
	char error[GW_RELOAD_ERROR_MAX + 1];
	char padding[7];
};

_Static_assert(sizeof(struct edit) <= REG_RECORD_BYTES, "an edit fits");

static bool
read_edit(const struct reg *reg, uint64_t number, struct edit *out)
{
	char bytes[REG_RECORD_BYTES];

	if (reg_edit_read(reg, number, bytes) != sizeof(*out))
		return false;
	memcpy(out, bytes, sizeof(*out));
	out->error[GW_RELOAD_ERROR_MAX] = '\0';
	return out->mark == MARK && out->kind <= BROKEN;
}

/* The last one that is whole: whoever wrote a later one may have died at it. */
static bool
read_last(const struct reg *reg, struct edit *out)
{
	uint64_t number = reg_edit_newest(reg);

	for (unsigned i = 0; i < REG_EDITS_MAX && number; i++, number--)
		if (read_edit(reg, number, out))
			return true;
	return false;
}

static void
keep_error(struct edit *e, const struct gw_diag *diag)
{
	const char *text = "it could not be read";
	size_t n;

	for (size_t i = diag->n; i-- > 0;)
		if (!diag->items[i].warning)
			text = diag->items[i].text;
	n = strlen(text);
	if (n > GW_RELOAD_ERROR_MAX)
		for (n = GW_RELOAD_ERROR_MAX;
		     n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
	memcpy(e->error, text, n);
}

static void
put(struct reg *reg, enum kind kind, const struct gw_diag *diag,
    uint64_t fingerprint)
{
	struct edit e = {.mark = MARK,
			 .kind = kind,
			 .fingerprint = fingerprint,
			 .wall_ms = gw_wall_ms()};
	struct edit last;

	if (read_last(reg, &last)) {
		e.generation = last.generation;
		e.in_force = last.in_force;
		e.loaded_ms = last.loaded_ms;
	}
	if (kind == BROKEN) {
		keep_error(&e, diag);
	} else {
		e.generation++;
		e.in_force = fingerprint;
		e.loaded_ms = e.wall_ms;
	}
	reg_edit_put(reg, &e, sizeof(e));
}

uint64_t
gw_reload_started(struct reg *reg, uint64_t fingerprint)
{
	uint64_t in_force = gw_reload_fingerprint(reg);
	struct edit last;

	if (in_force && read_last(reg, &last) && last.kind == BROKEN)
		return in_force;
	if (in_force != fingerprint)
		put(reg, STARTED, NULL, fingerprint);
	return fingerprint;
}

void
gw_reload_put(struct reg *reg, bool success, const struct gw_diag *diag,
	      uint64_t fingerprint)
{
	put(reg, success ? LOADED : BROKEN, diag, fingerprint);
}

void
gw_reload_read(const struct reg *reg, struct gw_reload *out)
{
	uint64_t newest = reg_edit_newest(reg);
	struct edit e;

	memset(out, 0, sizeof(*out));
	if (read_last(reg, &e)) {
		out->generation = e.generation;
		out->loaded_ms = e.loaded_ms;
	}
	for (unsigned i = 0; i < REG_EDITS_MAX && newest; i++, newest--) {
		if (!read_edit(reg, newest, &e) || e.kind == STARTED)
			continue;
		out->edited = true;
		out->edited_ms = e.wall_ms;
		out->success = e.kind == LOADED;
		memcpy(out->error, e.error, sizeof(out->error));
		return;
	}
}

bool
gw_reload_stops(const struct reg *reg)
{
	struct reg_process p;
	uint32_t row = 0;

	while (reg_process_next(reg, &row, &p))
		if (p.note == GW_NOTE_STOPS &&
		    strcmp(p.pool, GW_LAUNCHER_POOL) == 0)
			return true;
	return false;
}

uint64_t
gw_reload_generation(const struct reg *reg, uint64_t fingerprint)
{
	uint64_t newest = reg_edit_newest(reg);
	struct edit e;

	for (unsigned i = 0; i < REG_EDITS_MAX && newest; i++, newest--)
		if (read_edit(reg, newest, &e) && e.in_force == fingerprint)
			return e.generation;
	return 0;
}

uint64_t
gw_reload_fingerprint(const struct reg *reg)
{
	struct edit e;

	return read_last(reg, &e) ? e.in_force : 0;
}

struct json_object *
gw_reload_object(const struct gw_reload *reload)
{
	struct json_object *o;

	if (!reload->edited)
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "time",
			       gw_json_seconds((uint64_t)reload->edited_ms));
	json_object_object_add(o, "success",
			       json_object_new_boolean(reload->success));
	gw_json_set_str(o, "error", reload->success ? NULL : reload->error);
	return o;
}
