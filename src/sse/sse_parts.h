/* SPDX-License-Identifier: MIT */
/*
 * sse_parts.h - shared by the files that make events of whole answers. json-c
 * ends the process where its memory is out, so objects are never NULL here.
 */
#ifndef GW_SSE_SSE_PARTS_H
#define GW_SSE_SSE_PARTS_H

#include <json-c/json.h>

#include "sse/sse.h"

/* gw_sse_put_event - one event; @name NULL = none. Puts @doc. 0 / -1 (room). */
GW_MUSTCHECK int gw_sse_put_event(struct gw_buf *out, const char *name,
				  struct json_object *doc);

/* gw_sse_copy - a new object with the same members; empty for what is none. */
struct json_object *gw_sse_copy(struct json_object *o);

/* gw_sse_share - @to gets what @from has under @from_key, if anything. */
void gw_sse_share(struct json_object *to, const char *key,
		  struct json_object *from, const char *from_key);

/* gw_sse_list - a member that is a list, borrowed, or NULL. */
struct json_object *gw_sse_list(struct json_object *o, const char *key);

/* gw_sse_from_response - /v1/responses; returns as gw_sse_from_whole(). */
GW_MUSTCHECK int gw_sse_from_response(struct gw_buf *out,
				      struct json_object *doc);

#endif
