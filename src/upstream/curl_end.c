/* SPDX-License-Identifier: MIT */
/*
 * curl_end.c - the end of an exchange, however it comes: reported by libcurl,
 * cancelled by its owner, or given up by us. See curl_private.h.
 */
#include <string.h>

#include "upstream/curl_private.h"

void
gw_transfer_free(struct gw_transfer *t)
{
	struct gw_upstreams *u = t->upstreams;

	if (t->next)
		t->next->prev = t->prev;
	if (t->prev)
		t->prev->next = t->next;
	else
		u->transfers = t->next;
	if (t->easy) {
		u->in_curl++;
		curl_multi_remove_handle(u->multi, t->easy);
		u->in_curl--;
		gw_curl_handle_put_back(t);
	}
	free(t->headers);
	free(t);
}

void
gw_transfer_cancel(struct gw_transfer *t)
{
	struct gw_upstreams *u = t->upstreams;

	t->ops = NULL;
	if (t->reaping)
		return;
	if (u->in_curl == 0) {
		gw_transfer_free(t);
		return;
	}
	t->reaping = true;
	t->next_reap = u->to_reap;
	u->to_reap = t;
}

void
gw_transfer_finished(struct gw_transfer *t, CURLcode code)
{
	if (t->reaping)
		return; /* cancelled meanwhile; reap() frees it */
	t->failed = code != CURLE_OK;
	if (t->left)
		snprintf(t->detail, sizeof(t->detail), "status %d",
			 t->head.status);
	gw_transfer_end(t, gw_curl_result(t, code));
}

void
gw_transfer_end(struct gw_transfer *t, enum gw_transfer_result result)
{
	const struct gw_transfer_ops *ops = t->ops;
	char detail[CURL_ERROR_SIZE];
	void *arg = t->arg;

	memcpy(detail, t->detail, sizeof(detail));
	gw_transfer_free(t);
	if (ops)
		ops->on_done(arg, result, detail);
}
