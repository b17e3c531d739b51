/* SPDX-License-Identifier: MIT */
/* backoff.c - the arithmetic of waiting; keeps no clock. */
#include "agent/backoff.h"

uint32_t
ag_backoff_next(struct ag_backoff *b, uint32_t random)
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
ag_backoff_reset(struct ag_backoff *b)
{
	b->failures = 0;
}
