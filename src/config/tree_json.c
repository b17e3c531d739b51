/* SPDX-License-Identifier: MIT */
/*
 * tree_json.c - a tree of a configuration as JSON text.
 *
 * Numbers keep the operator's digits. Objects are put together here because
 * json-c's keys end at a NUL and its integers at 64 bits; json-c still writes
 * every string.
 */
#include "config/schema.h"

#include "base/json.h"

int
gw_tree_json_string(const char *text, size_t len, struct gw_buf *out)
{
	gw_auto_json struct json_object *o =
		json_object_new_string_len(text, (int)len);

	return o ? gw_json_text(o, out) : -1;
}

static int
json_children(struct gw_apply *ap, const struct gw_yaml_node *v,
	      struct gw_buf *out)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_node *key = v->child[i].key;
		size_t before =
			key ? gw_path_key(&ap->path, key->text, key->len)
			    : gw_path_item(&ap->path, i);
		int r = 0;

		if ((i && gw_buf_append(out, ",", 1) < 0) ||
		    (key &&
		     (gw_tree_json_string(key->text, key->len, out) < 0 ||
		      gw_buf_append(out, ":", 1) < 0)) ||
		    gw_tree_json(ap, v->child[i].value, out) < 0)
			r = -1;
		gw_path_up(&ap->path, before);
		if (r < 0)
			return -1;
	}
	return 0;
}

static int
json_number(struct gw_apply *ap, const struct gw_yaml_node *v,
	    struct gw_buf *out)
{
	if (gw_yaml_scalar_json(v, out) == 0)
		return 0;
	gw_apply_error(ap, v, "%.40s cannot be sent: JSON has no such number",
		       v->text);
	/* Something in its place, so that the rest is checked as well. */
	return gw_buf_puts(out, "null");
}

/* Depth is bounded by GW_CONFIG_DEPTH_MAX. */
int
gw_tree_json(struct gw_apply *ap, const struct gw_yaml_node *v,
	     struct gw_buf *out)
{
	bool yes = v->len && (v->text[0] == 't' || v->text[0] == 'T');

	switch (v->kind) {
	case GW_YAML_NULL:
		return gw_buf_puts(out, "null");
	case GW_YAML_BOOL:
		return gw_buf_puts(out, yes ? "true" : "false");
	case GW_YAML_INT:
	case GW_YAML_FLOAT:
		return json_number(ap, v, out);
	case GW_YAML_STRING:
		return gw_tree_json_string(v->text, v->len, out);
	case GW_YAML_LIST:
		if (gw_buf_append(out, "[", 1) < 0 ||
		    json_children(ap, v, out) < 0)
			return -1;
		return gw_buf_append(out, "]", 1);
	case GW_YAML_MAP:
		if (gw_buf_append(out, "{", 1) < 0 ||
		    json_children(ap, v, out) < 0)
			return -1;
		return gw_buf_append(out, "}", 1);
	}
	return -1;
}
