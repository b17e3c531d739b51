/* SPDX-License-Identifier: MIT */
/* json.c - strict parsing (yajl checks, json-c builds) and compact writing. */
#include "base/json.h"

#include <inttypes.h>

#include <json-c/printbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/utf8.h"

/* What a text may be, and what was seen of it. */
struct shape {
	int depth;
	int max_depth;
	int deepest;
	size_t values;
	size_t max_values;
};

static int
any_value(void *arg)
{
	struct shape *s = arg;

	return ++s->values <= s->max_values;
}

static int
open_scope(void *arg)
{
	struct shape *s = arg;

	if (++s->depth > s->deepest)
		s->deepest = s->depth;
	return s->depth <= s->max_depth && any_value(arg);
}

static int
close_scope(void *arg)
{
	struct shape *s = arg;

	s->depth--;
	return 1;
}

static int
any_boolean(void *arg, int value)
{
	(void)value;
	return any_value(arg);
}

static int
any_number(void *arg, const char *text, size_t len)
{
	(void)text;
	(void)len;
	return any_value(arg);
}

static int
any_text(void *arg, const unsigned char *text, size_t len)
{
	(void)text;
	(void)len;
	return any_value(arg);
}

static const yajl_callbacks check = {
	.yajl_null = any_value,
	.yajl_boolean = any_boolean,
	.yajl_number = any_number,
	.yajl_string = any_text,
	.yajl_map_key = any_text,
	.yajl_start_map = open_scope,
	.yajl_end_map = close_scope,
	.yajl_start_array = open_scope,
	.yajl_end_array = close_scope,
};

/* yajl's words end in a newline and may quote the input; keep the reason. */
static int
yajl_failed(yajl_handle y, const char *text, size_t len, const struct shape *s,
	    struct gw_err *err)
{
	unsigned char *why;
	size_t at = yajl_get_bytes_consumed(y);

	if (s->deepest > s->max_depth)
		return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
				  "the JSON is nested deeper than %d levels",
				  s->max_depth);
	if (s->values > s->max_values)
		return gw_err_set(err, GW_ERR_REQUEST_TOO_LARGE, 0,
				  "the JSON has more than %zu keys and values",
				  s->max_values);
	why = yajl_get_error(y, 0, (const unsigned char *)text, len);
	gw_err_set(err, GW_ERR_INVALID_JSON, 0,
		   "the body is not valid JSON at byte %zu: %.*s", at,
		   why ? (int)strcspn((char *)why, "\n") : 0,
		   why ? (char *)why : "");
	if (why)
		yajl_free_error(y, why);
	return -1;
}

static int
check_text(const char *text, size_t len, int max_depth, size_t max_values,
	   struct gw_err *err)
{
	struct shape s = {.max_depth = max_depth, .max_values = max_values};
	yajl_handle y = yajl_alloc(&check, NULL, &s);
	int rc = 0;

	if (!y)
		return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	if (yajl_parse(y, (const unsigned char *)text, len) != yajl_status_ok ||
	    yajl_complete_parse(y) != yajl_status_ok)
		rc = yajl_failed(y, text, len, &s, err);
	yajl_free(y);
	return rc;
}

static bool
is_blank(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr(" \t\r\n", p[i]) || p[i] == '\0')
			return false;
	return true;
}

struct json_object *
gw_json_parse_object(const char *text, size_t len, int max_depth,
		     struct gw_err *err)
{
	return gw_json_parse_few(text, len, max_depth, SIZE_MAX, err);
}

struct json_object *
gw_json_parse_few(const char *text, size_t len, int max_depth,
		  size_t max_values, struct gw_err *err)
{
	struct json_tokener *tok;
	struct json_object *o;
	size_t end;

	if (is_blank(text, len)) {
		gw_err_set(err, GW_ERR_INVALID_JSON, 0, "the body is empty");
		return NULL;
	}
	if (check_text(text, len, max_depth, max_values, err) < 0)
		return NULL;
	/* yajl lets overlong forms and surrogates through; what is stored here
	 * is shown to others, whose parsers may not. */
	if (!gw_utf8_valid(text, len)) {
		gw_err_set(err, GW_ERR_INVALID_JSON, 0,
			   "the body is not valid UTF-8");
		return NULL;
	}
	tok = json_tokener_new_ex(max_depth + 1);
	if (!tok) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return NULL;
	}
	o = json_tokener_parse_ex(tok, text, (int)len);
	end = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);
	if (o && json_object_is_type(o, json_type_object) &&
	    is_blank(text + end, len - end))
		return o;
	/* yajl takes an unfinished string behind the object for "more to come".
	 */
	gw_err_set(err, GW_ERR_INVALID_JSON, 0,
		   o && json_object_is_type(o, json_type_object)
			   ? "there is text behind the JSON object"
			   : "the body must be a JSON object");
	json_object_put(o);
	return NULL;
}

int
gw_json_text(struct json_object *o, struct gw_buf *out)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		&len);

	return text ? gw_buf_append(out, text, len) : -1;
}

/* json-c's way to write a value differently: here it tells where it is. */
static int
write_hole(struct json_object *list, struct printbuf *p, int level, int flags)
{
	size_t *at = json_object_get_userdata(list);

	(void)level;
	(void)flags;
	if (printbuf_memappend(p, "[", 1) < 0)
		return -1;
	*at = (size_t)printbuf_length(p);
	return printbuf_memappend(p, "]", 1);
}

int
gw_json_text_around(struct json_object *o, struct json_object *list,
		    struct gw_buf *head, struct gw_buf *tail)
{
	const char *text;
	size_t at = 0, len;

	json_object_set_serializer(list, write_hole, &at, NULL);
	text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
		&len);
	json_object_set_serializer(list, NULL, NULL, NULL);
	if (!text || !at || gw_buf_append(head, text, at) < 0)
		return -1;
	return gw_buf_append(tail, text + at, len - at);
}

int
gw_json_element(struct json_object *o, bool first, struct gw_buf *out)
{
	if (!first && gw_buf_puts(out, ",") < 0)
		return -1;
	return gw_json_text(o, out);
}

void
gw_json_set_str(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key,
			       value ? json_object_new_string(value) : NULL);
}

void
gw_json_set_int(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

const char *
gw_json_get_str(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) ||
	    !json_object_is_type(v, json_type_string))
		return NULL;
	return json_object_get_string(v);
}

struct json_object *
gw_json_seconds(uint64_t ms)
{
	char text[32];
	int n;

	if (ms % 1000 == 0)
		return json_object_new_int64((int64_t)(ms / 1000));
	n = snprintf(text, sizeof(text), "%" PRIu64 ".%03u", ms / 1000,
		     (unsigned)(ms % 1000));
	while (text[n - 1] == '0')
		text[--n] = '\0';
	return json_object_new_double_s((double)ms / 1000.0, text);
}

void
gw_json_set_bound(struct json_object *o, const char *key, uint32_t n)
{
	json_object_object_add(o, key, n ? json_object_new_int64(n) : NULL);
}
