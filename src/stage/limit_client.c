/* SPDX-License-Identifier: MIT */
/*
 * limit_client.c - may this client have one more request under way, and may it
 * ask once more in this minute? Exact over all processes: both numbers lie at
 * the client's place in shared memory, which goes by who it is and not by where
 * it stands in a configuration.
 */
#include "base/clock.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve/worker.h"
#include "stage/stage.h"

#define RETRY_MAX_S 60 /* a bucket gets one a minute at least */

static struct reg_candidate_ref
place(const struct gw_request *r, struct reg *reg)
{
	uint64_t key[2];

	gw_client_place_key(r->authenticate.who, key);
	return reg_candidate_open(reg, key, gw_mono_ms());
}

static enum gw_step
no_room(struct gw_request *r)
{
	gw_err_set(&r->err, GW_ERR_OVERLOADED, 0,
		   "the shared memory has no room to count what this client "
		   "asks for");
	return GW_FINISH;
}

static enum gw_step
too_many(struct gw_request *r, uint32_t max)
{
	gw_counters_count(&r->worker->counters, GW_COUNT_CLIENT_BUSY, 1);
	gw_err_set(&r->err, GW_ERR_CLIENT_BUSY, 0,
		   "this client has %u request%s under way, as many as it may "
		   "at a time (max_concurrency)",
		   max, max == 1 ? "" : "s");
	return GW_FINISH;
}

static enum gw_step
too_often(struct gw_request *r, uint32_t per_minute, uint64_t next_us)
{
	uint64_t s = next_us / 1000000 + (next_us % 1000000 != 0);

	gw_counters_count(&r->worker->counters, GW_COUNT_RATE_LIMITED, 1);
	gw_err_set(&r->err, GW_ERR_RATE_LIMITED, 0,
		   "this client may ask %u time%s a minute "
		   "(requests_per_minute); the next request may come in %u s",
		   per_minute, per_minute == 1 ? "" : "s",
		   (unsigned)(s < RETRY_MAX_S ? s : RETRY_MAX_S));
	r->err.retry_after_s = (unsigned)(s < 1		    ? 1
					  : s < RETRY_MAX_S ? s
							    : RETRY_MAX_S);
	return GW_FINISH;
}

static void
tell(struct gw_request *r, uint32_t per_minute, const struct reg_rate *rate)
{
	r->rate = (struct gw_rate_told){.limit = per_minute,
					.remaining = rate->remaining,
					.full_us = rate->full_us};
}

/* Of two processes the one that is put aside between its look at the clock and
 * this comes with the older time, behind the newer one: it looks once more. */
static void
take_rate(struct reg *reg, struct reg_candidate_ref at, uint32_t per_minute,
	  struct reg_rate *out)
{
	for (int tries = 0; tries < 2; tries++) {
		reg_rate_take(reg, at, per_minute, gw_mono_us(), out);
		if (out->taken)
			return;
	}
}

enum gw_step
gw_stage_limit_client(struct gw_request *r)
{
	const struct gw_client *c = r->authenticate.client;
	struct gw_limited *limited = &gw_routed(r)->limited;
	struct reg *reg = gw_routing(r)->reg;
	struct reg_candidate_ref at;
	struct reg_rate rate;
	bool full = false;

	if (!c || (!c->max_concurrency && !c->requests_per_minute))
		return GW_NEXT;
	at = place(r, reg);
	if (at.index == REG_CANDIDATES_MAX)
		return no_room(r);
	if (c->max_concurrency) {
		limited->lease =
			reg_lease_take(reg, at, c->max_concurrency, &full);
		limited->leased = limited->lease >= 0;
		if (!limited->leased && !full)
			return no_room(r);
	}
	if (c->requests_per_minute) {
		if (full)
			reg_rate_look(reg, at, c->requests_per_minute,
				      gw_mono_us(), &rate);
		else
			take_rate(reg, at, c->requests_per_minute, &rate);
		tell(r, c->requests_per_minute, &rate);
	}
	if (full)
		return too_many(r, c->max_concurrency);
	if (c->requests_per_minute && !rate.taken)
		return too_often(r, c->requests_per_minute, rate.next_us);
	return GW_NEXT;
}

void
gw_limit_client_release(struct gw_request *r)
{
	struct gw_limited *limited = &gw_routed(r)->limited;

	if (limited->leased)
		reg_lease_drop(gw_routing(r)->reg, limited->lease);
	limited->leased = false;
}

void
gw_limit_client_move(struct gw_request *r, struct reg *to)
{
	struct gw_limited *limited = &gw_routed(r)->limited;

	/* The old lease ends with the old segment. */
	if (limited->leased)
		limited->lease = reg_lease_take(to, place(r, to), 0, NULL);
}
