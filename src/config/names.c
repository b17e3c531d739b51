/* SPDX-License-Identifier: MIT */
/*
 * names.c - from the name a client sends to the model, in one look-up.
 *
 * Aliases, openai_model_names and further names share one name space; filling
 * the table is what finds two models that claim the same name.
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
gw_config_model_named(const struct gw_config *c, const char *name, size_t len)
{
	const struct gw_config_internal *in = c->internal;
	const struct gw_name *found;

	if (!in || !in->names_size)
		return NULL;
	found = find(in, name, len);
	return found->text ? &c->models[found->model] : NULL;
}

const struct gw_model *
gw_config_model(const struct gw_config *c, const char *name, size_t len)
{
	const struct gw_config_internal *in = c->internal;
	const struct gw_model *m = gw_config_model_named(c, name, len);

	return m || !in ? m : in->takes_unknown;
}

const struct gw_model *
gw_config_alias(const struct gw_config *c, const char *alias)
{
	const struct gw_model *m =
		gw_config_model_named(c, alias, strlen(alias));

	return m && strcmp(m->alias, alias) == 0 ? m : NULL;
}

/* A name on its way into the table, and where it is written. */
struct claim {
	size_t model;
	const char *text;
	const char *key;	       /* of the model's keys */
	const struct gw_yaml_node *at; /* NULL: nowhere */
};

/* Where the name of @other stands that is @text. */
static const struct gw_yaml_node *
place_of(const struct gw_yaml *doc, const struct gw_model *other,
	 const char *text)
{
	bool is_id = other->openai_model_name == text;
	const struct gw_yaml_member *m =
		gw_config_node(doc, other->alias,
			       text == other->alias ? NULL
			       : is_id		    ? "openai_model_name"
						    : "names");

	return m ? m->key : NULL;
}

static void
report_clash(struct gw_config_internal *in, const struct gw_config *c,
	     const struct claim *mine, const struct gw_model *other,
	     const char *theirs)
{
	const struct gw_yaml_node *there = place_of(&in->doc, other, theirs);
	bool is_alias = theirs == other->alias;

	gw_yaml_error(&in->doc, mine->at,
		      "models.%s.%s: `%s` is already %s%s%s (%s:%u:%u)",
		      c->models[mine->model].alias, mine->key,
		      gw_yaml_show(mine->at, mine->text),
		      is_alias ? "an alias" : "the name of `",
		      is_alias ? "" : other->alias, is_alias ? "" : "`",
		      there ? in->doc.paths[there->file] : "",
		      there ? there->line : 0, there ? there->column : 0);
}

static void
add(const struct gw_config *c, struct gw_config_internal *in,
    const struct claim *claim)
{
	struct gw_name *slot = find(in, claim->text, strlen(claim->text));

	if (slot->text && slot->model != claim->model)
		report_clash(in, c, claim, &c->models[slot->model], slot->text);
	if (slot->text)
		return; /* its own one again is no harm */
	*slot = (struct gw_name){
		.text = claim->text,
		.len = strlen(claim->text),
		.model = (uint32_t)claim->model,
	};
}

/* An alias twice in the file is a duplicate key, reported there. */
static void
add_alias(const struct gw_config *c, struct gw_config_internal *in,
	  size_t model)
{
	const char *alias = c->models[model].alias;
	struct claim claim = {model, alias, "", NULL};

	if (alias && !find(in, alias, strlen(alias))->text)
		add(c, in, &claim);
}

static void
add_id(const struct gw_config *c, struct gw_config_internal *in, size_t model)
{
	const struct gw_model *m = &c->models[model];
	const struct gw_yaml_member *at;
	struct claim claim = {model, m->openai_model_name, "openai_model_name",
			      NULL};

	if (!m->alias || !m->openai_model_name ||
	    strcmp(m->alias, m->openai_model_name) == 0)
		return;
	at = gw_config_node(&in->doc, m->alias, claim.key);
	claim.at = at ? at->value : NULL;
	add(c, in, &claim);
}

static void
take_unknown(const struct gw_config *c, struct gw_config_internal *in,
	     const struct claim *claim)
{
	const struct gw_model *m = &c->models[claim->model];

	if (in->takes_unknown && in->takes_unknown != m)
		gw_yaml_error(
			&in->doc, claim->at,
			"models.%s.names: `*` is already one of the names "
			"of `%s`; only one alias can take every unknown "
			"name",
			m->alias, in->takes_unknown->alias);
	else
		in->takes_unknown = m;
}

static void
add_names(const struct gw_config *c, struct gw_config_internal *in,
	  size_t model)
{
	const struct gw_model *m = &c->models[model];
	const struct gw_yaml_member *list =
		m->alias ? gw_config_node(&in->doc, m->alias, "names") : NULL;

	for (size_t i = 0; m->alias && i < m->names.n; i++) {
		struct claim claim = {model, m->names.key[i], "names", NULL};

		/* After a mistake in the list the places are others. */
		if (list && list->value->n == m->names.n)
			claim.at = list->value->child[i].value;
		if (strcmp(claim.text, "*") == 0)
			take_unknown(c, in, &claim);
		else
			add(c, in, &claim);
	}
}

int
gw_names_build(struct gw_config *c, struct gw_config_internal *in)
{
	size_t names = 0;

	for (size_t i = 0; i < c->n_models; i++)
		names += 2 + c->models[i].names.n;
	in->names_size = 2;
	while (in->names_size < names * 2)
		in->names_size *= 2;
	in->names = calloc(in->names_size, sizeof(*in->names));
	if (!in->names)
		return -1;
	/* Aliases first: they cannot clash with each other. */
	for (size_t i = 0; i < c->n_models; i++) {
		struct gw_model *m = &c->models[i];

		m->key = m->alias ? gw_hash_text(m->alias) : 0;
		add_alias(c, in, i);
	}
	for (size_t i = 0; i < c->n_models; i++)
		add_id(c, in, i);
	for (size_t i = 0; i < c->n_models; i++)
		add_names(c, in, i);
	return 0;
}
