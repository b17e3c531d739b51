/* SPDX-License-Identifier: MIT */
/*
 * agent_config.c - the life of the agent's configuration: loaded, printed,
 * freed.
 *
 * The one place that knows the order: read, merge, substitute, check, complete.
 */
#include "agent/config/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/body_limits.h"
#include "reg.h"

/* The name of the host, where node_id is not set. 0, or -1 = no memory. */
static int
name_node(struct ag_config *c, struct gw_yaml *doc)
{
	char name[REG_NODE_ID_MAX + 1] = "";

	if (!gw_yaml_is_null(gw_yaml_value(doc->root, "node_id")))
		return 0;
	if (gethostname(name, sizeof(name)) < 0 || !*name ||
	    !memchr(name, '\0', sizeof(name))) {
		gw_yaml_error(doc, NULL,
			      "node_id: this host has no name to be used; set "
			      "one");
		return 0;
	}
	c->node_id = strdup(name);
	return c->node_id ? 0 : -1;
}

/* Defaults that are other values, not constants. */
static int
complete(struct ag_config *c, struct gw_yaml *doc)
{
	gw_body_limits_settle(doc, doc->root, "", c->max_body_bytes,
			      &c->max_bodies_bytes);
	if (name_node(c, doc) < 0 || ag_config_default_url(c, doc) < 0)
		return -1;
	for (size_t i = 0; i < c->n_models; i++) {
		struct ag_model_config *m = &c->models[i];

		if (m->alias || !m->model_id)
			continue;
		m->alias = strdup(m->model_id);
		if (!m->alias)
			return -1;
	}
	return 0;
}

/* The command line wins over the files. 0, or -1 = no memory. */
static int
listen_at(struct ag_config *c, const char *host, uint32_t port)
{
	char *copy;

	if (port)
		c->listen_port = port;
	if (!host)
		return 0;
	copy = strdup(host);
	if (!copy)
		return -1;
	free(c->listen_host);
	c->listen_host = copy;
	return 0;
}

static void
build(struct ag_config *c, struct gw_yaml *doc, const char *host, uint32_t port)
{
	gw_yaml_substitute(doc);
	gw_schema_apply(&ag_config_schema, doc, c);
	if (doc->no_memory)
		return;
	if (listen_at(c, host, port) < 0 || complete(c, doc) < 0) {
		doc->no_memory = true;
		return;
	}
	ag_config_check(c, doc);
	ag_config_check_gateway(c, doc);
}

struct ag_config *
ag_config_load(const char *const *paths, size_t n, const char *host,
	       uint32_t port, struct gw_diag *diag)
{
	struct ag_config *c = calloc(1, sizeof(*c));
	struct gw_yaml *doc = calloc(1, sizeof(*doc));
	size_t errors = diag->errors;

	if (!c || !doc) {
		free(c);
		free(doc);
		gw_diag_add(diag, false, NULL, 0, 0, "out of memory");
		return NULL;
	}
	c->doc = doc;
	gw_yaml_init(doc, diag);
	gw_yaml_load(doc, paths, n);
	if (doc->root)
		build(c, doc, host, port);
	if (gw_yaml_settle(doc, errors))
		return c;
	ag_config_free(c);
	return NULL;
}

void
ag_config_free(struct ag_config *c)
{
	if (!c)
		return;
	gw_schema_release(&ag_config_schema, c);
	gw_yaml_release(c->doc);
	free(c->doc);
	free(c);
}

int
ag_config_print(const struct ag_config *c, struct gw_buf *out)
{
	return gw_schema_print(&ag_config_schema, c, c->doc->root, out);
}
