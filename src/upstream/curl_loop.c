/* SPDX-License-Identifier: MIT */
/*
 * curl_loop.c - libcurl's multi interface on the event loop: sockets, its
 * timer, finished transfers. Knows nothing of what is transferred.
 */
#include "upstream/curl_private.h"

#define IDLE_CONNECTIONS_MAX 1024L /* kept alive to upstreams, a process */

struct watched_socket {
	ev_io io;
	struct gw_upstreams *upstreams;
};

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
on_socket_ready(struct ev_loop *loop, ev_io *w, int revents)
{
	struct watched_socket *s = w->data;
	int mask = (revents & EV_READ ? CURL_CSELECT_IN : 0) |
		   (revents & EV_WRITE ? CURL_CSELECT_OUT : 0);

	(void)loop;
	socket_action(s->upstreams, w->fd, mask);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	ev_timer_stop(loop, w);
	socket_action(w->data, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct gw_upstreams *u = arg;
	struct watched_socket *s = socket_arg;
	int events = (what & CURL_POLL_IN ? EV_READ : 0) |
		     (what & CURL_POLL_OUT ? EV_WRITE : 0);

	gw_curl_vanish_socket(easy, fd, what);
	if (what == CURL_POLL_REMOVE) {
		if (s) {
			ev_io_stop(u->loop, &s->io);
			free(s);
			curl_multi_assign(u->multi, fd, NULL);
		}
		return 0;
	}
	if (!s) {
		s = calloc(1, sizeof(*s));
		/* -1 would end every transfer of this process, later ones too;
		 * one that nobody watches ends by its own time limits. */
		if (!s)
			return 0;
		s->upstreams = u;
		ev_init(&s->io, on_socket_ready);
		s->io.data = s;
		curl_multi_assign(u->multi, fd, s);
	}
	ev_io_stop(u->loop, &s->io);
	ev_io_set(&s->io, fd, events);
	ev_io_start(u->loop, &s->io);
	return 0;
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct gw_upstreams *u = arg;

	(void)multi;
	ev_timer_stop(u->loop, &u->timer);
	if (timeout_ms >= 0) {
		/* 0 means "soon", not "from inside this callback". */
		ev_timer_set(&u->timer, (double)timeout_ms / 1000.0, 0.);
		ev_timer_start(u->loop, &u->timer);
	}
	return 0;
}

static void
on_reap(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)revents;
	reap(w->data);
}

struct gw_upstreams *
gw_upstreams_new(struct ev_loop *loop, struct gw_err *err)
{
	struct gw_upstreams *u = calloc(1, sizeof(*u));

	if (!u || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		goto fail;
	u->loop = loop;
	u->multi = curl_multi_init();
	if (!u->multi)
		goto fail;
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS_MAX);
	curl_multi_setopt(u->multi, CURLMOPT_PIPELINING,
			  (long)CURLPIPE_NOTHING);
	ev_init(&u->timer, on_timer);
	u->timer.data = u;
	gw_curl_vanish_init(u);
	ev_prepare_init(&u->reap, on_reap);
	u->reap.data = u;
	ev_prepare_start(loop, &u->reap);
	ev_unref(loop);
	return u;
fail:
	gw_err_set(err, GW_ERR_INTERNAL, 0, "libcurl could not be set up");
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
	while (u->n_idle)
		curl_easy_cleanup(u->idle[--u->n_idle]);
	ev_ref(u->loop);
	ev_prepare_stop(u->loop, &u->reap);
	curl_multi_cleanup(u->multi);
	ev_timer_stop(u->loop, &u->timer);
	gw_curl_vanish_stop(u);
	curl_global_cleanup();
	free(u);
}
