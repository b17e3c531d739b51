/* SPDX-License-Identifier: MIT */
/* history.h - what a request met rules candidates out for it. Pure. */
#ifndef GW_ROUTING_HISTORY_H
#define GW_ROUTING_HISTORY_H

#include <stdbool.h>

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

#endif
