/* SPDX-License-Identifier: MIT */
/*
 * failover.h - the gateway's side of stage forward: who else could be asked, and
 * what becomes known of whom was. Parts of stage pick_node.
 */
#ifndef GW_STAGE_FAILOVER_H
#define GW_STAGE_FAILOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "probe/question.h"
#include "serve/pipeline.h"

struct gw_history;
struct gw_model;
struct gw_request;

extern const struct gw_failover gw_failover;

/* gw_failover_may_leave - see struct gw_pipeline. */
bool gw_failover_may_leave(const struct gw_request *r);

/* gw_failover_target - what is probed of the candidate at hand; it lives as long
 * as r->target. */
struct gw_probe_target gw_failover_target(const struct gw_request *r);

/* gw_failover_history - what the request met, to be added to; NULL: no memory,
 * and it is not remembered. */
struct gw_history *gw_failover_history(struct gw_request *r);

/* gw_failover_named - the alias that the request named, whose fallback list
 * counts; gw_failover_alias - the @i-th of that list, NULL behind the last. */
const struct gw_model *gw_failover_named(const struct gw_request *r);
const struct gw_model *gw_failover_alias(const struct gw_request *r, size_t i);

#endif
