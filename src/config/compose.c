/* SPDX-License-Identifier: MIT */
/*
 * compose.c - YAML events become nodes that know their places.
 *
 * Built on libyaml's events, not on its document API: that one gives an
 * untagged `5` and `!!str 5` the same tag, and holds a whole alias bomb or a
 * million open brackets before anybody can object. Must not know any key of a
 * program; duplicate keys, merge keys and every limit on shape are handled
 * here.
 */
#include "config/compose.h"

#include <string.h>

#define TAG_PREFIX "tag:yaml.org,2002:"

static struct gw_yaml_node *
new_node(struct gw_compose *p, enum gw_yaml_kind kind, const yaml_event_t *ev)
{
	struct gw_yaml_node *node = gw_yaml_alloc(p->doc, sizeof(*node));

	if (!node)
		return NULL;
	node->kind = kind;
	node->file = p->file;
	node->line = (unsigned)ev->start_mark.line + 1;
	node->column = (unsigned)ev->start_mark.column + 1;
	node->weight = 1;
	return node;
}

static int
fail_at(struct gw_compose *p, const yaml_event_t *ev, const char *what)
{
	struct gw_yaml_node at = {
		.file = p->file,
		.line = (unsigned)ev->start_mark.line + 1,
		.column = (unsigned)ev->start_mark.column + 1,
	};

	gw_yaml_error(p->doc, &at, "%s", what);
	return -1;
}

static int
remember_anchor(struct gw_compose *p, const yaml_event_t *ev,
		const yaml_char_t *name, struct gw_yaml_node *node, bool open)
{
	struct gw_anchor *a;

	if (!name)
		return 0;
	if (p->n_anchors++ == GW_CONFIG_ANCHORS_MAX)
		return fail_at(p, ev, "the file has too many anchors");
	a = gw_yaml_alloc(p->doc, sizeof(*a));
	if (!a)
		return -1;
	a->name = gw_yaml_text(p->doc, (const char *)name,
			       strlen((const char *)name));
	a->node = node;
	a->open = open;
	a->next = p->anchors;
	p->anchors = a;
	return a->name ? 0 : -1;
}

static void
close_anchor(struct gw_compose *p, const struct gw_yaml_node *node)
{
	for (struct gw_anchor *a = p->anchors; a; a = a->next)
		if (a->node == node)
			a->open = false;
}

static int
grow(struct gw_compose *p, struct gw_level *top)
{
	size_t cap = top->cap ? top->cap * 2 : 8;
	struct gw_yaml_member *child =
		gw_yaml_alloc(p->doc, cap * sizeof(*child));

	if (!child)
		return -1;
	if (top->node->n)
		memcpy(child, top->node->child, top->node->n * sizeof(*child));
	top->node->child = child;
	top->cap = cap;
	return 0;
}

static int
check_key(struct gw_compose *p, struct gw_yaml_node *key,
	  const yaml_event_t *ev)
{
	if (key->kind == GW_YAML_LIST || key->kind == GW_YAML_MAP)
		return fail_at(p, ev,
			       "a key must be a scalar, not a list or "
			       "a mapping");
	key->merges = ev->type == YAML_SCALAR_EVENT &&
		      ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		      !ev->data.scalar.tag && strcmp(key->text, "<<") == 0;
	return 0;
}

/* Hang a finished scalar, an alias or a just opened collection into its place.
 */
static int
attach(struct gw_compose *p, struct gw_yaml_node *node, const yaml_event_t *ev)
{
	struct gw_level *top;

	if (!p->depth) {
		p->root = node;
		return 0;
	}
	top = &p->level[p->depth - 1];
	if (top->node->kind == GW_YAML_MAP && !top->key) {
		top->key = node;
		return check_key(p, node, ev);
	}
	if (top->node->n == top->cap && grow(p, top) < 0)
		return -1;
	top->node->child[top->node->n++] =
		(struct gw_yaml_member){.key = top->key, .value = node};
	top->key = NULL;
	return 0;
}

static int
count(struct gw_compose *p, const yaml_event_t *ev, uint32_t nodes,
      uint32_t bytes)
{
	char what[128];

	p->total += nodes;
	p->total_bytes += bytes;
	if (p->total <= GW_CONFIG_NODES_MAX &&
	    p->total_bytes <= GW_CONFIG_TEXT_MAX)
		return 0;
	snprintf(what, sizeof(what),
		 "the file holds more than %d values or %u bytes once its "
		 "aliases are expanded",
		 GW_CONFIG_NODES_MAX, GW_CONFIG_TEXT_MAX);
	return fail_at(p, ev, what);
}

/* Explicit tags of scalars; the core schema decides where there is none. */
static int
scalar_kind(struct gw_compose *p, const yaml_event_t *ev,
	    enum gw_yaml_kind *kind)
{
	static const struct {
		const char *tag;
		enum gw_yaml_kind kind;
	} tags[] = {
		{TAG_PREFIX "str", GW_YAML_STRING},
		{TAG_PREFIX "int", GW_YAML_INT},
		{TAG_PREFIX "float", GW_YAML_FLOAT},
		{TAG_PREFIX "bool", GW_YAML_BOOL},
		{TAG_PREFIX "null", GW_YAML_NULL},
		{"!", GW_YAML_STRING},
	};
	const char *tag = (const char *)ev->data.scalar.tag;
	const char *text = (const char *)ev->data.scalar.value;
	enum gw_yaml_kind found =
		gw_yaml_scalar_kind(text, ev->data.scalar.length);

