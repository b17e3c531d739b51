/* SPDX-License-Identifier: MIT */
/*
 * judge.c - probes' outcomes and the registry, joined into answers. Asks nobody
 * and writes no replies.
 */
#include "routing/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "routing/drain.h"

int
gw_availability_compare(const void *x, const void *y)
{
	return memcmp(((const struct gw_probed *)x)->key,
		      ((const struct gw_probed *)y)->key, sizeof(uint64_t[2]));
}

static bool
find_outcome(const struct gw_availability *a, struct gw_probe_target target,
	     struct gw_probe_outcome *out)
{
	struct gw_probed wanted = {0}, *found;

	gw_probe_target_key(&target, wanted.key);
	found = bsearch(&wanted, a->probed, a->n_probed, sizeof(*a->probed),
			gw_availability_compare);
	if (found)
		*out = gw_probe_run_outcome(a->run, found->at);
	return found;
}

/* The same of a node: without its key where its registration is the one that
 * was asked about. */
static bool
node_outcome(const struct gw_availability *a, const struct gw_node *n,
	     struct gw_probe_outcome *out)
{
	const struct gw_asked_node *asked = &a->by_slot[n->reg.ref.slot];

	if (!asked->place || asked->record_version != n->reg.record_version ||
	    asked->generation != n->reg.ref.generation)
		return find_outcome(a, gw_node_target(a->config, n), out);
	*out = gw_probe_run_outcome(a->run, asked->place - 1);
	return true;
}

bool
gw_availability_node(const struct gw_availability *a, const struct gw_node *n,
		     char *reason, size_t cap, uint64_t *age_ms)
{
	struct gw_probe_outcome o;

	*age_ms = 0;
	if (!node_outcome(a, n, &o)) {
		snprintf(reason, cap, "registered just now, not probed yet");
		return false;
	}
	*age_ms = o.age_ms;
	gw_probe_reason(o.result, reason, cap);
	return gw_probe_is_reachable(o.result);
}

static void
judge_proxy(struct gw_availability *a, const struct gw_model *m,
	    struct gw_usable *out)
{
	uint64_t now_ms = gw_mono_ms();
	struct gw_probe_outcome o;
	struct gw_choice choice;

	if (!find_outcome(a, gw_proxy_target(m), &o)) {
		snprintf(out->reason, sizeof(out->reason), "not probed");
		return;
	}
	out->usable = gw_probe_is_reachable(o.result);
	out->since_wall_s = o.since_wall_s;
	out->age_ms = o.age_ms;
	if (!out->usable) {
		gw_probe_reason(o.result, out->reason, sizeof(out->reason));
		return;
	}
	gw_proxy_choice(a->routing, a->config, m, now_ms, &choice);
	out->ejected = choice.state == GW_STATE_EJECTED;
}

static int64_t
wall_of(uint64_t mono_ms)
{
	int64_t ago_ms = (int64_t)gw_mono_ms() - (int64_t)mono_ms;

	return gw_wall_s() - ago_ms / 1000;
}

void
gw_availability_none(const struct gw_routing *routing, const char *role,
		     struct gw_usable *out)
{
	uint32_t stale_ms = gw_node_view_stale_after_ms(routing->nodes);
	struct gw_role_count c;

	gw_node_view_count(routing->nodes, role, gw_mono_ms(), &c);
	out->since_wall_s =
		routing->worker ? routing->worker->started_wall_s : 0;
	if (c.nodes == 0) {
		snprintf(out->reason, sizeof(out->reason),
			 "no node registered for role '%s'", role);
	} else if (c.fresh == 0) {
		if (c.nodes == 1)
			snprintf(out->reason, sizeof(out->reason),
				 "the only node of role '%s' is stale", role);
		else
			snprintf(out->reason, sizeof(out->reason),
				 "all %zu nodes of role '%s' are stale",
				 c.nodes, role);
		out->since_wall_s = wall_of(c.newest_seen_ms + stale_ms);
	} else if (c.candidates) {
		snprintf(out->reason, sizeof(out->reason),
			 c.fresh == 1 ? "the only fresh node of role '%s' is "
					"drained by an operator"
				      : "the fresh nodes of role '%s' are "
					"drained by an operator",
			 role);
	} else {
		snprintf(out->reason, sizeof(out->reason),
			 "the models of role '%s' have failed on every fresh "
			 "node",
			 role);
		out->since_wall_s = wall_of(c.newest_registered_ms);
	}
}

