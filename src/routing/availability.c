/* SPDX-License-Identifier: MIT */
/*
 * availability.c - probes' outcomes and the registry, joined into answers.
 * Sends nothing itself (probe/probe.h does) and writes no replies.
 */
#include "routing/availability.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "probe/probe.h"
#include "routing/routing.h"

struct gw_availability {
	struct gw_routing *routing;
	struct gw_config *config;
	struct gw_probe_run *run;
	/* What was asked, sorted by key; `at` is its index in the run. */
	struct probed {
		uint64_t key[2];
		size_t at;
	} * probed;
	size_t n;
};

/* The targets of a run while they are collected. */
struct targets {
	struct gw_probe_target *target;
	size_t n;
	size_t cap;
};

static struct gw_probe_target
proxy_target(const struct gw_model *m)
{
	return (struct gw_probe_target){
		.base_url = m->base_url,
		.bearer = m->api_key,
		.tls = {.ca = m->tls.ca.text,
			.ca_len = m->tls.ca.len,
			.insecure = m->tls_insecure},
	};
}

static struct gw_probe_target
node_target(const struct gw_availability *a, const struct gw_node *n)
{
	return (struct gw_probe_target){
		.base_url = n->doc->base_url,
		.bearer = a->config->auth.upstream_node_key,
	};
}

static int
add_target(struct targets *t, struct gw_probe_target target)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 16;
		struct gw_probe_target *more =
			realloc(t->target, cap * sizeof(*more));

		if (!more)
			return -1;
		t->target = more;
		t->cap = cap;
	}
	t->target[t->n++] = target;
	return 0;
}

static bool
serves(const struct gw_node_doc *d, const char *role)
{
	for (size_t i = 0; i < d->n_models; i++)
		if (gw_node_model_serves(&d->models[i], role))
			return true;
	return false;
}

/* Fresh nodes, all or those of one role; stale ones get no traffic at all. */
static int
add_nodes(struct gw_availability *a, const char *role, struct targets *t)
{
	struct gw_node_view *v = a->routing->nodes;
	const struct gw_node *nodes;
	uint64_t now_ms = gw_mono_ms();
	size_t n;

	gw_node_view_refresh(v);
	nodes = gw_node_view_all(v, &n);
	for (size_t i = 0; i < n; i++) {
		if ((role && !serves(nodes[i].doc, role)) ||
		    !gw_node_is_fresh(v, &nodes[i], now_ms))
			continue;
		if (add_target(t, node_target(a, &nodes[i])) < 0)
			return -1;
	}
	return 0;
}

static int
collect(struct gw_availability *a, const struct gw_model *only,
	struct targets *t)
{
	if (only && only->type == GW_MODEL_DISCOVERED)
		return add_nodes(a, only->role, t);
	if (only)
		return add_target(t, proxy_target(only));
	for (size_t i = 0; i < a->config->n_models; i++) {
		const struct gw_model *m = &a->config->models[i];

		if (m->type == GW_MODEL_PROXY &&
		    add_target(t, proxy_target(m)) < 0)
			return -1;
	}
	return add_nodes(a, NULL, t);
}

static int
compare_keys(const void *x, const void *y)
{
	return memcmp(((const struct probed *)x)->key,
		      ((const struct probed *)y)->key, sizeof(uint64_t[2]));
}

/* Two aliases of one upstream share a key; either outcome is the same. */
static int
index_targets(struct gw_availability *a, const struct targets *t)
{
	a->probed = calloc(t->n ? t->n : 1, sizeof(*a->probed));
	if (!a->probed)
		return -1;
	a->n = t->n;
	for (size_t i = 0; i < t->n; i++) {
		gw_probe_target_key(&t->target[i], a->probed[i].key);
		a->probed[i].at = i;
	}
	qsort(a->probed, a->n, sizeof(*a->probed), compare_keys);
	return 0;
}