	if (!tag) {
		*kind = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
				? found
				: GW_YAML_STRING;
		return 0;
	}
	for (size_t i = 0; i < GW_ARRAY_LEN(tags); i++) {
		if (strcmp(tags[i].tag, tag) != 0)
			continue;
		*kind = tags[i].kind;
		if (*kind == GW_YAML_STRING || *kind == found ||
		    (*kind == GW_YAML_FLOAT && found == GW_YAML_INT))
			return 0;
		return fail_at(p, ev, "the value does not fit its tag");
	}
	return fail_at(p, ev,
		       "unknown tag; the known ones are !!str, !!int, "
		       "!!float, !!bool, !!null, !!seq and !!map");
}

static int
take_scalar(struct gw_compose *p, const yaml_event_t *ev)
{
	enum gw_yaml_kind kind = GW_YAML_STRING;
	struct gw_yaml_node *node;

	if (scalar_kind(p, ev, &kind) < 0 ||
	    count(p, ev, 1, (uint32_t)ev->data.scalar.length) < 0)
		return -1;
	if ((kind == GW_YAML_INT || kind == GW_YAML_FLOAT) &&
	    ev->data.scalar.length > GW_CONFIG_NUMBER_MAX)
		return fail_at(p, ev, "the number is too long");
	node = new_node(p, kind, ev);
	if (!node)
		return -1;
	node->len = ev->data.scalar.length;
	node->bytes = (uint32_t)node->len;
	node->text = gw_yaml_text(p->doc, (const char *)ev->data.scalar.value,
				  node->len);
	if (!node->text ||
	    remember_anchor(p, ev, ev->data.scalar.anchor, node, false) < 0)
		return -1;
	return attach(p, node, ev);
}

static int
take_alias(struct gw_compose *p, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	struct gw_anchor *a = p->anchors;
	struct gw_yaml_node *node;

	while (a && strcmp(a->name, name) != 0)
		a = a->next;
	if (!a)
		return fail_at(p, ev, "the alias has no anchor before it");
	if (a->open)
		return fail_at(p, ev,
			       "the alias stands inside its own anchor: "
			       "it would contain itself");
	if (count(p, ev, a->node->weight, a->node->bytes) < 0)
		return -1;
	node = new_node(p, a->node->kind, ev);
	if (!node)
		return -1;
	node->weight = a->node->weight;
	node->bytes = a->node->bytes;
	node->text = a->node->text;
	node->len = a->node->len;
	node->child = a->node->child;
	node->n = a->node->n;
	node->sorted = a->node->sorted;
	return attach(p, node, ev);
}

static int
open_collection(struct gw_compose *p, const yaml_event_t *ev)
{
	bool map = ev->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *tag =
		map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
	const yaml_char_t *name = map ? ev->data.mapping_start.anchor
				      : ev->data.sequence_start.anchor;
	const char *wanted = map ? TAG_PREFIX "map" : TAG_PREFIX "seq";
	struct gw_yaml_node *node;

	if (tag && strcmp((const char *)tag, "!") != 0 &&
	    strcmp((const char *)tag, wanted) != 0)
		return fail_at(p, ev,
			       map ? "unknown tag on a mapping"
				   : "unknown tag on a list");
	if (p->depth == GW_CONFIG_DEPTH_MAX)
		return fail_at(p, ev, "nested too deep (more than 64 levels)");
	if (count(p, ev, 1, 0) < 0)
		return -1;
	node = new_node(p, map ? GW_YAML_MAP : GW_YAML_LIST, ev);
	if (!node || remember_anchor(p, ev, name, node, true) < 0 ||
	    attach(p, node, ev) < 0)
		return -1;
	p->level[p->depth++] = (struct gw_level){.node = node};
	return 0;
}

static void
find_duplicates(struct gw_compose *p, const struct gw_yaml_node *map)
{
	for (size_t i = 1; i < map->n; i++) {
		const struct gw_yaml_node *a =
			map->child[map->sorted[i - 1]].key;
		const struct gw_yaml_node *b = map->child[map->sorted[i]].key;

		if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
			gw_yaml_error(p->doc, b,
				      "duplicate key `%.64s`; it stands at "
				      "line %u already",
				      b->text, a->line);
	}
}

static int
close_collection(struct gw_compose *p)
{
	struct gw_yaml_node *node = p->level[--p->depth].node;

	if (node->kind == GW_YAML_MAP &&
	    gw_compose_merge_keys(p->doc, node) < 0)
		return -1;
	for (size_t i = 0; i < node->n; i++) {
		const struct gw_yaml_member *m = &node->child[i];

		node->weight += m->value->weight + (m->key ? 1 : 0);
		node->bytes += m->value->bytes + (m->key ? m->key->bytes : 0);
	}
	close_anchor(p, node);
	if (node->kind != GW_YAML_MAP)
		return 0;
	if (gw_yaml_index(p->doc, node) < 0)
		return -1;
	find_duplicates(p, node);
	return 0;
}

int
gw_compose_event(struct gw_compose *p, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (p->documents++)
			return fail_at(p, ev,
				       "a second document; a "
				       "configuration file is one");
		return 0;
	case YAML_SCALAR_EVENT:
		return take_scalar(p, ev);
	case YAML_ALIAS_EVENT:
		return take_alias(p, ev);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return open_collection(p, ev);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_collection(p);
	default:
		return 0;
	}
}
