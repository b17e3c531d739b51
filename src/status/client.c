/* SPDX-License-Identifier: MIT */
/* client.c - a client by its name, and what it uses of what it may. */
#include <stdlib.h>

#include "base/json.h"
#include "routing/client_use.h"
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

struct json_object *
gw_status_client(struct gw_status *s, const struct gw_client *c)
{
	struct json_object *o = json_object_new_object();
	struct gw_client_use use;

	gw_client_use(s->of.routing->reg, s->of.config, c, s->now_ms, &use);
	gw_json_set_str(o, "name", c->name);
	json_object_object_add(
		o, "in_flight",
		use.many ? NULL
			 : json_object_new_int64((int64_t)use.in_flight));
	gw_json_set_bound(o, "max_concurrency", c->max_concurrency);
	json_object_object_add(
		o, "queued",
		use.many ? NULL
			 : json_object_new_int64(
				   (int64_t)waiting_of(s, c->id[0])));
	gw_json_set_bound(o, "requests_per_minute", c->requests_per_minute);
	json_object_object_add(o, "remaining",
			       use.many || !c->requests_per_minute
				       ? NULL
				       : json_object_new_int64(use.remaining));
	return o;
}
