/* SPDX-License-Identifier: MIT */
/*
 * ejection.h - what requests and probes met at a candidate, told to all processes,
 * and one line in the log where that takes it out of the order, or back.
 *
 * Two records a candidate: of its address, for connections, and of the model
 * behind it, for answers. One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_EJECTION_H
#define GW_ROUTING_EJECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "reg.h"

struct gw_routing;

/* Of whom something is told. */
struct gw_place {
	struct reg_candidate_ref ref, address;
	const char *alias;    /* for the log */
	const char *node_id;  /* or NULL */
	const char *base_url;
};

/*
 * gw_ejection_failed - an attempt there came to nothing.
 * @config       its gateway.eject
 * @n            how much it counts, above 0
 * @unconnected  no connection: the address's failure, whatever the model
 * @reason       a few words
 */
void gw_ejection_failed(struct gw_routing *routing,
			const struct gw_config *config,
			const struct gw_place *place, unsigned n,
			bool unconnected, const char *reason);

/* gw_ejection_succeeded - an answer reached its end. */
void gw_ejection_succeeded(struct gw_routing *routing,
			   const struct gw_place *place);

/* gw_ejection_connected - it answered a probe: what was held against it for not
 * being connected is forgotten. */
void gw_ejection_connected(struct gw_routing *routing, const char *base_url);

/* gw_ejection_came_anew - it registered: nothing is held against it any more.
 * @model_json  of one of its models */
void gw_ejection_came_anew(struct gw_routing *routing, const char *base_url,
			   const char *model_json);

#endif
