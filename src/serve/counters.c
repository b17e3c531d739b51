/* SPDX-License-Identifier: MIT */
/*
 * counters.c - where a count goes and how all of them are read: the rows of
 * counters.def in the shared memory, or in the worker of a program without one.
 */
#include "base/json.h"
#include "serve/worker.h"

void
gw_worker_count(struct gw_worker *w, enum gw_counter c, uint64_t n)
{
	if (w->reg)
		reg_counter_add(w->reg, (unsigned)c, n);
	else
		w->own_counter[c] += n;
}

void
gw_worker_gauge(struct gw_worker *w, enum gw_gauge g, int64_t n)
{
	if (w->reg)
		reg_gauge_add(w->reg, (unsigned)g, n);
	else
		w->own_gauge[g] += n;
}

static int64_t
counter(const struct gw_worker *w, enum gw_counter c)
{
	return (int64_t)(w->reg ? reg_counter_sum(w->reg, (unsigned)c)
				: w->own_counter[c]);
}

static int64_t
gauge(const struct gw_worker *w, enum gw_gauge g)
{
	return w->reg ? reg_gauge_sum(w->reg, (unsigned)g) : w->own_gauge[g];
}

struct json_object *
gw_worker_counters(const struct gw_worker *w)
{
	struct json_object *o = json_object_new_object();

#define COUNTER(name, word, text)                                              \
	gw_json_set_int(o, word, counter(w, GW_COUNT_##name));
#define GAUGE(name, word, text)                                                \
	gw_json_set_int(o, word, gauge(w, GW_GAUGE_##name));
#include "serve/counters.def"
	return o;
}
