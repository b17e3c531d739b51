/* SPDX-License-Identifier: MIT */
/*
 * follow.c - notices that the name of the shared memory leads elsewhere, and
 * moves this process. What moving is, shm/move.c knows; who has to be told, the
 * owner of this.
 */
#include "responder/follow.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define ONCE_REFUSED 1 /* reg_once() word: the last refusal reported */

/* One of the processes says it, and once, not each of them for ever. */
static void
refused(struct gw_follow *f, const struct reg_err *err)
{
	f->again_ms = gw_mono_ms() + GW_FOLLOW_REFUSED_MS;
	if (reg_once(f->reg, ONCE_REFUSED, gw_hash_text(err->msg)))
		gw_log(GW_EV_SHM_REFUSED, NULL,
		       "shm=%s message=\"its file was removed or replaced, and "
		       "a new one cannot be used: %s\" doing=\"running "
		       "processes keep the old one; new ones cannot start\"",
		       f->name, err->msg);
}

static void
move(struct gw_follow *f)
{
	struct reg_err err = {0};
	struct reg_move what;
	struct reg *to;

	if (f->again_ms && gw_mono_ms() < f->again_ms)
		return;
	f->again_ms = 0;
	to = reg_move_begin(f->reg, &what, &err);
	if (!to) {
		if (err.code != REG_BUSY)
			refused(f, &err);
		return;
	}
	if (f->on_moving)
		f->on_moving(f->arg, to);
	reg_move_end(f->reg, to);
	f->on_moved(f->arg);
	if (what.first)
		gw_log(GW_EV_SHM_MOVED, NULL,
		       "shm=%s nodes=%u reason=\"its file in /dev/shm was "
		       "removed or replaced\" hint=\"keep cleaners away from "
		       "it; systemd-logind removes it at a logout unless "
		       "RemoveIPC=no or the user is a system user\"",
		       f->name, what.nodes);
}

void
gw_follow_now(struct gw_follow *f)
{
	if (!reg_is_current(f->reg))
		move(f);
	else
		reg_once(f->reg, ONCE_REFUSED, 0);
}

static void
on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_follow *f = t->data;

	(void)loop;
	(void)revents;
	gw_follow_now(f);
	if (reg_lease_sweep(f->reg, gw_mono_ms()) > 0 && f->on_swept)
		f->on_swept(f->arg);
}

static void
on_turn(struct ev_loop *loop, ev_check *c, int revents)
{
	struct gw_follow *f = c->data;

	(void)loop;
	(void)revents;
	if (reg_was_left(f->reg))
		move(f);
}

void
gw_follow_start(struct gw_follow *f)
{
	ev_timer_init(&f->look, on_look, GW_FOLLOW_LOOK_S, GW_FOLLOW_LOOK_S);
	f->look.data = f;
	ev_timer_start(f->loop, &f->look);
	ev_check_init(&f->each_turn, on_turn);
	/* Before whatever else came in this turn. */
	ev_set_priority(&f->each_turn, EV_MAXPRI);
	f->each_turn.data = f;
	ev_check_start(f->loop, &f->each_turn);
	f->started = true;
}

void
gw_follow_stop(struct gw_follow *f)
{
	if (!f->started)
		return;
	ev_timer_stop(f->loop, &f->look);
	ev_check_stop(f->loop, &f->each_turn);
	f->started = false;
}
