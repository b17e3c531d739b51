/* SPDX-License-Identifier: MIT */
/*
 * pace.h - how soon news may be told: a few at once, then a few a second, so that
 * a node whose models come and go does not keep a gateway busy. Pure.
 */
#ifndef AG_GATEWAY_LINE_PACE_H
#define AG_GATEWAY_LINE_PACE_H

#include <stdint.h>

#define AG_PACE_BURST 4	     /* heartbeats one right after the other */
#define AG_PACE_EVERY_MS 250 /* and then one in so many ms */

/* All zero: nothing was told yet. */
struct ag_pace {
	uint64_t even_ms; /* when all that was told will be paid for */
};

/* ag_pace_wait_ms - until the next one may be sent; 0 = now. */
uint32_t ag_pace_wait_ms(const struct ag_pace *p, uint64_t now_ms);

/* ag_pace_note - one is sent. */
void ag_pace_note(struct ag_pace *p, uint64_t now_ms);

#endif
