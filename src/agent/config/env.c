/* SPDX-License-Identifier: MIT */
/*
 * env.c - `env` of a model, and what it shares with `server_args`: values that
 * become text, and hiding some of them when they are printed.
 */
#include "agent/config/internal.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS "0123456789"

bool
ag_check_scalar(struct gw_apply *ap, const struct gw_option *o,
		const struct gw_yaml_node *v, const char *wanted)
{
	if (v->broken)
		return false;
	if (v->kind == GW_YAML_LIST || v->kind == GW_YAML_MAP)
		return gw_apply_wrong_type(ap, o, v, wanted);
	if (v->len > AG_ARG_TEXT_MAX) {
		gw_apply_error(ap, v, "is at most %u bytes long",
			       AG_ARG_TEXT_MAX);
		return false;
	}
	if (strlen(v->text) == v->len)
		return true;
	gw_apply_error(ap, v, "cannot hold a NUL");
	return false;
}

void
ag_emit_masked(struct gw_emit *e, const struct gw_yaml_node *source,
	       bool (*is_secret)(const char *name))
{
	bool empty = gw_yaml_is_null(source) || !source->n;

	gw_emit_open(e, GW_YAML_MAP, empty);
	for (size_t i = 0; !empty && i < source->n; i++) {
		const struct gw_yaml_member *m = &source->child[i];

		gw_emit_key(e, m->key->text, m->key->len);
		if (is_secret(m->key->text) && !gw_yaml_is_null(m->value))
			gw_emit_string(e, "***", 3);
		else
			gw_emit_node(e, m->value);
	}
	gw_emit_close(e, GW_YAML_MAP);
}

static bool
check_variable(struct gw_apply *ap, const struct gw_option *o,
	       const struct gw_yaml_member *m)
{
	const char *name = m->key->text, *advice = ag_decided_variable(name);

	if (!m->key->len || m->key->len > AG_ENV_NAME_MAX ||
	    strspn(name, LETTERS DIGITS) != m->key->len ||
	    strspn(name, DIGITS) > 0) {
		gw_apply_error(ap, m->key,
			       "the name of a variable is letters, digits and "
			       "`_`, no digit first, %d bytes at most",
			       AG_ENV_NAME_MAX);
		return false;
	}
	if (advice) {
		gw_apply_error(ap, m->key, "cannot be set here: %s", advice);
		return false;
	}
	return m->value->kind == GW_YAML_NULL ||
	       ag_check_scalar(ap, o, m->value,
			       "a string, a number or a boolean");
}

static bool
set_env(struct gw_apply *ap, const struct gw_option *o,
	const struct gw_yaml_node *v, void *slot)
{
	bool good = true;

	if (!gw_kind_tree.set(ap, o, v, slot))
		return false;
	if (v->n > AG_ENV_MAX) {
		gw_apply_error(ap, v, "at most %d variables are possible",
			       AG_ENV_MAX);
		return false;
	}
	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_node *key = v->child[i].key;
		size_t before = gw_path_key(&ap->path, key->text, key->len);

		good = check_variable(ap, o, &v->child[i]) && good;
		gw_path_up(&ap->path, before);
	}
	return good;
}

/* Somebody may have written a key into the file instead of ${...}. */
static bool
is_secret(const char *name)
{
	static const char *const words[] = {"KEY", "TOKEN", "SECRET",
					    "PASSWORD"};

	for (size_t i = 0; i < GW_ARRAY_LEN(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

static void
emit_env(struct gw_emit *e, const struct gw_option *o,
	 const struct gw_yaml_node *source, const void *slot)
{
	(void)o;
	(void)slot;
	ag_emit_masked(e, source, is_secret);
}

const struct gw_kind ag_kind_env = {
	.wanted = "a mapping of variables",
	.set = set_env,
	.emit = emit_env,
};
