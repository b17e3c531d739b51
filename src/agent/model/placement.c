/* SPDX-License-Identifier: MIT */
/* placement.c - arithmetic of memory and groups; see placement.h. */
#include "agent/model/placement.h"

#include <string.h>

bool
ag_place_allowed(const struct ag_model *m, const struct ag_device *d)
{
	const struct gw_keys *only = &m->config->devices;
	int64_t total = d->sample.memory_total_mib;
	bool listed = only->n == 0;

	for (size_t i = 0; i < only->n; i++)
		listed = listed || strcmp(only->key[i], d->id) == 0;
	return listed && !d->missing &&
	       (total == AG_UNKNOWN || (int64_t)m->config->memory_mib <= total);
}

bool
ag_place_same_group(const struct ag_model *a, const struct ag_model *b)
{
	return a->config->group && b->config->group &&
	       strcmp(a->config->group, b->config->group) == 0;
}

/* Its memory does not show in the device's last sample. */
static bool
is_unsettled(const struct ag_model *m, const struct ag_device *d)
{
	return m->state != AG_READY || m->since_ms > d->sampled_ms;
}

bool
ag_place_unsettled(struct ag_models all, const struct ag_device *d)
{
	if (d->sample.memory_free_mib == AG_UNKNOWN)
		return false;
	for (size_t i = 0; i < all.n; i++)
		if (all.model[i].device == d && is_unsettled(&all.model[i], d))
			return true;
	return false;
}

/* Of a size that may not be known. */
static bool
is_within(int64_t size_mib, int64_t taken_mib, uint64_t wanted_mib)
{
	return size_mib == AG_UNKNOWN ||
	       size_mib - taken_mib >= (int64_t)wanted_mib;
}

/* Is it there now, or (@awaited) will it be when the next one comes? */
static bool
is_on(const struct ag_model *m, const struct ag_device *d, bool awaited)
{
	if (!awaited)
		return m->device == d;
	if (m->device)
		return m->device == d && m->state != AG_STOPPING;
	return m->expected == d;
}

static bool
fits(struct ag_models all, const struct ag_model *m, const struct ag_device *d,
     bool awaited)
{
	int64_t reserved = 0, unseen = 0;
	bool alone = true;

	if (!ag_place_allowed(m, d))
		return false;
	for (size_t i = 0; i < all.n; i++) {
		const struct ag_model *other = &all.model[i];

		if (other == m || !is_on(other, d, awaited))
			continue;
		if (!ag_place_same_group(m, other))
			return false;
		alone = false;
		reserved += (int64_t)other->config->memory_mib;
		if (is_unsettled(other, d))
			unseen += (int64_t)other->config->memory_mib;
	}
	/* How much an empty device has free is the operator's business. */
	return alone || (is_within(d->sample.memory_total_mib, reserved,
				   m->config->memory_mib) &&
			 is_within(d->sample.memory_free_mib, unseen,
				   m->config->memory_mib));
}

bool
ag_place_fits(struct ag_models all, const struct ag_model *m,
	      const struct ag_device *d)
{
	return fits(all, m, d, false);
}

bool
ag_place_will_fit(struct ag_models all, const struct ag_model *m,
		  const struct ag_device *d)
{
	return fits(all, m, d, true);
}

/* Should @a go before @b? */
static bool
goes_first(const struct ag_model *m, const struct ag_model *a,
	   const struct ag_model *b)
{
	bool a_shares = ag_place_same_group(m, a);
	bool b_shares = ag_place_same_group(m, b);

	if (a_shares != b_shares)
		return !a_shares;
	if ((a->running == 0) != (b->running == 0))
		return a->running == 0;
	return a->last_used_ms < b->last_used_ms;
}

struct ag_model *
ag_place_victim(struct ag_models all, const struct ag_model *m,
		const struct ag_device *d)
{
	struct ag_model *victim = NULL;

	for (size_t i = 0; i < all.n; i++) {
		struct ag_model *other = &all.model[i];

		if (other == m || other->device != d ||
		    other->state != AG_READY)
			continue;
		if (!victim || goes_first(m, other, victim))
			victim = other;
	}
	return victim;
}
