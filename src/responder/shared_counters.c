/* SPDX-License-Identifier: MIT */
/* shared_counters.c - from rows of counters.def to words of the registry. */
#include "responder/shared_counters.h"

#include "reg.h"

_Static_assert(GW_COUNT__MAX <= REG_COUNTERS_MAX, "a word for each counter");

static void
count(void *store, enum gw_counter c, uint64_t n)
{
	reg_counter_add(store, (unsigned)c, n);
}

static void
gauge(void *store, enum gw_gauge g, int64_t n)
{
	reg_gauge_add(store, (unsigned)g, n);
}

static uint64_t
count_sum(void *store, enum gw_counter c)
{
	return reg_counter_sum(store, (unsigned)c);
}

static int64_t
gauge_sum(void *store, enum gw_gauge g)
{
	return reg_gauge_sum(store, (unsigned)g);
}

const struct gw_counter_ops gw_shared_counters = {
	.count = count,
	.gauge = gauge,
	.count_sum = count_sum,
	.gauge_sum = gauge_sum,
};
