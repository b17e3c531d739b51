/* SPDX-License-Identifier: MIT */
/*
 * check.c - what only several keys of the agent's configuration together can
 * get wrong; what concerns the gateway is in gateway.c.
 *
 * Runs on what could be filled even when single values had errors, so that one
 * run shows everything.
 */
#include "agent/config/internal.h"

#include <string.h>

#include "agent/device/device.h"
#include "config/url.h"

struct check {
	const struct ag_config *c;
	struct gw_yaml *doc;
	struct ag_model_place place[AG_MODELS_MAX];
};

/* A key of a model, or NULL when it is not set. */
static const struct gw_yaml_node *
value_of(const struct check *k, size_t model, const char *key)
{
	const struct gw_yaml_node *v = gw_yaml_value(k->place[model].node, key);

	return gw_yaml_is_null(v) ? NULL : v;
}

/* "key of models[2] (file:line:column)" */
static void
name_place(const struct check *k, size_t model, const char *key,
	   const struct gw_yaml_node *at, char *out, size_t out_bytes)
{
	snprintf(out, out_bytes, "the %s of models[%zu] (%s:%u:%u)", key,
		 k->place[model].index, at ? k->doc->paths[at->file] : "",
		 at ? at->line : 0, at ? at->column : 0);
}

static void
check_ids(const struct check *k)
{
	for (size_t i = 0; i < k->c->n_models; i++) {
		const char *id = k->c->models[i].model_id;
		const struct gw_yaml_node *at = value_of(k, i, "model_id");
		char place[256];
		size_t other = 0;

		while (id && other < i &&
		       (!k->c->models[other].model_id ||
			strcmp(k->c->models[other].model_id, id) != 0))
			other++;
		if (!id || other == i)
			continue;
		name_place(k, other, "model_id", value_of(k, other, "model_id"),
			   place, sizeof(place));
		gw_yaml_error(k->doc, at,
			      "models[%zu].model_id: `%s` is already %s",
			      k->place[i].index, gw_yaml_show(at, id), place);
	}
}

/* Is model @i's alias a name of model @other? Writes which. */
static bool
is_name_of(const struct check *k, size_t i, size_t other, char *place,
	   size_t place_bytes)
{
	const struct ag_model_config *m = &k->c->models[other];
	const char *alias = k->c->models[i].alias, *key = NULL;

	if (m->model_id && strcmp(m->model_id, alias) == 0)
		key = "model_id";
	else if (other < i && m->alias && value_of(k, other, "alias") &&
		 strcmp(m->alias, alias) == 0)
		key = "alias";
	if (key)
		name_place(k, other, key, value_of(k, other, key), place,
			   place_bytes);
	return key;
}

static void
check_aliases(const struct check *k)
{
	for (size_t i = 0; i < k->c->n_models; i++) {
		const struct ag_model_config *m = &k->c->models[i];
		const struct gw_yaml_node *at = value_of(k, i, "alias");
		const char *key = at ? "alias" : "model_id";
		char place[256];

		if (m->alias && strchr(m->alias, ',')) {
			at = value_of(k, i, key);
			gw_yaml_error(k->doc, at,
				      "models[%zu].%s: `%s` holds a comma, "
				      "where llama-server splits its --alias%s",
				      k->place[i].index, key,
				      gw_yaml_show(at, m->alias),
				      *key == 'm' ? "; set `alias`" : "");
			continue;
		}
		for (size_t o = 0; at && m->alias && o < k->c->n_models; o++) {
			if (o == i ||
			    !is_name_of(k, i, o, place, sizeof(place)))
				continue;
			gw_yaml_error(k->doc, at,
				      "models[%zu].alias: `%s` is already %s",
				      k->place[i].index,
				      gw_yaml_show(at, m->alias), place);
			break;
		}
	}
}

static void
check_groups(const struct check *k)
{
	for (size_t i = 0; i < k->c->n_models; i++) {
		const struct ag_model_config *m = &k->c->models[i];

		if (m->group && !m->memory_mib)
			gw_yaml_error(k->doc, value_of(k, i, "group"),
				      "models[%zu].group: needs `memory_mib`, "
				      "or nobody knows what fits onto a device "
				      "together",
				      k->place[i].index);
	}
}

static bool
is_configured(const struct gw_keys *devices, const char *name)
{
	struct ag_device wanted, device;
	struct gw_err err;

	if (ag_device_check_name(name, &wanted, &err) < 0)
		return true; /* reported already */
	for (size_t i = 0; i < devices->n; i++)
		if (ag_device_check_name(devices->key[i], &device, &err) == 0 &&
		    strcmp(device.id, wanted.id) == 0)
			return true;
	return false;
}

