/* SPDX-License-Identifier: MIT */
/*
 * parts.h - the maker's state and the objects of the document, one file each.
 * For the files of this folder.
 *
 * Objects are put by whoever asked for them.
 */
#ifndef GW_STATUS_PARTS_H
#define GW_STATUS_PARTS_H

#include <stddef.h>

#include "base/json.h"
#include "routing/choices.h"
#include "routing/routing.h"
#include "status/status.h"

struct gw_status {
	struct gw_status_source of;
	uint64_t now_ms; /* of the piece */
	enum gw_status_part {
		GW_STATUS_HEAD,
		GW_STATUS_PROCESSES,
		GW_STATUS_ALIASES,
		GW_STATUS_NODES,
		GW_STATUS_CLIENTS,
		GW_STATUS_END
	} part;
	size_t next;	    /* of the list's elements */
	bool opened;	    /* the list has one */
	size_t candidate;   /* of the alias that is under way ... */
	bool in_alias;	    /* ... if one is */
	uint64_t in_flight; /* at its candidates, so far */
	uint32_t row;
	struct reg_node_ref *nodes; /* registered when their turn began */
	size_t n_nodes;
	uint64_t *waiting; /* clients of those who wait, sorted */
	size_t n_waiting;
	struct gw_buf text;
};

/* process.c */
struct json_object *gw_status_process(const struct gw_status *s,
				      const struct reg_process *p);

/* alias.c: what stands before its candidates, a candidate (NULL: no more), what
 * stands behind them. */
struct json_object *gw_status_alias(struct gw_status *s,
				    const struct gw_model *m);
struct json_object *gw_status_candidate(struct gw_status *s,
					const struct gw_model *m, size_t i);
struct json_object *gw_status_alias_end(struct gw_status *s,
					const struct gw_model *m);

/* alias.c: what alias and node say of one place alike. */
void gw_status_place(struct gw_status *s, const struct gw_choice *c,
		     struct json_object *o);

/* node.c */
struct json_object *gw_status_node(struct gw_status *s,
				   const struct gw_node *n);

/* client.c: -1 = no memory */
GW_MUSTCHECK int gw_status_read_waiting(struct gw_status *s);
struct json_object *gw_status_client(struct gw_status *s,
				     const struct gw_client *c);

/* Milliseconds of the wall clock, or null. */
static inline void
gw_status_set_time(struct json_object *o, const char *key, int64_t ms)
{
	json_object_object_add(o, key,
			       ms > 0 ? gw_json_seconds((uint64_t)ms) : NULL);
}

#endif
