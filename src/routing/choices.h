/* SPDX-License-Identifier: MIT */
/*
 * choices.h - the one place where the state of a candidate is computed, from the
 * registry, what nodes tell, the last probes, and what requests met.
 *
 * One thread a process; nothing blocks and nobody is asked.
 */
#ifndef GW_ROUTING_CHOICES_H
#define GW_ROUTING_CHOICES_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "routing/choice.h"

struct gw_routing;

/* Storage for choices; all zero = empty. */
struct gw_choices {
	struct gw_choice *at;
	size_t n, cap;
};

void gw_choices_release(struct gw_choices *c);

/*
 * gw_choices_of - all candidates of an alias as they stand, in the same order in
 * every process; stale and failed ones as well.
 * @config  @m is of it
 * @out     overwritten; valid until the node view is refreshed the next time
 * Speaks of the nodes as the view knows them: refresh it before. Returns 0, or -1
 * when memory is out.
 */
GW_MUSTCHECK int gw_choices_of(struct gw_routing *routing,
			       const struct gw_config *config,
			       const struct gw_model *m, uint64_t now_ms,
			       struct gw_choices *out);

/* gw_proxy_choice, gw_node_choice - one of them: a proxy's upstream, or the
 * @model-th model of a node. */
void gw_proxy_choice(struct gw_routing *routing, const struct gw_config *config,
		     const struct gw_model *m, uint64_t now_ms,
		     struct gw_choice *c);
void gw_node_choice(struct gw_routing *routing, const struct gw_config *config,
		    const struct gw_node *n, size_t model, uint64_t now_ms,
		    struct gw_choice *c);

/* gw_choice_rank - see enum gw_rank. */
enum gw_rank gw_choice_rank(const struct gw_choice *c);

/* gw_choice_is_usable - would a request that goes there now be served, as far as
 * anybody knows? */
bool gw_choice_is_usable(const struct gw_choice *c);

/* gw_state_name - as people read it; static storage. */
const char *gw_state_name(enum gw_state state);

#endif
