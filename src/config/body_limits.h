/* SPDX-License-Identifier: MIT */
/*
 * body_limits.h - the limit of one request body and that of all of them, which
 * the gateway's and the node agent's configuration both have.
 */
#ifndef GW_CONFIG_BODY_LIMITS_H
#define GW_CONFIG_BODY_LIMITS_H

#include "config/yaml.h"

/*
 * gw_body_limits_settle - one body of max_body_bytes has to fit: max_bodies_bytes
 * is raised to that where nobody set it, and a warning where somebody set it
 * lower (the lower one then holds for a single body, too).
 * @at      mapping of the two keys, or NULL
 * @prefix  of their names in the warning: "gateway." or ""
 * @one     max_body_bytes as it was read
 * @all     max_bodies_bytes as it was read or defaults to
 */
void gw_body_limits_settle(struct gw_yaml *doc, const struct gw_yaml_node *at,
			   const char *prefix, uint64_t one, uint64_t *all);

#endif
