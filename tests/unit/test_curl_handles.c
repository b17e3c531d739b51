/* SPDX-License-Identifier: MIT */
/*
 * test_curl_handles.c - which easy handles are kept for the next transfer of
 * their address. Each transfer here is cancelled before anything is sent.
 */
#include <stdlib.h>

#include "tap.h"
#include "upstream/curl_private.h"

#define NEWER 16

static struct gw_upstreams *upstreams;

static void
on_head(void *arg, const struct gw_transfer_head *head)
{
	(void)arg;
	(void)head;
}

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	(void)arg;
	(void)result;
	(void)detail;
}

static const struct gw_transfer_ops ops = {.on_head = on_head,
					   .on_done = on_done};

/* One transfer. True: it had a handle of an earlier one. */
static bool
use(unsigned number, bool insecure)
{
	char url[64];
	const struct gw_transfer_request req = {.url = url,
						.tls.insecure = insecure};
	unsigned before = upstreams->n_idle;
	struct gw_transfer *t;
	struct gw_err err = {0};
	bool again;

	snprintf(url, sizeof(url), "https://127.0.0.1:1/%u", number);
	t = gw_transfer_start(upstreams, &req, &ops, NULL, &err);
	if (!t)
		abort();
	again = upstreams->n_idle + 1 == before && t->address;
	gw_transfer_cancel(t);
	return again;
}

int
main(void)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct gw_err err = {0};
	const unsigned many = 2 * GW_IDLE_EASY_MAX;
	int kept = 0;

	upstreams = gw_upstreams_new(loop, &err);
	if (!loop || !upstreams)
		return 99;
	ok(!use(0, false), "handles: an address is used first -> a new one");
	ok(use(0, false), "handles: ... again -> the same one");
	use(0, true);
	ok(use(0, true), "handles: ... of a host whose certificate is not "
			 "looked at, again -> the same one");
	for (unsigned i = 1; i < many; i++)
		use(i, false);
	is_int(upstreams->n_idle, GW_IDLE_EASY_MAX,
	       "handles: many addresses -> no more than there may be");
	for (unsigned i = many; i < many + NEWER; i++) {
		use(i, false);
		kept += use(i, false);
	}
	is_int(kept, NEWER,
	       "handles: as many are kept for addresses of old -> newer "
	       "addresses get theirs all the same");
	is_int(upstreams->n_idle, GW_IDLE_EASY_MAX,
	       "handles: ... -> and another one loses its");
	gw_upstreams_free(upstreams);
	ev_loop_destroy(loop);
	return done_testing();
}
