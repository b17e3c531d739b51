/* SPDX-License-Identifier: MIT */
/* memory.c - how malloc is used, and when it is told to give memory back. */
#include "serve/memory.h"

#include <malloc.h>

/* What is larger is mapped on its own: growing it remaps instead of copying,
 * and freeing it returns the memory. */
#define OWN_MAPPING_BYTES (256 << 10)

static void
give_back(struct gw_memory *m)
{
	malloc_trim(0);
	m->given++;
}

static void
stop_watching(struct gw_memory *m)
{
	if (!ev_is_active(&m->turn))
		return;
	ev_timer_stop(m->loop, &m->look);
	ev_ref(m->loop);
	ev_prepare_stop(m->loop, &m->turn);
}

/* Fewer than the last second saw, by far. */
static void
on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct gw_memory *m = w->data;
	unsigned open = m->open(m->arg);

	(void)loop;
	(void)revents;
	if (open < m->low_now)
		m->low_now = open;
	if (m->low < open + GW_MEMORY_BITE)
		return;
	give_back(m);
	m->low = open;
}

static void
on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_memory *m = t->data;

	(void)loop;
	(void)revents;
	if (m->peak > m->high)
		m->high = m->peak;
	if (m->peak <= m->high / 2 &&
	    m->high - m->peak >= GW_MEMORY_FALL_LEAST) {
		give_back(m);
		m->high = m->peak;
	}
	m->low = m->low_now;
	m->peak = m->low_now = m->open(m->arg);
	if (m->high < GW_MEMORY_FALL_LEAST)
		stop_watching(m);
}

void
gw_memory_init(struct gw_memory *m, struct ev_loop *loop,
	       unsigned (*open)(void *arg), void *arg)
{
	mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
	/* libfcgi's 8 KiB buffers made each request consolidate fast bins. */
	mallopt(M_MXFAST, 0);
	m->loop = loop;
	m->open = open;
	m->arg = arg;
	ev_timer_init(&m->look, on_look, GW_MEMORY_LOOK_S, GW_MEMORY_LOOK_S);
	ev_prepare_init(&m->turn, on_turn);
	m->look.data = m->turn.data = m;
}

void
gw_memory_stop(struct gw_memory *m)
{
	stop_watching(m);
}

void
gw_memory_note(struct gw_memory *m, unsigned open)
{
	if (open <= m->peak)
		return;
	m->peak = open;
	if (open < GW_MEMORY_FALL_LEAST || ev_is_active(&m->turn))
		return;
	m->low = m->low_now = 0;
	ev_timer_set(&m->look, GW_MEMORY_LOOK_S, GW_MEMORY_LOOK_S);
	ev_timer_start(m->loop, &m->look);
	ev_prepare_start(m->loop, &m->turn);
	ev_unref(m->loop);
}
