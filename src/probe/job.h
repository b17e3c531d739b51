/* SPDX-License-Identifier: MIT */
/*
 * job.h - one target being asked about, and the table of all of them; for
 * prober.c, which says what happens to a job.
 */
#ifndef GW_PROBE_JOB_H
#define GW_PROBE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "probe/question.h"
#include "reg.h"
#include "upstream/transfer.h"

#define GW_PROBE_BUCKETS 256

struct gw_prober;

TAILQ_HEAD(gw_probe_job_list, gw_probe_job);

struct gw_probe_job {
	TAILQ_ENTRY(gw_probe_job) link;
	struct gw_probe_job_list *list; /* the one it is in, or NULL */
	struct gw_probe_job *next_in_bucket;
	struct gw_probe_jobs *table;
	struct gw_prober *prober;
	uint64_t key[2];
	char *base_url;
	char *bearer;
	char *ca;
	struct gw_transfer_tls tls; /* its `ca` is the one above */
	struct gw_probe_limits limits;
	bool shared;	       /* the registry waits for the result */
	struct reg_probe last; /* what was known before */
	struct gw_transfer *transfer;
	uint64_t begun_ms; /* ... when it began */
	int status;
	size_t body_bytes;
	LIST_HEAD(gw_probe_waiters, gw_probe_waiter) waiters;
};

/* All zero is empty. */
struct gw_probe_jobs {
	struct gw_probe_job *bucket[GW_PROBE_BUCKETS];
};

/*
 * gw_probe_job_new - a job in the table, in no list.
 * @key  gw_probe_key() of the target; no job in the table has it
 * Returns it, or NULL: no memory.
 */
struct gw_probe_job *gw_probe_job_new(struct gw_probe_jobs *table,
				      struct gw_prober *prober,
				      const struct gw_probe_target *target,
				      const uint64_t key[2],
				      struct gw_probe_limits limits);

/* gw_probe_job_free - NULL is allowed; ends its transfer, tells nobody. */
void gw_probe_job_free(struct gw_probe_job *j);

/* gw_probe_job_find - the job of a target, or NULL. */
struct gw_probe_job *gw_probe_job_find(struct gw_probe_jobs *table,
				       const uint64_t key[2]);

/* gw_probe_job_move - to the end of a list; NULL = of none. */
void gw_probe_job_move(struct gw_probe_job *j, struct gw_probe_job_list *list);

/* gw_probe_job_unlist - out of list and table: no new waiter finds it. */
void gw_probe_job_unlist(struct gw_probe_job *j);

#endif
