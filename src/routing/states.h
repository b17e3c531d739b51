/* SPDX-License-Identifier: MIT */
/*
 * states.h - says in the log, once for all processes, when a node goes stale or
 * comes back, when an upstream stops to answer probes or answers again, and when
 * an alias becomes unavailable or usable again.
 *
 * What was said is kept in the registry. Every process looks once a second, so a
 * change is said while nobody asks for anything and whichever process lives; a
 * heartbeat has its node looked at before and after it, so that a short absence
 * is told, too. A role that nobody served yet is no news.
 *
 * Sends no probes but one: what was found unreachable is asked again now and
 * then, or nobody would know that it is back.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_STATES_H
#define GW_ROUTING_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "probe/question.h"
#include "serve/turns.h"

struct gw_routing;

#define GW_STATES_LOOK_S 1.0
#define GW_STATES_AGAIN_MS 5000 /* at least, until the unreachable is asked again */
#define GW_STATES_LOADING_MS 400 /* between two probes of one that loads */
#define GW_STATES_EJECTED_MS 900 /* ... that was ejected, not being connected */
#define GW_STATES_EARLY_LOOKS 20 /* of aliases, before a look is due: a thousand
				  * nodes that register are no thousand looks */

/* How far a look is; of struct gw_routing, and states.c's alone. */
struct gw_states {
	struct gw_turn turn;
	enum gw_states_step {
		GW_STATES_IDLE,
		GW_STATES_LEARN, /* the nodes, as they are registered */
		GW_STATES_NODES,
		GW_STATES_ALIASES
	} step;
	uint32_t slot;
	size_t alias;
	unsigned early_looks; /* since it last looked at everything */
};

/* gw_states_look - everything, in as many turns of the loop as that takes. */
void gw_states_look(struct gw_routing *routing);

/* gw_states_stop - whatever is under way. */
void gw_states_stop(struct gw_routing *routing);

/* gw_states_node - one node and, if that is news, the aliases. */
void gw_states_node(struct gw_routing *routing, const char *node_id);

/* gw_states_aliases - the aliases, now; left to the next look where that was
 * asked for too often since the last one. */
void gw_states_aliases(struct gw_routing *routing);

/* gw_states_probed - a probe had a result. Touches no view. */
void gw_states_probed(struct gw_routing *routing, const char *base_url,
		      const uint64_t key[2], uint32_t result);

/*
 * gw_states_doubt - a request could not be sent to an upstream: have it probed,
 * unless that was done within probe_ttl_s.
 */
void gw_states_doubt(struct gw_routing *routing,
		     const struct gw_probe_target *target);

/*
 * gw_states_is_loaded - has an upstream that was loading its model loaded it? If
 * not it is probed, at most twice a second by all processes together.
 */
bool gw_states_is_loaded(struct gw_routing *routing,
			 const struct gw_probe_target *target,
			 const uint64_t probe_key[2]);

#endif
