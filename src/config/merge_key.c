/* SPDX-License-Identifier: MIT */
/*
 * merge_key.c - `<<: *anchor` and `<<: [*one, *two]`: members of other mappings
 * take part where a mapping has none of that key.
 *
 * Its own members win, then those of the first mapping. One sort finds all of
 * them, so many sources cost no more than their members.
 */
#include "config/compose.h"

#include <string.h>

static bool
is_merge(const struct gw_yaml_member *m)
{
	return m->key && m->key->merges;
}

/* Counts the members that @v brings along; -1 after a finding. */
static int
count_source(struct gw_yaml *d, const struct gw_yaml_node *v, bool in_list,
	     size_t *n)
{
	if (v->kind == GW_YAML_MAP) {
		*n += v->n;
		return 0;
	}
	if (v->kind != GW_YAML_LIST || in_list) {
		gw_yaml_error(d, v,
			      "`<<` takes a mapping or a list of mappings, as "
			      "in `<<: *anchor`");
		return -1;
	}
	for (size_t i = 0; i < v->n; i++)
		if (count_source(d, v->child[i].value, true, n) < 0)
			return -1;
	return 0;
}

static void
append(struct gw_yaml_node *map, const struct gw_yaml_node *source)
{
	if (!source->n)
		return;
	memcpy(map->child + map->n, source->child,
	       source->n * sizeof(*map->child));
	map->n += source->n;
}

static void
append_sources(struct gw_yaml_node *map, const struct gw_yaml_node *v)
{
	if (v->kind == GW_YAML_MAP)
		append(map, v);
	for (size_t i = 0; v->kind == GW_YAML_LIST && i < v->n; i++)
		append(map, v->child[i].value);
}

static bool
same_key(const struct gw_yaml_node *a, const struct gw_yaml_node *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* Of equal keys the first stays; of its own ones all do, which is a mistake
 * that the caller reports. */
static int
drop_hidden(struct gw_yaml *d, struct gw_yaml_node *map, size_t own)
{
	size_t kept = 0;

	if (gw_yaml_index(d, map) < 0)
		return -1;
	for (size_t i = 1; i < map->n; i++) {
		struct gw_yaml_member *m = &map->child[map->sorted[i]];

		/* In the order of the keys, equal ones by position. */
		if (map->sorted[i] >= own &&
		    same_key(map->child[map->sorted[i - 1]].key, m->key))
			m->value = NULL;
	}
	for (size_t i = 0; i < map->n; i++)
		if (map->child[i].value)
			map->child[kept++] = map->child[i];
	map->n = kept;
	return 0;
}

int
gw_compose_merge_keys(struct gw_yaml *d, struct gw_yaml_node *map)
{
	struct gw_yaml_node out = *map;
	size_t own = 0, room = 0, merges = 0;

	for (size_t i = 0; i < map->n; i++) {
		if (!is_merge(&map->child[i]))
			own++;
		else if (merges++) {
			gw_yaml_error(d, map->child[i].key,
				      "duplicate key `<<`; write one with a "
				      "list: `<<: [*one, *two]`");
			return -1;
		} else if (count_source(d, map->child[i].value, false, &room) <
			   0)
			return -1;
	}
	if (!merges)
		return 0;
	out.n = 0;
	out.child = gw_yaml_alloc(d, (own + room) * sizeof(*out.child));
	if (!out.child)
		return -1;
	for (size_t i = 0; i < map->n; i++)
		if (!is_merge(&map->child[i]))
			out.child[out.n++] = map->child[i];
	for (size_t i = 0; i < map->n; i++)
		if (is_merge(&map->child[i]))
			append_sources(&out, map->child[i].value);
	if (drop_hidden(d, &out, own) < 0)
		return -1;
	*map = out;
	return 0;
}
