/* SPDX-License-Identifier: MIT */
/*
 * deadline.h - one timer per relayed request for all of its time limits.
 *
 * The timer is lazy: bytes only move time stamps, and the timer looks at them
 * when it fires. The connect limit is libcurl's; first byte, idle, total and
 * the SSE keep-alive are kept here.
 */
#ifndef GW_SERVE_DEADLINE_H
#define GW_SERVE_DEADLINE_H

#include "serve/request.h"

/*
 * gw_deadline_init - once for a new request. Not later: a timer that has expired
 * in this turn of the loop is inactive, and yet its call is still to come.
 */
void gw_deadline_init(struct gw_request *r);

/*
 * gw_deadline_update - (re)compute when to look next.
 * Called when a transfer starts and when a request enters another phase.
 */
void gw_deadline_update(struct gw_request *r);

/*
 * gw_deadline_wake - resume the pipeline at @at_ms (CLOCK_MONOTONIC), once; 0 =
 * not any more. Limits and comments go on meanwhile.
 */
void gw_deadline_wake(struct gw_request *r, uint64_t at_ms);

/* gw_deadline_left_ms - what is left of total_s; UINT64_MAX = no limit. */
uint64_t gw_deadline_left_ms(const struct gw_request *r);

/* gw_deadline_stop - no more limits apply. */
void gw_deadline_stop(struct gw_request *r);

/*
 * gw_deadline_begin - total_s counts from now on; only the first call does
 * anything.
 */
void gw_deadline_begin(struct gw_request *r);

/* gw_deadline_turn - the request is another alias's from now on, whose total_s
 * counts beside that of the alias that the request named. */
void gw_deadline_turn(struct gw_request *r);

/* gw_limit_error - set r->err to the 504 that names the limit @hit. */
void gw_limit_error(struct gw_request *r, enum gw_limit hit);

#endif
