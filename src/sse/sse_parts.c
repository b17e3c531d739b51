/* SPDX-License-Identifier: MIT */
/* sse_parts.c - one event, and what its document is built from. */
#include "sse/sse_parts.h"

#include "base/json.h"

int
gw_sse_put_event(struct gw_buf *out, const char *name, struct json_object *doc)
{
	int rc = 0;

	if (name && gw_buf_printf(out, "event: %s\n", name) < 0)
		rc = -1;
	if (rc == 0 &&
	    (gw_buf_puts(out, "data: ") < 0 || gw_json_text(doc, out) < 0 ||
	     gw_buf_puts(out, "\n\n") < 0))
		rc = -1;
	json_object_put(doc);
	return rc;
}

struct json_object *
gw_sse_copy(struct json_object *o)
{
	struct json_object *copy = json_object_new_object();

	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, value)
		{
			json_object_object_add(copy, key,
					       json_object_get(value));
		}
	}
	return copy;
}

void
gw_sse_share(struct json_object *to, const char *key, struct json_object *from,
	     const char *from_key)
{
	struct json_object *v;

	if (json_object_object_get_ex(from, from_key, &v))
		json_object_object_add(to, key, json_object_get(v));
}

struct json_object *
gw_sse_list(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) &&
			       json_object_is_type(v, json_type_array)
		       ? v
		       : NULL;
}
