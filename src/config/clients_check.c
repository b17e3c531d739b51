/* SPDX-License-Identifier: MIT */
/*
 * clients_check.c - what is wrong with an entry of auth.clients or auth.nodes
 * as a whole, and with the aliases it names.
 *
 * An entry that opens less than its author believes is found by nobody until a
 * user is refused; one that opens more, by nobody at all.
 */
#include "config/internal.h"

#include <string.h>

#include "base/pattern.h"

#define PATH_BYTES 64 /* "auth.clients[16383]" */

static bool
is_set(const struct gw_yaml_node *map, const char *key)
{
	return !gw_yaml_is_null(gw_yaml_value(map, key));
}

/*
 * Exactly one of @keys says who it is. Goes by what is written: a value that
 * was a mistake of its own is there all the same.
 */
static void
check_credential(struct gw_yaml *doc, const char *path,
		 const struct gw_yaml_node *map, const char *const keys[3])
{
	const char *first = NULL;

	for (size_t i = 0; i < 3 && keys[i]; i++) {
		if (!is_set(map, keys[i]))
			continue;
		if (!first) {
			first = keys[i];
			continue;
		}
		gw_yaml_error(doc, gw_yaml_value(map, keys[i]),
			      "%s.%s: there is `%s` already; an entry has one "
			      "of them",
			      path, keys[i], first);
		return;
	}
	if (!first)
		gw_yaml_error(doc, map, "`%s.%s` is missing (or `%s`%s%s%s)",
			      path, keys[0], keys[1], keys[2] ? ", or `" : "",
			      keys[2] ? keys[2] : "", keys[2] ? "`" : "");
}

static void
check_user(const struct gw_config *c, struct gw_yaml *doc, const char *path,
	   const struct gw_yaml_node *map)
{
	if (c->auth.trust_web_server_user || !is_set(map, "user"))
		return;
	gw_yaml_error(doc, gw_yaml_value(map, "user"),
		      "%s.user: no user is believed while "
		      "auth.trust_web_server_user is false",
		      path);
}

/* A list whose last element was taken out says "any" like one that is not
 * there. Whoever means that writes null, as --print-config does. */
static void
warn_emptied(struct gw_yaml *doc, const char *path,
	     const struct gw_yaml_node *map, const char *key)
{
	const struct gw_yaml_node *v = gw_yaml_value(map, key);

	if (v && v->kind == GW_YAML_NULL && !v->len)
		gw_yaml_warning(doc, v,
				"%s.%s has nothing in it and so means any; "
				"`[]` means none",
				path, key);
}

/* ---- aliases ------------------------------------------------------------- */

static bool
fits_any(const struct gw_config *c, const char *pattern)
{
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].alias &&
		    gw_pattern_fits(pattern, c->models[i].alias))
			return true;
	return false;
}

static void
check_alias(const struct gw_config *c, struct gw_yaml *doc, const char *path,
	    const struct gw_yaml_node *at, size_t i, const char *name)
{
	const struct gw_model *near;

	if (!gw_pattern_is_name(name)) {
		if (!fits_any(c, name))
			gw_yaml_warning(doc, at,
					"%s.models[%zu]: no alias fits `%s`",
					path, i, gw_yaml_show(at, name));
		return;
	}
	if (gw_config_alias(c, name))
		return;
	near = gw_config_nearest(c, name);
	gw_yaml_error(doc, at, "%s.models[%zu]: there is no alias `%s`%s%s%s",
		      path, i, gw_yaml_show(at, name),
		      near ? "; did you mean `" : "", near ? near->alias : "",
		      near ? "`?" : "");
}

static void
check_aliases(const struct gw_config *c, struct gw_yaml *doc, const char *path,
	      const struct gw_yaml_node *map, const struct gw_client *client)
{
	const struct gw_yaml_node *list = gw_yaml_value(map, "models");

	/* After a mistake in the list the places are others. */
	if (!list || list->n != client->models.n)
		return;
	for (size_t i = 0; i < client->models.n; i++)
		check_alias(c, doc, path, list->child[i].value, i,
			    client->models.key[i]);
}

/* ---- all of it ----------------------------------------------------------- */

static void
check_clients(const struct gw_config *c, struct gw_yaml *doc,
	      const struct gw_yaml_node *list)
{
	static const char *const keys[] = {"key", "key_sha256", "user"};
	char path[PATH_BYTES];
	size_t at = SIZE_MAX;

	for (size_t i = 0; i < c->auth.n_clients; i++) {
		const struct gw_yaml_node *map =
			gw_config_next_record(list, &at);

		if (map->kind != GW_YAML_MAP)
			continue; /* it was said */
		snprintf(path, sizeof(path), "auth.clients[%zu]", at);
		check_credential(doc, path, map, keys);
		check_user(c, doc, path, map);
		warn_emptied(doc, path, map, "models");
		check_aliases(c, doc, path, map, &c->auth.clients[i]);
	}
}

static void
check_nodes(const struct gw_config *c, struct gw_yaml *doc,
	    const struct gw_yaml_node *list)
{
	static const char *const keys[] = {"key", "key_sha256", NULL};
	static const char *const lists[] = {"node_ids", "roles",
					    "base_url_cidrs"};
	char path[PATH_BYTES];
	size_t at = SIZE_MAX;

	for (size_t i = 0; i < c->auth.n_nodes; i++) {
		const struct gw_yaml_node *map =
			gw_config_next_record(list, &at);

		if (map->kind != GW_YAML_MAP)
			continue;
		snprintf(path, sizeof(path), "auth.nodes[%zu]", at);
		check_credential(doc, path, map, keys);
		for (size_t k = 0; k < GW_ARRAY_LEN(lists); k++)
			warn_emptied(doc, path, map, lists[k]);
	}
}

static void
warn_unused_trust(const struct gw_config *c, struct gw_yaml *doc,
		  const struct gw_yaml_node *at)
{
	if (!c->auth.trust_web_server_user)
		return;
	for (size_t i = 0; i < c->auth.n_clients; i++)
		if (c->auth.clients[i].user)
			return;
	gw_yaml_warning(doc, at,
			"auth.trust_web_server_user has no effect: no entry "
			"of auth.clients has a `user`");
}

void
gw_clients_check(const struct gw_config *c, struct gw_yaml *doc)
{
	const struct gw_yaml_node *auth = gw_yaml_value(doc->root, "auth");

	check_clients(c, doc, gw_yaml_value(auth, "clients"));
	check_nodes(c, doc, gw_yaml_value(auth, "nodes"));
	warn_unused_trust(c, doc, gw_yaml_value(auth, "trust_web_server_user"));
}
