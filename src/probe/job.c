/* SPDX-License-Identifier: MIT */
/* job.c - keeps jobs findable and in one list at a time; decides nothing.
 */
#include "probe/job.h"

#include <stdlib.h>
#include <string.h>

void
gw_probe_job_move(struct gw_probe_job *j, struct gw_probe_job_list *list)
{
	if (j->list)
		TAILQ_REMOVE(j->list, j, link);
	j->list = list;
	if (list)
		TAILQ_INSERT_TAIL(list, j, link);
}

/* Where the job of a key hangs, or would. */
static struct gw_probe_job **
place_of(struct gw_probe_jobs *table, const uint64_t key[2])
{
	struct gw_probe_job **at = &table->bucket[key[0] % GW_PROBE_BUCKETS];

	while (*at && ((*at)->key[0] != key[0] || (*at)->key[1] != key[1]))
		at = &(*at)->next_in_bucket;
	return at;
}

struct gw_probe_job *
gw_probe_job_find(struct gw_probe_jobs *table, const uint64_t key[2])
{
	return *place_of(table, key);
}

void
gw_probe_job_unlist(struct gw_probe_job *j)
{
	struct gw_probe_job **at = place_of(j->table, j->key);

	if (*at == j)
		*at = j->next_in_bucket;
	gw_probe_job_move(j, NULL);
}

void
gw_probe_job_free(struct gw_probe_job *j)
{
	if (!j)
		return;
	gw_probe_job_unlist(j);
	if (j->transfer)
		gw_transfer_cancel(j->transfer);
	free(j->base_url);
	free(j->bearer);
	free(j->ca);
	free(j);
}

struct gw_probe_job *
gw_probe_job_new(struct gw_probe_jobs *table, struct gw_prober *prober,
		 const struct gw_probe_target *target, const uint64_t key[2],
		 struct gw_probe_limits limits)
{
	struct gw_probe_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->table = table;
	j->prober = prober;
	j->key[0] = key[0];
	j->key[1] = key[1];
	j->limits = limits;
	LIST_INIT(&j->waiters);
	j->next_in_bucket = *place_of(table, key);
	j->base_url = strdup(target->base_url);
	j->bearer = target->bearer ? strdup(target->bearer) : NULL;
	j->tls = target->tls;
	if (j->tls.ca)
		j->tls.ca = j->ca = strndup(j->tls.ca, j->tls.ca_len);
	if (!j->base_url || (target->bearer && !j->bearer) ||
	    (target->tls.ca && !j->ca)) {
		gw_probe_job_free(j);
		return NULL;
	}
	*place_of(table, key) = j;
	return j;
}
