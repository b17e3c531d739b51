/* SPDX-License-Identifier: MIT */
/* client.c - a client by its name, and what it uses of what it may. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "config/clients.h"
#include "routing/place_keys.h"
#include "status/parts.h"

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int
gw_status_read_waiting(struct gw_status *s)
{
	const struct reg *reg = s->of.routing->reg;
	struct reg_waiter *all;

	if (!reg_queue_any(reg))
		return 0;
	all = calloc(REG_WAITERS_MAX, sizeof(*all));
	s->waiting = calloc(REG_WAITERS_MAX, sizeof(*s->waiting));
	if (!all || !s->waiting) {
		free(all);
		return -1;
	}
	s->n_waiting = reg_queue_read(reg, all, REG_WAITERS_MAX);
	for (size_t i = 0; i < s->n_waiting; i++)
		s->waiting[i] = all[i].client;
	free(all);
	qsort(s->waiting, s->n_waiting, sizeof(*s->waiting), compare);
	return 0;
}

static size_t
first_of(const struct gw_status *s, uint64_t client)
{
	size_t low = 0, high = s->n_waiting;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->waiting[middle] < client)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t
waiting_of(const struct gw_status *s, uint64_t client)
{
	size_t first = first_of(s, client), n = 0;

	while (first + n < s->n_waiting && s->waiting[first + n] == client)
		n++;
	return n;
}

static uint32_t
in_flight_at(const struct gw_status *s, const uint64_t key[2])
{
	const struct reg *reg = s->of.routing->reg;
	struct reg_candidate c;

	reg_candidate_read(reg, reg_candidate_find(reg, key), s->now_ms, &c);
	return c.in_flight;
}

/* One with a limit is counted as a whole, any other one at each alias. */
static uint64_t
in_flight_of(const struct gw_status *s, const struct gw_client *c)
{
	uint64_t key[2], sum = 0;

	if (c->max_concurrency) {
		gw_client_place_key(c->id, key);
		return in_flight_at(s, key);
	}
	for (size_t i = 0; i < s->of.config->n_models; i++) {
		if (!gw_client_may(c, &s->of.config->models[i]))
			continue;
		gw_share_place_key(&s->of.config->models[i], c->id, key);
		sum += in_flight_at(s, key);
	}
	return sum;
}

static uint32_t
remaining_of(const struct gw_status *s, const struct gw_client *c)
{
	const struct reg *reg = s->of.routing->reg;
	struct reg_candidate_ref at;
	struct reg_rate rate;
	uint64_t key[2];

	gw_client_place_key(c->id, key);
	at = reg_candidate_find(reg, key);
	if (at.index == REG_CANDIDATES_MAX)
		return c->requests_per_minute;
	reg_rate_look(reg, at, c->requests_per_minute, gw_mono_us(), &rate);
	return rate.remaining;
}

/* The entry for any user is that of many, who are counted each by itself. */
static bool
is_of_many(const struct gw_client *c)
{
	return c->user && strcmp(c->user, "*") == 0;
}

struct json_object *
gw_status_client(struct gw_status *s, const struct gw_client *c)
{
	struct json_object *o = json_object_new_object();
	bool many = is_of_many(c);

	gw_json_set_str(o, "name", c->name);
	json_object_object_add(
		o, "in_flight",
		many ? NULL
		     : json_object_new_int64((int64_t)in_flight_of(s, c)));
	gw_status_set_bound(o, "max_concurrency", c->max_concurrency);
	json_object_object_add(
		o, "queued",
		many ? NULL
		     : json_object_new_int64((int64_t)waiting_of(s, c->id[0])));
	gw_status_set_bound(o, "requests_per_minute", c->requests_per_minute);
	json_object_object_add(
		o, "remaining",
		many || !c->requests_per_minute
			? NULL
			: json_object_new_int64(remaining_of(s, c)));
	return o;
}
