/* SPDX-License-Identifier: MIT */
/*
 * check.c - what only several keys of a configuration together can get wrong.
 *
 * Runs on what could be filled even when single values had errors, so that one
 * run shows everything.
 */
#include "config/internal.h"

#include <stdlib.h>
#include <string.h>

#include "config/clients.h"
#include "config/url.h"
#include "reg.h"

const struct gw_yaml_member *
gw_config_node(const struct gw_yaml *doc, const char *alias, const char *key)
{
	const struct gw_yaml_member *m = gw_yaml_get(
		gw_yaml_value(doc->root, "models"), alias, strlen(alias));

	if (!m || !key)
		return m;
	return gw_yaml_get(m->value, key, strlen(key));
}

const struct gw_model *
gw_config_nearest(const struct gw_config *c, const char *name)
{
	const struct gw_model *best = NULL;
	size_t best_distance = strlen(name) / 2 + 1;

	for (size_t i = 0; i < c->n_models; i++) {
		const struct gw_model *m = &c->models[i];
		size_t distance;

		if (!m->alias)
			continue;
		/* Somebody wrote the id where the alias belongs. */
		if (m->openai_model_name &&
		    strcmp(m->openai_model_name, name) == 0)
			return m;
		distance = gw_suggest_distance(name, strlen(name), m->alias,
					       strlen(m->alias));
		if (distance < best_distance) {
			best_distance = distance;
			best = m;
		}
	}
	return best;
}

static void
check_default_model(const struct gw_config *c, struct gw_yaml *doc)
{
	const struct gw_yaml_node *at =
		gw_yaml_value(doc->root, "default_model");
	const struct gw_model *near;

	if (!c->default_model || !c->n_models)
		return;
	for (size_t i = 0; i < c->n_models; i++)
		if (c->models[i].alias &&
		    strcmp(c->models[i].alias, c->default_model) == 0)
			return;
	near = gw_config_nearest(c, c->default_model);
	gw_yaml_error(doc, at, "default_model: there is no alias `%s`%s%s%s",
		      gw_yaml_show(at, c->default_model),
		      near ? "; did you mean `" : "", near ? near->alias : "",
		      near ? "`?" : "");
}

/* An alias may be longer than a role; it stands in for a role left out. */
static void
check_roles(const struct gw_config *c, struct gw_yaml *doc)
{
	for (size_t i = 0; i < c->n_models; i++) {
		const struct gw_model *m = &c->models[i];
		const struct gw_yaml_member *at;

		if (!m->role || strlen(m->role) <= REG_TURN_NAME_MAX)
			continue;
		at = gw_config_node(doc, m->alias, NULL);
		gw_yaml_error(
			doc, at ? at->key : NULL,
			"models.%s: the alias stands for the role as "
			"well, which is at most %d bytes long; set `role`",
			m->alias, REG_TURN_NAME_MAX);
	}
}

/* Where the gateway will listen: what a command line says wins. */
struct address {
	const char *host;
	const char *from;	       /* what said so */
	const struct gw_yaml_node *at; /* NULL: not in a file */
};

static struct address
listen_address(const struct gw_config *c, const struct gw_yaml *doc)
{
	const char *host = getenv(GW_CONFIG_HOST_ENV);
	const char *listen = getenv(GW_CONFIG_LISTEN_ENV);

	if (listen && *listen)
		return (struct address){listen, "--listen", NULL};
	if (host && *host)
		return (struct address){host, "--host", NULL};
	return (struct address){
		c->gateway.host, "gateway.host",
		gw_yaml_value(gw_yaml_value(doc->root, "gateway"), "host")};
}

static void
refuse_to_send(struct gw_yaml *doc, const char *key, const struct address *a)
{
	gw_yaml_error(doc,
		      gw_yaml_value(gw_yaml_value(doc->root, "auth"), key),
		      "auth.%s: auth.node_api_keys is empty and %s `%s` is not "
		      "a loopback address: everybody who reaches this host "
		      "could register a node and would be sent this key; set "
		      "auth.node_api_keys",
		      key, a->from, gw_yaml_show(a->at, a->host));
}

/* Everybody may register a node, and would be sent the key of all of them. */
static void
check_open_registration(const struct gw_config *c, struct gw_yaml *doc,
			const struct address *a)
{
	const bool node = c->auth.upstream_node_key;

	if (node)
		refuse_to_send(doc, "upstream_node_key", a);
	if (c->auth.upstream_operator_key)
		refuse_to_send(doc, "upstream_operator_key", a);
	if (!node && !c->auth.upstream_operator_key)
		gw_yaml_warning(doc, a->at,
				"%s: `%s` is not a loopback address and "
				"auth.node_api_keys is empty: everybody who "
				"reaches this host may register a node and be "
				"sent requests",
				a->from, gw_yaml_show(a->at, a->host));
}

static void
check_open(const struct gw_config *c, struct gw_yaml *doc)
{
	struct address a = listen_address(c, doc);

	if (!a.host || gw_host_is_loopback(a.host))
		return;
	if (gw_clients_open(c))
		gw_yaml_warning(doc, a.at,
				"%s: `%s` is not a loopback address and "
				"auth.client_api_keys is empty: everybody who "
				"reaches this host may use the models",
				a.from, gw_yaml_show(a.at, a.host));
	if (gw_nodes_open(c))
		check_open_registration(c, doc, &a);
}

/* A node expects its own model_id: the one place where it cannot be told. */
static void
warn_unused_model(const struct gw_config *c, struct gw_yaml *doc)
{
	for (size_t i = 0; i < c->n_models; i++) {
		const struct gw_model *m = &c->models[i];
		const struct gw_yaml_member *at;

		if (m->type != GW_MODEL_DISCOVERED || !m->alias ||
		    !m->default_model_json)
			continue;
		at = gw_config_node(doc, m->alias, "defaults");
		gw_yaml_warning(
			doc, at ? at->key : NULL,
			"models.%s.defaults.model has no effect: a node "
			"is sent the model_id it registered",
			m->alias);
	}
}

static void
warn_places(const struct gw_config *c, struct gw_yaml *doc)
{
	for (size_t i = 0; i < c->n_models; i++) {
		const struct gw_model *m = &c->models[i];
		const struct gw_yaml_member *at;
		char path[GW_MODEL_NAME_MAX + 32];

		at = m->alias ? gw_config_node(doc, m->alias, NULL) : NULL;
		if (m->type != GW_MODEL_PROXY || !at)
			continue;
		snprintf(path, sizeof(path), "models.%s", m->alias);
		gw_place_warn(doc, &(struct gw_place){
					   .path = path,
					   .url_key = "proxy_url",
					   .base_url = m->base_url,
					   .map = at->value,
					   .ca_path = m->tls.ca.path,
					   .tls_insecure = m->tls_insecure,
				   });
	}
}

void
gw_config_check(const struct gw_config *c, struct gw_yaml *doc)
{
	check_default_model(c, doc);
	check_roles(c, doc);
	check_open(c, doc);
	warn_places(c, doc);
	warn_unused_model(c, doc);
}
