/* SPDX-License-Identifier: MIT */
/*
 * node_limits.h - how much a node can be, whether it registers or is written in
 * the configuration.
 */
#ifndef GW_CONFIG_NODE_LIMITS_H
#define GW_CONFIG_NODE_LIMITS_H

#define GW_NODE_MODELS_MAX 64	  /* models of a node */
#define GW_NODE_ROLES_MAX 16	  /* roles of a model */
#define GW_NODE_META_MAX 4096	  /* bytes of one meta as compact JSON */
#define GW_NODE_NAME_MAX 256	  /* bytes of a model id or role */
#define GW_NODE_WEIGHT_MAX 100	  /* beside one of weight 1 */
#define GW_NODE_REQUESTS_MAX 65536 /* of max_concurrency and parallel */
#define GW_STATIC_NODES_MAX 1024  /* nodes in the configuration */

#endif
