/* SPDX-License-Identifier: MIT */
/* room.c - counts what request bodies hold; allocates nothing itself. */
#include "body/room.h"

static uint64_t
left(const struct gw_body_room *room)
{
	return room->used < room->max ? room->max - room->used : 0;
}

static int
full(const struct gw_body_room *room, struct gw_err *err)
{
	return gw_err_set(err, GW_ERR_OVERLOADED, 0,
			  "there is no room for this request's body: those in "
			  "the memory of this process may have %llu bytes "
			  "together (%s)",
			  (unsigned long long)room->max, room->key);
}

static void
change(struct gw_body_room *room, size_t *held, size_t bytes)
{
	int64_t more = (int64_t)bytes - (int64_t)*held;

	room->used += (uint64_t)more;
	*held = bytes;
	if (room->changed && more)
		room->changed(room->arg, more);
}

int
gw_body_room_fits(const struct gw_body_room *room, uint64_t bytes,
		  struct gw_err *err)
{
	return bytes > left(room) ? full(room, err) : 0;
}

int
gw_body_room_grow(struct gw_body_room *room, size_t *held, size_t need,
		  size_t most, struct gw_err *err)
{
	size_t want = 2 * *held;

	if (need <= *held)
		return 0;
	if (need - *held > left(room))
		return full(room, err);
	if (want < GW_BODY_ROOM_LEAST)
		want = GW_BODY_ROOM_LEAST;
	if (want > most)
		want = most;
	if (want < need || want - *held > left(room))
		want = need;
	change(room, held, want);
	return 0;
}

void
gw_body_room_keep(struct gw_body_room *room, size_t *held, size_t bytes)
{
	if (bytes < *held)
		change(room, held, bytes);
}
