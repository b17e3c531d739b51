/* SPDX-License-Identifier: MIT */
/* look.c - a probe that nobody waits for: its result is for all to see. */
#include "probe/prober.h"

static void
tell_nobody(struct gw_probe_waiter *w, struct gw_probe_outcome outcome)
{
	(void)w;
	(void)outcome;
}

void
gw_prober_look(struct gw_prober *p, const struct gw_probe_target *target,
	       struct gw_probe_limits limits)
{
	struct gw_probe_waiter waiter = {.answer = tell_nobody};
	struct gw_probe_outcome ignored;

	/* A probe under way goes on when its waiter leaves. */
	if (!gw_prober_ask(p, target, limits, &waiter, &ignored))
		gw_prober_leave(p, &waiter);
}
