/* SPDX-License-Identifier: MIT */
/*
 * register.c - a node tells where it is and what it serves. A second
 * registration replaces the first one atomically.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "config/clients.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "nodes/node_doc.h"
#include "probe/probe.h"
#include "routing/ejection.h"
#include "routing/routing.h"
#include "routing/states.h"
#include "serve/reply.h"

#define HEARTBEATS_PER_STALE 3 /* two may be lost */
#define HEARTBEAT_MIN_MS 100

static void
log_registration(const struct gw_request *r, const struct gw_node_doc *d,
		 const char *evicted)
{
	char id[GW_QUOTED_NODE_ID], url[512];

	gw_log(GW_EV_NODE_REGISTERED, r->accept.id,
	       "node=%s base_url=%s models=%zu",
	       gw_log_quote(id, sizeof(id), d->node_id, strlen(d->node_id)),
	       gw_log_quote(url, sizeof(url), d->base_url, strlen(d->base_url)),
	       d->n_models);
	if (evicted[0])
		gw_log(GW_EV_NODE_EVICTED, r->accept.id, "node=%s",
		       gw_log_quote(id, sizeof(id), evicted, strlen(evicted)));
}

static void
reply(struct gw_request *r, const struct gw_node_doc *d)
{
	uint32_t stale_ms = gw_node_view_stale_after_ms(gw_routing(r)->nodes);
	uint32_t interval_ms = stale_ms / HEARTBEATS_PER_STALE;
	struct json_object *doc = json_object_new_object();

	if (interval_ms < HEARTBEAT_MIN_MS)
		interval_ms = HEARTBEAT_MIN_MS;
	gw_json_set_str(doc, "status", "ok");
	gw_json_set_str(doc, "node_id", d->node_id);
	json_object_object_add(doc, "stale_after_s", gw_json_seconds(stale_ms));
	json_object_object_add(doc, "heartbeat_interval_s",
			       gw_json_seconds(interval_ms));
	gw_node_say_drained(r, d->node_id, doc);
	gw_reply_json(r, 200, doc);
}

static enum gw_step
store(struct gw_request *r, const struct gw_node_doc *d)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(REG_PAYLOAD_MAX);
	char evicted[REG_NODE_ID_MAX + 1] = "";
	struct gw_routing *routing = gw_routing(r);
	struct reg_err err = {0};
	uint64_t key[2];

	if (gw_json_text(d->json, &text) < 0) {
		gw_err_set(&r->err, GW_ERR_REQUEST_TOO_LARGE, 0,
			   "the registration has more than %u bytes",
			   REG_PAYLOAD_MAX);
		return GW_FINISH;
	}
	gw_states_node(routing, d->node_id);
	if (reg_node_put(routing->reg, d->node_id, text.data, text.len,
			 gw_mono_ms(),
			 gw_node_view_stale_after_ms(routing->nodes), evicted,
			 &err) < 0)
		return gw_registry_failed(r, &err, d->node_id);
	/* It may just have come up: what was found before is no longer news. */
	gw_probe_key(d->base_url, r->config->auth.upstream_node_key, key);
	reg_probe_forget(routing->reg, key);
	for (size_t i = 0; i < d->n_models; i++)
		gw_ejection_came_anew(routing, d->base_url,
				      d->models[i].model_json);
	log_registration(r, d, evicted);
	gw_states_node(routing, d->node_id);
	gw_states_aliases(routing);
	reply(r, d);
	return GW_FINISH;
}

/* Does the key not open this role? @m: whose, by its place. */
static bool
role_is_refused(struct gw_request *r, size_t m, const char *role)
{
	char quoted[4 * GW_NODE_NAME_MAX + 3], param[64];
	struct json_object *served;

	if (gw_node_key_may_role(r->authenticate.node, role))
		return false;
	gw_err_set(&r->err, GW_ERR_NODE_NOT_ALLOWED, 0,
		   "this key may not register the role %s: its entry of "
		   "auth.nodes lists other roles",
		   gw_log_quote(quoted, sizeof(quoted), role, strlen(role)));
	/* As the node wrote it: the older list holds roles alone. */
	snprintf(param, sizeof(param),
		 json_object_object_get_ex(r->receive.document, "served_models",
					   &served) &&
				 served
			 ? "served_models.%zu.roles"
			 : "roles.%zu",
		 m);
	gw_err_param(&r->err, param);
	return true;
}

static bool
address_is_refused(struct gw_request *r, const char *base_url)
{
	char quoted[512];

	if (gw_node_key_may_address(r->authenticate.node, base_url))
		return false;
	gw_err_set(&r->err, GW_ERR_NODE_NOT_ALLOWED, 0,
		   "this key may not register the address %s: its entry of "
		   "auth.nodes lists base_url_cidrs, and a base_url must hold "
		   "a literal address of one of these",
		   gw_log_quote(quoted, sizeof(quoted), base_url,
				strlen(base_url)));
	gw_err_param(&r->err, "base_url");
	return true;
}

/* Does the key not open that much? */
static bool
is_refused(struct gw_request *r, const struct gw_node_doc *d)
{
	if (gw_node_id_is_refused(r, d->node_id) ||
	    address_is_refused(r, d->base_url))
		return true;
	for (size_t i = 0; i < d->n_models; i++)
		for (size_t k = 0; k < d->models[i].n_roles; k++)
			if (role_is_refused(r, i, d->models[i].roles[k]))
				return true;
	return gw_node_is_configured(r, d->node_id);
}

enum gw_step
gw_answer_register(struct gw_request *r)
{
	struct gw_node_doc *d =
		gw_node_doc_from_wire(r->receive.document, &r->err);
	enum gw_step step;

	if (!d)
		return GW_FINISH;
	step = is_refused(r, d) ? GW_FINISH : store(r, d);
	gw_node_doc_free(d);
	return step;
}
