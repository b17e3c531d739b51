/* SPDX-License-Identifier: MIT */
/* share.c - see share.h; answers no request and starts no model. */
#include "agent/queue/share.h"

#include "agent/model/placement.h"

#define NOWHERE SIZE_MAX

/* A try to have all models loaded at one time. */
struct plan {
	struct ag_models all;
	const struct ag_device *device;
	size_t n;
	size_t allowed[AG_MODELS_MAX]; /* devices that it may be on */
	size_t home[AG_MODELS_MAX];    /* the one it got, or NOWHERE */
	bool turns[AG_MODELS_MAX];
};

static bool
may_be_on(const struct plan *p, size_t model, size_t device)
{
	return ag_place_allowed(&p->all.model[model], &p->device[device]);
}

/* Beside those that the plan has there. */
static bool
fits(const struct plan *p, size_t model, size_t device)
{
	const struct ag_model *m = &p->all.model[model];
	int64_t total = p->device[device].sample.memory_total_mib;
	int64_t taken = 0;
	bool alone = true;

	if (!may_be_on(p, model, device))
		return false;
	for (size_t i = 0; i < p->all.n; i++) {
		if (p->home[i] != device)
			continue;
		if (!ag_place_same_group(m, &p->all.model[i]))
			return false;
		taken += (int64_t)p->all.model[i].config->memory_mib;
		alone = false;
	}
	return alone || total == AG_UNKNOWN ||
	       taken + (int64_t)m->config->memory_mib <= total;
}

static void
find_home(struct plan *p, size_t model)
{
	for (size_t d = 0; d < p->n && p->home[model] == NOWHERE; d++)
		if (fits(p, model, d))
			p->home[model] = d;
}

static void
find_homes(struct plan *p)
{
	for (size_t i = 0; i < p->all.n; i++) {
		p->home[i] = NOWHERE;
		for (size_t d = 0; d < p->n; d++)
			p->allowed[i] += may_be_on(p, i, d);
	}
	for (size_t choices = 1; choices <= p->n; choices++)
		for (size_t i = 0; i < p->all.n; i++)
			if (p->allowed[i] == choices)
				find_home(p, i);
}

static void
find_turns(struct plan *p)
{
	for (size_t i = 0; i < p->all.n; i++) {
		if (p->home[i] != NOWHERE || p->allowed[i] == 0)
			continue;
		p->turns[i] = true;
		for (size_t k = 0; k < p->all.n; k++)
			if (p->home[k] != NOWHERE &&
			    may_be_on(p, i, p->home[k]))
				p->turns[k] = true;
	}
}

/* Models that may wait for this device, as one that takes turns or not. */
static size_t
rivals(const struct plan *p, bool turns, size_t device)
{
	size_t n = 0;

	for (size_t i = 0; i < p->all.n; i++)
		if (p->turns[i] == turns &&
		    (turns ? may_be_on(p, i, device) : p->home[i] == device))
			n++;
	return n;
}

/* Of the device that most of them may wait for. */
static size_t
most_rivals(const struct plan *p, size_t model)
{
	size_t most = 1;

	if (!p->turns[model])
		return p->home[model] == NOWHERE
			       ? 1
			       : rivals(p, false, p->home[model]);
	for (size_t d = 0; d < p->n; d++) {
		size_t n = may_be_on(p, model, d) ? rivals(p, true, d) : 0;

		if (n > most)
			most = n;
	}
	return most;
}

void
ag_shares_of(struct ag_models all, const struct ag_device *device, size_t n,
	     uint32_t max_pending, struct ag_share *out)
{
	struct plan p = {.all = all, .device = device, .n = n};

	find_homes(&p);
	find_turns(&p);
	for (size_t i = 0; i < all.n; i++) {
		uint32_t waiting = max_pending / (uint32_t)most_rivals(&p, i);

		out[i] = (struct ag_share){
			.turns = p.turns[i],
			.waiting = waiting ? waiting : 1,
		};
	}
}

uint32_t
ag_share_bound(const struct ag_model *m, const struct ag_share *s, bool ready)
{
	uint32_t parallel = ag_model_parallel(m);

	if (s->turns)
		return s->waiting + (ready ? parallel : 0);
	return ready || parallel < s->waiting ? parallel : s->waiting;
}
