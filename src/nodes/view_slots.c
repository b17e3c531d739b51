/* SPDX-License-Identifier: MIT */
/*
 * view_slots.c - which node is in which place; puts those of the configuration
 * into theirs. Reads nothing of the registry.
 */
#include "nodes/view_slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

static void
free_node(struct gw_node *n)
{
	if (!n)
		return;
	gw_node_doc_free(n->doc);
	json_object_put(n->status);
	free(n->states);
	free(n->memo);
	free(n);
}

void
gw_view_slots_drop(struct gw_view_slots *s, uint32_t slot)
{
	struct gw_node *n = s->at[slot];

	if (!n)
		return;
	s->at[slot] = NULL;
	if (n->doc && !n->hidden)
		gw_role_lists_remove(&s->roles, slot, n->doc);
	free_node(n);
}

void
gw_view_slots_release(struct gw_view_slots *s)
{
	for (uint32_t slot = 0; slot < GW_NODE_SLOTS; slot++)
		gw_view_slots_drop(s, slot);
	gw_role_lists_release(&s->roles);
	gw_config_unref(s->config);
	gw_config_unref(s->wanted);
}

bool
gw_view_slots_is_static(const struct gw_view_slots *s, const char *node_id)
{
	return s->config && gw_config_static_node(s->config, node_id);
}

/* Another one is another generation; the same one keeps its own, wherever an
 * edit came from. */
static uint32_t
generation_of(const struct gw_node_doc *d)
{
	uint64_t h = gw_hash_text(json_object_to_json_string_ext(
		d->json, JSON_C_TO_STRING_PLAIN));

	return (uint32_t)(h ^ h >> 32) | 1;
}

/* Node @i of a configuration; NULL: no memory. */
static struct gw_node *
make_node(struct gw_config *config, size_t i)
{
	struct gw_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->config = config;
	n->fixed = &config->nodes[i];
	n->doc = gw_node_doc_from_config(n->fixed);
	n->states =
		n->doc ? calloc(n->doc->n_models, sizeof(*n->states)) : NULL;
	if (!n->states) {
		free_node(n);
		return NULL;
	}
	gw_model_states_read(NULL, n->doc, n->states);
	n->reg.ref = (struct reg_node_ref){
		.slot = GW_STATIC_SLOT + (uint32_t)i,
		.generation = generation_of(n->doc),
	};
	n->reg.record_version = n->reg.ref.generation;
	n->reg.registered_ms = gw_mono_ms();
	snprintf(n->reg.id, sizeof(n->reg.id), "%s", n->fixed->node_id);
	return n;
}

/* Returns -1 when memory is out: the place is empty then. */
static int
put_static(struct gw_view_slots *s, struct gw_config *config, size_t i)
{
	uint32_t slot = GW_STATIC_SLOT + (uint32_t)i;
	struct gw_node *n = make_node(config, i);

	gw_view_slots_drop(s, slot);
	if (!n)
		return -1;
	if (gw_role_lists_add(&s->roles, slot, n->doc) < 0) {
		free_node(n);
		return -1;
	}
	s->at[slot] = n;
	return 0;
}

/* A registered node and the configuration as it is now. Returns -1 when memory
 * is out: it stays hidden then. */
static int
hide_or_show(struct gw_view_slots *s, uint32_t slot)
{
	struct gw_node *n = s->at[slot];
	bool hide = gw_view_slots_is_static(s, n->reg.id);

	if (hide == n->hidden)
		return 0;
	if (hide)
		gw_role_lists_remove(&s->roles, slot, n->doc);
	else if (gw_role_lists_add(&s->roles, slot, n->doc) < 0)
		return -1;
	n->hidden = hide;
	return 0;
}

void
gw_view_slots_want(struct gw_view_slots *s, struct gw_config *config)
{
	gw_config_ref(config);
	gw_config_unref(s->wanted);
	s->wanted = config;
}

void
gw_view_slots_follow(struct gw_view_slots *s)
{
	struct gw_config *config = s->wanted;
	int rc = 0;

	if (!config)
		return;
	for (size_t i = 0; i < config->n_nodes; i++)
		rc |= put_static(s, config, i);
	for (size_t i = config->n_nodes; i < GW_STATIC_NODES_MAX; i++)
		gw_view_slots_drop(s, GW_STATIC_SLOT + (uint32_t)i);
	/* No node is left that points into the one before. */
	gw_config_unref(s->config);
	s->config = gw_config_ref(config);
	for (uint32_t slot = 0; slot < REG_NODES_MAX; slot++)
		if (s->at[slot])
			rc |= hide_or_show(s, slot);
	if (rc == 0) {
		s->wanted = NULL;
		gw_config_unref(config);
	}
}
