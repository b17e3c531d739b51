/* SPDX-License-Identifier: MIT */
/*
 * defaults.c - `defaults` of a model as JSON members, ready for a request body.
 *
 * How a value becomes JSON is tree_json.c's business; here is what each member
 * may be, and the index of all keys.
 */
#include "config/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define JSON_MAX                                                               \
	(8u << 20) /* \u escapes make a 1 MiB file six times as long           \
		    */

/* `model` is not added where missing but always put in place of the client's.
 */
static bool
set_model(struct gw_apply *ap, const struct gw_option *o,
	  const struct gw_yaml_node *v, struct gw_model *model)
{
	struct gw_buf out GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(JSON_MAX);

	if (gw_yaml_is_null(v))
		return true;
	if (!gw_apply_text(ap, o, v, 0, true))
		return false;
	if (gw_tree_json_string(v->text, v->len, &out) < 0) {
		ap->doc->no_memory = true;
		return false;
	}
	free(model->default_model_json); /* twice in the file: reported there */
	model->default_model_json = GW_STEAL(out.data);
	return true;
}

static bool
set_member(struct gw_apply *ap, const struct gw_yaml_member *m,
	   struct gw_default *out)
{
	struct gw_buf text GW_CLEANUP(gw_buf_release) =
		GW_BUF_INIT(JSON_MAX - ap->doc->json_bytes + 1);

	out->key = malloc(m->key->len + 1);
	if (!out->key) {
		ap->doc->no_memory = true;
		return false;
	}
	memcpy(out->key, m->key->text, m->key->len + 1);
	out->key_len = m->key->len;
	if (gw_tree_json_string(m->key->text, m->key->len, &text) < 0 ||
	    gw_buf_append(&text, ":", 1) < 0 ||
	    gw_tree_json(ap, m->value, &text) < 0 ||
	    text.len > JSON_MAX - ap->doc->json_bytes) {
		gw_apply_error(ap, m->value,
			       "too much text in `defaults` (%u bytes at "
			       "most, all models together)",
			       JSON_MAX);
		return false;
	}
	ap->doc->json_bytes += text.len;
	out->member_len = text.len;
	out->member = GW_STEAL(text.data);
	return true;
}

/* The same that is refused of a request: some upstreams ignore case. */
static bool
check_letters(struct gw_apply *ap, const struct gw_yaml_node *key)
{
	static const char *const names[] = {"model", "stream"};

	for (size_t i = 0; i < GW_ARRAY_LEN(names); i++) {
		if (strcasecmp(key->text, names[i]) != 0 ||
		    strcmp(key->text, names[i]) == 0)
			continue;
		gw_apply_error(ap, key,
			       "servers differ in what they make of "
			       "it; write `%s`",
			       names[i]);
		return false;
	}
	return true;
}

static bool
set_defaults(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_yaml_node *v, void *slot)
{
	struct gw_model *model =
		(struct gw_model *)((char *)slot -
				    offsetof(struct gw_model, defaults));
	bool good = true;

	if (v->kind != GW_YAML_MAP)
		return gw_apply_wrong_type(ap, o, v, o->kind->wanted);
	model->defaults = calloc(v->n ? v->n : 1, sizeof(*model->defaults));
	if (!model->defaults) {
		ap->doc->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_member *m = &v->child[i];
		size_t before =
			gw_path_key(&ap->path, m->key->text, m->key->len);

		good = check_letters(ap, m->key) && good;
		if (strcmp(m->key->text, "model") == 0 && m->key->len == 5)
			good = set_model(ap, o, m->value, model) && good;
		else
			good = set_member(
				       ap, m,
				       &model->defaults[model->n_defaults++]) &&
			       good;
		gw_path_up(&ap->path, before);
	}
	return good;
}

static void
release_default(struct gw_default *d)
{
	free(d->key);
	free(d->member);
}

static void
release_defaults(void *slot)
{
	struct gw_model *model =
		(struct gw_model *)((char *)slot -
				    offsetof(struct gw_model, defaults));

	for (size_t i = 0; i < model->n_defaults; i++)
		release_default(&model->defaults[i]);
	free(model->defaults);
	free(model->default_model_json);
}

static void
emit_defaults(struct gw_emit *e, const struct gw_option *o,
	      const struct gw_yaml_node *source, const void *slot)
{
	gw_kind_tree.emit(e, o, source, slot);
}

const struct gw_kind gw_kind_defaults = {
	.wanted = "a mapping of request keys",
	.set = set_defaults,
	.emit = emit_defaults,
	.release = release_defaults,
};

/* By length first: most keys a client sends differ in it. */
static int
compare_keys(const void *x, const void *y)
{
	const struct gw_default_key *a = x, *b = y;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->len ? memcmp(a->key, b->key, a->len) : 0;
}

int
gw_config_default_key(const struct gw_config *c, const char *key, size_t len)
{
	struct gw_default_key wanted = {.key = key, .len = len};
	const struct gw_default_key *found;

	if (!c->n_default_keys)
		return -1;
	found = bsearch(&wanted, c->default_keys, c->n_default_keys,
			sizeof(wanted), compare_keys);
	return found ? (int)(found - c->default_keys) : -1;
}

int
gw_defaults_index(struct gw_config *c)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < c->n_models; i++)
		n += c->models[i].n_defaults;
	if (!n)
		return 0;
	c->default_keys = calloc(n, sizeof(*c->default_keys));
	if (!c->default_keys)
		return -1;
	n = 0;
	for (size_t i = 0; i < c->n_models; i++)
		for (size_t k = 0; k < c->models[i].n_defaults; k++) {
			const struct gw_default *d = &c->models[i].defaults[k];

			c->default_keys[n].key = d->key;
			c->default_keys[n++].len = d->key_len;
		}
	qsort(c->default_keys, n, sizeof(*c->default_keys), compare_keys);
	for (size_t i = 0; i < n; i++)
		if (!i || compare_keys(&c->default_keys[kept - 1],
				       &c->default_keys[i]) != 0)
			c->default_keys[kept++] = c->default_keys[i];
	c->n_default_keys = kept;
	for (size_t i = 0; i < c->n_models; i++)
		for (size_t k = 0; k < c->models[i].n_defaults; k++) {
			struct gw_default *d = &c->models[i].defaults[k];

			d->key_index = (uint32_t)gw_config_default_key(
				c, d->key, d->key_len);
		}
	return 0;
}
