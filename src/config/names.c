/* SPDX-License-Identifier: MIT */
/*
 * names.c - from the name a client sends to the model, in one look-up.
 *
 * Aliases and openai_model_names share one name space; filling the table is
 * what finds two models that claim the same name.
 */
#include "config/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* The slot of a name: its own, or the free one where it belongs. */
static struct gw_name *
find(const struct gw_config_internal *in, const char *text, size_t len)
{
	size_t mask = in->names_size - 1;
	size_t at = gw_hash_slot(gw_hash(text, len), in->names_size);

	while (in->names[at].text &&
	       (in->names[at].len != len ||
		memcmp(in->names[at].text, text, len) != 0))
		at = (at + 1) & mask;
	return &in->names[at];
}

const struct gw_model *
gw_config_model(const struct gw_config *c, const char *name, size_t len)
{
	const struct gw_config_internal *in = c->internal;
	const struct gw_name *found;

	if (!in || !in->names_size)
		return NULL;
	found = find(in, name, len);
	return found->text ? &c->models[found->model] : NULL;
}

static void
report_clash(struct gw_config_internal *in, const struct gw_model *m,
	     const struct gw_model *other)
{
	const struct gw_yaml_member *mine =
		gw_config_node(&in->doc, m->alias, "openai_model_name");
	bool is_alias = strcmp(m->openai_model_name, other->alias) == 0;
	const struct gw_yaml_member *theirs = gw_config_node(
		&in->doc, other->alias, is_alias ? NULL : "openai_model_name");
	const struct gw_yaml_node *there = theirs ? theirs->key : NULL;

	gw_yaml_error(
		&in->doc, mine ? mine->value : NULL,
		"models.%s.openai_model_name: `%s` is already %s%s%s "
		"(%s:%u:%u)",
		m->alias,
		gw_yaml_show(mine ? mine->value : NULL, m->openai_model_name),
		is_alias ? "an alias" : "the name of `",
		is_alias ? "" : other->alias, is_alias ? "" : "`",
		there ? in->doc.paths[there->file] : "",
		there ? there->line : 0, there ? there->column : 0);
}

static void
add(struct gw_config *c, struct gw_config_internal *in, size_t model,
    const char *text)
{
	struct gw_name *slot = find(in, text, strlen(text));

	if (slot->text && text == c->models[model].alias)
		return; /* twice in the file: a duplicate key, reported there */
	if (slot->text && slot->model != model) {
		report_clash(in, &c->models[model], &c->models[slot->model]);
		return;
	}
	*slot = (struct gw_name){
		.text = text,
		.len = strlen(text),
		.model = (uint32_t)model,
	};
}

int
gw_names_build(struct gw_config *c, struct gw_config_internal *in)
{
	in->names_size = 2;
	while (in->names_size < c->n_models * 4)
		in->names_size *= 2;
	in->names = calloc(in->names_size, sizeof(*in->names));
	if (!in->names)
		return -1;
	/* Aliases first: they cannot clash with each other. */
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].alias)
			add(c, in, i, c->models[i].alias);
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].alias && c->models[i].openai_model_name &&
		    strcmp(c->models[i].alias,
			   c->models[i].openai_model_name) != 0)
			add(c, in, i, c->models[i].openai_model_name);
	return 0;
}
