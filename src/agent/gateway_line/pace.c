/* SPDX-License-Identifier: MIT */
/* pace.c - see pace.h. */
#include "agent/gateway_line/pace.h"

#define AHEAD_MS ((uint64_t)(AG_PACE_BURST - 1) * AG_PACE_EVERY_MS)

uint32_t
ag_pace_wait_ms(const struct ag_pace *p, uint64_t now_ms)
{
	if (p->even_ms <= now_ms + AHEAD_MS)
		return 0;
	return (uint32_t)(p->even_ms - now_ms - AHEAD_MS);
}

void
ag_pace_note(struct ag_pace *p, uint64_t now_ms)
{
	/* Sent although it was too early: that does not add up. */
	uint64_t latest = now_ms + AHEAD_MS;
	uint64_t from = p->even_ms > now_ms ? p->even_ms : now_ms;

	p->even_ms = (from < latest ? from : latest) + AG_PACE_EVERY_MS;
}
