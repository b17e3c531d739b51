/* SPDX-License-Identifier: MIT */
/* fresh.c - the requests that are too young to be watched, oldest first. */
#include "fcgi/conn.h"

void
gw_fresh_add(struct gw_fcgi_conn *c)
{
	struct gw_client_watch *w = &c->front->client_watch;

	c->fresh = true;
	c->next_fresh = NULL;
	c->prev_fresh = w->fresh_last;
	if (w->fresh_last)
		w->fresh_last->next_fresh = c;
	else
		w->fresh = c;
	w->fresh_last = c;
}

void
gw_fresh_remove(struct gw_fcgi_conn *c)
{
	struct gw_client_watch *w = &c->front->client_watch;

	if (!c->fresh)
		return;
	c->fresh = false;
	if (c->next_fresh)
		c->next_fresh->prev_fresh = c->prev_fresh;
	else
		w->fresh_last = c->prev_fresh;
	if (c->prev_fresh)
		c->prev_fresh->next_fresh = c->next_fresh;
	else
		w->fresh = c->next_fresh;
}
