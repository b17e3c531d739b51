/* SPDX-License-Identifier: MIT */
/*
 * args.c - `server_args` of a model: options of llama-server beyond the keys
 * that the agent knows.
 *
 * Single entries are judged here; a clash with another key of the model is
 * check.c's business, the command line that of agent/model/.
 */
#include "agent/config/internal.h"

#include <string.h>
#include <strings.h>

#define NAME_LETTERS                                                           \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

/* The name of an option, as it may stand in server_args. */
static bool
check_name(struct gw_apply *ap, const struct gw_yaml_node *key)
{
	const char *bare = key->text + strspn(key->text, "-");
	char name[AG_ARG_NAME_MAX + 1];
	const char *advice;

	ag_arg_canonical(key, name);
	if (!*bare)
		gw_apply_error(ap, key,
			       "expected the name of an option, such as "
			       "`parallel`");
	else if (bare != key->text)
		gw_apply_error(ap, key,
			       "options are written without their dashes: "
			       "`%.64s`",
			       bare);
	else if (key->len > AG_ARG_NAME_MAX)
		gw_apply_error(ap, key, "a name is at most %d bytes long",
			       AG_ARG_NAME_MAX);
	else if (strspn(key->text, NAME_LETTERS) != key->len)
		gw_apply_error(ap, key,
			       "the name of an option is letters, digits, `_` "
			       "and `-`");
	else if ((advice = ag_decided_option(name)))
		gw_apply_error(ap, key, "cannot be set here: %s", advice);
	else if ((advice = ag_long_option(name)))
		gw_apply_error(ap, key,
			       "only long names are possible here: write `%s`",
			       advice);
	else
		return true;
	return false;
}

static bool
check_list(struct gw_apply *ap, const struct gw_option *o,
	   const struct gw_yaml_node *v)
{
	bool good = true;

	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_node *item = v->child[i].value;
		size_t before = gw_path_item(&ap->path, i);

		if (item->kind == GW_YAML_NULL || item->kind == GW_YAML_BOOL)
			good = gw_apply_wrong_type(ap, o, item,
						   "a string or a number");
		else if (!ag_check_scalar(ap, o, item, "a string or a number"))
			good = false;
		gw_path_up(&ap->path, before);
	}
	return good;
}

static bool
check_value(struct gw_apply *ap, const struct gw_option *o,
	    const struct gw_yaml_node *v)
{
	if (v->kind == GW_YAML_LIST)
		return check_list(ap, o, v);
	if (v->kind == GW_YAML_NULL)
		return true;
	return ag_check_scalar(
		ap, o, v,
		"a string, a number, true, false or a list (JSON "
		"goes into quotes)");
}

static bool
set_parallel(struct gw_apply *ap, const struct gw_option *o,
	     const struct gw_yaml_node *v, struct ag_model_config *m)
{
	int64_t n;

	if (gw_yaml_is_null(v))
		return true;
	if (v->kind != GW_YAML_INT)
		return gw_apply_wrong_type(ap, o, v, "an integer");
	if (gw_yaml_scalar_int(v, &n) < 0 || n < 1 || n > AG_PARALLEL_MAX) {
		gw_apply_error(ap, v, "must be from 1 to %d, not %.40s",
			       AG_PARALLEL_MAX, v->text);
		return false;
	}
	m->parallel = (uint32_t)n;
	return true;
}

/* The same option under another spelling, before entry @i. */
static bool
is_first(struct gw_apply *ap, const struct gw_yaml_node *args, size_t i)
{
	char name[AG_ARG_NAME_MAX + 1], other[AG_ARG_NAME_MAX + 1];
	const struct gw_yaml_node *key = args->child[i].key;

	ag_arg_canonical(key, name);
	for (size_t k = 0; k < i; k++) {
		const struct gw_yaml_node *at = args->child[k].key;

		ag_arg_canonical(at, other);
		/* Spelled the same it is a duplicate key, reported already. */
		if (strcmp(name, other) != 0 ||
		    strcmp(key->text, at->text) == 0)
			continue;
		gw_apply_error(ap, key,
			       "is the same option as `%.64s` (%s:%u:%u)",
			       at->text, ap->doc->paths[at->file], at->line,
			       at->column);
		return false;
	}
	return true;
}

static size_t
count_values(const struct gw_yaml_node *args)
{
	size_t n = 0;

	for (size_t i = 0; i < args->n; i++)
		n += args->child[i].value->kind == GW_YAML_LIST
			     ? args->child[i].value->n
			     : 1;
	return args->n > n ? args->n : n;
}

static bool
set_args(struct gw_apply *ap, const struct gw_option *o,
	 const struct gw_yaml_node *v, void *slot)
{
	struct ag_model_config *m =
		(struct ag_model_config *)((char *)slot -
					   offsetof(struct ag_model_config,
						    server_args));
	bool good = true;

	if (!gw_kind_tree.set(ap, o, v, slot))
		return false;
	if (count_values(v) > AG_ARG_VALUES_MAX) {
		gw_apply_error(ap, v, "at most %d values are possible",
			       AG_ARG_VALUES_MAX);
		return false;
	}
	for (size_t i = 0; i < v->n; i++) {
		const struct gw_yaml_node *key = v->child[i].key;
		const struct gw_yaml_node *value = v->child[i].value;
		size_t before = gw_path_key(&ap->path, key->text, key->len);

		good = check_name(ap, key) && is_first(ap, v, i) && good;
		if (strcmp(key->text, "parallel") == 0)
			good = set_parallel(ap, o, value, m) && good;
		else
			good = check_value(ap, o, value) && good;
		gw_path_up(&ap->path, before);
	}
	return good;
}

/* Only the last word tells: `image_min_tokens` is no secret. */
static bool
is_secret(const char *name)
{
	static const char *const ends[] = {"key", "token", "secret",
					   "password"};
	size_t len = strlen(name);

	for (size_t i = 0; i < GW_ARRAY_LEN(ends); i++) {
		size_t n = strlen(ends[i]);

		if (len >= n && strcasecmp(name + len - n, ends[i]) == 0)
			return true;
	}
	return false;
}

static void
emit_args(struct gw_emit *e, const struct gw_option *o,
	  const struct gw_yaml_node *source, const void *slot)
{
	(void)o;
	(void)slot;
	ag_emit_masked(e, source, is_secret);
}

const struct gw_kind ag_kind_args = {
	.wanted = "a mapping of options",
	.set = set_args,
	.emit = emit_args,
};
