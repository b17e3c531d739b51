/* SPDX-License-Identifier: MIT */
/* stages.h - the gateway's list of stages. */
#ifndef GW_RESPONDER_STAGES_H
#define GW_RESPONDER_STAGES_H

#include "serve/pipeline.h"

/* Its requests' own part is struct gw_routed, its program struct gw_routing. */
extern const struct gw_pipeline gw_pipeline;

#endif
