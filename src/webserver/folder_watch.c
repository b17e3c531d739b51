/* SPDX-License-Identifier: MIT */
/*
 * folder_watch.c - notices that somebody removed the private folder, or what
 * lighttpd needs in it.
 *
 * Looks instead of being told: inotify has too few watches on many a machine.
 * Must not repair: where the folder was, there may be no place any more.
 */
#include "webserver/folder_watch.h"

#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_S .25
/* lighttpd itself replaces a socket when it starts a responder again. */
#define MISSES 2
#define TOUCH_MS (3600 * 1000)

/* Told once each time: what cannot be stored is refused with a 500. */
static void
look_for_room(struct gw_folder_watch *w)
{
	struct statvfs fs;
	uint64_t room;

	if (fstatvfs(w->site->folder.lock_fd, &fs) < 0)
		return;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if ((room < w->site->max_body_bytes) == w->full)
		return;
	w->full = !w->full;
	if (w->full)
		gw_log(GW_EV_DISK_FULL, NULL,
		       "folder=%s/upload room_bytes=%llu message=\"the disk "
		       "has "
		       "no room for a request body of max_body_bytes, %llu: "
		       "make "
		       "room, or set TMPDIR to a larger one\"",
		       w->site->folder.path, (unsigned long long)room,
		       (unsigned long long)w->site->max_body_bytes);
}

static void
on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_folder_watch *w = t->data;
	char name[32];
	const char *missing = gw_site_missing(w->site, w->served, name);

	(void)loop;
	(void)revents;
	if (gw_mono_ms() - w->touched_ms >= TOUCH_MS) {
		gw_folder_touch(&w->site->folder);
		w->touched_ms = gw_mono_ms();
	}
	if (!missing) {
		w->misses = 0;
		look_for_room(w);
		return;
	}
	if (++w->misses < MISSES && *missing)
		return;
	gw_log(GW_EV_FOLDER_LOST, NULL,
	       "message=\"%s%s%s was removed; nobody can be served without it. "
	       "If a logout or a program that tidies up took it, point TMPDIR "
	       "to a folder that stays\"",
	       w->site->folder.path, *missing ? "/" : "", missing);
	gw_folder_watch_stop(w);
	w->lost(w->arg);
}

void
gw_folder_watch_start(struct gw_folder_watch *w, struct ev_loop *loop,
		      const struct gw_site *site, void (*lost)(void *arg),
		      void *arg)
{
	memset(w, 0, sizeof(*w));
	w->loop = loop;
	w->site = site;
	w->lost = lost;
	w->arg = arg;
	w->touched_ms = gw_mono_ms();
	ev_timer_init(&w->timer, on_look, LOOK_S, LOOK_S);
	w->timer.data = w;
	ev_timer_start(loop, &w->timer);
}

void
gw_folder_watch_stop(struct gw_folder_watch *w)
{
	if (w->loop)
		ev_timer_stop(w->loop, &w->timer);
	w->loop = NULL;
}
