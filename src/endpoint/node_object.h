/* SPDX-License-Identifier: MIT */
/*
 * node_object.h - a node as /v1/models shows it: to some whole, to a client
 * with models of its own the part that concerns these. One thread a process;
 * nothing blocks.
 */
#ifndef GW_ENDPOINT_NODE_OBJECT_H
#define GW_ENDPOINT_NODE_OBJECT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodes/node_view.h"
#include "serve/request.h"

/* The roles of the discovered aliases that a client may use. */
struct gw_own_roles {
	bool all;	   /* it sees every node, and all of it */
	const char **role; /* sorted; of the request's configuration */
	size_t n;
};

/*
 * gw_own_roles - find them out.
 * @out  filled; its list is the caller's to free(), also after a failure
 * Returns 0, or -1: no memory. Takes time with the number of aliases.
 */
GW_MUSTCHECK int gw_own_roles(const struct gw_request *r,
			      struct gw_own_roles *out);

/*
 * gw_node_object - a node with how it stands right now; the caller puts it.
 * @r       its availability is done
 * @age_ms  since its last sign of life
 * Returns NULL where nothing of it concerns the client, which then is not told
 * that there is such a node.
 */
struct json_object *gw_node_object(struct gw_request *r,
				   const struct gw_own_roles *own,
				   const struct gw_node *n, uint64_t age_ms);

#endif
