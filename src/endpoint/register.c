/* SPDX-License-Identifier: MIT */
/*
 * register.c - a node tells where it is and what it serves. A second
 * registration replaces the first one atomically.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
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

enum gw_step
gw_answer_register(struct gw_request *r)
{
	struct gw_node_doc *d =
		gw_node_doc_from_wire(r->receive.document, &r->err);
	enum gw_step step;

	if (!d)
		return GW_FINISH;
	step = gw_node_is_configured(r, d->node_id) ? GW_FINISH : store(r, d);
	gw_node_doc_free(d);
	return step;
}
