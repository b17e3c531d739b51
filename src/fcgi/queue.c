/* SPDX-License-Identifier: MIT */
/*
 * queue.c - what the owner of a request says about its answer: bytes, its end,
 * that it breaks off. Nothing leaves here; output.c does that, once a turn.
 */
#include "fcgi/conn.h"

void
gw_queue_undirty(struct gw_fcgi_conn *c)
{
	if (!c->dirty)
		return;
	if (c->next_dirty)
		c->next_dirty->prev_dirty = c->prev_dirty;
	if (c->prev_dirty)
		c->prev_dirty->next_dirty = c->next_dirty;
	else
		c->front->dirty = c->next_dirty;
	c->dirty = false;
}

static void
mark_dirty(struct gw_fcgi_conn *c)
{
	struct gw_fcgi_front *f = c->front;

	if (c->dirty)
		return;
	c->dirty = true;
	c->prev_dirty = NULL;
	c->next_dirty = f->dirty;
	if (f->dirty)
		f->dirty->prev_dirty = c;
	f->dirty = c;
}

int
gw_fcgi_write(struct gw_fcgi_conn *c, const void *p, size_t n)
{
	if (gw_buf_append(&c->out, p, n) < 0)
		return -1;
	if (gw_fcgi_backlog(c) > GW_FCGI_HIGH_WATER)
		c->above_high_water = true;
	mark_dirty(c);
	return 0;
}

void
gw_fcgi_limit_client(struct gw_fcgi_conn *c, uint32_t ms)
{
	c->client_idle_ms = ms;
}

size_t
gw_fcgi_backlog(const struct gw_fcgi_conn *c)
{
	return c->out.len - c->out_sent;
}

void
gw_fcgi_finish(struct gw_fcgi_conn *c)
{
	c->request = NULL;
	c->finishing = true;
	mark_dirty(c);
}

void
gw_fcgi_abort(struct gw_fcgi_conn *c)
{
	c->request = NULL;
	c->breaking = true;
	mark_dirty(c);
}
