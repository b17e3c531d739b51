/* SPDX-License-Identifier: MIT */
/* model.c - one model of /v1/models, by its id or its alias. */
#include <string.h>

#include "endpoint/shared.h"
#include "endpoint/table.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "serve/reply.h"
#include "serve/unknown_model.h"

enum gw_step
gw_answer_model(struct gw_request *r)
{
	size_t skip = strlen(r->accept.endpoint->path);
	const char *id = r->accept.path + skip;
	const struct gw_model *m =
		gw_config_model(r->config, id, r->accept.path_len - skip);
	struct gw_usable u;
	enum gw_step step;

	if (!m) {
		gw_unknown_model(r->config, id, r->accept.path_len - skip,
				 &r->err);
		return GW_FINISH;
	}
	step = gw_await_availability(r, m);
	if (step != GW_NEXT)
		return step;
	gw_availability_model(gw_routed(r)->availability, m, &u);
	if (u.usable)
		gw_reply_json(r, 200, gw_model_object(r, m));
	else
		gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			   "the model '%s' is not usable right now: %s",
			   m->openai_model_name, u.reason);
	return GW_FINISH;
}
