/* SPDX-License-Identifier: MIT */
/* history.h - what a request met rules candidates out for it. Pure. */
#ifndef GW_ROUTING_HISTORY_H
#define GW_ROUTING_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

struct gw_choice;
struct gw_history;
struct gw_model;

/*
 * gw_was_tried - had it an attempt of this request as the candidate of that
 * alias, or was it lost to any? Another alias has another key, other defaults
 * and limits.
 * @h  NULL: it met nothing yet
 */
bool gw_was_tried(const struct gw_history *h, const struct gw_model *m,
		  const struct gw_choice *c);

/*
 * gw_history_bits - the same for other processes, which know nothing else of it:
 * a bit for each candidate or address. gw_is_avoided - is one of its bits set?
 * True for all that gw_was_tried(), and for a few others that share a bit.
 */
uint64_t gw_history_bits(const struct gw_history *h, const struct gw_model *m);
bool gw_is_avoided(uint64_t bits, const struct gw_choice *c);

#endif
