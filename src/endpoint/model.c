/* SPDX-License-Identifier: MIT */
/* model.c - one model of /v1/models, by its id or its alias. */
#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "serve/model_in_path.h"
#include "serve/reply.h"

enum gw_step
gw_answer_model(struct gw_request *r)
{
	const struct gw_model *m = gw_model_in_path(r);
	struct gw_usable u;
	enum gw_step step;

	if (!m)
		return GW_FINISH;
	step = gw_await_availability(r, m, GW_ASK_ANY);
	if (step != GW_NEXT)
		return step;
	gw_availability_model(gw_routed(r)->availability, m, &u);
	if (u.usable)
		gw_reply_json(r, 200, gw_usable_object(r, m, &u));
	else
		gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			   "the model '%s' is not usable right now: %s",
			   m->openai_model_name, u.reason);
	return GW_FINISH;
}
