/* SPDX-License-Identifier: MIT */
/*
 * pick_node.c - which upstream gets the request: the configured one, or one of
 * the fresh nodes by the alias's policy. Also decides what `model` it is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "routing/choice.h"
#include "routing/routing.h"
#include "stage/policy.h"
#include "stage/stage.h"
#include "upstream/transfer.h"

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
}

static int
proxy_model_json(struct gw_request *r)
{
	const char *configured = r->resolve.model->default_model_json;

	if (!configured)
		return gw_default_model_json(r);
	r->target.model_json = strdup(configured);
	return r->target.model_json ? 0 : no_memory(r);
}

static int
pick_proxy(struct gw_request *r)
{
	r->target.base_url = r->resolve.model->base_url;
	r->target.api_key = r->resolve.model->api_key;
	return proxy_model_json(r);
}

static bool
was_tried(const struct gw_picked *p, struct reg_node_ref ref)
{
	for (unsigned i = 0; i < p->n_tried; i++)
		if (p->tried[i].slot == ref.slot &&
		    p->tried[i].generation == ref.generation)
			return true;
	return false;
}

static int
take_candidate(struct gw_request *r, const struct gw_candidate *c)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	struct gw_target *t = &r->target;

	p->node = c->node->reg.ref;
	p->chosen = true;
	t->node_id = strdup(c->node->doc->node_id);
	t->owned_url = strdup(c->node->doc->base_url);
	t->model_json = strdup(c->model->model_json);
	if (!t->node_id || !t->owned_url || !t->model_json)
		return no_memory(r);
	t->base_url = t->owned_url;
	t->api_key = r->config->auth.upstream_node_key;
	p->lease = reg_lease_take(gw_routing(r)->reg, p->node);
	p->leased = true;
	return 0;
}

void
gw_pick_release(struct gw_request *r)
{
	struct gw_picked *p = &gw_routed(r)->pick;

	if (p->leased)
		reg_lease_drop(gw_routing(r)->reg, p->lease);
	p->leased = false;
}

void
gw_pick_move(struct gw_request *r, const struct reg *from, struct reg *to)
{
	struct gw_picked *p = &gw_routed(r)->pick;

	for (unsigned i = 0; i < p->n_tried; i++)
		p->tried[i] = reg_move_ref(from, to, p->tried[i]);
	if (p->chosen)
		p->node = reg_move_ref(from, to, p->node);
	/* The old lease ends with the old segment. */
	if (p->leased)
		p->lease = reg_lease_take(to, p->node);
}

/* It is left for another one. */
static void
note_tried(struct gw_picked *p)
{
	if (p->chosen && p->n_tried < GW_PICK_ATTEMPTS)
		p->tried[p->n_tried++] = p->node;
	p->chosen = false;
}

static int
none_fresh(struct gw_request *r)
{
	struct gw_role_count count;

	gw_node_view_count(gw_routing(r)->nodes, r->resolve.model->role,
			   gw_mono_ms(), &count);
	if (count.fresh)
		return gw_err_set(
			&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			"the model of role '%s' is reported as failed "
			"by all %zu fresh nodes that serve it",
			r->resolve.model->role, count.fresh);
	if (count.nodes)
		return gw_err_set(
			&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			"all %zu nodes that serve the role '%s' of "
			"model '%s' are stale: none gave a sign of "
			"life for %.10g s",
			count.nodes, r->resolve.model->role,
			r->resolve.model->alias,
			gw_node_view_stale_after_ms(gw_routing(r)->nodes) /
				1000.0);
	return gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			  "no node serves the role '%s' of model '%s'; nodes "
			  "register at /v1/nodes/register",
			  r->resolve.model->role, r->resolve.model->alias);
}

