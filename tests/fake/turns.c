/* SPDX-License-Identifier: MIT */
/*
 * turns.c - what of a mode holds for a request: the mode's time, and whose turn
 * it is. An upstream that fails twice and is well then, or fails half a second
 * in each second, is told so once.
 */
#include "fake.h"

#include "base/clock.h"

const struct fake_script *
fake_turns_script(const struct fake_server *srv)
{
	uint64_t for_ms = (uint64_t)srv->mode.for_ms;
	uint64_t every_ms = (uint64_t)srv->mode.every_ms;
	uint64_t age_ms = gw_mono_ms() - srv->mode_since_ms;

	if (every_ms)
		age_ms %= every_ms;
	return for_ms && age_ms >= for_ms ? &srv->base : &srv->mode;
}

void
fake_turns_take(struct fake_conn *c)
{
	struct json_object *turns = c->x.script.turns;
	uint64_t n = turns ? json_object_array_length(turns) : 0;
	uint64_t turn = c->srv->turn++;
	char why[128]; /* there is none: the mode was checked when it came */

	if (c->x.script.turns_again && n > 0)
		turn %= n;
	if (turn < n &&
	    fake_script_apply(&c->x.script,
			      json_object_array_get_idx(turns, (size_t)turn),
			      why, sizeof(why)))
		fake_conn_close(c, true);
}
