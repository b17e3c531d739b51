/* SPDX-License-Identifier: MIT */
/*
 * ready.c - can a request without a `model` be served right now? Without a
 * default model: can any? Probes nothing that does not decide the answer.
 */
#include <string.h>

#include "base/json.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "serve/reply.h"
#include "serve/shown.h"

/* Does a key open some of the models only? Then this address, which needs none,
 * names no model to whoever shows no key for it. */
static bool
has_limited_clients(const struct gw_config *c)
{
	for (size_t i = 0; i < c->auth.n_clients; i++)
		if (!c->auth.clients[i].all_models)
			return true;
	return false;
}

static bool
is_told(const struct gw_request *r, const struct gw_model *m)
{
	return gw_shown_model(r, m) || !has_limited_clients(r->config);
}

static enum gw_step
ready(struct gw_request *r, const struct gw_model *m, const struct gw_usable *u)
{
	struct json_object *doc = json_object_new_object();

	gw_json_set_str(doc, "status", "ready");
	if (is_told(r, m))
		gw_json_set_str(doc, "model", m->alias);
	if (u->via && is_told(r, gw_config_model(r->config, u->via,
						 strlen(u->via))))
		gw_json_set_str(doc, "via", u->via);
	gw_json_set_age(doc, u->age_ms);
	gw_reply_json(r, 200, doc);
	return GW_FINISH;
}

/* A bad word that may be out of date says so. */
static const char *
age_of(const struct gw_usable *u, char age[64])
{
	age[0] = '\0';
	if (u->age_ms)
		snprintf(age, 64, " (as of %.10g s ago)",
			 (double)u->age_ms / 1000.0);
	return age;
}

static enum gw_step
check_default(struct gw_request *r, const struct gw_model *m)
{
	struct gw_usable u;
	char age[64];

	gw_availability_model(gw_routed(r)->availability, m, &u);
	if (u.usable)
		return ready(r, m, &u);
	if (is_told(r, m))
		gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			   "not ready: the default model '%s' is not usable: "
			   "%s%s",
			   m->alias, u.reason, age_of(&u, age));
	else
		gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			   "not ready: the default model is not usable");
	return GW_FINISH;
}

static enum gw_step
check_any(struct gw_request *r)
{
	struct gw_usable u, first = {0};
	char age[64];

	for (size_t i = 0; i < r->config->n_models; i++) {
		gw_availability_model(gw_routed(r)->availability,
				      &r->config->models[i], &u);
		if (u.usable)
			return ready(r, &r->config->models[i], &u);
		if (i == 0)
			first = u;
	}
	if (r->config->n_models == 0)
		gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			   "not ready: no models are configured");
	else if (!gw_shown_all(r) && has_limited_clients(r->config))
		gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			   "not ready: no model is usable");
	else
		gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			   "not ready: none of the %zu models is usable; "
			   "'%s': %s%s",
			   r->config->n_models, r->config->models[0].alias,
			   first.reason, age_of(&first, age));
	return GW_FINISH;
}

enum gw_step
gw_answer_ready(struct gw_request *r)
{
	const char *alias = r->config->default_model;
	const struct gw_model *m =
		alias ? gw_config_model(r->config, alias, strlen(alias)) : NULL;
	enum gw_step step = gw_await_availability(r, m, GW_ASK_ANY);

	if (step != GW_NEXT)
		return step;
	return m ? check_default(r, m) : check_any(r);
}
