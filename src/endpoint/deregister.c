/* SPDX-License-Identifier: MIT */
/* deregister.c - a node leaves: it gets no further request from now on. */
#include <string.h>

#include "base/json.h"
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "nodes/node_doc.h"
#include "routing/routing.h"
#include "routing/states.h"
#include "serve/reply.h"

enum gw_step
gw_answer_deregister(struct gw_request *r)
{
	char quoted[GW_QUOTED_NODE_ID];
	struct reg_err err = {0};
	struct json_object *doc;
	const char *id;

	if (gw_node_id_from_wire(r->receive.document, &id, &r->err) < 0 ||
	    gw_node_id_is_refused(r, id) || gw_node_is_configured(r, id))
		return GW_FINISH;
	if (reg_node_remove(gw_routing(r)->reg, id, &err) < 0)
		return gw_registry_failed(r, &err, id);
	gw_log(GW_EV_NODE_DEREGISTERED, r->accept.id, "node=%s",
	       gw_log_quote(quoted, sizeof(quoted), id, strlen(id)));
	gw_states_aliases(gw_routing(r));
	doc = json_object_new_object();
	gw_json_set_str(doc, "status", "ok");
	gw_json_set_str(doc, "node_id", id);
	gw_reply_json(r, 200, doc);
	return GW_FINISH;
}
