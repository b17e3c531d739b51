/* SPDX-License-Identifier: MIT */
/*
 * json.h - json-c with the rough edges covered.
 *
 * For documents that the gateway creates and for small bodies (registrations,
 * error bodies of upstreams). Client bodies of inference requests never come
 * here: src/body/ checks them as they stream in.
 */
#ifndef GW_BASE_JSON_H
#define GW_BASE_JSON_H

#include <json-c/json.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

static inline void
gw_cleanup_json(struct json_object **o)
{
	if (*o)
		json_object_put(*o);
}

#define gw_auto_json GW_CLEANUP(gw_cleanup_json)

/*
 * gw_json_parse - parse one complete JSON object, strictly.
 * @text, @len  strictly UTF-8; no trailing text, no NaN, no NUL
 * @max_depth   deepest nesting accepted, 1 .. 64
 * @err         set to INVALID_JSON with what and where (byte offset)
 * Returns a new object the caller puts, or NULL. json-c accepts NaN, single
 * quotes, raw control characters and anything behind a NUL; what it is given
 * here has passed yajl first, which does not.
 */
GW_MUSTCHECK struct json_object *
gw_json_parse_object(const char *text, size_t len, int max_depth,
		     struct gw_err *err);

/*
 * gw_json_parse_few - the same for what strangers send: an empty object takes
 * hundreds of times the memory of its text.
 * @max_values  keys, values, objects and lists together; more is
 *              REQUEST_TOO_LARGE
 */
GW_MUSTCHECK struct json_object *
gw_json_parse_few(const char *text, size_t len, int max_depth,
		  size_t max_values, struct gw_err *err);

/*
 * gw_json_text - serialise compactly, without escaping '/'.
 * @out  appended to; its max bounds the text
 * Returns 0, or -1 when it does not fit.
 */
GW_MUSTCHECK int gw_json_text(struct json_object *o, struct gw_buf *out);

/*
 * gw_json_text_around - serialise a document with a hole, for a list whose
 * elements are too many to be built at one time.
 * @list  an empty array somewhere in @o; its elements belong between the parts,
 *        each written by gw_json_element()
 * @head  appended to: all up to the elements
 * @tail  appended to: all behind them
 * Returns 0, or -1 when a part does not fit.
 */
GW_MUSTCHECK int gw_json_text_around(struct json_object *o,
				     struct json_object *list,
				     struct gw_buf *head, struct gw_buf *tail);

/*
 * gw_json_element - serialise one more element of a list.
 * @first  nothing stands before it
 * Returns 0, or -1 when it does not fit.
 */
GW_MUSTCHECK int gw_json_element(struct json_object *o, bool first,
				 struct gw_buf *out);

/* gw_json_set_str - add a string field; NULL @value becomes JSON null. */
void gw_json_set_str(struct json_object *o, const char *key, const char *value);

/* gw_json_set_int - add an integer field. */
void gw_json_set_int(struct json_object *o, const char *key, int64_t value);

/* gw_json_set_bound - a number, or null where it is 0: no bound. */
void gw_json_set_bound(struct json_object *o, const char *key, uint32_t n);

/*
 * gw_json_seconds - milliseconds as a JSON number of seconds: 30, 0.5, 10.333.
 * The caller puts it.
 */
struct json_object *gw_json_seconds(uint64_t ms);

/* gw_json_get_str - the field's string, or NULL when absent or not a string. */
const char *gw_json_get_str(struct json_object *o, const char *key);

#endif
