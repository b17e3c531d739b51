/* SPDX-License-Identifier: MIT */
/*
 * availability.c - the nodes as they are registered, then whoever has to be
 * probed, in pieces. Sends nothing itself (probe/probe.h does); what the
 * outcomes mean is judge.c's.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "routing/judge.h"

#define PARSE_A_TURN 32 /* nodes that registered anew */
#define ASK_A_TURN 128

static int
add(struct gw_availability *a, struct gw_asked one)
{
	if (a->n == a->cap) {
		size_t cap = a->cap ? a->cap * 2 : 16;
		struct gw_asked *more = realloc(a->asked, cap * sizeof(*more));

		if (!more)
			return -1;
		a->asked = more;
		a->cap = cap;
	}
	a->asked[a->n++] = one;
	return 0;
}

/* Fresh ones: stale ones get no traffic at all. */
static int
add_nodes_of_role(struct gw_availability *a, const char *role)
{
	const struct gw_node *last = NULL;
	const struct gw_candidate *c;
	size_t n = gw_node_view_known_fresh(a->routing->nodes, role,
					    gw_mono_ms(), &c);

	for (size_t i = 0; i < n; i++) {
		if (c[i].node != last &&
		    add(a, (struct gw_asked){.node = c[i].node->reg.ref}) < 0)
			return -1;
		last = c[i].node;
	}
	return 0;
}

static int
add_all_nodes(struct gw_availability *a)
{
	struct gw_node_view *v = a->routing->nodes;
	const struct gw_node *n;
	uint64_t now_ms = gw_mono_ms();
	uint32_t slot = 0;

	while ((n = gw_node_view_next(v, &slot)))
		if (gw_node_is_fresh(v, n, now_ms) &&
		    add(a, (struct gw_asked){.node = n->reg.ref}) < 0)
			return -1;
	return 0;
}

static int
add_model(struct gw_availability *a, const struct gw_model *m)
{
	return m->type == GW_MODEL_DISCOVERED
		       ? add_nodes_of_role(a, m->role)
		       : add(a, (struct gw_asked){.proxy = m});
}

/* A model, and whoever stands in for it. */
static int
add_model_and_fallbacks(struct gw_availability *a, const struct gw_model *m)
{
	if (add_model(a, m) < 0)
		return -1;
	for (size_t i = 0; i < m->n_fallbacks; i++)
		if (add_model(a, m->fallbacks[i]) < 0)
			return -1;
	return 0;
}

static int
collect(struct gw_availability *a)
{
	if (a->only)
		return add_model_and_fallbacks(a, a->only);
	for (size_t i = 0; i < a->config->n_models; i++) {
		const struct gw_model *m = &a->config->models[i];

		if (m->type == GW_MODEL_PROXY &&
		    add(a, (struct gw_asked){.proxy = m}) < 0)
			return -1;
	}
	return add_all_nodes(a);
}
static void on_answered(void *arg);
static void on_turn(void *arg);

/* All that is needed to ask. */
static int
prepare(struct gw_availability *a, struct gw_err *err)
{
	if (collect(a) < 0)
		goto out_of_memory;
	a->probed = calloc(a->n ? a->n : 1, sizeof(*a->probed));
	a->by_slot = calloc(GW_NODE_SLOTS, sizeof(*a->by_slot));
	if (!a->probed || !a->by_slot)
		goto out_of_memory;
	a->run = gw_probe_run_new(a->routing->prober, a->config, a->n,
				  on_answered, a, err);
	if (!a->run)
		return -1;
	/* A fallback that answers first does not make the model itself down. */
	if (a->ask == GW_ASK_ANY && !(a->only && a->only->n_fallbacks))
		gw_probe_run_any(a->run);
	return 0;
out_of_memory:
	return gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			  "out of memory for the availability of models");
}