/* One more node of a role that cannot be reached. */
static void
note_unreachable(const struct gw_availability *a, const struct gw_node *n,
		 bool first, struct gw_usable *out)
{
	char why[GW_PROBE_REASON_BYTES];
	struct gw_probe_outcome o = {0};
	uint64_t age_ms;

	/* Usable until the last of them was lost. */
	if (node_outcome(a, n, &o) && o.since_wall_s > out->since_wall_s)
		out->since_wall_s = o.since_wall_s;
	if (o.age_ms > out->age_ms)
		out->age_ms = o.age_ms;
	if (!first)
		return;
	gw_availability_node(a, n, why, sizeof(why), &age_ms);
	snprintf(out->reason, sizeof(out->reason),
		 "no fresh node is reachable: %s: %s", n->doc->node_id, why);
}

static void
judge_discovered(struct gw_availability *a, const struct gw_model *m,
		 struct gw_usable *out)
{
	const struct gw_node *last = NULL;
	const struct gw_candidate *c;
	uint64_t now_ms = gw_mono_ms(), age_ms = 0;
	bool found = false, ejected = true;
	size_t n = gw_node_view_known_fresh(a->routing->nodes, m->role, now_ms,
					    &c);

	if (gw_drained_all(a->routing, c, n, now_ms)) {
		gw_availability_none(a->routing, m->role, out);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct gw_probe_outcome o;
		struct gw_choice choice;

		if (gw_is_drained(a->routing, c[i].node, now_ms))
			continue;
		if (!node_outcome(a, c[i].node, &o) ||
		    !gw_probe_is_reachable(o.result)) {
			if (c[i].node != last)
				note_unreachable(a, c[i].node, !last, out);
			last = c[i].node;
			continue;
		}
		gw_node_choice(a->routing, a->config, c[i].node,
			       (size_t)(c[i].model - c[i].node->doc->models),
			       now_ms, &choice);
		found = true;
		ejected = choice.state == GW_STATE_EJECTED;
		age_ms = o.age_ms;
		if (!ejected)
			break;
	}
	/* What was noted of those that cannot be reached is no matter then. */
	if (found)
		*out = (struct gw_usable){
			.usable = true, .ejected = ejected, .age_ms = age_ms};
}

static void
judge_alone(struct gw_availability *a, const struct gw_model *m,
	    struct gw_usable *out)
{
	memset(out, 0, sizeof(*out));
	if (m->type == GW_MODEL_PROXY)
		judge_proxy(a, m, out);
	else
		judge_discovered(a, m, out);
	if (!out->usable && out->since_wall_s == 0)
		out->since_wall_s = gw_wall_s();
}

void
gw_availability_model(struct gw_availability *a, const struct gw_model *m,
		      struct gw_usable *out)
{
	struct gw_usable other;

	judge_alone(a, m, out);
	/* Ejection orders, it refuses nobody: with a fallback that one serves,
	 * without one it is as if there were none. A fallback's own fallbacks
	 * are not followed. */
	for (size_t i = 0; i < m->n_fallbacks; i++) {
		if (out->usable && !out->ejected)
			return;
		judge_alone(a, m->fallbacks[i], &other);
		if (!other.usable || (out->usable && other.ejected))
			continue;
		*out = other;
		out->via = m->fallbacks[i]->alias;
	}
}
