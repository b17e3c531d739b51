/* SPDX-License-Identifier: MIT */
/* client_use.c - see client_use.h. */
#include "routing/client_use.h"

#include <string.h>

#include "base/clock.h"
#include "config/clients.h"
#include "routing/place_keys.h"

static uint32_t
in_flight_at(const struct reg *reg, const uint64_t key[2], uint64_t now_ms)
{
	struct reg_candidate c;

	reg_candidate_read(reg, reg_candidate_find(reg, key), now_ms, &c);
	return c.in_flight;
}

/* One with a limit is counted as a whole, any other one at each alias. */
static uint64_t
in_flight_of(const struct reg *reg, const struct gw_config *config,
	     const struct gw_client *c, uint64_t now_ms)
{
	uint64_t key[2], sum = 0;

	if (c->max_concurrency) {
		gw_client_place_key(c->id, key);
		return in_flight_at(reg, key, now_ms);
	}
	for (size_t i = 0; i < config->n_models; i++) {
		if (!gw_client_may(c, &config->models[i]))
			continue;
		gw_share_place_key(&config->models[i], c->id, key);
		sum += in_flight_at(reg, key, now_ms);
	}
	return sum;
}

/* Who has no place never asked, or long ago. */
static uint32_t
remaining_of(const struct reg *reg, const struct gw_client *c)
{
	struct reg_candidate_ref at;
	struct reg_rate rate;
	uint64_t key[2];

	gw_client_place_key(c->id, key);
	at = reg_candidate_find(reg, key);
	if (!c->requests_per_minute || at.index == REG_CANDIDATES_MAX)
		return c->requests_per_minute;
	reg_rate_look(reg, at, c->requests_per_minute, gw_mono_us(), &rate);
	return rate.remaining;
}

void
gw_client_use(const struct reg *reg, const struct gw_config *config,
	      const struct gw_client *c, uint64_t now_ms,
	      struct gw_client_use *out)
{
	*out = (struct gw_client_use){.many = c->user &&
					      strcmp(c->user, "*") == 0};
	if (out->many)
		return;
	out->in_flight = in_flight_of(reg, config, c, now_ms);
	out->remaining = remaining_of(reg, c);
}
