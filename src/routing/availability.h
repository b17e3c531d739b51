/* SPDX-License-Identifier: MIT */
/*
 * availability.h - which aliases are usable right now, and why the others are
 * not.
 *
 * Begin with gw_availability_new(), which probes what has to be probed; once it
 * is done, ask about models and nodes. Answers join the probes' outcomes with
 * the registry as it is at that moment, so a node that left meanwhile
 * does not count.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_AVAILABILITY_H
#define GW_ROUTING_AVAILABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "nodes/node_view.h"
#include "probe/question.h"
#include "routing/target.h"

#define GW_UNUSABLE_REASON_BYTES 512

struct gw_availability;
struct gw_routing;

struct gw_usable {
	bool usable;
	bool ejected; /* usable, but those who could serve it failed lately: they
		       * are asked where there is nobody else */
	char reason[GW_UNUSABLE_REASON_BYTES]; /* "" when usable */
	/*
	 * Unix seconds since which it is unusable, as well as this process
	 * knows: a failed probe: its first result of this kind; stale nodes:
	 * when the last of them went stale; failed models: the last
	 * registration; no node at all: when this process started.
	 */
	int64_t since_wall_s;
	const char *via; /* a fallback alias serves it; else NULL. Lives as
			  * long as the configuration */
	uint64_t age_ms; /* the probe that says so is so old; 0 = of now */
};

/* What is to be found out. */
enum gw_ask {
	GW_ASK_NOBODY, /* nobody is probed: what is known serves, at once */
	GW_ASK_ALL,
	GW_ASK_ANY, /* whether any is usable: no longer than that takes */
};

/*
 * gw_availability_new - find out, probing only what the answer needs; many nodes
 * in pieces, between which the process does other things.
 * @config   a reference is kept
 * @only     the one model that matters, of @config, with those that stand in for
 *           it; NULL = all models and nodes
 * @ask      NOBODY: it is done when this returns. ANY: what is not known by the
 *           time that one is usable may count as unreachable; but where there
 *           are fallbacks all of them are waited for
 * @on_done  called once on the event loop when everything is known; never
 *           before this returns, and not at all when it is known already
 * @err      INTERNAL (no memory)
 * Returns an object the caller frees, or NULL.
 */
GW_MUSTCHECK struct gw_availability *
gw_availability_new(struct gw_routing *routing, struct gw_config *config,
		    const struct gw_model *only, enum gw_ask ask,
		    void (*on_done)(void *arg), void *arg, struct gw_err *err);

/*
 * gw_availability_is_done - is everything known?
 * @err  set when it failed on the way: INTERNAL (no memory)
 * True and @err not set: the functions below may be called.
 */
bool gw_availability_is_done(const struct gw_availability *a,
			     struct gw_err *err);

/*
 * gw_availability_free - NULL is allowed; on_done is not called afterwards.
 * Probes under way go on for the other processes.
 */
void gw_availability_free(struct gw_availability *a);

/* gw_availability_none - why a role has no candidate at all. */
void gw_availability_none(const struct gw_routing *routing, const char *role,
			  struct gw_usable *out);

/* gw_availability_model - @m is of the configuration, and of `only` if set. */
void gw_availability_model(struct gw_availability *a, const struct gw_model *m,
			   struct gw_usable *out);

/*
 * gw_availability_node - was a fresh node's probe answered?
 * @reason  storage of @cap bytes; the outcome in words
 * @age_ms  set to how old the outcome is, 0 = of now
 * Returns true when it is reachable. A node that registered after the probes
 * began is not, and the reason says so.
 */
bool gw_availability_node(const struct gw_availability *a,
			  const struct gw_node *n, char *reason, size_t cap,
			  uint64_t *age_ms);

#endif
