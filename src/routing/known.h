/* SPDX-License-Identifier: MIT */
/*
 * known.h - is an alias usable, as far as is known without asking anybody? What
 * the log says of roles and what the status shows. Unlike availability.h, which
 * asks first.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_KNOWN_H
#define GW_ROUTING_KNOWN_H

#include "config/config.h"
#include "probe/result.h"
#include "routing/availability.h"
#include "routing/choice.h"

struct gw_routing;

/*
 * gw_known_usable - a candidate that was not asked yet may well be.
 * @out  why not, and by whose help: of its `ejected` and ages nothing is said
 * Speaks of the nodes as the view knows them: refresh it before.
 */
bool gw_known_usable(struct gw_routing *routing, const struct gw_config *config,
		     const struct gw_model *m, struct gw_usable *out);

/* gw_known_key - what is said of an alias is kept by this (reg_told()). */
uint64_t gw_known_key(const struct gw_model *m);

/* gw_known_why - what is against a candidate, in words; @out or static. */
const char *gw_known_why(const struct gw_routing *routing,
			 const struct gw_choice *c,
			 char out[GW_PROBE_REASON_BYTES]);

#define GW_CHOICE_WHY_BYTES (GW_PROBE_REASON_BYTES + 64)

/* gw_choice_why - what is against a candidate as it stands, whatever its state
 * is, in a few words; @out or static. NULL: nothing. */
const char *gw_choice_why(const struct gw_routing *routing,
			  const struct gw_choice *c, uint64_t now_ms,
			  char out[GW_CHOICE_WHY_BYTES]);

#endif
