/* SPDX-License-Identifier: MIT */
/*
 * gateway_line.h - the line to the gateway: register, heartbeats, leave.
 *
 * Registers when it is started, and again when the gateway does not know the
 * node; in between a heartbeat at the configured interval, or at the gateway's
 * own when that is shorter, and at once when there is news (pace.h). While the
 * gateway is down it tries again and again with growing waits; that touches
 * nothing else. One thread; nothing blocks.
 */
#ifndef AG_GATEWAY_LINE_H
#define AG_GATEWAY_LINE_H

#include <ev.h>
#include <json-c/json.h>
#include <stdint.h>

#include "agent/config/agent_config.h"
#include "base/err.h"
#include "upstream/transfer.h"

#define AG_GATEWAY_LEAVE_MS 2000  /* the goodbye */
#define AG_GATEWAY_FIRST_MS 1000  /* wait after a first failure */
#define AG_GATEWAY_MAX_MS 60000	  /* the longest wait */
#define AG_GATEWAY_JITTER_PCT 50
#define AG_GATEWAY_INTERVAL_MIN_MS 100 /* a shorter one is not believed */

struct ag_gateway_line;

/* What the line asks for; called on the loop, with ag_gateway_line_setup.arg. */
struct ag_gateway_line_ops {
	/* Bodies of /v1/nodes/register and /v1/nodes/heartbeat, as they are
	 * true now; the line puts them. */
	struct json_object *(*registration)(void *arg);
	struct json_object *(*heartbeat)(void *arg);
	/* 64 random bits, so that not all nodes come back at one moment. */
	uint64_t (*random)(void *arg);
};

struct ag_gateway_line_setup {
	struct ev_loop *loop;		/* lives as long, and so do the next */
	struct gw_upstreams *upstreams;
	const struct ag_config *config;	/* gateway, key, node, interval */
	const struct ag_gateway_line_ops *ops; /* static */
	void *arg;
};

/*
 * ag_gateway_line_new - idle; works without a configured gateway, too, and then
 * does nothing.
 * @setup  copied; what it points to is borrowed until the line is freed
 * Returns a line the caller frees, or NULL when memory is out.
 */
GW_MUSTCHECK struct ag_gateway_line *
ag_gateway_line_new(const struct ag_gateway_line_setup *setup);

/* ag_gateway_line_free - hangs up without a goodbye; NULL is allowed. When the
 * process dies instead, the gateway takes the node for stale after a while. */
void ag_gateway_line_free(struct ag_gateway_line *d);

/* ag_gateway_line_start - register now. */
void ag_gateway_line_start(struct ag_gateway_line *d);

/* ag_gateway_line_urgent - the next heartbeat has something to say: it is sent as
 * soon as the pace allows. NULL is allowed. */
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
