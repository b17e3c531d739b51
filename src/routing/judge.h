/* SPDX-License-Identifier: MIT */
/*
 * judge.h - what availability.c finds out and judge.c judges by; for these two.
 * The functions below are pure.
 */
#ifndef GW_ROUTING_JUDGE_H
#define GW_ROUTING_JUDGE_H

#include "probe/probe.h"
#include "routing/availability.h"
#include "routing/routing.h"
#include "serve/turns.h"

/* Whom to ask: a node, or the upstream of a proxy. */
struct gw_asked {
	const struct gw_model *proxy; /* or NULL: */
	struct reg_node_ref node;
};

/* The node in a slot, when it was asked about. */
struct gw_asked_node {
	uint64_t record_version;
	uint32_t generation;
	uint32_t place; /* 1 + its index in the run; 0: it was not */
};

/* In this order, each step in as many turns as it needs. */
enum gw_availability_step {
	GW_AVAILABILITY_LEARN,	     /* the nodes, as they are registered */
	GW_AVAILABILITY_ASK,	     /* each of them, and the proxies */
	GW_AVAILABILITY_WAIT,	     /* for the answers */
	GW_AVAILABILITY_LEARN_AGAIN, /* what has changed meanwhile */
	GW_AVAILABILITY_DONE
};

struct gw_availability {
	struct gw_routing *routing;
	struct gw_config *config;
	const struct gw_model *only;
	enum gw_ask ask;
	enum gw_availability_step step;
	struct gw_turn turn;
	struct gw_err failure; /* in a later turn than the first */
	void (*on_done)(void *arg);
	void *arg;
	struct gw_probe_run *run;
	struct gw_asked *asked;
	size_t n_asked; /* of `n`, so far */
	size_t n;
	size_t cap;
	struct gw_asked_node *by_slot; /* REG_NODES_MAX; NULL while none was */
	/* What was asked, sorted by key; `at` is its index in the run. */
	struct gw_probed {
		uint64_t key[2];
		size_t at;
	} * probed;
	size_t n_probed;
};

/* gw_availability_compare - the order of struct gw_probed, for qsort(). */
int gw_availability_compare(const void *x, const void *y);

#endif
