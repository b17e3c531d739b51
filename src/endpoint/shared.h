/* SPDX-License-Identifier: MIT */
/*
 * shared.h - what several endpoints need: waiting for probes, a busy registry,
 * the object of a model. One thread a process; nothing blocks.
 */
#ifndef GW_ENDPOINT_SHARED_H
#define GW_ENDPOINT_SHARED_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "reg.h"
#include "routing/availability.h"
#include "serve/request.h"

/* Bytes gw_log_quote() may need for a node id. */
#define GW_QUOTED_NODE_ID (4 * REG_NODE_ID_MAX + 3)

/*
 * gw_await_availability - have r->availability ready.
 * @only  the one model that matters, or NULL
 * @ask   of all nodes and models, or is one that is usable enough?
 * Returns NEXT: it is, ask it; WAIT: return that, the answer function is called
 * again; FINISH: return that, r->err is set.
 */
enum gw_step gw_await_availability(struct gw_request *r,
				   const struct gw_model *only, enum gw_ask ask);

/*
 * gw_registry_failed - a registry call of this request failed.
 * @e        what it said
 * @node_id  the node it was about
 * Returns WAIT when it was busy: the answer function is called again in a
 * moment, for about a second in all; else FINISH with r->err set.
 */
enum gw_step gw_registry_failed(struct gw_request *r, const struct reg_err *e,
				const char *node_id);

/*
 * gw_node_is_configured - is this the id of a node of the configuration? Such a
 * node cannot register, be alive or leave. True: r->err is set.
 */
GW_MUSTCHECK bool gw_node_is_configured(struct gw_request *r,
					const char *node_id);

/*
 * gw_node_id_is_refused - does the key that came not open this node id? Asked
 * before anything else about the node: whose id it is not learns nothing of it.
 * True: r->err is set.
 */
GW_MUSTCHECK bool gw_node_id_is_refused(struct gw_request *r,
					const char *node_id);

/*
 * gw_node_say_drained - add `draining` to the answer of a node that an operator
 * took out of service. To be called whenever it gives a sign of life: that keeps
 * it so.
 */
void gw_node_say_drained(const struct gw_request *r, const char *node_id,
			 struct json_object *doc);

/*
 * gw_usable_object - an entry of /v1/models; the caller puts it.
 * @u  what was found out about @m
 */
struct json_object *gw_usable_object(const struct gw_request *r,
				     const struct gw_model *m,
				     const struct gw_usable *u);

/*
 * gw_json_set_age - mark what an older probe says with `result_age_s`.
 * @age_ms  of struct gw_usable; 0 adds nothing
 */
void gw_json_set_age(struct json_object *o, uint64_t age_ms);

#endif
