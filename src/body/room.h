/* SPDX-License-Identifier: MIT */
/*
 * room.h - what the request bodies of a process may take of its memory together.
 *
 * A body holds what has arrived of it, not what was announced: who announces
 * 30 MiB and sends nothing keeps nobody out. What it holds is what is allocated
 * for it and grows by doubling, up to what was announced; of unknown length, in
 * steps. One thread; knows no JSON and no request.
 */
#ifndef GW_BODY_ROOM_H
#define GW_BODY_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GW_BODY_ROOM_LEAST 4096 /* bytes that a body of unknown length begins with */

struct gw_body_room {
	uint64_t max;	 /* bytes; may change at any time, also below `used` */
	uint64_t used;	 /* what all of them hold; 0 when there are none */
	const char *key; /* what the configuration calls max; static */
	/* Told of each change of `used`; may be NULL. */
	void (*changed)(void *arg, int64_t bytes);
	void *arg;
};

/*
 * gw_body_room_fits - would a body of so many bytes fit beside the others now?
 * @bytes  0 = not known, or none
 * @err    OVERLOADED, naming limit and key
 * Returns 0 / -1. Takes nothing.
 */
GW_MUSTCHECK int gw_body_room_fits(const struct gw_body_room *room,
				   uint64_t bytes, struct gw_err *err);

/*
 * gw_body_room_grow - hold more for a body that grows.
 * @held  what it holds; set to what it holds now, @need at least. At first 0; it
 *        belongs to the body, which gives it back with gw_body_room_keep()
 * @need  bytes that it needs
 * @most  bytes that it will need at most, as far as is known; more than @need is
 *        held where there is room, so that it need not ask for each piece
 * @err   OVERLOADED, as above; nothing has changed then
 * Returns 0 / -1.
 */
GW_MUSTCHECK int gw_body_room_grow(struct gw_body_room *room, size_t *held,
				   size_t need, size_t most,
				   struct gw_err *err);

/* gw_body_room_keep - hold no more than so many bytes; 0 = nothing any more. */
void gw_body_room_keep(struct gw_body_room *room, size_t *held, size_t bytes);

#endif
