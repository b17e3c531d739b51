/* SPDX-License-Identifier: MIT */
/*
 * node_fields.h - checks of single fields, for node_doc.c.
 *
 * @param is the dotted path of the field, as errors name it. All functions that
 * return an int: 0, or -1 with err INVALID_REQUEST (INTERNAL without memory).
 */
#ifndef GW_NODES_NODE_FIELDS_H
#define GW_NODES_NODE_FIELDS_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* gw_field - the value of a key, owned by @o; JSON null counts as absent. */
struct json_object *gw_field(struct json_object *o, const char *key);

/* gw_field_refuse - an error about a field. Returns -1 always. */
int gw_field_refuse(struct gw_err *err, const char *param, const char *fmt, ...)
	GW_PRINTF(3, 4);

/* gw_field_no_memory - INTERNAL. Returns -1 always. */
int gw_field_no_memory(struct gw_err *err);

/*
 * gw_field_name - a string that ends up in headers, log lines and lists people
 * read: 1 .. @max bytes, no control characters.
 * @v    NULL = absent, which is an error too
 * @out  set to @v's own text
 */
GW_MUSTCHECK int gw_field_name(struct json_object *v, size_t max,
			       const char *param, const char **out,
			       struct gw_err *err);

/* gw_field_object - an object of at most @max bytes as compact JSON. */
GW_MUSTCHECK int gw_field_object(struct json_object *v, size_t max,
				 const char *param, struct gw_err *err);

/*
 * gw_field_integer - an optional whole number.
 * @v            NULL = absent: @out stays as it is
 * @least, @most what it may be
 */
GW_MUSTCHECK int gw_field_integer(struct json_object *v, uint32_t least,
				  uint32_t most, const char *param,
				  uint32_t *out, struct gw_err *err);

/* gw_field_list - a list of 1 .. @max entries; @what names them. */
GW_MUSTCHECK int gw_field_list(struct json_object *v, size_t max,
			       const char *param, const char *what,
			       struct gw_err *err);

#endif
