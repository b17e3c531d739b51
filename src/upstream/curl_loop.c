/* SPDX-License-Identifier: MIT */
/*
 * curl_loop.c - libcurl's multi interface on the event loop: sockets, its
 * timer, finished transfers. Knows nothing of what is transferred.
 */
#include "upstream/curl_private.h"

#define IDLE_CONNECTIONS_MAX 1024L /* kept alive to upstreams, a process */

static void
reap(struct gw_upstreams *u)
{
	while (u->to_reap && u->in_curl == 0) {
		struct gw_transfer *t = u->to_reap;

		u->to_reap = t->next_reap;
		gw_transfer_free(t);
	}
}

void
gw_curl_settle(struct gw_upstreams *u)
{
	CURLMsg *msg;
	int left;

	if (u->in_curl)
		return;
	while ((msg = curl_multi_info_read(u->multi, &left))) {
		struct gw_transfer *t = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode code = msg->data.result;

		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
		gw_transfer_finished(t, code);
	}
	reap(u);
}

static void
socket_action(struct gw_upstreams *u, curl_socket_t fd, int mask)
{
	int running;

	u->in_curl++;
	curl_multi_socket_action(u->multi, fd, mask, &running);
	u->in_curl--;
	gw_curl_settle(u);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_upstreams *u = w->data;

	(void)revents;
	u->due = false;
	ev_timer_stop(loop, w);
	socket_action(u, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct gw_upstreams *u = arg;

	(void)multi;
	ev_timer_stop(u->loop, &u->timer);
	/* 0 means "soon", not "from inside this callback". */
	u->due = timeout_ms == 0;
	if (timeout_ms >= 0) {
		ev_timer_set(&u->timer, (double)timeout_ms / 1000.0, 0.);
		ev_timer_start(u->loop, &u->timer);
	}
	return 0;
}

/*
 * Before the loop sleeps: what was cancelled goes, and what was begun in this
 * turn begins now instead of after another turn. Whatever becomes due by that
 * is the next turn's.
 */
static void
on_sleep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct gw_upstreams *u = w->data;

	(void)revents;
	reap(u);
	if (!u->due)
		return;
	u->due = false;
	ev_timer_stop(loop, &u->timer);
	socket_action(u, CURL_SOCKET_TIMEOUT, 0);
}

struct gw_upstreams *
gw_upstreams_new(struct ev_loop *loop, struct gw_err *err)
{
	struct gw_upstreams *u = calloc(1, sizeof(*u));

	if (!u || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto fail;
	u->loop = loop;
	u->on_ready = socket_action;
	u->share = curl_share_init();
	u->multi = curl_multi_init();
	if (!u->multi || !u->share)
		goto fail;
	curl_share_setopt(u->share, CURLSHOPT_SHARE,
			  CURL_LOCK_DATA_SSL_SESSION);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, gw_curl_on_socket);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);
	curl_multi_setopt(u->multi, CURLMOPT_PIPELINING,
			  (long)CURLPIPE_NOTHING);
	ev_init(&u->timer, on_timer);
	u->timer.data = u;
	gw_curl_vanish_init(u);
	ev_prepare_init(&u->sleeps, on_sleep);
	u->sleeps.data = u;
	ev_prepare_start(loop, &u->sleeps);
	ev_unref(loop);
	return u;
fail:
	gw_err_set(err, GW_ERR_INTERNAL, 0, "libcurl could not be set up");
	if (u) {
		curl_multi_cleanup(u->multi); /* NULL is allowed, for both */
		curl_share_cleanup(u->share);
	}
	free(u);
	return NULL;
}

void
gw_upstreams_free(struct gw_upstreams *u)
{
	if (!u)
		return;
	u->to_reap = NULL;
	while (u->transfers)
		gw_transfer_free(u->transfers);
	gw_curl_handles_free(u);
	ev_ref(u->loop);
	ev_prepare_stop(u->loop, &u->sleeps);
	curl_multi_cleanup(u->multi);
	curl_share_cleanup(u->share);
	gw_curl_sockets_free(u);
	ev_timer_stop(u->loop, &u->timer);
	gw_curl_vanish_stop(u);
	curl_global_cleanup();
	free(u);
}
