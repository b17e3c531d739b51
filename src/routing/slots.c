/* SPDX-License-Identifier: MIT */
/* slots.c - see slots.h. Reads only, but for entries in the registry that
 * looking at candidates opens. */
#include "routing/slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "nodes/model_state.h"
#include "routing/elsewhere.h"
#include "routing/history.h"
#include "routing/routing.h"
#include "routing/standing.h"

#define WAITERS_FIRST 64 /* room for so many at first */

static bool
grow(void *array, size_t size, size_t n)
{
	void **at = array;
	void *more = realloc(*at, n * size);

	if (!more)
		return false;
	*at = more;
	return true;
}

/* Room for one more of each of the arrays that share a length. */
static size_t
next_cap(size_t cap)
{
	return cap ? cap * 2 : 16;
}

void
gw_slots_release(struct gw_slots *s)
{
	free(s->waiters);
	free(s->slot);
	free(s->where);
	free(s->queues);
	free(s->at);
	free(s->uses);
	free(s->free);
	free(s->users);
	free(s->keys);
	free(s->table);
	free(s->scratch);
	gw_choices_release(&s->choices);
	*s = (struct gw_slots){0};
}

/* ---- who waits --------------------------------------------------------------
 */

static bool
room_for_waiters(struct gw_slots *s, size_t n)
{
	if (n <= s->cap)
		return true;
	if (!grow(&s->waiters, sizeof(*s->waiters), n) ||
	    !grow(&s->slot, sizeof(*s->slot), n) ||
	    !grow(&s->where, sizeof(*s->where), n))
		return false;
	s->cap = n;
	return true;
}

int
gw_slots_read(struct gw_slots *s, const struct reg *reg,
	      const struct reg_waiter *more)
{
	size_t want = s->cap ? s->cap : WAITERS_FIRST;

	for (;;) {
		if (!room_for_waiters(s, want))
			return -1;
		s->n = reg_queue_read(reg, s->waiters, s->cap - 1);
		if (s->n < s->cap - 1 || s->cap > REG_WAITERS_MAX)
			break;
		want = s->cap * 2 < REG_WAITERS_MAX + 1 ? s->cap * 2
							: REG_WAITERS_MAX + 1;
	}
	if (more)
		s->waiters[s->n++] = *more;
	return 0;
}

/* ---- where they could be served --------------------------------------------
 */

/* Of a table that is at most half full. */
static uint32_t *
cell_of(const struct gw_slots *s, uint64_t key)
{
	size_t at = gw_hash_slot(key, s->cap_table);

	while (s->table[at] && s->keys[s->table[at] - 1] != key)
		at = (at + 1) % s->cap_table;
	return &s->table[at];
}

static bool
room_for_candidate(struct gw_slots *s)
{
	size_t cap = next_cap(s->cap_candidates);

	if (s->n_candidates < s->cap_candidates)
		return true;
	if (!grow(&s->free, sizeof(*s->free), cap) ||
	    !grow(&s->users, sizeof(*s->users), cap) ||
	    !grow(&s->keys, sizeof(*s->keys), cap) ||
	    !grow(&s->table, sizeof(*s->table), 2 * cap))
		return false;
	s->cap_candidates = cap;
	s->cap_table = 2 * cap;
	memset(s->table, 0, s->cap_table * sizeof(*s->table));
	for (size_t i = 0; i < s->n_candidates; i++)
		*cell_of(s, s->keys[i]) = (uint32_t)i + 1;
	return true;
}

static uint32_t
candidate_of(struct gw_slots *s, const struct gw_choice *c, uint32_t slots)
{
	uint32_t *cell, i;

	if (!room_for_candidate(s))
		return GW_QUEUE_NO_SLOT;
	cell = cell_of(s, c->key);
	if (!*cell) {
		s->keys[s->n_candidates] = c->key;
		s->free[s->n_candidates] = s->users[s->n_candidates] = 0;
		*cell = (uint32_t)++s->n_candidates;
	}
	i = *cell - 1;
	/* Two aliases may bound one place differently. */
	if (slots > s->free[i])
		s->free[i] = slots;
	return i;
}

static bool
put_use(struct gw_slots *s, const struct gw_choice *c, uint32_t slots)
{
	uint32_t candidate = candidate_of(s, c, slots);

	if (candidate == GW_QUEUE_NO_SLOT)
		return false;
	if (s->n_uses == s->cap_uses) {
		size_t cap = next_cap(s->cap_uses);

		if (!grow(&s->uses, sizeof(*s->uses), cap))
			return false;
		s->cap_uses = cap;
	}
	s->users[candidate]++;
	s->uses[s->n_uses++] = candidate;
	return true;
}

