/* SPDX-License-Identifier: MIT */
/* pick_error.c - see pick_error.h; chooses nothing. */
#include "stage/pick_error.h"

#include "base/clock.h"
#include "routing/routing.h"
#include "stage/attempt.h"
#include "stage/failover.h"
#include "stage/queue.h"

static int
none_fresh(struct gw_request *r, const struct gw_model *m)
{
	struct gw_node_view *nodes = gw_routing(r)->nodes;
	const char *more =
		m->n_fallbacks ? "; nor has its fallback list anybody" : "";
	struct gw_role_count count;

	gw_node_view_count(nodes, m->role, gw_mono_ms(), &count);
	if (count.candidates)
		return gw_err_set(
			&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			"the fresh nodes that serve the role '%s' of model "
			"'%s' are drained: an operator took them out of "
			"service%s",
			m->role, m->alias, more);
	if (count.fresh)
		return gw_err_set(
			&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			"the model of role '%s' is reported as failed "
			"by all %zu fresh nodes that serve it%s",
			m->role, count.fresh, more);
	if (count.nodes)
		return gw_err_set(
			&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			"all %zu nodes that serve the role '%s' of model '%s' "
			"are stale: none gave a sign of life for %.10g s%s",
			count.nodes, m->role, m->alias,
			gw_node_view_stale_after_ms(nodes) / 1000.0, more);
	return gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			  "no node serves the role '%s' of model '%s'; nodes "
			  "register at /v1/nodes/register%s",
			  m->role, m->alias, more);
}

int
gw_pick_error(struct gw_request *r)
{
	const struct gw_model *m = gw_failover_named(r);

	if (r->forward.attempts)
		return gw_attempt_none_left(r);
	if (gw_queue_refused_by(r))
		return gw_queue_error(r);
	/* Of a fallback list the first alias is the one that people know. */
	if (m->type == GW_MODEL_DISCOVERED)
		return none_fresh(r, m);
	return gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			  "the upstream of model '%s' cannot be asked now",
			  m->alias);
}
