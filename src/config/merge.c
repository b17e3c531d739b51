/* SPDX-License-Identifier: MIT */
/*
 * merge.c - one configuration file laid upon another.
 *
 * Mappings merge key by key at any depth; lists, scalars and null replace what
 * was there. Every node keeps the place it came from, so that a mistake in an
 * override is reported in the override.
 */
#include "config/yaml.h"

/* The key's place follows the value: that is the line somebody has to edit. */
static int
merge_member(struct gw_yaml *d, struct gw_yaml_member *m,
	     const struct gw_yaml_member *over)
{
	struct gw_yaml_node *base = m->value;
	bool both_maps =
		base->kind == GW_YAML_MAP && over->value->kind == GW_YAML_MAP;

	m->value = gw_yaml_merge(d, base, over->value);
	if (!both_maps)
		m->key = over->key;
	return m->value ? 0 : -1;
}

/*
 * Depth is bounded: both trees keep GW_CONFIG_DEPTH_MAX, and so does what comes
 * out of them.
 */
struct gw_yaml_node *
gw_yaml_merge(struct gw_yaml *d, struct gw_yaml_node *base,
	      struct gw_yaml_node *over)
{
	struct gw_yaml_node *out;

	if (base->kind != GW_YAML_MAP || over->kind != GW_YAML_MAP)
		return over;
	out = gw_yaml_alloc(d, sizeof(*out));
	if (!out)
		return NULL;
	*out = *base;
	out->child =
		gw_yaml_alloc(d, (base->n + over->n) * sizeof(*out->child));
	if (!out->child)
		return NULL;
	for (size_t i = 0; i < base->n; i++) {
		const struct gw_yaml_node *key = base->child[i].key;
		const struct gw_yaml_member *found =
			gw_yaml_get(over, key->text, key->len);

		out->child[i] = base->child[i];
		if (found && merge_member(d, &out->child[i], found) < 0)
			return NULL;
	}
	for (size_t i = 0; i < over->n; i++) {
		const struct gw_yaml_node *key = over->child[i].key;

		if (!gw_yaml_get(base, key->text, key->len))
			out->child[out->n++] = over->child[i];
	}
	return gw_yaml_index(d, out) < 0 ? NULL : out;
}
