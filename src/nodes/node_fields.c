/* SPDX-License-Identifier: MIT */
/*
 * node_fields.c - checks of single fields of what nodes send; knows no document
 * as a whole. Every refusal names the field in its message and in `param`.
 */
#include "nodes/node_fields.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

int
gw_field_refuse(struct gw_err *err, const char *param, const char *fmt, ...)
{
	char why[GW_ERR_MSG_BYTES / 2];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(why, sizeof(why), fmt, ap) < 0)
		why[0] = '\0';
	va_end(ap);
	gw_err_set(err, GW_ERR_INVALID_REQUEST, 0, "%s %s", param, why);
	return gw_err_param(err, param);
}

int
gw_field_no_memory(struct gw_err *err)
{
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			  "out of memory for a node's registration");
}

struct json_object *
gw_field(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? v : NULL;
}

static bool
has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return true;
	return false;
}

int
gw_field_name(struct json_object *v, size_t max, const char *param,
	      const char **out, struct gw_err *err)
{
	size_t len;

	if (!v)
		return gw_field_refuse(err, param, "is required");
	if (!json_object_is_type(v, json_type_string))
		return gw_field_refuse(err, param, "must be a string");
	len = (size_t)json_object_get_string_len(v);
	if (len == 0)
		return gw_field_refuse(err, param, "must not be empty");
	if (len > max)
		return gw_field_refuse(
			err, param, "has %zu bytes, more than the %zu allowed",
			len, max);
	*out = json_object_get_string(v);
	if (has_control(*out, len))
		return gw_field_refuse(err, param,
				       "must not hold control characters");
	return 0;
}

int
gw_field_object(struct json_object *v, size_t max, const char *param,
		struct gw_err *err)
{
	size_t len = 0;

	if (!json_object_is_type(v, json_type_object))
		return gw_field_refuse(err, param, "must be an object");
	if (!json_object_to_json_string_length(
		    v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		    &len))
		return gw_field_no_memory(err);
	if (len > max)
		return gw_field_refuse(
			err, param,
			"has %zu bytes of JSON, more than the %zu allowed", len,
			max);
	return 0;
}

int
gw_field_list(struct json_object *v, size_t max, const char *param,
	      const char *what, struct gw_err *err)
{
	size_t n;

	if (!json_object_is_type(v, json_type_array))
		return gw_field_refuse(err, param, "must be a list of %s",
				       what);
	n = json_object_array_length(v);
	if (n == 0)
		return gw_field_refuse(err, param, "must not be empty");
	if (n > max)
		return gw_field_refuse(
			err, param,
			"has %zu entries, more than the %zu allowed", n, max);
	return 0;
}

int
gw_field_integer(struct json_object *v, uint32_t least, uint32_t most,
		 const char *param, uint32_t *out, struct gw_err *err)
{
	int64_t value;

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_int))
		return gw_field_refuse(err, param, "must be an integer");
	value = json_object_get_int64(v); /* clamped when it is larger */
	if (value < least || value > most)
		return gw_field_refuse(err, param, "must be from %u to %u",
				       least, most);
	*out = (uint32_t)value;
	return 0;
}
