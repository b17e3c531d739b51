/* SPDX-License-Identifier: MIT */
/* target.h - where a candidate is, and how it is spoken to. Pure. */
#ifndef GW_ROUTING_TARGET_H
#define GW_ROUTING_TARGET_H

#include "config/config.h"
#include "nodes/node_view.h"
#include "probe/question.h"

/* gw_proxy_target, gw_node_target - what is probed of a proxy, of a node: its
 * address, and the key and the authorities that requests to it go by. Borrowed
 * from the model, or from the node and the configuration. */
struct gw_probe_target gw_proxy_target(const struct gw_model *m);
struct gw_probe_target gw_node_target(const struct gw_config *config,
				      const struct gw_node *n);

#endif
