/* SPDX-License-Identifier: MIT */
/*
 * question.h - what is asked of an upstream, and how the answer is told.
 *
 * A waiter asks about one target. Many waiters share a probe.
 */
#ifndef GW_PROBE_QUESTION_H
#define GW_PROBE_QUESTION_H

#include <stdint.h>
#include <sys/queue.h>

#include "upstream/transfer.h"

struct gw_probe_target {
	const char *base_url; /* without "/v1" */
	const char *bearer;   /* or NULL */
	struct gw_transfer_tls tls;
};

struct gw_probe_outcome {
	uint32_t result;      /* for gw_probe_reason() */
	int64_t since_wall_s; /* when the result became what it is */
	uint64_t age_ms;      /* of one that has run out and could not be
			       * renewed in time; 0 = it is of now */
};

/* Limits of a probe, from the configuration. */
struct gw_probe_limits {
	uint32_t timeout_ms;
	uint32_t ttl_ms;
};

struct gw_probe_job;

/* One question in the caller's storage. */
struct gw_probe_waiter {
	LIST_ENTRY(gw_probe_waiter) link;
	struct gw_probe_job *job; /* NULL: not waiting */
	/* Runs on the event loop, outside libcurl; may ask, leave and free. */
	void (*answer)(struct gw_probe_waiter *w, struct gw_probe_outcome o);
};

#endif
