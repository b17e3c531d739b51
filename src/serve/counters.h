/* SPDX-License-Identifier: MIT */
/*
 * counters.h - what a process counts, and where.
 *
 * The rows stand in counters.def. They are kept in the process itself, or in a
 * store that the program brings: the gateway's responders share theirs and sum
 * them over all processes.
 */
#ifndef GW_SERVE_COUNTERS_H
#define GW_SERVE_COUNTERS_H

#include <json-c/json.h>
#include <stdint.h>

enum gw_counter {
#define COUNTER(name, word, text) GW_COUNT_##name,
#include "serve/counters.def"
	GW_COUNT__MAX
};

enum gw_gauge {
#define GAUGE(name, word, text) GW_GAUGE_##name,
#include "serve/counters.def"
	GW_GAUGE__MAX
};

/* A place for counts outside of the process. Static; @store is its argument. */
struct gw_counter_ops {
	void (*count)(void *store, enum gw_counter c, uint64_t n);
	void (*gauge)(void *store, enum gw_gauge g, int64_t n);
	/* Over all processes. */
	uint64_t (*count_sum)(void *store, enum gw_counter c);
	int64_t (*gauge_sum)(void *store, enum gw_gauge g);
};

/* All zero counts in the process itself. */
struct gw_counters {
	const struct gw_counter_ops *ops; /* NULL: the cells below */
	void *store;
	uint64_t own_counter[GW_COUNT__MAX];
	int64_t own_gauge[GW_GAUGE__MAX];
};

/* One more, or fewer. Never fails. */
void gw_counters_count(struct gw_counters *c, enum gw_counter which,
		       uint64_t n);
void gw_counters_gauge(struct gw_counters *c, enum gw_gauge which, int64_t n);

/*
 * gw_counters_document - all counters and gauges as one object; the caller puts
 * it.
 */
struct json_object *gw_counters_document(const struct gw_counters *c);

#endif