/* @history, @avoids  as for gw_standing_of() */
static bool
find_candidates(struct gw_slots *s, struct gw_routing *routing,
		const struct gw_history *history, uint64_t avoids,
		uint64_t now_ms)
{
	struct gw_slots_queue *q = &s->at[s->n_queues];
	struct gw_standing turn;

	q->first = s->n_uses;
	if (gw_choices_of(routing, q->config, q->model, now_ms, &s->choices) <
	    0)
		return false;
	turn = gw_standing_of(&s->choices, q->model, history, avoids);
	for (uint32_t step = 0; step < GW_MODEL_STEP__MAX; step++)
		for (size_t i = 0; i < s->choices.n; i++) {
			const struct gw_choice *c = &s->choices.at[i];
			uint32_t n = gw_standing_slots(&turn, c);

			if (c->step == step && n > 0 &&
			    !gw_was_tried(history, q->model, c) &&
			    !gw_is_avoided(avoids, c) &&
			    !put_use(s, c, n))
				return false;
		}
	s->queues[s->n_queues].n_candidates = (uint32_t)(s->n_uses - q->first);
	q->lost = !turn.full && s->n_uses == q->first;
	q->ejected = !turn.awaited && s->n_uses == q->first;
	return true;
}

/* ---- queues -----------------------------------------------------------------
 */

static const struct gw_model *
model_of_queue(const struct gw_config *config, uint64_t queue)
{
	for (size_t i = 0; i < config->n_models; i++)
		if (config->models[i].key == queue)
			return &config->models[i];
	return NULL;
}

static const struct gw_history *
history_of(const struct gw_request *r)
{
	const struct gw_history *h = r ? gw_routed(r)->pick.history : NULL;

	return h && gw_history_bits(h, r->resolve.model) ? h : NULL;
}

/* It waits in a queue of its own. */
static bool
is_apart(struct gw_routing *routing, const struct gw_request *r)
{
	return r && (history_of(r) || gw_is_elsewhere(routing, r));
}

/* True where @q knows whose it is. An alias that the configuration lost is
 * known by its own requests alone. */
static bool
set_model(struct gw_slots_queue *q, struct gw_routing *routing,
	  uint64_t queue, const struct gw_request *r)
{
	struct gw_config *now = routing->worker->config;
	const struct gw_model *m = NULL;

	*q = (struct gw_slots_queue){0};
	if (!is_apart(routing, r)) /* it speaks of models of its own */
		m = model_of_queue(now, queue);
	if (m) {
		q->config = now;
		q->model = m;
	} else if (r) {
		q->config = r->config;
		q->model = r->resolve.model;
	}
	return q->model != NULL;
}

static bool
room_for_queue(struct gw_slots *s)
{
	size_t cap = next_cap(s->cap_queues);

	if (s->n_queues < s->cap_queues)
		return true;
	if (!grow(&s->queues, sizeof(*s->queues), cap) ||
	    !grow(&s->at, sizeof(*s->at), cap))
		return false;
	s->cap_queues = cap;
	return true;
}

static size_t
find_queue(const struct gw_slots *s, uint64_t queue, size_t last)
{
	if (last < s->n_queues && s->queues[last].queue == queue)
		return last;
	for (size_t i = 0; i < s->n_queues; i++)
		if (s->queues[i].queue == queue)
			return i;
	return s->n_queues;
}

/* Which of an alias's waiters can use the same candidates. */
static uint64_t
queue_id(struct gw_routing *routing, const struct reg_waiter *w,
	 const struct gw_request *r)
{
	if (r)
		return is_apart(routing, r) ? (uint64_t)(uintptr_t)r : w->queue;
	return w->queue ^ w->avoids * UINT64_C(0x9e3779b97f4a7c15);
}

/*
 * The queue of a waiter, a new one if need be. What a request met, and of which
 * configuration it is, is known to its own process: there it waits in a queue of
 * its own. Others know what it avoids, or a little more: whoever is not called
 * for that looks by itself.
 */
static bool
put_in_queue(struct gw_slots *s, struct gw_routing *routing, size_t i,
	     const struct gw_request *r, size_t *last, uint64_t now_ms)
{
	struct reg_waiter *w = &s->waiters[i];
	const struct gw_history *history = history_of(r);
	uint64_t id = queue_id(routing, w, r), avoids = r ? 0 : w->avoids;
	size_t at = find_queue(s, id, *last);
	uint64_t waited_ms = now_ms > w->came_ms ? now_ms - w->came_ms : 0;

	if (at == s->n_queues) {
		if (!room_for_queue(s))
			return false;
		if (!set_model(&s->at[at], routing, w->queue, r))
			return true;
		s->queues[at] = (struct gw_queue_use){.queue = id};
		if (!find_candidates(s, routing, history, avoids, now_ms))
			return false;
		s->n_queues++;
	}
	if (waited_ms > s->at[at].longest_ms)
		s->at[at].longest_ms = waited_ms;
	s->where[i] = (uint32_t)at;
	*last = at;
	return true;
}

