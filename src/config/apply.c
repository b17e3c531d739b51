/* SPDX-License-Identifier: MIT */
/*
 * apply.c - the walk that checks a document against a schema and fills a
 * struct.
 *
 * Knows sections, records, groups, required keys and defaults; what a value
 * means is the kind's business, reached through its functions only.
 */
#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

static void apply_mapping(struct gw_apply *ap, const char *prefix,
			  const struct gw_yaml_node *map,
			  const struct gw_yaml_node *where, void *base);

/* A place for anchors; nothing here looks into it. */
static bool
is_extension(const char *prefix, const struct gw_yaml_node *key)
{
	return !*prefix && gw_yaml_is_extension(key);
}

static void
check_unknown(struct gw_apply *ap, const char *prefix,
	      const struct gw_yaml_node *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct gw_yaml_node *key = map->child[i].key;
		const struct gw_option *o = NULL;
		char hint[800]; /* every key of a mapping fits */
		size_t before;

		if (is_extension(prefix, key))
			continue;
		while ((o = gw_schema_child(ap->schema, prefix, o)))
			if (strlen(gw_option_name(o)) == key->len &&
			    memcmp(gw_option_name(o), key->text, key->len) == 0)
				break;
		/* Beyond the limit it would only be counted. */
		if (o || ap->doc->diag->n == GW_DIAG_MAX) {
			ap->doc->diag->errors += !o;
			ap->doc->diag->left_out += !o;
			continue;
		}
		gw_suggest_key(ap->schema, prefix, key, hint, sizeof(hint));
		before = gw_path_key(&ap->path, key->text, key->len);
		gw_yaml_error(ap->doc, key, "unknown key `%.128s`; %s",
			      ap->path.text, hint);
		gw_path_up(&ap->path, before);
	}
}

static bool
check_name(struct gw_apply *ap, const struct gw_record *r,
	   const struct gw_yaml_node *key)
{
	if (!key->len) {
		gw_apply_error(ap, key, "an %s cannot be empty", r->noun);
		return false;
	}
	if (key->len > r->name_max) {
		gw_apply_error(ap, key, "an %s is at most %zu bytes long",
			       r->noun, r->name_max);
		return false;
	}
	for (size_t i = 0; i < key->len; i++) {
		if ((unsigned char)key->text[i] >= ' ' && key->text[i] != 0x7f)
			continue;
		gw_apply_error(ap, key, "an %s cannot hold control characters",
			       r->noun);
		return false;
	}
	return true;
}

static void
apply_record(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_yaml_member *m, size_t index, char *element)
{
	const struct gw_record *r = o->record;
	char prefix[GW_SCHEMA_PREFIX_BYTES];
	size_t before;
	char **name = (char **)(element + r->name_offset);

	gw_record_prefix(o, prefix);
	if (m->key) {
		before = gw_path_key(&ap->path, m->key->text, m->key->len);
		check_name(ap, r, m->key);
		*name = strndup(m->key->text, m->key->len);
		if (!*name)
			ap->doc->no_memory = true;
	} else {
		before = gw_path_item(&ap->path, index);
	}
	if (m->value->kind == GW_YAML_MAP)
		apply_mapping(ap, prefix, m->value, m->key ? m->key : m->value,
			      element);
	else
		gw_apply_wrong_type(ap, o, m->value, "a mapping");
	gw_path_up(&ap->path, before);
}

/* A null entry is one that is not there; an override takes entries out so. */
static bool
apply_records(struct gw_apply *ap, const struct gw_option *o,
	      const struct gw_yaml_node *v, void *base)
{
	const struct gw_record *r = o->record;
	enum gw_yaml_kind wanted = r->name_max ? GW_YAML_MAP : GW_YAML_LIST;
	size_t *n = (size_t *)((char *)base + r->count_offset);
	char *array;

	if (v->kind != wanted)
		return gw_apply_wrong_type(
			ap, o, v, r->name_max ? "a mapping" : "a list");
	array = calloc(v->n ? v->n : 1, r->size);
	if (!array) {
		ap->doc->no_memory = true;
		return false;
	}
	*(void **)gw_option_slot(o, base) = array;
	for (size_t i = 0; i < v->n; i++) {
		if (gw_yaml_is_null(v->child[i].value))
			continue;
		if (*n == r->max) {
			gw_apply_error(ap, v->child[i].value,
				       "at most %zu are possible", r->max);
			return false;
		}
		apply_record(ap, o, &v->child[i], i, array + (*n)++ * r->size);
	}
	if (!*n && (o->flags & GW_OPTION_REQUIRED)) {
		gw_apply_error(ap, v, "at least one %s is needed", r->noun);
		return false;
	}
	return true;
}

