/* SPDX-License-Identifier: MIT */
/*
 * folder_watch.h - notices that somebody removed the private folder, or what
 * lighttpd needs in it.
 *
 * A logout takes /run/user/UID with it, and programs that tidy up /tmp take what
 * is old: lighttpd would go on and answer nothing but errors, for ever.
 */
#ifndef GW_WEBSERVER_FOLDER_WATCH_H
#define GW_WEBSERVER_FOLDER_WATCH_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "webserver/site.h"

struct gw_folder_watch {
	struct ev_loop *loop; /* NULL = not started */
	const struct gw_site *site;
	void (*lost)(void *arg);
	void *arg;
	ev_timer timer;
	bool served;	 /* lighttpd is up: everything is expected */
	unsigned misses; /* in a row */
	uint64_t touched_ms;
	bool full; /* said so */
};

/*
 * gw_folder_watch_start - look four times a second, and touch all once an hour.
 * Says as well when the disk has no room for a request's body.
 * @site  kept
 * @lost  called once, with everything stopped; logged by then
 */
void gw_folder_watch_start(struct gw_folder_watch *w, struct ev_loop *loop,
			   const struct gw_site *site, void (*lost)(void *arg),
			   void *arg);

/* gw_folder_watch_stop - look no more; safe before start and twice. */
void gw_folder_watch_stop(struct gw_folder_watch *w);

#endif
