/* SPDX-License-Identifier: MIT */
/* drain.c - see drain.h. */
#include "routing/drain.h"

#include "base/hash.h"
#include "routing/routing.h"

uint64_t
gw_drain_key(const char *node_id)
{
	return gw_hash_text(node_id);
}

bool
gw_is_drained_id(const struct gw_routing *routing, const char *node_id,
		 uint64_t now_ms)
{
	return reg_drain_any(routing->reg) &&
	       reg_drain_is(routing->reg, gw_drain_key(node_id), now_ms);
}

bool
gw_is_drained(const struct gw_routing *routing, const struct gw_node *n,
	      uint64_t now_ms)
{
	return gw_is_drained_id(routing, n->doc->node_id, now_ms);
}

bool
gw_drained_all(const struct gw_routing *routing, const struct gw_candidate *c,
	       size_t n, uint64_t now_ms)
{
	for (size_t i = 0; i < n; i++)
		if (!gw_is_drained(routing, c[i].node, now_ms))
			return false;
	return true;
}

void
gw_drain_seen(struct gw_routing *routing, const struct gw_node *n,
	      uint64_t now_ms)
{
	uint64_t age_ms;

	if (!reg_drain_any(routing->reg))
		return;
	age_ms = gw_node_age_ms(routing->nodes, n, now_ms);
	if (age_ms < now_ms)
		reg_drain_seen(routing->reg, gw_drain_key(n->doc->node_id),
			       now_ms - age_ms);
}
