/* SPDX-License-Identifier: MIT */
/*
 * pick_node.c - which upstream gets the request: the configured one, or one of
 * the fresh nodes by the alias's policy. Also decides what `model` it is told.
 */
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/relay.h"
#include "serve/worker.h"
#include "stage/policy.h"

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
}

/* `model` is added only where the client sent none and nothing is configured.
 */
static int
proxy_model_json(struct gw_request *r)
{
	struct gw_buf text = GW_BUF_INIT(4096);
	struct json_object *alias;
	size_t len;
	int rc;

	if (r->model->default_model_json) {
		r->target.model_json = strdup(r->model->default_model_json);
		return r->target.model_json ? 0 : no_memory(r);
	}
	if (gw_body_model(r->body, &len))
		return 0;
	alias = json_object_new_string(r->model->alias);
	rc = alias ? gw_json_text(alias, &text) : -1;
	json_object_put(alias);
	if (rc < 0) {
		gw_buf_release(&text);
		return no_memory(r);
	}
	r->target.model_json = text.data;
	return 0;
}

static int
pick_proxy(struct gw_request *r)
{
	r->target.base_url = r->model->base_url;
	r->target.api_key = r->model->api_key;
	return proxy_model_json(r);
}

static bool
was_tried(const struct gw_request *r, struct reg_node_ref ref)
{
	for (unsigned i = 0; i < r->pick_attempts; i++)
		if (r->tried[i].slot == ref.slot &&
		    r->tried[i].generation == ref.generation)
			return true;
	return false;
}

static int
take_candidate(struct gw_request *r, const struct gw_candidate *c)
{
	struct gw_target *t = &r->target;

	t->node = c->node->reg.ref;
	t->node_id = strdup(c->node->doc->node_id);
	t->owned_url = strdup(c->node->doc->base_url);
	t->model_json = strdup(c->model->model_json);
	if (!t->node_id || !t->owned_url || !t->model_json)
		return no_memory(r);
	t->base_url = t->owned_url;
	t->api_key = r->config->auth.upstream_node_key;
	t->lease = reg_lease_take(r->worker->reg, t->node);
	return 0;
}

static int
none_fresh(struct gw_request *r)
{
	struct gw_role_count count;

	gw_node_view_count(r->worker->nodes, r->model->role, gw_mono_ms(),
			   &count);
	if (count.fresh)
		return gw_err_set(
			&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			"the model of role '%s' is reported as failed "
			"by all %zu fresh nodes that serve it",
			r->model->role, count.fresh);
	if (count.nodes)
		return gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
				  "all %zu nodes that serve the role '%s' of "
				  "model '%s' are stale: none gave a sign of "
				  "life for %.10g s",
				  count.nodes, r->model->role, r->model->alias,
				  r->worker->instance->stale_after_ms / 1000.0);
	return gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0,
			  "no node serves the role '%s' of model '%s'; nodes "
			  "register at /v1/nodes/register",
			  r->model->role, r->model->alias);
}

static int
none_left(struct gw_request *r)
{
	if (r->pick_attempts == 0)
		return none_fresh(r);
	return gw_err_set(
		&r->err, GW_ERR_UPSTREAM_UNREACHABLE, 0,
		"none of the %u fresh nodes tried for model '%s' could be "
		"connected: %s",
		r->pick_attempts, r->model->alias,
		gw_transfer_reason(
			(enum gw_transfer_result)r->upstream_failure));
}

static int
pick_discovered(struct gw_request *r)
{
	const struct gw_policy *policy = gw_policies[r->model->strategy];
	const struct gw_candidate *all, *next;
	size_t n = gw_node_view_fresh(r->worker->nodes, r->model->role,
				      gw_mono_ms(), &all);
	size_t at;

	if (n == 0)
		return none_left(r);
	at = policy->choose(r->worker, r->model, n);
	/* A retry takes the next node that was not tried yet. */
	for (size_t i = 0; i < n; i++) {
		next = &all[(at + i) % n];
		if (!was_tried(r, next->node->reg.ref))
			return take_candidate(r, next);
	}
	return none_left(r);
}

bool
gw_pick_has_another(const struct gw_request *r)
{
	const struct gw_candidate *all;
	struct reg_node_ref ref, now = r->target.node;
	size_t n;

	if (r->model->type != GW_MODEL_DISCOVERED)
		return false;
	n = gw_node_view_fresh(r->worker->nodes, r->model->role, gw_mono_ms(),
			       &all);
	for (size_t i = 0; i < n; i++) {
		ref = all[i].node->reg.ref;
		if (!was_tried(r, ref) &&
		    (ref.slot != now.slot || ref.generation != now.generation))
			return true;
	}
	return false;
}

enum gw_step
gw_stage_pick_node(struct gw_request *r)
{
	int rc = r->model->type == GW_MODEL_PROXY ? pick_proxy(r)
						  : pick_discovered(r);

	if (rc < 0 ||
	    gw_body_edit(r->body, r->target.model_json, r->model, &r->err) < 0)
		return GW_FINISH;
	return GW_NEXT;
}
