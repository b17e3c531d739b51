/* SPDX-License-Identifier: MIT */
/* elsewhere.h - what a reload means to a request that came before it. */
#ifndef GW_ROUTING_ELSEWHERE_H
#define GW_ROUTING_ELSEWHERE_H

#include <stdbool.h>

struct gw_request;
struct gw_routing;

/* gw_is_elsewhere - its alias leads elsewhere since a reload: what is there now
 * is nothing to it. One thread a process; nothing blocks. */
bool gw_is_elsewhere(struct gw_routing *routing, const struct gw_request *r);

#endif
