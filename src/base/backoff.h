/* SPDX-License-Identifier: MIT */
/*
 * backoff.h - how long to wait before trying again: twice as long each time, up
 * to a limit, with jitter so that many do not come at the same moment, and from
 * the beginning after things went well for a while.
 */
#ifndef GW_BASE_BACKOFF_H
#define GW_BASE_BACKOFF_H

#include <stdint.h>

struct gw_backoff {
	uint32_t first_ms;  /* the first wait, > 0 */
	uint32_t max_ms;    /* the longest, >= first_ms */
	uint32_t jitter_pct; /* taken off at random, 0 .. 100 */
	unsigned failures;  /* in a row */
};

/*
 * gw_backoff_next - one more failure.
 * @random  any 32 random bits
 * Returns the milliseconds to wait: first * 2^(failures before), at most
 * max_ms, less up to jitter_pct per cent; never 0.
 */
uint32_t gw_backoff_next(struct gw_backoff *b, uint32_t random);

/* gw_backoff_reset - it went well: the next failure is a first one. */
void gw_backoff_reset(struct gw_backoff *b);

#endif
