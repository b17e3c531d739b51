/* SPDX-License-Identifier: MIT */
/* stages.c - the path of a request through the gateway, as a list. */
#include "stage/failover.h"
#include "stage/stage.h"

#include "responder/stages.h"
#include "endpoint/events.h"
#include "endpoint/model_order.h"
#include "endpoint/models.h"
#include "endpoint/requests.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "routing/states.h"
#include "status/status.h"

/* The place of the stage that REPICK goes to; a stage in front of it moves it. */
enum {
	PICK_NODE = 10
};

static const struct gw_stage stages[] = {
	{"accept", gw_stage_accept, GW_STAGE_ALWAYS},
	{"check_origin", gw_stage_check_origin, GW_STAGE_ALWAYS},
	{"authenticate", gw_stage_authenticate,
	 GW_EP_CLIENT_KEY | GW_EP_NODE_KEY | GW_EP_KEY_TELLS},
	{"check_operator", gw_stage_check_operator, GW_EP_OPERATOR},
	{"admit", gw_stage_admit, GW_STAGE_ALWAYS},
	{"limit_client", gw_stage_limit_client, GW_EP_RELAY},
	{"receive", gw_stage_receive,
	 GW_EP_DOCUMENT | GW_EP_RELAY | GW_EP_BODY},
	{"answer", gw_stage_answer, GW_EP_ANSWER},
	{"resolve_role", gw_stage_resolve_role, GW_EP_RELAY},
	{"authorize", gw_stage_authorize, GW_EP_RELAY},
	[PICK_NODE] = {"pick_node", gw_stage_pick_node, GW_EP_RELAY},
	{"forward", gw_stage_forward, GW_EP_RELAY},
	{"stream", gw_stage_stream, GW_EP_RELAY},
	{"account", gw_stage_account, GW_STAGE_ALWAYS},
};

/* Requests tell sooner than probes that an upstream is not there. */
static void
doubt(const struct gw_request *r)
{
	enum gw_transfer_result failure =
		(enum gw_transfer_result)r->relay.failure;
	struct gw_probe_target target = gw_failover_target(r);

	if (!target.base_url || r->relay.status || r->progress.client_gone ||
	    (failure != GW_TRANSFER_CONNECT_TIMEOUT &&
	     gw_transfer_code(failure) != GW_ERR_UPSTREAM_UNREACHABLE))
		return;
	gw_states_doubt(gw_routing(r), &target);
}

static void
release(struct gw_request *r)
{
	doubt(r);
	gw_pick_release(r);
	gw_availability_free(gw_routed(r)->availability);
	gw_routed(r)->availability = NULL;
	gw_listing_free(gw_routed(r)->listing);
	gw_routed(r)->listing = NULL;
	gw_recorded_free(gw_routed(r)->recorded);
	gw_routed(r)->recorded = NULL;
	gw_status_free(gw_routed(r)->status);
	gw_routed(r)->status = NULL;
	gw_viewer_free(gw_routed(r)->viewer);
	gw_routed(r)->viewer = NULL;
	gw_model_order_free(gw_routed(r)->order);
	gw_routed(r)->order = NULL;
}

const struct gw_pipeline gw_pipeline = {
	.stages = stages,
	.n = GW_ARRAY_LEN(stages),
	.pick = PICK_NODE,
	.own_bytes = sizeof(struct gw_routed),
	.on_body = gw_receive_body,
	.on_body_end = gw_receive_end,
	.may_leave = gw_failover_may_leave,
	.failover = &gw_failover,
	.release = release,
	.record = gw_record_request,
	.ended = gw_limit_client_release,
};
