/* SPDX-License-Identifier: MIT */
/*
 * taken.c - see taken.h. Also decides what `model` the candidate is told.
 */
#include "stage/taken.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "nodes/model_state.h"
#include "routing/routing.h"
#include "routing/target.h"
#include "stage/queue.h"
#include "stage/stage.h"

static int
no_memory(struct gw_request *r)
{
	return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
}

/* ---- the upstream ----------------------------------------------------------
 */

static int
proxy_target(struct gw_request *r)
{
	const struct gw_model *m = r->resolve.model;
	struct gw_target *t = &r->target;

	t->base_url = m->base_url;
	t->api_key = m->api_key;
	t->tls = gw_proxy_target(m).tls;
	/* A fallback is asked as if the client had named it. */
	if (!m->default_model_json)
		return gw_default_model_json(r, r->forward.named != NULL);
	t->model_json = strdup(m->default_model_json);
	return t->model_json ? 0 : no_memory(r);
}

static int
node_target(struct gw_request *r, const struct gw_choice *c)
{
	struct gw_target *t = &r->target;
	struct gw_probe_target how;

	t->node_id = strdup(c->node->doc->node_id);
	t->owned_url = strdup(c->node->doc->base_url);
	t->model_json = strdup(c->model->model_json);
	if (!t->node_id || !t->owned_url || !t->model_json)
		return no_memory(r);
	t->base_url = t->owned_url;
	how = gw_node_target(r->config, c->node);
	t->api_key = how.bearer;
	t->tls = how.tls;
	if (c->node->config)
		gw_routed(r)->pick.config = gw_config_ref(c->node->config);
	if (t->api_key)
		t->key_place = c->node->fixed && c->node->fixed->api_key
				       ? "the node's api_key in nodes"
				       : "auth.upstream_node_key";
	return 0;
}

/* ---- the slot --------------------------------------------------------------
 */

/* It is no trial after all. */
static void
untry(struct gw_request *r, const struct gw_choice *c)
{
	struct gw_picked *p = &gw_routed(r)->pick;

	if (p->trial) {
		reg_candidate_untry(gw_routing(r)->reg, c->ref);
		reg_candidate_untry(gw_routing(r)->reg, c->address);
	}
	p->trial = false;
}

static enum gw_taken
take_slot(struct gw_request *r, const struct gw_choice *c)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	bool full = false;

	p->lease = reg_lease_take(gw_routing(r)->reg, c->ref,
				  c->max_concurrency, &full);
	/* Where there is a bound, nobody runs uncounted. */
	if (p->lease >= 0 || (!full && !c->max_concurrency)) {
		p->leased = true;
		return GW_TAKEN;
	}
	untry(r, c);
	if (full)
		return GW_TAKE_FULL;
	gw_err_set(&r->err, GW_ERR_OVERLOADED, 0,
		   "no more requests can be counted, and model '%s' has a "
		   "max_concurrency",
		   r->resolve.model->alias);
	return GW_TAKE_FAILED;
}

enum gw_taken
gw_pick_take(struct gw_request *r, const struct gw_choice *c)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	enum gw_taken taken = take_slot(r, c);

	if (taken != GW_TAKEN)
		return taken;
	p->chosen = true;
	p->failed = p->loading = p->lost = false;
	p->alias = r->resolve.model;
	p->keys = c->keys;
	p->ref = c->ref;
	p->address = c->address;
	p->begun_ms = gw_mono_ms();
	p->recorded_ms = 0;
	/* A conversation waits for the node that has its prompt. */
	p->in_line = c->step >= GW_MODEL_STEP_BUSY &&
		     r->resolve.model->strategy != GW_AFFINITY;
	if (c->max_concurrency)
		gw_share_take(r);
	gw_queue_served(r);
	if ((c->node ? node_target(r, c) : proxy_target(r)) < 0)
		return GW_TAKE_FAILED;
	return GW_TAKEN;
}

void
gw_pick_release(struct gw_request *r)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	struct reg *reg = gw_routing(r)->reg;

	gw_queue_leave(r);
	gw_share_drop(r);
	if (p->leased) {
		reg_lease_drop(reg, p->lease);
		gw_waiting_freed(gw_routing(r));
	}
	p->leased = false;
	if (p->trial) {
		reg_candidate_untry(reg, p->ref);
		reg_candidate_untry(reg, p->address);
	}
	p->trial = false;
	gw_config_unref(p->config);
	p->config = NULL;
}

void
gw_pick_move(struct gw_request *r, struct reg *to)
{
	struct gw_picked *p = &gw_routed(r)->pick;
	uint64_t now_ms = gw_mono_ms();

	gw_queue_move(r, to);
	if (!p->chosen)
		return;
	p->ref = reg_candidate_open(to, p->keys.candidate, now_ms);
	p->address = reg_candidate_open(to, p->keys.address, now_ms);
	/* The old lease and the old trial end with the old segment. */
	if (p->leased)
		p->lease = reg_lease_take(to, p->ref, 0, NULL);
	gw_share_move(r, to);
	p->trial = false;
}