static bool
apply_default(struct gw_apply *ap, const struct gw_option *o, void *base)
{
	struct gw_yaml_node v = {.text = o->fallback};

	/* An empty list or mapping is what the zeroed struct holds already. */
	if (!v.text || v.text[0] == '[' || v.text[0] == '{')
		return true;
	v.len = strlen(v.text);
	v.kind = gw_yaml_scalar_kind(v.text, v.len);
	return o->kind->set(ap, o, &v, gw_option_slot(o, base));
}

static bool
apply_option(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_yaml_node *v, const struct gw_yaml_node *where,
	     bool may_require, void *base)
{
	if (o->kind == &gw_kind_section) {
		if (!gw_yaml_is_null(v) && v->kind != GW_YAML_MAP)
			return gw_apply_wrong_type(ap, o, v, "a mapping");
		apply_mapping(ap, o->path, gw_yaml_is_null(v) ? NULL : v,
			      gw_yaml_is_null(v) ? where : v, base);
		return true;
	}
	if (gw_yaml_is_null(v)) {
		if (!(o->flags & GW_OPTION_REQUIRED))
			return apply_default(ap, o, base);
		if (may_require)
			gw_yaml_error(ap->doc, v && v->line ? v : where,
				      "`%s` is missing", ap->path.text);
		return false;
	}
	if (o->kind == &gw_kind_records)
		return apply_records(ap, o, v, base);
	/* What its ${...} would have been is not known: nothing more to say. */
	if (v->broken)
		return false;
	return o->kind->set(ap, o, v, gw_option_slot(o, base));
}

/* A key of the other type: harmless when null, a misunderstanding when set. */
static void
refuse_group(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_option *selector, unsigned chosen,
	     const struct gw_yaml_member *m)
{
	unsigned other = 0;

	if (!m || gw_yaml_is_null(m->value))
		return;
	while (!(o->group & (1u << other)))
		other++;
	gw_yaml_error(ap->doc, m->key,
		      "`%s` is a key of %s `%s`; here the %s is `%s`",
		      ap->path.text, gw_option_name(selector),
		      selector->words[other], gw_option_name(selector),
		      selector->words[chosen]);
}

/* @map NULL: nothing is set, defaults apply. @where: to report what is missing.
 */
static void
apply_mapping(struct gw_apply *ap, const char *prefix,
	      const struct gw_yaml_node *map, const struct gw_yaml_node *where,
	      void *base)
{
	const struct gw_option *o = NULL, *selector = NULL;
	bool undecided = false;
	unsigned chosen = 0;

	if (map)
		check_unknown(ap, prefix, map);
	while ((o = gw_schema_child(ap->schema, prefix, o))) {
		const char *name = gw_option_name(o);
		const struct gw_yaml_member *m =
			gw_yaml_get(map, name, strlen(name));
		size_t before = gw_path_key(&ap->path, name, strlen(name));
		bool set;

		if (o->group && selector && !(o->group & (1u << chosen))) {
			refuse_group(ap, o, selector, chosen, m);
			gw_path_up(&ap->path, before);
			continue;
		}
		set = apply_option(ap, o, m ? m->value : NULL, where,
				   !(o->group && undecided), base);
		if (o->flags & GW_OPTION_SELECTS) {
			undecided = !set;
			if (set) {
				selector = o;
				memcpy(&chosen, gw_option_slot(o, base),
				       sizeof(chosen));
			}
		}
		gw_path_up(&ap->path, before);
	}
}

void
gw_schema_apply(const struct gw_schema *s, struct gw_yaml *doc, void *base)
{
	struct gw_apply ap = {.doc = doc, .schema = s};

	if (doc->root)
		apply_mapping(&ap, "", doc->root, doc->root, base);
}