struct gw_availability *
gw_availability_new(struct gw_routing *routing, struct gw_config *config,
		    const struct gw_model *only, bool ask,
		    void (*on_done)(void *arg), void *arg, struct gw_err *err)
{
	struct gw_availability *a = calloc(1, sizeof(*a));
	struct targets t = {0};

	if (!a)
		goto out_of_memory;
	a->routing = routing;
	a->config = gw_config_ref(config);
	if (collect(a, only, &t) < 0 || index_targets(a, &t) < 0)
		goto out_of_memory;
	a->run = ask ? gw_probe_run(routing->prober, config, t.target, t.n,
				    on_done, arg, err)
		     : gw_probe_run_known(routing->prober, t.target, t.n, err);
	if (!a->run)
		goto fail;
	free(t.target);
	return a;
out_of_memory:
	gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
		   "out of memory for the availability of models");
fail:
	free(t.target);
	gw_availability_free(a);
	return NULL;
}

bool
gw_availability_is_done(const struct gw_availability *a)
{
	return gw_probe_run_is_done(a->run);
}

void
gw_availability_free(struct gw_availability *a)
{
	if (!a)
		return;
	gw_probe_run_free(a->run);
	gw_config_unref(a->config);
	free(a->probed);
	free(a);
}

/* ---- answers ------------------------------------------------------------- */

static bool
find_outcome(const struct gw_availability *a, struct gw_probe_target target,
	     struct gw_probe_outcome *out)
{
	struct probed wanted = {0}, *found;

	gw_probe_target_key(&target, wanted.key);
	found = bsearch(&wanted, a->probed, a->n, sizeof(*a->probed),
			compare_keys);
	if (found)
		*out = gw_probe_run_outcome(a->run, found->at);
	return found;
}

bool
gw_availability_node(const struct gw_availability *a, const struct gw_node *n,
		     char *reason, size_t cap, uint64_t *age_ms)
{
	struct gw_probe_outcome o;

	*age_ms = 0;
	if (!find_outcome(a, node_target(a, n), &o)) {
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
	struct gw_probe_outcome o;

	if (!find_outcome(a, proxy_target(m), &o)) {
		snprintf(out->reason, sizeof(out->reason), "not probed");
		return;
	}
	out->usable = gw_probe_is_reachable(o.result);
	out->since_wall_s = o.since_wall_s;
	out->age_ms = o.age_ms;
	if (!out->usable)
		gw_probe_reason(o.result, out->reason, sizeof(out->reason));
}

static int64_t
wall_of(uint64_t mono_ms)
{
	int64_t ago_ms = (int64_t)gw_mono_ms() - (int64_t)mono_ms;

	return gw_wall_s() - ago_ms / 1000;
}

/* Why a role has no candidate at all. */
static void
explain_none(struct gw_availability *a, const char *role, struct gw_usable *out)
{
	uint32_t stale_ms = gw_node_view_stale_after_ms(a->routing->nodes);
	struct gw_role_count c;

	gw_node_view_count(a->routing->nodes, role, gw_mono_ms(), &c);
	out->since_wall_s = a->routing->worker->started_wall_s;
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
	} else {
		snprintf(out->reason, sizeof(out->reason),
			 "the models of role '%s' have failed on every fresh "
			 "node",
			 role);
		out->since_wall_s = wall_of(c.newest_registered_ms);
	}
}

static void
judge_discovered(struct gw_availability *a, const struct gw_model *m,
		 struct gw_usable *out)
{
	const struct gw_candidate *c;
	size_t n = gw_node_view_fresh(a->routing->nodes, m->role, gw_mono_ms(),
				      &c);

	if (n == 0) {
		explain_none(a, m->role, out);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char why[GW_PROBE_REASON_BYTES];
		struct gw_probe_outcome o;
		uint64_t age_ms;

		if (gw_availability_node(a, c[i].node, why, sizeof(why),
					 &age_ms)) {
			out->usable = true;
			out->reason[0] = '\0';
			out->age_ms = age_ms;
			return;
		}
		if (age_ms > out->age_ms)
			out->age_ms = age_ms;
		if (i == 0)
			snprintf(out->reason, sizeof(out->reason),
				 "no fresh node is reachable: %s: %s",
				 c[i].node->doc->node_id, why);
		/* Usable until the last of them was lost. */
		if (find_outcome(a, node_target(a, c[i].node), &o) &&
		    o.since_wall_s > out->since_wall_s)
			out->since_wall_s = o.since_wall_s;
	}
}

void
gw_availability_model(struct gw_availability *a, const struct gw_model *m,
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
