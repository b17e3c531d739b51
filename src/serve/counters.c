/* SPDX-License-Identifier: MIT */
/*
 * counters.c - where a count goes and how all of them are read: the rows of
 * counters.def in the program's store, or in the process that has none.
 */
#include "serve/counters.h"

#include "base/json.h"

void
gw_counters_count(struct gw_counters *c, enum gw_counter which, uint64_t n)
{
	if (c->ops)
		c->ops->count(c->store, which, n);
	else
		c->own_counter[which] += n;
}

void
gw_counters_gauge(struct gw_counters *c, enum gw_gauge which, int64_t n)
{
	if (c->ops)
		c->ops->gauge(c->store, which, n);
	else
		c->own_gauge[which] += n;
}

static int64_t
counter(const struct gw_counters *c, enum gw_counter which)
{
	return (int64_t)(c->ops ? c->ops->count_sum(c->store, which)
				: c->own_counter[which]);
}

static int64_t
gauge(const struct gw_counters *c, enum gw_gauge which)
{
	return c->ops ? c->ops->gauge_sum(c->store, which)
		      : c->own_gauge[which];
}

struct json_object *
gw_counters_document(const struct gw_counters *c)
{
	struct json_object *o = json_object_new_object();

#define COUNTER(name, word, text)                                              \
	gw_json_set_int(o, word, counter(c, GW_COUNT_##name));
#define GAUGE(name, word, text)                                                \
	gw_json_set_int(o, word, gauge(c, GW_GAUGE_##name));
#include "serve/counters.def"
	return o;
}
