/* SPDX-License-Identifier: MIT */
/* explain.h - a part of /rolemesh/explain: the candidates of an alias. */
#ifndef GW_ENDPOINT_EXPLAIN_H
#define GW_ENDPOINT_EXPLAIN_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/cleanup.h"

struct gw_explained;
struct gw_model;
struct gw_request;

/*
 * gw_explain_candidates - add `candidates`, in the order in which they would be
 * asked, and `more`, how many are not shown.
 * @e       what was found out
 * @chosen  the way ends at this alias
 * @alias   they are added to this
 * @it      set to the one that gets the request, a member of @alias, if any
 * does Returns 0, or -1 with r->err set: no memory.
 */
GW_MUSTCHECK int gw_explain_candidates(struct gw_request *r,
				       const struct gw_model *m,
				       const struct gw_explained *e,
				       bool chosen, struct json_object *alias,
				       struct json_object **it);

#endif