static void
check_devices(const struct check *k)
{
	/* auto: what there is will be known when the agent runs. */
	for (size_t i = 0; k->c->devices.n && i < k->c->n_models; i++) {
		const struct gw_keys *names = &k->c->models[i].devices;
		const struct gw_yaml_node *list = value_of(k, i, "devices");

		for (size_t n = 0; n < names->n; n++) {
			const struct gw_yaml_node *at =
				list && n < list->n ? list->child[n].value
						    : list;

			if (is_configured(&k->c->devices, names->key[n]))
				continue;
			gw_yaml_error(k->doc, at,
				      "models[%zu].devices[%zu]: `%s` is not "
				      "among the configured `devices`",
				      k->place[i].index, n,
				      gw_yaml_show(at, names->key[n]));
		}
	}
}

/* An option of server_args that a key of the model sets as well. */
static void
check_args(const struct check *k)
{
	static const struct {
		const char *key, *option;
	} flags[AG_FLAG__MAX] = {
#define FLAG(name, option) {#name, option},
#include "agent/config/flags.def"
#undef FLAG
	};

	for (size_t i = 0; i < k->c->n_models; i++) {
		const struct gw_yaml_node *args = value_of(k, i, "server_args");
		char name[AG_ARG_NAME_MAX + 1];

		for (size_t n = 0; args && n < args->n; n++) {
			const struct gw_yaml_node *key = args->child[n].key;
			size_t f = 0;

			if (!key)
				break; /* a list, reported already */
			ag_arg_canonical(key, name);
			while (f < AG_FLAG__MAX &&
			       strcmp(flags[f].option + 2, name) != 0)
				f++;
			if (f == AG_FLAG__MAX || !value_of(k, i, flags[f].key))
				continue;
			gw_yaml_error(
				k->doc, key,
				"models[%zu].server_args.%s: the key `%s` "
				"sets this already",
				k->place[i].index, key->text, flags[f].key);
		}
	}
}

static void
check_ports(const struct check *k)
{
	uint32_t last = k->c->port_base + (uint32_t)k->c->n_models;
	const struct gw_yaml_node *at =
		gw_yaml_value(k->doc->root, "llama_server_port_base");

	if (gw_yaml_is_null(at))
		at = gw_yaml_value(k->doc->root, "listen_port");
	if (k->c->port_base && k->c->listen_port >= k->c->port_base &&
	    k->c->listen_port <= last)
		gw_yaml_error(k->doc, at,
			      "llama_server_port_base: the agent listens on "
			      "%u, which is among the ports %u to %u of its "
			      "llama-servers",
			      k->c->listen_port, k->c->port_base, last);
}

static void
warn_open(const struct check *k)
{
	const struct gw_yaml_node *at =
		gw_yaml_value(k->doc->root, "listen_host");

	if (!k->c->listen_host || gw_host_is_loopback(k->c->listen_host) ||
	    k->c->api_keys.n)
		return;
	gw_yaml_warning(k->doc, at,
			"listen_host: `%s` is not a loopback address and "
			"auth.api_keys is empty: everybody who reaches this "
			"host may use the models",
			gw_yaml_show(at, k->c->listen_host));
}

/* Nothing here logs prompts; a talkative llama-server does. */
static void
warn_talkative(const struct check *k)
{
	static const char *const talkative[] = {"verbose", "log-verbose",
						"verbose-prompt", "verbosity",
						"log-verbosity"};

	for (size_t i = 0; i < k->c->n_models; i++) {
		const struct gw_yaml_node *args = value_of(k, i, "server_args");

		if (!args || args->kind != GW_YAML_MAP)
			continue;
		for (size_t a = 0; a < args->n; a++) {
			const struct gw_yaml_node *key = args->child[a].key;
			char name[AG_ARG_NAME_MAX + 1];

			ag_arg_canonical(key, name);
			for (size_t t = 0; t < GW_ARRAY_LEN(talkative); t++)
				if (strcmp(name, talkative[t]) == 0)
					gw_yaml_warning(
						k->doc, key,
						"models[%zu].server_args.%.64s:"
						" llama-server may print "
						"prompts then; its last lines "
						"are shown in the inventory, "
						"and logged when it fails",
						k->place[i].index, key->text);
		}
	}
}

void
ag_config_check(const struct ag_config *c, struct gw_yaml *doc)
{
	struct check k = {.c = c, .doc = doc};

	ag_config_places(c, doc, k.place);
	check_ids(&k);
	check_aliases(&k);
	check_groups(&k);
	check_devices(&k);
	check_args(&k);
	check_ports(&k);
	warn_open(&k);
	warn_talkative(&k);
}