/* ---- the assignment ---------------------------------------------------------
 */

static bool
room_for_cells(struct gw_slots *s, size_t n)
{
	if (n <= s->cap_scratch)
		return true;
	if (!grow(&s->scratch, sizeof(*s->scratch), n))
		return false;
	s->cap_scratch = n;
	return true;
}

static bool
assign(struct gw_slots *s, uint64_t now_ms)
{
	struct gw_queue_slots in = {.waiters = s->waiters,
				    .n_waiters = s->n,
				    .queues = s->queues,
				    .n_queues = s->n_queues,
				    .free = s->free,
				    .n_candidates = s->n_candidates,
				    .now_ms = now_ms,
				    .grace_ms = GW_GRANT_MS};

	if (!room_for_cells(s, gw_queue_assign_cells(&in)))
		return false;
	for (size_t i = 0; i < s->n_queues; i++)
		s->queues[i].candidates = s->uses + s->at[i].first;
	/* Some are in queues of their own, for this walk. */
	for (size_t i = 0; i < s->n; i++)
		if (s->where[i] < s->n_queues)
			s->waiters[i].queue = s->queues[s->where[i]].queue;
	gw_queue_assign(&in, s->scratch, s->slot);
	for (size_t i = 0; i < s->n; i++)
		if (s->where[i] < s->n_queues)
			s->waiters[i].queue = s->at[s->where[i]].model->key;
	return true;
}

int
gw_slots_assign(struct gw_slots *s, struct gw_routing *routing,
		struct gw_request *const *own, const struct gw_request *asks,
		uint64_t now_ms)
{
	size_t last = 0;

	s->n_queues = s->n_uses = s->n_candidates = 0;
	if (s->table)
		memset(s->table, 0, s->cap_table * sizeof(*s->table));
	for (size_t i = 0; i < s->n; i++) {
		const struct reg_waiter *w = &s->waiters[i];
		const struct gw_request *r = NULL;

		s->where[i] = UINT32_MAX;
		if (w->ref.index < REG_WAITERS_MAX && w->mine)
			r = own[w->ref.index];
		else if (w->ref.index >= REG_WAITERS_MAX)
			r = asks;
		if (!put_in_queue(s, routing, i, r, &last, now_ms))
			return -1;
	}
	if (s->n_candidates == 0) {
		memset(s->slot, 0xff, s->n * sizeof(*s->slot));
		return 0;
	}
	return assign(s, now_ms) ? 0 : -1;
}

uint64_t
gw_slots_where(const struct gw_slots *s, size_t waiter)
{
	const struct gw_queue_use *q = &s->queues[s->where[waiter]];

	if (s->where[waiter] >= s->n_queues)
		return 0;
	for (uint32_t i = 0; i < q->n_candidates; i++)
		if (s->users[q->candidates[i]] > 1)
			return s->keys[s->slot[waiter]];
	return 0;
}

const uint32_t *
gw_slots_positions(struct gw_slots *s, uint64_t now_ms)
{
	if (!room_for_cells(s, 2 * s->n))
		return NULL;
	gw_queue_positions(s->waiters, s->n, now_ms, s->scratch,
			   s->scratch + s->n);
	return s->scratch + s->n;
}

/* ---- who is refused ---------------------------------------------------------
 */

bool
gw_slots_displace(struct gw_slots *s, struct reg *reg,
		  const struct reg_waiter *newcomer, uint64_t now_ms,
		  bool *mine)
{
	size_t victim;

	if (gw_slots_read(s, reg, NULL) < 0 ||
	    !room_for_cells(s, gw_queue_victim_cells(s->n)))
		return false;
	victim =
		gw_queue_victim(s->waiters, s->n, newcomer, now_ms, s->scratch);
	if (victim == GW_QUEUE_NOBODY)
		return false;
	if (!mine)
		return true;
	*mine = s->waiters[victim].mine;
	return reg_queue_displace(reg, &s->waiters[victim]);
}

bool
gw_slots_outlook(struct gw_slots *s, const struct reg *reg,
		 const struct reg_waiter *as, struct reg_candidate_ref queue,
		 uint64_t now_ms, struct gw_slots_outlook *out)
{
	struct gw_queue_place place;

	if (gw_slots_read(s, reg, NULL) < 0)
		return false;
	gw_queue_place(s->waiters, s->n, as, now_ms, &place);
	out->position = place.position;
	out->longest_ms = place.longest_ms;
	out->interval_ms = reg_queue_interval_ms(
		reg, queue, now_ms - place.longest_ms, now_ms);
	return true;
}
