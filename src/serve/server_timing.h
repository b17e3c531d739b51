/* SPDX-License-Identifier: MIT */
/*
 * server_timing.h - what the time of a relayed answer went to, for whoever gets
 * it: the Server-Timing header (W3C), which browsers show beside a request.
 *
 * How long the client took to send its body, and the upstream to end an answer
 * that is passed on whole, is in none of these times. Of a stream whose head
 * goes out before its answer has begun, what is known by then is told.
 */
#ifndef GW_SERVE_SERVER_TIMING_H
#define GW_SERVE_SERVER_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct gw_request;

#define GW_SERVER_TIMING_HEADER "Server-Timing"

enum gw_time {
#define TIME(name, word, text) GW_TIME_##name,
#include "serve/server_timing.def"
	GW_TIME__MAX
};

/* Microseconds of each, and which are known. */
struct gw_times {
	uint64_t us[GW_TIME__MAX];
	bool known[GW_TIME__MAX];
};

/*
 * gw_times_of - what a request's time went to, its head being sent now.
 * @now_us  CLOCK_MONOTONIC
 * Pure. A time that would be below zero is 0.
 */
struct gw_times gw_times_of(const struct gw_request *r, uint64_t now_us);

/*
 * gw_server_timing - append the header's line, in milliseconds with three
 * decimals; nothing to an answer that is not an upstream's.
 * Returns 0, or -1 when @b has no room. Reads the clock; the loop's thread.
 */
GW_MUSTCHECK int gw_server_timing(const struct gw_request *r, struct gw_buf *b);

#endif
