/* SPDX-License-Identifier: MIT */
/*
 * sample.c - from what is known of GPUs to what is known of a device.
 * What one of several GPUs does not tell is not made up from the others.
 */
#include "agent/device/internal.h"

#include <string.h>

void
ag_sample_forget(struct ag_sample *s)
{
	s->memory_total_mib = AG_UNKNOWN;
	s->memory_free_mib = AG_UNKNOWN;
	s->utilisation_pct = AG_UNKNOWN;
	s->temperature_c = AG_UNKNOWN;
	s->power_mw = AG_UNKNOWN;
}

void
ag_sample_clear(struct ag_sample *s, unsigned index)
{
	*s = (struct ag_sample){.index = index};
	ag_sample_forget(s);
}

static int
by_index(const void *a, const void *b)
{
	const struct ag_sample *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

int
ag_sample_sort(struct ag_sample_list *l, struct gw_err *err)
{
	qsort(l->sample, l->n, sizeof(l->sample[0]), by_index);
	for (size_t i = 1; i < l->n; i++)
		if (l->sample[i - 1].index == l->sample[i].index)
			return gw_err_set(err, GW_ERR_INTERNAL, 0,
					  "GPU %u is listed twice",
					  l->sample[i].index);
	return 0;
}

static const struct ag_sample *
find(const struct ag_sample_list *l, unsigned index)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->sample[i].index == index)
			return &l->sample[i];
	return NULL;
}

static void
sum(int64_t *to, int64_t more)
{
	*to = *to == AG_UNKNOWN || more == AG_UNKNOWN ? AG_UNKNOWN : *to + more;
}

/* "A" and "A" are "A"; "A" and "B" are "A + B", as far as it fits. */
static void
join_name(struct ag_sample *to, const struct ag_sample *more)
{
	static const char between[] = " + ";
	size_t len = strlen(to->name), gap = len ? sizeof(between) - 1 : 0;
	size_t add = strlen(more->name);

	if (add == 0 || strcmp(to->name, more->name) == 0 ||
	    len + gap + add >= sizeof(to->name))
		return;
	memcpy(to->name + len, between, gap);
	memcpy(to->name + len + gap, more->name, add + 1);
}

static void
add(struct ag_sample *to, const struct ag_sample *more)
{
	join_name(to, more);
	to->uuid[0] = '\0';
	sum(&to->memory_total_mib, more->memory_total_mib);
	sum(&to->memory_free_mib, more->memory_free_mib);
	sum(&to->utilisation_pct, more->utilisation_pct);
	sum(&to->power_mw, more->power_mw);
	/* AG_UNKNOWN is below every temperature that is kept */
	if (more->temperature_c > to->temperature_c)
		to->temperature_c = more->temperature_c;
}

bool
ag_device_take(struct ag_device *d, const struct ag_sample_list *l)
{
	struct ag_sample all;

	for (size_t i = 0; i < d->n_gpus; i++) {
		const struct ag_sample *s = find(l, d->gpu[i]);

		if (!s) {
			ag_sample_forget(&d->sample);
			return false;
		}
		if (i == 0)
			all = *s;
		else
			add(&all, s);
	}
	if (d->n_gpus == 0)
		return false;
	if (all.utilisation_pct != AG_UNKNOWN)
		all.utilisation_pct /= (int64_t)d->n_gpus;
	d->sample = all;
	return true;
}
