/* SPDX-License-Identifier: MIT */
/*
 * routes.c - the agent's configuration in the form that the shared stages work
 * with: a model is a proxy whose address is known only once it runs.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "fcgi/fcgi_conn.h"

static int
copy_text(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from ? 0 : -1;
}

static int
copy_keys(const struct gw_keys *from, struct gw_keys *to)
{
	to->key = calloc(from->n ? from->n : 1, sizeof(*to->key));
	if (!to->key)
		return -1;
	for (; to->n < from->n; to->n++)
		if (copy_text(from->key[to->n], &to->key[to->n]) < 0)
			return -1;
	return 0;
}

static int
add_models(const struct ag_config *c, struct gw_config *routes)
{
	routes->models = calloc(c->n_models, sizeof(*routes->models));
	if (!routes->models)
		return -1;
	for (size_t i = 0; i < c->n_models; i++) {
		struct gw_model *m = &routes->models[routes->n_models++];

		m->type = GW_MODEL_PROXY;
		m->timeouts = c->timeouts;
		m->timeouts.client_idle_ms = GW_FCGI_CLIENT_IDLE_MS;
		if (copy_text(c->models[i].model_id, &m->alias) < 0 ||
		    copy_text(c->models[i].alias, &m->openai_model_name) < 0)
			return -1;
	}
	return 0;
}

struct gw_config *
ag_routes_new(const struct ag_config *c)
{
	struct gw_config *r = gw_config_new();

	if (!r)
		return NULL;
	r->gateway.port = c->listen_port;
	r->gateway.workers = 1;
	r->gateway.max_body_bytes = c->max_body_bytes;
	r->gateway.max_bodies_bytes = c->max_bodies_bytes;
	r->gateway.shutdown_grace_ms = c->shutdown_grace_ms;
	r->gateway.sse_keepalive_ms = c->sse_keepalive_ms;
	if (copy_text(c->listen_host, &r->gateway.host) < 0 ||
	    copy_keys(&c->api_keys, &r->auth.client_api_keys) < 0 ||
	    add_models(c, r) < 0)
		goto fail;
	/* With one model there is nothing to choose. */
	if (c->n_models == 1 &&
	    copy_text(c->models[0].model_id, &r->default_model) < 0)
		goto fail;
	if (gw_config_seal(r) == 0)
		return r;
fail:
	gw_config_unref(r);
	return NULL;
}
