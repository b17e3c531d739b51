/* SPDX-License-Identifier: MIT */
/* turns.c - a queue and a timer that fires at once, behind what has come. */
#include "serve/turns.h"

#include "base/clock.h"

static void
on_next(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_turns *all = w->data;
	struct gw_turn *t = TAILQ_FIRST(&all->list);

	(void)revents;
	if (!t)
		return;
	gw_turn_leave(all, t);
	if (!TAILQ_EMPTY(&all->list))
		ev_timer_start(loop, w);
	t->work(t->arg);
}

void
gw_turns_init(struct gw_turns *all, struct ev_loop *loop)
{
	all->loop = loop;
	TAILQ_INIT(&all->list);
	ev_timer_init(&all->next, on_next, 0., 0.);
	all->next.data = all;
}

void
gw_turns_stop(struct gw_turns *all)
{
	if (!all->loop)
		return;
	while (!TAILQ_EMPTY(&all->list))
		gw_turn_leave(all, TAILQ_FIRST(&all->list));
	ev_timer_stop(all->loop, &all->next);
}

void
gw_turn_take(struct gw_turns *all, struct gw_turn *t, void (*work)(void *arg),
	     void *arg)
{
	if (t->waiting)
		return;
	t->waiting = true;
	t->work = work;
	t->arg = arg;
	TAILQ_INSERT_TAIL(&all->list, t, link);
	if (!ev_is_active(&all->next))
		ev_timer_start(all->loop, &all->next);
}

void
gw_turn_leave(struct gw_turns *all, struct gw_turn *t)
{
	if (!t->waiting)
		return;
	t->waiting = false;
	TAILQ_REMOVE(&all->list, t, link);
}

bool
gw_turn_is_over(uint64_t begun_us)
{
	return gw_mono_us() - begun_us >= GW_PIECE_US;
}