static int
none_left(struct gw_request *r)
{
	if (r->forward.moves == 0)
		return none_fresh(r);
	if (r->forward.unavailable)
		return gw_err_set(
			&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			"none of the %u fresh nodes tried for model '%s' takes "
			"the request now: the last: %s; one before answered "
			"503, it may be loading its model",
			r->forward.moves, r->resolve.model->alias,
			gw_transfer_reason(
				(enum gw_transfer_result)r->relay.failure));
	if (r->relay.failure == GW_TRANSFER_KEY_REFUSED)
		return gw_err_set(
			&r->err, GW_ERR_UPSTREAM_AUTH_FAILED, 0,
			"no node of model '%s' takes the gateway's own key, "
			"auth.upstream_node_key: %u tried",
			r->resolve.model->alias, r->forward.moves);
	if (r->relay.failure == GW_TRANSFER_INTERNAL)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, 0,
				  "the request could not be made to any of the "
				  "%u fresh nodes tried for model '%s': %.200s",
				  r->forward.moves, r->resolve.model->alias,
				  r->relay.reason);
	return gw_err_set(
		&r->err, GW_ERR_UPSTREAM_UNREACHABLE, 0,
		"none of the %u fresh nodes tried for model '%s' could be "
		"connected: %s",
		r->forward.moves, r->resolve.model->alias,
		gw_transfer_reason((enum gw_transfer_result)r->relay.failure));
}

/* Those of @n candidates that were not tried yet, as choices; freed by the
 * caller. NULL: no memory, or *left is 0. */
static struct gw_choice *
untried(const struct gw_picked *p, const struct gw_candidate *all, size_t n,
	size_t *left)
{
	struct gw_choice *c = n ? calloc(n, sizeof(*c)) : NULL;

	*left = 0;
	for (size_t i = 0; i < n; i++) {
		if (was_tried(p, all[i].node->reg.ref))
			continue;
		if (c)
			c[*left] = (struct gw_choice){
				.node = all[i].node,
				.model = all[i].model,
				.ref = {.index = REG_CANDIDATES_MAX},
				.state = GW_STATE_READY,
				.weight = 1,
			};
		(*left)++;
	}
	return c;
}

static int
pick_discovered(struct gw_request *r)
{
	const struct gw_policy *policy =
		gw_policies[r->resolve.model->strategy];
	struct gw_picked *p = &gw_routed(r)->pick;
	const struct gw_candidate *all;
	size_t n =
		gw_node_view_fresh(gw_routing(r)->nodes, r->resolve.model->role,
				   gw_mono_ms(), &all);
	gw_auto_free struct gw_choice *c = NULL;
	struct gw_candidate chosen;
	size_t left, at;

	note_tried(p);
	c = untried(p, all, n, &left);
	if (left == 0)
		return none_left(r);
	if (!c)
		return no_memory(r);
	/* First attempts are what the policy counts: one that was left for
	 * another node takes nobody's turn, and falls on any of the others. */
	if (p->n_tried)
		policy = &gw_policy_random;
	at = policy->choose(r, c, left);
	chosen =
		(struct gw_candidate){.node = c[at].node, .model = c[at].model};
	return take_candidate(r, &chosen);
}

bool
gw_pick_has_another(const struct gw_request *r)
{
	const struct gw_candidate *all;
	const struct gw_picked *p = &gw_routed(r)->pick;
	struct reg_node_ref ref;
	size_t n;

	if (r->resolve.model->type != GW_MODEL_DISCOVERED)
		return false;
	n = gw_node_view_fresh(gw_routing(r)->nodes, r->resolve.model->role,
			       gw_mono_ms(), &all);
	for (size_t i = 0; i < n; i++) {
		ref = all[i].node->reg.ref;
		if (!was_tried(p, ref) &&
		    (ref.slot != p->node.slot ||
		     ref.generation != p->node.generation))
			return true;
	}
	return false;
}

enum gw_step
gw_stage_pick_node(struct gw_request *r)
{
	int rc = r->resolve.model->type == GW_MODEL_PROXY ? pick_proxy(r)
							  : pick_discovered(r);

	if (rc < 0 || gw_body_edit(r->receive.body, r->target.model_json,
				   r->resolve.model, &r->err) < 0)
		return GW_FINISH;
	return GW_NEXT;
}
