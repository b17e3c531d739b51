/* SPDX-License-Identifier: MIT */
/* rules.c - the decisions of rules.h; knows no queue and no device. */
#include "agent/queue/rules.h"

bool
ag_rule_is_better(const struct ag_seat *a, const struct ag_seat *b)
{
	if (a->room != b->room)
		return a->room;
	if (a->requests != b->requests)
		return a->requests < b->requests;
	return a->free_mib > b->free_mib;
}

bool
ag_rule_may_run(const struct ag_turn *t)
{
	return t->ready && t->running < t->parallel &&
	       (!t->in_the_way || t->overtakes < AG_OVERTAKES_MAX);
}

bool
ag_rule_is_hopeless(const struct ag_model *m)
{
	return m->failing ||
	       (m->state == AG_FAILED &&
		!(m->resident && m->starts > 0 && m->backoff.failures <= 1));
}

bool
ag_rule_goes_elsewhere(const struct ag_detour *d)
{
	if (d->same || d->running == 0 || d->changing || d->load.waiting > 0)
		return false;
	return d->load.running == 0 || d->fits;
}

enum ag_room_step
ag_rule_make_room(const struct ag_eviction *e)
{
	if (!e->any)
		return AG_ROOM_WAIT;
	/* Its memory may have been counted twice: the next sample tells. */
	if (e->shares && e->unsettled)
		return AG_ROOM_MEASURE;
	/* While requests run, later ones may still join them, up to a limit. */
	if (e->running > 0 && e->overtakes < AG_OVERTAKES_MAX)
		return AG_ROOM_WAIT;
	return AG_ROOM_END;
}
