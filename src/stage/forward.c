/* SPDX-License-Identifier: MIT */
/*
 * forward.c - send the request upstream and wait for the answer's head.
 * Nothing has reached the client yet, except perhaps an early 200 with SSE
 * comments; so a node that cannot be connected is left for another one.
 */
#include "serve/deadline.h"
#include "serve/relay.h"
#include "serve/worker.h"
#include "stage/stage.h"
#include "upstream/transfer.h"

/*
 * An answer that is not for the client: its own key is not at fault where ours
 * was refused; and a node that is loading its model, or too busy to answer, is
 * passed over while there is another one.
 */
static enum gw_transfer_result
judge(const struct gw_request *r)
{
	const struct gw_pipeline *p = r->worker->pipeline;
	int status = r->relay.status;

	if ((status == 401 || status == 403) && r->target.api_key)
		return GW_TRANSFER_KEY_REFUSED;
	if (status == 503 && r->resolve.model->type == GW_MODEL_DISCOVERED &&
	    gw_relay_may_move(r) && p->has_another && p->has_another(r))
		return GW_TRANSFER_UNAVAILABLE;
	return GW_TRANSFER_OK;
}

static bool
may_repick(const struct gw_request *r)
{
	/* Of our own making, but the request may have arrived all the same. */
	if (r->relay.failure == GW_TRANSFER_INTERNAL && r->relay.connected_ms)
		return false;
	/* What a llama-server got and died of must not kill the next one. */
	return (r->resolve.model->type == GW_MODEL_DISCOVERED ||
		(r->worker->pipeline->picks_again && !r->relay.connected_ms)) &&
	       gw_relay_may_move(r) &&
	       gw_transfer_may_repick(
		       (enum gw_transfer_result)r->relay.failure);
}

static enum gw_step
try_another(struct gw_request *r)
{
	char model[300], node[160];

	gw_log_limited(
		&r->worker->upstream_log, GW_EV_UPSTREAM_RETRY, r->accept.id,
		"model=%s node=%s reason=\"%s\"",
		gw_log_word(model, sizeof(model), r->resolve.model->alias),
		gw_log_word(node, sizeof(node), r->target.node_id),
		gw_transfer_reason((enum gw_transfer_result)r->relay.failure));
	gw_counters_count(&r->worker->counters, GW_COUNT_REPICKS, 1);
	if (r->relay.failure == GW_TRANSFER_UNAVAILABLE)
		r->forward.unavailable = true;
	r->forward.moves++;
	gw_target_clear(r);
	gw_relay_reset(r);
	return GW_REPICK;
}

enum gw_step
gw_stage_forward(struct gw_request *r)
{
	enum gw_transfer_result result;

	if (r->err.code)
		return GW_FINISH;
	if (r->deadline.hit) {
		gw_limit_error(r, r->deadline.hit);
		return GW_FINISH;
	}
	if (r->relay.head) {
		result = judge(r);
		if (result == GW_TRANSFER_OK)
			return GW_NEXT;
		gw_relay_leave(r, result);
		return GW_WAIT;
	}
	if (r->relay.done) {
		if (may_repick(r))
			return try_another(r);
		gw_relay_failure(r);
		return GW_FINISH;
	}
	if (r->relay.transfer || gw_relay_start(r) == 0)
		return GW_WAIT;
	if (!may_repick(r))
		return GW_FINISH;
	r->err = (struct gw_err){0};
	return try_another(r);
}
