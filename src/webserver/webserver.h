/* SPDX-License-Identifier: MIT */
/*
 * webserver.h - lighttpd as a child of this program, from start to end.
 *
 * It has a process group of its own; nothing of that group is left when
 * on_ended() is called. What is worth a log line is logged here. The program
 * decides what an end means: nothing here exits or leaves the event loop.
 *
 * One thread. The loop must be libev's default loop, which alone watches
 * children, and which reaps orphans too. Only lighttpd itself is watched, so
 * the program may have other children and watchers of its own.
 */
#ifndef GW_WEBSERVER_WEBSERVER_H
#define GW_WEBSERVER_WEBSERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "webserver/folder_watch.h"
#include "webserver/site.h"
#include "webserver/up_probe.h"

/* Called on the loop, never before gw_webserver_start() returns. */
struct gw_webserver_ops {
	/* A request for /health came back as 200. At most once. */
	void (*on_up)(void *arg);
	/* It is going down unasked: it ended by itself, or did not come up in
	 * time. Logged. on_ended() follows. May be NULL. */
	void (*on_failed)(void *arg);
	/* The private folder, or a part of it, was removed: nobody can be served
	 * any more. Logged; lighttpd still runs, and it is for the program to
	 * drain it and to start over. */
	void (*on_folder_lost)(void *arg);
	/* No process of it is left, nothing is watched any more, and the struct
	 * may be freed. @failed: it was not asked to end, or processes of its
	 * group could not be ended. */
	void (*on_ended)(void *arg, bool failed);
	/* The grace time is over: whoever still answers a request ends it now,
	 * with an error that says so. The group got SIGURG, which lighttpd
	 * ignores, for its responders; this is for a program that answers
	 * itself. Connections close a moment later. NULL = nobody. */
	void (*on_cut)(void *arg);
};

enum gw_webserver_phase {
	GW_WEBSERVER_NONE, /* not started, or ended */
	GW_WEBSERVER_STARTING,
	GW_WEBSERVER_SERVING,
	GW_WEBSERVER_DRAINING,	  /* one SIGINT sent */
	GW_WEBSERVER_CUTTING,	  /* answers are ended by their makers */
	GW_WEBSERVER_TERMINATING, /* SIGTERM sent */
	GW_WEBSERVER_KILLING,	  /* SIGKILL sent to the group */
	GW_WEBSERVER_SWEEPING	  /* lighttpd is gone, its group is not yet */
};

/* All zero before the start; must not move while it runs. */
struct gw_webserver {
	const struct gw_site *site;
	struct ev_loop *loop;
	const struct gw_webserver_ops *ops;
	void *arg;
	enum gw_webserver_phase phase;
	pid_t child; /* and its process group */
	bool failed;
	bool urgent; /* asked to end more than once */
	ev_child on_child;
	ev_timer limit; /* of the phase */
	ev_timer sweep;
	uint64_t sweep_end_ms; /* 0 = at once, and for as long as it takes */
	struct gw_up_probe probe;
	struct gw_folder_watch folder;
};

/*
 * gw_webserver_start - start lighttpd, and ask for /health until it answers.
 * @site  complete; kept. Its listening socket goes over to lighttpd
 * @ops   static
 * @err   INTERNAL; nothing is called then
 * Makes this process the reaper of orphans below it. lighttpd gets SIGTERM from
 * the kernel when this process dies.
 */
GW_MUSTCHECK int gw_webserver_start(struct gw_webserver *w,
				    struct ev_loop *loop, struct gw_site *site,
				    const struct gw_webserver_ops *ops,
				    void *arg, struct gw_err *err);

/* gw_webserver_is_running - started, and not on its way down. */
bool gw_webserver_is_running(const struct gw_webserver *w);

/*
 * gw_webserver_drain - no new connections; open requests may finish.
 * @reason    for the log
 * @grace_ms  how long; 0 = not at all
 * Nothing happens when it is not running. on_ended() follows.
 */
void gw_webserver_drain(struct gw_webserver *w, const char *reason,
			uint32_t grace_ms);

/*
 * gw_webserver_urgent - end what is open now: somebody asked a second time.
 * Nothing happens while it is running: drain first.
 */
void gw_webserver_urgent(struct gw_webserver *w);

/*
 * gw_webserver_release - stop watching; safe in every phase and twice.
 * Ends no process, and on_ended() is not called.
 */
void gw_webserver_release(struct gw_webserver *w);

#endif
