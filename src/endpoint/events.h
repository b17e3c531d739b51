/* SPDX-License-Identifier: MIT */
/*
 * events.h - who watches the status of this process, and what for: for those
 * who end requests and processes. One thread a process; nothing blocks.
 */
#ifndef GW_ENDPOINT_EVENTS_H
#define GW_ENDPOINT_EVENTS_H

struct gw_routing;
struct gw_viewer;

#define GW_VIEWERS_MAX 32    /* of a process; one more is a 503 */
#define GW_EVENTS_EACH_S 1.0 /* from one snapshot to the next */

/* gw_viewer_free - it watches no longer; NULL is allowed. */
void gw_viewer_free(struct gw_viewer *v);

/* gw_events_end - the process stops: every stream of snapshots ends, and none
 * begins any more. */
void gw_events_end(struct gw_routing *routing);

/* gw_events_free - nobody watches any more; harmless where nobody did. */
void gw_events_free(struct gw_routing *routing);

#endif
