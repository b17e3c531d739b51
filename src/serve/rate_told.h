/* SPDX-License-Identifier: MIT */
/*
 * rate_told.h - what a client with a rate limit is told in each answer: how
 * much it may ask, as OpenAI's own headers say it.
 *
 * Pure; any thread.
 */
#ifndef GW_SERVE_RATE_TOLD_H
#define GW_SERVE_RATE_TOLD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* All zero: the client has no such limit, and is told nothing. */
struct gw_rate_told {
	uint32_t limit;	    /* requests a minute, 0 = none */
	uint32_t remaining; /* that may come at this moment */
	uint64_t full_us;   /* until `remaining` is `limit`, if none came */
};

/* The names, for pages of other origins that may read them. */
#define GW_RATE_TOLD_NAMES                                                     \
	"x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "         \
	"x-ratelimit-reset-requests"

#define GW_RATE_TIME_BYTES 32

/*
 * gw_rate_time - a time as these headers have it: "0s", "120ms", "1s", "1.5s",
 * "6m0s".
 * @us   microseconds, any; rounded up to milliseconds, because whoever comes
 * too early gets nothing
 * @out  GW_RATE_TIME_BYTES, ended by '\0'
 */
void gw_rate_time(uint64_t us, char out[GW_RATE_TIME_BYTES]);

/*
 * gw_rate_told_headers - append the three lines; none where there is no limit.
 * Returns 0, or -1 when @b has no room.
 */
GW_MUSTCHECK int gw_rate_told_headers(const struct gw_rate_told *told,
				      struct gw_buf *b);

#endif
