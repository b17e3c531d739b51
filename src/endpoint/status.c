/* SPDX-License-Identifier: MIT */
/*
 * status.c - /rolemesh/status: how the gateway is doing, for its operator. Asks
 * no upstream, and nothing of it is a client's. Made and sent in pieces.
 */
#include "status/status.h"

#include <errno.h>

#include "endpoint/table.h"
#include "routing/routing.h"
#include "serve/long_answer.h"
#include "serve/turns.h"
#include "serve/worker.h"

static enum gw_step
go_on(struct gw_request *r, struct gw_status *s)
{
	switch (gw_status_go_on(s, GW_PIECE_US)) {
	case GW_STATUS_MORE:
		return gw_long_answer_again(r);
	case GW_STATUS_DONE:
		return gw_long_answer_send(r, gw_status_text(s));
	case GW_STATUS_FAILED:
		break;
	}
	gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
		   "no memory for the status, or it is over %u bytes",
		   GW_STATUS_TEXT_MAX);
	return GW_FINISH;
}

enum gw_step
gw_answer_status(struct gw_request *r)
{
	struct gw_routed *mine = gw_routed(r);

	if (!mine->status)
		mine->status = gw_status_new(&(struct gw_status_source){
			.routing = gw_routing(r),
			.config = r->config,
			.counters = &r->worker->counters,
			.started_wall_s = r->worker->started_wall_s});
	if (mine->status)
		return go_on(r, mine->status);
	gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
		   "no memory for the status");
	return GW_FINISH;
}
