/* SPDX-License-Identifier: MIT */
/*
 * curl_vanish.c - the host of an upstream that is gone without a word: switched
 * off, unplugged, its link down. The kernel would go on sending a request to it
 * for a quarter of an hour.
 *
 * What counts is the other kernel, not the program: a llama-server may be busy
 * for as long as it likes, its host acknowledges the request all the same. Once
 * the whole request is acknowledged, TCP keep-alive watches (curl_transfer.c).
 *
 * Sources: tcp(7), struct tcp_info and SIOCOUTQ. A full receive window is no
 * silence as long as the kernel's probes of it are answered.
 */
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "upstream/curl_private.h"

#define LOOK_S 1.0	 /* between two looks at all transfers */
#define SILENT_MS 6000	 /* below the default of an early 200 */
#define GIVE_UP_MS 60000 /* where there is no other node */
#define UNANSWERED_MIN 2 /* a lost packet is none */

/* No acknowledgement since @since_ms, although the kernel waits for one: bytes
 * that were sent, or its questions whether a full window is still full. */
static bool
is_silent(curl_socket_t fd, unsigned since_ms)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	int queued = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
	    info.tcpi_last_ack_recv < since_ms)
		return false;
	if (info.tcpi_unacked > 0)
		return info.tcpi_retransmits >= UNANSWERED_MIN;
	/* Keep-alive has probes, too, and nothing queued. */
	return info.tcpi_probes >= UNANSWERED_MIN &&
	       ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0;
}

static void
look_at(struct gw_transfer *t, uint64_t now_ms)
{
	uint64_t since_ms = now_ms - t->sent_ms;

	t->vanished = false;
	t->silent = t->ops && !t->reaping && t->connected && !t->head_done &&
		    t->fd != CURL_SOCKET_BAD && since_ms >= SILENT_MS &&
		    is_silent(t->fd, SILENT_MS);
	if (!t->silent)
		return;
	t->vanished = (t->ops->may_leave && t->ops->may_leave(t->arg)) ||
		      (since_ms >= GIVE_UP_MS && is_silent(t->fd, GIVE_UP_MS));
}

static struct gw_transfer *
find_vanished(const struct gw_upstreams *u)
{
	struct gw_transfer *t = u->transfers;

	while (t && !t->vanished)
		t = t->next;
	return t;
}

/* Marked first: what the end of one transfer leads to may end others. */
static void
on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gw_upstreams *u = w->data;
	uint64_t now_ms = gw_mono_ms();
	struct gw_transfer *t;

	(void)revents;
	for (t = u->transfers; t; t = t->next)
		look_at(t, now_ms);
	while ((t = find_vanished(u)))
		gw_transfer_end(t, GW_TRANSFER_UNACKNOWLEDGED);
	if (!u->transfers)
		ev_timer_stop(loop, w);
}

/* CURLINFO_ACTIVESOCKET knows the socket only when the transfer has ended. */
void
gw_curl_vanish_socket(CURL *easy, curl_socket_t fd, int what)
{
	struct gw_transfer *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	if (!t)
		return;
	if (what != CURL_POLL_REMOVE)
		t->fd = fd;
	else if (t->fd == fd)
		t->fd = CURL_SOCKET_BAD;
}

void
gw_curl_vanish_init(struct gw_upstreams *u)
{
	ev_timer_init(&u->look, on_look, LOOK_S, LOOK_S);
	u->look.data = u;
}

void
gw_curl_vanish_watch(struct gw_upstreams *u)
{
	if (!ev_is_active(&u->look))
		ev_timer_again(u->loop, &u->look);
}

void
gw_curl_vanish_stop(struct gw_upstreams *u)
{
	ev_timer_stop(u->loop, &u->look);
}
