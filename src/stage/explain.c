/* SPDX-License-Identifier: MIT */
/* explain.c - see explain.h. */
#include "stage/explain.h"

#include <stdlib.h>

#include "nodes/node_view.h"
#include "routing/routing.h"
#include "stage/pick_walk.h"
#include "stage/policy.h"

static struct gw_explained *
explained(const struct gw_request *r)
{
	return gw_routed(r)->explained;
}

/* ---- what is done on the way: nothing ---------------------------------------
 */

static bool
try_it(struct gw_request *r, const struct gw_choice *c)
{
	(void)c; /* that nobody tries it is known */
	explained(r)->trial = true;
	return true;
}

static void
forget_chance(struct gw_explained *e)
{
	free(e->keys);
	free(e->weighs);
	e->keys = NULL;
	e->weighs = NULL;
	e->n = 0;
}

/* Whoever may be the one, for the time being the likeliest. */
static size_t
by_chance(struct gw_explained *e, const struct gw_choice *c, size_t k)
{
	size_t best = 0;

	for (size_t i = 0; i < k; i++) {
		e->keys[i] = c[i].key;
		if (e->weighs[i] > e->weighs[best])
			best = i;
	}
	e->n = k;
	return best;
}

static size_t
choose(struct gw_request *r, const struct gw_policy *policy,
       const struct gw_choice *c, size_t k)
{
	struct gw_explained *e = explained(r);
	size_t i;

	forget_chance(e);
	e->keys = calloc(k, sizeof(*e->keys));
	e->weighs = calloc(k, sizeof(*e->weighs));
	if (!e->keys || !e->weighs) {
		forget_chance(e);
		gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM, "out of memory");
		return 0;
	}
	i = policy->look(r, c, k, e->weighs);
	if (i == k)
		return by_chance(e, c, k);
	forget_chance(e);
	return i;
}

static enum gw_taken
take(struct gw_request *r, const struct gw_choice *c)
{
	struct gw_explained *e = explained(r);

	if (r->err.code)
		return GW_TAKE_FAILED;
	e->would = GW_WOULD_SEND;
	e->key = e->n ? 0 : c->key;
	return GW_TAKEN;
}

static enum gw_queued
wait_there(struct gw_request *r)
{
	struct gw_explained *e = explained(r);
	enum gw_queued would = gw_queue_would_wait(r, &e->queue);

	if (would == GW_QUEUED_WAITS)
		e->would = GW_WOULD_WAIT;
	return would;
}

static const struct gw_pick_acts acts = {
	.try_it = try_it,
	.choose = choose,
	.keep = gw_queue_keep,
	.take = take,
	.wait = wait_there,
};

/* ---- the way ----------------------------------------------------------------
 */

int
gw_explain(struct gw_request *r, const struct gw_model *m,
	   struct gw_explained *out)
{
	struct gw_routed *own = gw_routed(r);
	struct gw_resolved resolve = r->resolve;
	struct gw_queue_stay stay = own->pick.stay;
	const struct gw_model *named = r->forward.named;
	size_t fallbacks = r->forward.fallbacks;

	*out = (struct gw_explained){.would = GW_WOULD_REFUSE, .alias = m};
	gw_node_view_refresh(gw_routing(r)->nodes);
	own->explained = out;
	r->resolve.model = m;
	gw_queue_arrive(r);
	gw_pick_walk(r, &acts);
	if (out->would != GW_WOULD_REFUSE)
		out->alias = r->resolve.model;
	own->explained = NULL;
	own->pick.stay = stay;
	r->resolve = resolve;
	r->forward.named = named;
	r->forward.fallbacks = fallbacks;
	return r->err.code == GW_ERR_INTERNAL ? -1 : 0;
}

void
gw_explained_release(struct gw_explained *e)
{
	forget_chance(e);
}
