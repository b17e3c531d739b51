/* SPDX-License-Identifier: MIT */
/*
 * policy_load.c - who has least to do, relative to its weight and to how many
 * it takes at once. Pure.
 */
#include "routing/choice.h"
#include "stage/policy_parts.h"

/* One without a bound counts as wide as the widest of the others. */
static uint64_t
room_of(const struct gw_choice *c, uint32_t widest)
{
	return (uint64_t)c->weight *
	       (c->max_concurrency ? c->max_concurrency : widest);
}

static uint32_t
first_step(const struct gw_choice *c, size_t k)
{
	uint32_t step = UINT32_MAX;

	for (size_t i = 0; i < k; i++)
		step = c[i].step < step ? c[i].step : step;
	return step;
}

static uint32_t
widest_of(const struct gw_choice *c, size_t k, uint32_t step)
{
	uint32_t widest = 0;

	for (size_t i = 0; i < k; i++)
		if (c[i].step == step && c[i].max_concurrency > widest)
			widest = c[i].max_concurrency;
	return widest ? widest : 1;
}

void
gw_load_least(const struct gw_choice *c, size_t k, struct gw_load *out)
{
	uint32_t step = first_step(c, k);

	*out = (struct gw_load){.step = step, .widest = widest_of(c, k, step)};
	for (size_t i = 0; i < k; i++) {
		uint64_t busy = c[i].in_flight;
		uint64_t room = room_of(&c[i], out->widest);
		/* busy / room, without fractions */
		uint64_t mine = busy * out->room, best = out->busy * room;

		if (c[i].step != step)
			continue;
		if (out->ties && mine > best)
			continue;
		if (out->ties && mine == best) {
			out->ties++;
			continue;
		}
		out->busy = busy;
		out->room = room;
		out->ties = 1;
		out->first = i;
	}
}

uint32_t
gw_load_weigh(const struct gw_choice *c, const void *load)
{
	const struct gw_load *best = load;

	if (c->step != best->step ||
	    c->in_flight * best->room != best->busy * room_of(c, best->widest))
		return 0;
	return c->weight;
}