/* A node that is gone by now is left out. */
static void
ask_one(struct gw_availability *a, size_t i)
{
	const struct gw_asked *one = &a->asked[i];
	struct gw_probe_target target;

	if (one->proxy) {
		target = gw_proxy_target(one->proxy);
	} else {
		const struct gw_node *n =
			gw_node_view_find(a->routing->nodes, one->node);

		if (!n)
			return;
		target = gw_node_target(a->config, n);
		a->by_slot[one->node.slot] = (struct gw_asked_node){
			.record_version = n->reg.record_version,
			.generation = one->node.generation,
			.place = (uint32_t)i + 1};
	}
	/* Two aliases of one upstream share a key; either outcome is the same.
	 */
	gw_probe_target_key(&target, a->probed[a->n_probed].key);
	a->probed[a->n_probed++].at = i;
	if (a->ask != GW_ASK_NOBODY)
		gw_probe_run_ask(a->run, i, &target);
	else
		gw_probe_run_recall(a->run, i, &target);
}

/* Returns true when all were asked. */
static bool
ask_some(struct gw_availability *a)
{
	size_t end = a->n_asked + ASK_A_TURN;

	while (a->n_asked < a->n && a->n_asked < end)
		ask_one(a, a->n_asked++);
	if (a->n_asked < a->n)
		return false;
	qsort(a->probed, a->n_probed, sizeof(*a->probed),
	      gw_availability_compare);
	gw_probe_run_wait(a->run);
	return true;
}

/* Goes on for one turn. Returns 0, or -1 (err). */
static int
go_on(struct gw_availability *a, struct gw_err *err)
{
	struct gw_node_view *v = a->routing->nodes;

	if (a->step == GW_AVAILABILITY_LEARN &&
	    gw_node_view_catch_up(v, PARSE_A_TURN)) {
		if (prepare(a, err) < 0)
			return -1;
		a->step = GW_AVAILABILITY_ASK;
	}
	if (a->step == GW_AVAILABILITY_ASK && ask_some(a))
		a->step = GW_AVAILABILITY_WAIT;
	if (a->step == GW_AVAILABILITY_WAIT && gw_probe_run_is_done(a->run))
		a->step = GW_AVAILABILITY_LEARN_AGAIN;
	if (a->step == GW_AVAILABILITY_LEARN_AGAIN &&
	    gw_node_view_catch_up(v, PARSE_A_TURN))
		a->step = GW_AVAILABILITY_DONE;
	if (a->step != GW_AVAILABILITY_WAIT && a->step != GW_AVAILABILITY_DONE)
		gw_turn_take(&a->routing->worker->turns, &a->turn, on_turn, a);
	return 0;
}

static void
on_turn(void *arg)
{
	struct gw_availability *a = arg;

	if (go_on(a, &a->failure) < 0)
		a->step = GW_AVAILABILITY_DONE;
	if (a->step == GW_AVAILABILITY_DONE)
		a->on_done(a->arg);
}

static void
on_answered(void *arg)
{
	on_turn(arg);
}

struct gw_availability *
gw_availability_new(struct gw_routing *routing, struct gw_config *config,
		    const struct gw_model *only, enum gw_ask ask,
		    void (*on_done)(void *arg), void *arg, struct gw_err *err)
{
	struct gw_availability *a = calloc(1, sizeof(*a));

	if (!a) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			   "out of memory for the availability of models");
		return NULL;
	}
	a->routing = routing;
	a->config = gw_config_ref(config);
	a->only = only;
	a->ask = ask;
	a->on_done = on_done;
	a->arg = arg;
	if (go_on(a, err) == 0)
		return a;
	gw_availability_free(a);
	return NULL;
}

bool
gw_availability_is_done(const struct gw_availability *a, struct gw_err *err)
{
	if (a->failure.code)
		*err = a->failure;
	return a->step == GW_AVAILABILITY_DONE;
}

void
gw_availability_free(struct gw_availability *a)
{
	if (!a)
		return;
	gw_turn_leave(&a->routing->worker->turns, &a->turn);
	gw_probe_run_free(a->run);
	gw_config_unref(a->config);
	free(a->asked);
	free(a->by_slot);
	free(a->probed);
	free(a);
}
