/* SPDX-License-Identifier: MIT */
/*
 * heartbeat.c - a node's sign of life, with the metrics it likes to show. A
 * node that is not registered is told so, so that it registers again.
 */
#include "base/clock.h"
#include "base/json.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "nodes/node_doc.h"
#include "routing/routing.h"
#include "routing/states.h"
#include "serve/reply.h"

/* Being alive counts more than metrics there is no room for. */
static int
touch(struct reg *reg, const char *id, const struct gw_buf *metrics,
      struct reg_err *err)
{
	uint64_t now_ms = gw_mono_ms();

	if (reg_node_touch(reg, id, metrics->data, metrics->len, now_ms, err) ==
	    0)
		return 0;
	if (err->code != REG_FULL || metrics->len == 0)
		return -1;
	return reg_node_touch(reg, id, NULL, 0, now_ms, err);
}

enum gw_step
gw_answer_heartbeat(struct gw_request *r)
{
	gw_auto_buf struct gw_buf metrics = GW_BUF_INIT(GW_NODE_METRICS_MAX);
	struct reg_err err = {0};
	struct json_object *doc;
	const char *id;

	if (gw_node_id_from_wire(r->receive.document, &id, &r->err) < 0 ||
	    gw_node_id_is_refused(r, id) ||
	    gw_node_metrics_from_wire(r->receive.document, &metrics, &r->err) <
		    0)
		return GW_FINISH;
	if (gw_node_is_configured(r, id))
		return GW_FINISH;
	/* It may be back before anybody saw that it was gone. */
	gw_states_node(gw_routing(r), id);
	if (touch(gw_routing(r)->reg, id, &metrics, &err) < 0)
		return gw_registry_failed(r, &err, id);
	gw_states_node(gw_routing(r), id);
	doc = json_object_new_object();
	gw_json_set_str(doc, "status", "ok");
	gw_json_set_str(doc, "node_id", id);
	gw_node_say_drained(r, id, doc);
	gw_reply_json(r, 200, doc);
	return GW_FINISH;
}
