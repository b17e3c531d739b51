/* SPDX-License-Identifier: MIT */
/*
 * kinds_text.c - strings, lists of strings and mappings kept as they are.
 *
 * No string of a configuration may be empty or hold control characters: most of
 * them end up in a header, an address or a look-up, where such a value could
 * only ever fail.
 */
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

bool
gw_apply_text(struct gw_apply *ap, const struct gw_option *o,
	      const struct gw_yaml_node *v, size_t max, bool blanks)
{
	if (v->broken)
		return false;
	if (v->kind != GW_YAML_STRING)
		return gw_apply_wrong_type(ap, o, v, "a string");
	if (!v->len) {
		gw_apply_error(ap, v, "cannot be empty");
		return false;
	}
	if (max && v->len > max) {
		gw_apply_error(ap, v, "is at most %zu bytes long, not %zu", max,
			       v->len);
		return false;
	}
	for (size_t i = 0; i < v->len; i++) {
		unsigned char c = (unsigned char)v->text[i];

		if (c > ' ' && c != 0x7f)
			continue;
		if (c == ' ' && blanks)
			continue;
		gw_apply_error(ap, v, "cannot hold %s",
			       c == ' ' ? "blanks" : "control characters");
		return false;
	}
	return true;
}

static bool
store_text(struct gw_apply *ap, const struct gw_yaml_node *v, void *slot)
{
	char *copy = strndup(v->text, v->len);

	if (!copy) {
		ap->doc->no_memory = true;
		return false;
	}
	memcpy(slot, &copy, sizeof(copy));
	return true;
}

static bool
set_text(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	return gw_apply_text(ap, o, v, (size_t)o->max, true) &&
	       store_text(ap, v, slot);
}

static bool
set_token(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, void *slot)
{
	return gw_apply_text(ap, o, v, (size_t)o->max, false) &&
	       store_text(ap, v, slot);
}

static void
emit_text(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	const char *text = *(char *const *)slot;

	(void)o;
	(void)source;
	if (text)
		gw_emit_string(e, text, strlen(text));
	else
		gw_emit_plain(e, "null");
}

static void
release_text(void *slot)
{
	free(*(char **)slot);
}

const struct gw_kind gw_kind_text = {
	.wanted = "a string",
	.is_pointer = true,
	.is_text = true,
	.set = set_text,
	.emit = emit_text,
	.release = release_text,
};

const struct gw_kind gw_kind_token = {
	.wanted = "a string",
	.is_pointer = true,
	.is_text = true,
	.set = set_token,
	.emit = emit_text,
	.release = release_text,
};

bool
gw_apply_strings(struct gw_apply *ap, const struct gw_option *o,
		 const struct gw_yaml_node *v, void *slot,
		 bool (*check)(struct gw_apply *, const struct gw_option *,
			       const struct gw_yaml_node *))
{
	struct gw_keys *keys = slot;
	bool good = true;

	if (v->kind != GW_YAML_LIST)
		return gw_apply_wrong_type(ap, o, v, "a list of strings");
	keys->key = calloc(v->n ? v->n : 1, sizeof(*keys->key));
	if (!keys->key) {
		ap->doc->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_node *item = v->child[i].value;
		size_t before = gw_path_item(&ap->path, i);

		if ((check ? check(ap, o, item)
			   : gw_apply_text(ap, o, item, (size_t)o->max,
					   false)) &&
		    store_text(ap, item, &keys->key[keys->n]))
			keys->n++;
		else
			good = false;
		gw_path_up(&ap->path, before);
	}
	return good;
}

static bool
set_tokens(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v, void *slot)
{
	return gw_apply_strings(ap, o, v, slot, NULL);
}

static void
emit_tokens(struct gw_emit *e, const struct gw_option *o,
	    const struct gw_yaml_node *source, const void *slot)
{
	const struct gw_keys *keys = slot;

	gw_emit_open(e, GW_YAML_LIST, true);
	for (size_t i = 0; i < keys->n; i++) {
		bool hide = (o->flags & GW_OPTION_SECRET) ||
			    (source && i < source->n &&
			     source->child[i].value->substituted &&
			     !(o->flags & GW_OPTION_PUBLIC));
		const char *text = hide ? "***" : keys->key[i];

		gw_emit_string(e, text, strlen(text));
	}
	gw_emit_close(e, GW_YAML_LIST);
}

static void
release_tokens(void *slot)
{
	struct gw_keys *keys = slot;

	for (size_t i = 0; i < keys->n; i++)
		free(keys->key[i]);
	free(keys->key);
}

const struct gw_kind gw_kind_tokens = {
	.wanted = "a list of strings",
	.is_text = true,
	.set = set_tokens,
	.emit = emit_tokens,
	.release = release_tokens,
};

/* A mapping that means something to somebody else */

static bool
set_tree(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	if (v->kind != GW_YAML_MAP)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	memcpy(slot, &v, sizeof(v));
	return true;
}

static void
emit_tree(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	(void)o;
	(void)slot;
	if (source && source->kind == GW_YAML_MAP) {
		gw_emit_node(e, source);
		return;
	}
	gw_emit_open(e, GW_YAML_MAP, true);
	gw_emit_close(e, GW_YAML_MAP);
}

const struct gw_kind gw_kind_tree = {
	.wanted = "a mapping",
	.set = set_tree,
	.emit = emit_tree,
};
