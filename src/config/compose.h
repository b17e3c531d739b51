/* SPDX-License-Identifier: MIT */
/*
 * compose.h - a tree under construction, between load.c and compose.c.
 */
#ifndef GW_CONFIG_COMPOSE_H
#define GW_CONFIG_COMPOSE_H

#include <yaml.h>

#include "config/yaml.h"

/* A list or mapping that is still open. */
struct gw_level {
	struct gw_yaml_node *node;
	struct gw_yaml_node
		*key;	     /* mapping: the key that waits for its value */
	size_t cap;	     /* of node->child */
};

struct gw_anchor {
	struct gw_anchor *next;
	const char *name;
	struct gw_yaml_node *node;
	bool open; /* still being filled: an alias to it is a loop */
};

struct gw_compose {
	struct gw_yaml *doc;
	unsigned file;
	struct gw_level level[GW_CONFIG_DEPTH_MAX];
	size_t depth;
	struct gw_anchor *anchors; /* the newest of a name first */
	struct gw_yaml_node *root;
	uint32_t total; /* nodes so far, aliases expanded */
	uint32_t total_bytes; /* their text */
	unsigned documents;
	unsigned n_anchors;
};

/*
 * gw_compose_event - take the next event of a file.
 * Returns 0, or -1 when the file cannot be used: a finding, or no memory.
 */
GW_MUSTCHECK int gw_compose_event(struct gw_compose *p, const yaml_event_t *ev);

/*
 * gw_compose_merge_keys - bring in what the `<<` of a mapping names (merge_key.c).
 * @map  all its members are there; its index is not
 * Returns 0, or -1: a finding, or no memory.
 */
GW_MUSTCHECK int gw_compose_merge_keys(struct gw_yaml *d,
				       struct gw_yaml_node *map);

#endif
