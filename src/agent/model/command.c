/* SPDX-License-Identifier: MIT */
/*
 * command.c - a model's llama-server as a command line; see command.h.
 *
 * What may be in it was checked when the configuration was read; nothing is
 * judged or looked up here.
 */
#include "agent/model/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/process/leftovers.h"
#include "config/yaml.h"

#define KEY_VARIABLE "LLAMA_API_KEY"
#define ENV_TEXT_MAX 4096 /* bytes of what ag_device_env() says */

/* A list of strings under construction, NULL behind the last one. */
struct list {
	char **item;
	size_t n, cap;
};

/* Takes over @text, NULL included: then memory was out. */
static int
take(struct list *l, char *text)
{
	if (text && l->n + 1 >= l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 32;
		char **item = realloc(l->item, cap * sizeof(*item));

		if (!item) {
			free(text);
			return -1;
		}
		l->item = item;
		l->cap = cap;
	}
	if (!text)
		return -1;
	l->item[l->n++] = text;
	l->item[l->n] = NULL;
	return 0;
}

static int
put(struct list *l, const char *text)
{
	return take(l, strdup(text));
}

static int
put_pair(struct list *l, const char *option, const char *value)
{
	return put(l, option) < 0 ? -1 : put(l, value);
}

static void
free_list(char **item)
{
	for (size_t i = 0; item && item[i]; i++)
		free(item[i]);
	free(item);
}

/* `a_b` is --a-b. */
static char *
option_name(const struct gw_yaml_node *key)
{
	char *name;

	if (asprintf(&name, "--%s", key->text) < 0)
		return NULL;
	for (char *s = name; *s; s++)
		if (*s == '_')
			*s = '-';
	return name;
}

static bool
is_true(const struct gw_yaml_node *v)
{
	return v->text[0] == 't' || v->text[0] == 'T';
}

static int
put_arg(struct list *l, const struct gw_yaml_member *m)
{
	gw_auto_free char *name = option_name(m->key);
	const struct gw_yaml_node *v = m->value;

	if (!name)
		return -1;
	switch (v->kind) {
	case GW_YAML_NULL:
		return 0;
	case GW_YAML_BOOL:
		return is_true(v) ? put(l, name) : 0;
	case GW_YAML_LIST:
		for (size_t i = 0; i < v->n; i++)
			if (put_pair(l, name, v->child[i].value->text) < 0)
				return -1;
		return 0;
	default: /* numbers as they are written */
		return put_pair(l, name, v->text);
	}
}

static int
put_arguments(struct list *l, const struct ag_config *c,
	      const struct ag_model_config *m, unsigned port)
{
	static const char *const option[AG_FLAG__MAX] = {
#define FLAG(name, option) option,
#include "agent/config/flags.def"
#undef FLAG
	};
	char number[16];

	snprintf(number, sizeof(number), "%u", port);
	if (put(l, c->llama_server_bin) < 0 ||
	    put_pair(l, "--model", m->path) < 0 ||
	    put_pair(l, "--alias", m->alias) < 0 ||
	    put_pair(l, "--host", "127.0.0.1") < 0 ||
	    put_pair(l, "--port", number) < 0)
		return -1;
	for (size_t i = 0; i < AG_FLAG__MAX; i++)
		if (m->flag[i] && put_pair(l, option[i], m->flag[i]) < 0)
			return -1;
	for (size_t i = 0; m->server_args && i < m->server_args->n; i++)
		if (put_arg(l, &m->server_args->child[i]) < 0)
			return -1;
	return 0;
}

static int
put_variable(struct list *l, const char *name, const char *value)
{
	char *entry;

	if (asprintf(&entry, "%s=%s", name, value) < 0)
		entry = NULL;
	return take(l, entry);
}

/* Does the model's `env` give this NAME=value another value? */
static bool
is_overridden(const struct ag_model_config *m, const char *entry)
{
	const struct gw_yaml_member *own =
		gw_yaml_get(m->env, entry, strcspn(entry, "="));

	return own && !gw_yaml_is_null(own->value);
}

static int
put_environment(struct list *l, const struct ag_model_config *m,
		const struct ag_device *d, const struct ag_command_start *how)
{
	struct gw_buf text GW_CLEANUP(gw_buf_release) =
		GW_BUF_INIT(ENV_TEXT_MAX);

	if (ag_device_env(d, &text) < 0)
		return -1;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
		if (!is_overridden(m, text.data + at) &&
		    put(l, text.data + at) < 0)
			return -1;
	for (size_t i = 0; m->env && i < m->env->n; i++) {
		const struct gw_yaml_member *v = &m->env->child[i];

		if (!gw_yaml_is_null(v->value) &&
		    put_variable(l, v->key->text, v->value->text) < 0)
			return -1;
	}
	/* Of one name the last one counts. */
	return (how->key && put_variable(l, KEY_VARIABLE, how->key) < 0) ||
			       (how->mark && put_variable(l, AG_MARK_VARIABLE,
							  how->mark) < 0)
		       ? -1
		       : 0;
}

int
ag_command_build(const struct ag_config *c, const struct ag_model_config *m,
		 const struct ag_device *d, const struct ag_command_start *how,
		 struct ag_command *out, struct gw_err *err)
{
	struct list argv = {0}, env = {.cap = 8};

	/* There may be nothing to put in, and it still ends with NULL. */
	env.item = calloc(env.cap, sizeof(*env.item));
	if (env.item && put_arguments(&argv, c, m, how->port) == 0 &&
	    put_environment(&env, m, d, how) == 0) {
		*out = (struct ag_command){.argv = argv.item, .env = env.item};
		return 0;
	}
	free_list(argv.item);
	free_list(env.item);
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			  "no memory for the command line of `%s`",
			  m->model_id);
}

void
ag_command_release(struct ag_command *c)
{
	free_list(c->argv);
	free_list(c->env);
	*c = (struct ag_command){0};
}

/* One word of a shell: as it is where nothing in it means something. */
static int
put_word(struct gw_buf *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+./:,@%";

	if (*word && strspn(word, plain) == strlen(word))
		return gw_buf_puts(out, word);
	if (gw_buf_puts(out, "'") < 0)
		return -1;
	for (; *word; word++)
		if ((*word == '\'' ? gw_buf_puts(out, "'\\''")
				   : gw_buf_append(out, word, 1)) < 0)
			return -1;
	return gw_buf_puts(out, "'");
}

int
ag_command_text(const struct ag_command *c, struct gw_buf *out)
{
	for (size_t i = 0; c->env[i]; i++) {
		size_t name = strcspn(c->env[i], "=") + 1;

		if (gw_buf_append(out, c->env[i], name) < 0 ||
		    put_word(out, c->env[i] + name) < 0 ||
		    gw_buf_puts(out, " ") < 0)
			return -1;
	}
	for (size_t i = 0; c->argv[i]; i++)
		if ((i && gw_buf_puts(out, " ") < 0) ||
		    put_word(out, c->argv[i]) < 0)
			return -1;
	return 0;
}
