/* SPDX-License-Identifier: MIT */
/* backoff.c - the arithmetic of waiting; keeps no clock. */
#include "base/backoff.h"

uint32_t
gw_backoff_next(struct gw_backoff *b, uint32_t random)
{
	uint64_t wait = b->first_ms;
	uint64_t off;

	for (unsigned i = 0; i < b->failures && wait < b->max_ms; i++)
		wait *= 2;
	if (wait > b->max_ms)
		wait = b->max_ms;
	b->failures++;
	off = wait * b->jitter_pct / 100 * (random & 0xffff) / 0x10000;
	return off < wait ? (uint32_t)(wait - off) : 1;
}

void
gw_backoff_reset(struct gw_backoff *b)
{
	b->failures = 0;
}
