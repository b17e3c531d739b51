/* SPDX-License-Identifier: MIT */
/* answer.c - endpoints that this process answers itself; see src/endpoint/. */
#include "serve/worker.h"
#include "stage/stage.h"

enum gw_step
gw_stage_answer(struct gw_request *r)
{
	enum gw_step step;

	r->phase = GW_PHASE_ANSWER;
	step = r->accept.endpoint->answer(r);
	return step == GW_NEXT ? GW_FINISH : step;
}
