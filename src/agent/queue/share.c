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

/*
 * An equal part of this device's queue for each model that takes turns there,
 * or that has its home there. Of those that take turns what runs is taken off
 * first: while one makes room for another, all that was sent here has to wait.
 */
static uint32_t
part_of(const struct plan *p, bool turns, size_t device, uint32_t max_pending)
{
	uint32_t n = 0, running = 0;

	for (size_t i = 0; i < p->all.n; i++) {
		if (p->turns[i] != turns ||
		    !(turns ? may_be_on(p, i, device) : p->home[i] == device))
			continue;
		n++;
		if (turns)
			running += ag_model_parallel(&p->all.model[i]);
	}
	return n && max_pending > running ? (max_pending - running) / n : 0;
}

/* Of the device where it is least, and one at least. */
static uint32_t
waiting_of(const struct plan *p, size_t model, uint32_t max_pending)
{
	uint32_t least = max_pending;

	for (size_t d = 0; d < p->n; d++) {
		uint32_t part;

		if (p->turns[model] ? !may_be_on(p, model, d)
				    : p->home[model] != d)
			continue;
		part = part_of(p, p->turns[model], d, max_pending);
		if (part < least)
			least = part;
	}
	return least ? least : 1;
}

void
ag_shares_of(struct ag_models all, const struct ag_device *device, size_t n,
	     uint32_t max_pending, struct ag_share *out)
{
	struct plan p = {.all = all, .device = device, .n = n};

	find_homes(&p);
	find_turns(&p);
	for (size_t i = 0; i < all.n; i++)
		out[i] = (struct ag_share){
			.turns = p.turns[i],
			.waiting = waiting_of(&p, i, max_pending),
		};
}

uint32_t
ag_share_bound(const struct ag_model *m, const struct ag_share *s, bool ready)
{
	uint32_t parallel = ag_model_parallel(m);

	if (s->turns)
		return s->waiting + (ready ? parallel : 0);
	return ready || parallel < s->waiting ? parallel : s->waiting;
}
