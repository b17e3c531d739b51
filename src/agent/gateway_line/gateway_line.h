/* SPDX-License-Identifier: MIT */
/*
 * gateway_line.h - the line to the gateway: register, heartbeats, leave.
 *
 * Registers when it is started, and again when the gateway does not know the
 * node; in between a heartbeat at the configured interval, or at the gateway's
 * own when that is shorter, and at once when a model fails or recovers. While the
 * gateway is down it tries again and again with growing waits; that touches
 * nothing else. One thread; nothing blocks.
 */
#ifndef AG_GATEWAY_LINE_H
#define AG_GATEWAY_LINE_H

#include <json-c/json.h>
#include <stdint.h>

#include "base/err.h"

#define AG_GATEWAY_LIMIT_MS 10000 /* one exchange with the gateway */
#define AG_GATEWAY_LEAVE_MS 2000  /* the goodbye */
#define AG_GATEWAY_FIRST_MS 1000  /* wait after a first failure */
#define AG_GATEWAY_MAX_MS 60000	  /* the longest wait */
#define AG_GATEWAY_JITTER_PCT 50
#define AG_GATEWAY_REPLY_MAX 65536 /* bytes of an answer that are looked at */
#define AG_GATEWAY_URGENT_MS 100   /* between two heartbeats at least */

struct ag_agent;
struct ag_gateway_line;

/*
 * ag_gateway_line_new - idle; works without a configured gateway, too, and then
 * does nothing. Returns NULL when memory is out.
 */
GW_MUSTCHECK struct ag_gateway_line *ag_gateway_line_new(struct ag_agent *a);
void ag_gateway_line_free(struct ag_gateway_line *d);

/* ag_gateway_line_start - register now. */
void ag_gateway_line_start(struct ag_gateway_line *d);

/* ag_gateway_line_urgent - the next heartbeat has something to say. */
void ag_gateway_line_urgent(struct ag_gateway_line *d);

/*
 * ag_gateway_line_leave - say goodbye and stop.
 * @left  called once on the loop when it was said, or after AG_GATEWAY_LEAVE_MS;
 *        at once when there is nobody to say it to
 */
void ag_gateway_line_leave(struct ag_gateway_line *d, void (*left)(void *arg),
			 void *arg);

/* ag_gateway_line_report - how the line stands; JSON null without a gateway. */
struct json_object *ag_gateway_line_report(const struct ag_gateway_line *d);

#endif
