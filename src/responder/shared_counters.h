/* SPDX-License-Identifier: MIT */
/* shared_counters.h - counts kept in this process's row of the registry. */
#ifndef GW_RESPONDER_SHARED_COUNTERS_H
#define GW_RESPONDER_SHARED_COUNTERS_H

#include "serve/counters.h"

/*
 * Its store is a struct reg. Cumulative counters survive the process, gauges go
 * with it; sums are over all processes of the instance.
 */
extern const struct gw_counter_ops gw_shared_counters;

#endif
