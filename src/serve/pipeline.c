/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - the loop that walks a program's list of stages; decides nothing
 * about requests itself.
 */
#include "serve/pipeline.h"

#include "serve/reply.h"
#include "serve/worker.h"
#include "upstream/transfer.h"

/* A request that failed before its head was sent is answered here, once. */
static void
finish(struct gw_request *r)
{
	const struct gw_pipeline *p = r->worker->pipeline;

	if (r->relay.transfer) /* nobody looks at it any more */
		gw_transfer_cancel(r->relay.transfer);
	if (r->err.code && !r->progress.client_gone)
		gw_reply_failure(r);
	p->stages[p->n - 1].run(r);
	gw_request_free(r);
}

static bool
wanted(const struct gw_request *r, const struct gw_stage *s)
{
	return s->wants == GW_STAGE_ALWAYS ||
	       (r->accept.endpoint && (r->accept.endpoint->flags & s->wants));
}

/* Returns true while there is a next stage to run. */
static bool
advance(struct gw_request *r, enum gw_step step)
{
	switch (step) {
	case GW_NEXT:
		r->progress.stage++;
		return true;
	case GW_REPICK:
		r->progress.stage = (unsigned)r->worker->pipeline->pick;
		return true;
	case GW_AGAIN:
		r->progress.stage = (unsigned)r->worker->pipeline->pick + 1;
		return true;
	case GW_WAIT:
		return r->progress.again || r->progress.client_gone;
	case GW_FINISH:
		break;
	}
	r->progress.stage = (unsigned)r->worker->pipeline->n - 1;
	return true;
}

void
gw_pipeline_resume(struct gw_request *r)
{
	const struct gw_pipeline *p = r->worker->pipeline;

	if (r->progress.running) {
		r->progress.again = true;
		return;
	}
	r->progress.running = true;
	while (!r->progress.client_gone && r->progress.stage < p->n - 1) {
		const struct gw_stage *s = &p->stages[r->progress.stage];
		enum gw_step step = GW_NEXT;

		r->progress.again = false;
		if (wanted(r, s))
			step = s->run(r);
		if (!advance(r, step))
			break;
	}
	r->progress.running = false;
	if (r->progress.client_gone || r->progress.stage >= p->n - 1)
		finish(r);
}

void
gw_pipeline_end(struct gw_request *r)
{
	r->progress.stage = (unsigned)r->worker->pipeline->n - 1;
	finish(r);
}

void
gw_pipeline_client_gone(struct gw_request *r)
{
	r->progress.client_gone = true;
	r->conn = NULL;
	if (r->progress.running)
		return;
	finish(r);
}

void
gw_pipeline_client_stalled(struct gw_request *r)
{
	const struct gw_model *m = r->resolve.model;
	uint32_t ms = m ? m->timeouts.client_idle_ms : GW_FCGI_CLIENT_IDLE_MS;

	if (!r->err.code)
		gw_err_set(&r->err, GW_ERR_CLIENT_GONE, 0,
			   "the client took nothing for "
			   "timeouts.client_idle_s = %.10g s",
			   ms / 1000.0);
	gw_pipeline_client_gone(r);
}
