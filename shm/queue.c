/* SPDX-License-Identifier: MIT */
/*
 * queue.c - those who wait: one line each in a table, without a lock.
 *
 * The state word decides. Whoever makes a free entry his own fills the other
 * words, and they stay while he waits, so a reader that finds the same state
 * before and after has what belongs together. Others only displace one that
 * waits, and note when it was called, with the sequence it is of.
 *
 * The mark says where entries that are in use end. Whoever takes an entry
 * changes the mark afterwards, even where it is high enough; whoever lowers it
 * read it before he looked, and changes it only if nobody else did: he never
 * hides an entry that was taken meanwhile.
 */
#include "internal.h"

#define TRIES 100000	 /* of a change, each lost to somebody else's */
#define LOWER_TRIES 8	 /* then who sweeps does it */
#define FULL_PAUSE_MS 50 /* between two searches when all entries are taken */

static const struct reg_waiter_ref nobody = {.index = REG_WAITERS_MAX};

static bool
is_mine(const struct reg *r, uint64_t state)
{
	return reg_wait_state(state) != REG_WAIT_FREE &&
	       reg_wait_row(state) == r->row &&
	       reg_wait_row_generation(state) ==
		       (r->row_generation & REG_BITS(REG_WAIT_GEN_BITS));
}

/* The entry of a reference, and its state; NULL when it is another's by now. */
static struct reg_wait *
at(const struct reg *r, struct reg_waiter_ref w, uint64_t *state)
{
	struct reg_wait *p;

	if (w.index >= REG_WAITERS_MAX)
		return NULL;
	p = &r->seg->waits[w.index];
	*state = atomic_load(&p->state);
	REG_STOP_POINT();
	return reg_wait_state(*state) != REG_WAIT_FREE &&
			       reg_wait_sequence(*state) == w.sequence
		       ? p
		       : NULL;
}

static bool
become(struct reg_wait *p, uint64_t state, enum reg_wait_state next)
{
	bool done;

	REG_CRASH_POINT();
	done = atomic_compare_exchange_strong(&p->state, &state,
					      reg_wait_as(state, next));
	REG_CRASH_POINT();
	return done;
}

/* ---- the mark --------------------------------------------------------------
 */

static uint32_t
end_of_use(const struct reg *r)
{
	return reg_mark_above(atomic_load(&r->seg->header.mark));
}

static bool
raise_mark(const struct reg *r, uint32_t above)
{
	_Atomic uint64_t *mark = &r->seg->header.mark;
	uint64_t was = atomic_load(mark);

	for (int tries = 0; tries < TRIES; tries++) {
		uint32_t now = reg_mark_above(was);

		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(
			    mark, &was,
			    reg_mark_next(was, now > above ? now : above))) {
			REG_CRASH_POINT();
			return true;
		}
	}
	return false;
}

static void
lower_mark(const struct reg *r)
{
	_Atomic uint64_t *mark = &r->seg->header.mark;

	for (int tries = 0; tries < LOWER_TRIES; tries++) {
		uint64_t was = atomic_load(mark);
		uint32_t above = reg_mark_above(was), n = above;

		REG_STOP_POINT();
		while (n && reg_wait_state(
				    atomic_load(&r->seg->waits[n - 1].state)) ==
				    REG_WAIT_FREE)
			n--;
		REG_CRASH_POINT();
		if (n == above || atomic_compare_exchange_strong(
					  mark, &was, reg_mark_next(was, n)))
			break;
	}
	REG_CRASH_POINT();
}

/* ---- the dead --------------------------------------------------------------
 */

static unsigned
sweep(struct reg *r, uint32_t end)
{
	struct reg_census c = {0};
	unsigned n = 0;

	for (uint32_t i = 0; i < end; i++) {
		struct reg_wait *p = &r->seg->waits[i];
		uint64_t state = atomic_load(&p->state);

		if (reg_wait_state(state) == REG_WAIT_FREE ||
		    is_mine(r, state) ||
		    reg_census_live(r, &c, reg_wait_row(state),
				    reg_wait_row_generation(state),
				    REG_BITS(REG_WAIT_GEN_BITS)))
			continue;
		n += become(p, state, REG_WAIT_FREE);
	}
	lower_mark(r);
	return n;
}

unsigned
reg_queue_sweep(struct reg *r)
{
	uint32_t end = end_of_use(r);

	return end ? sweep(r, end) : 0;
}

void
reg_queue_clear(struct reg *r)
{
	for (uint32_t i = 0; i < REG_WAITERS_MAX; i++) {
		struct reg_wait *p = &r->seg->waits[i];

		/* Twice: it may be displaced in between. */
		for (int tries = 0; tries < 2; tries++) {
			uint64_t state = atomic_load(&p->state);

			if (reg_wait_state(state) == REG_WAIT_FREE ||
			    reg_wait_row(state) != r->row ||
			    become(p, state, REG_WAIT_FREE))
				break;
		}
	}
	lower_mark(r);
	r->waiting = 0;
}

void
reg_queue_carry(const struct reg *from, struct reg *to)
{
	uint64_t before = atomic_load(&from->seg->header.number);
	uint64_t there = atomic_load(&to->seg->header.number);

	while (there < before) {
		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(&to->seg->header.number,
						   &there, before))
			break;
	}
}

/* ---- join and leave --------------------------------------------------------
 */

/* A free entry; it is filled then. */
static struct reg_wait *
reserve(struct reg *r, uint64_t *state)
{
	uint32_t end = end_of_use(r);

	/* Low ones, so that who reads has few to look at. */
	if (r->wait_hint > end)
		r->wait_hint = end;
	for (uint32_t n = 0; n < REG_WAITERS_MAX; n++) {
		uint32_t i = (r->wait_hint + n) % REG_WAITERS_MAX;
		struct reg_wait *p = &r->seg->waits[i];
		uint64_t was = atomic_load(&p->state);
		uint32_t sequence = reg_wait_sequence(was) + 1;

		if (reg_wait_state(was) != REG_WAIT_FREE)
			continue;
		*state = reg_wait(REG_WAIT_FILLING, r->row, r->row_generation,
				  sequence ? sequence : 1);
		REG_CRASH_POINT();
		if (!atomic_compare_exchange_strong(&p->state, &was, *state))
			continue;
		REG_CRASH_POINT();
		r->wait_hint = (i + 1) % REG_WAITERS_MAX;
		return p;
	}
	return NULL;
}

/* After a full search, the next one does not search as well. */
static struct reg_wait *
reserve_or_sweep(struct reg *r, uint64_t *state)
{
	struct reg_wait *p;

	if (r->wait_full_ms && reg_clock_ms() - r->wait_full_ms < FULL_PAUSE_MS)
		return NULL;
	p = reserve(r, state);
	if (!p && sweep(r, REG_WAITERS_MAX))
		p = reserve(r, state);
	r->wait_full_ms = p ? 0 : reg_clock_ms();
	return p;
}

static void
fill(struct reg *r, struct reg_wait *p, struct reg_waiter *w)
{
	if (!w->number)
		w->number = atomic_fetch_add(&r->seg->header.number, 1) + 1;
	REG_CRASH_POINT();
	atomic_store_explicit(&p->queue, w->queue, memory_order_release);
	atomic_store_explicit(&p->client, w->client, memory_order_release);
	REG_CRASH_POINT();
	atomic_store_explicit(&p->share, reg_share(w->share),
			      memory_order_release);
	atomic_store_explicit(&p->came, reg_came(w->came_ms, w->rank),
			      memory_order_release);
	REG_CRASH_POINT();
	atomic_store_explicit(&p->number, w->number, memory_order_release);
	atomic_store_explicit(&p->avoids, w->avoids, memory_order_release);
	atomic_store_explicit(&p->called, 0, memory_order_release);
	REG_CRASH_POINT();
}

struct reg_waiter_ref
reg_queue_join(struct reg *r, struct reg_waiter *w)
{
	uint64_t state;
	struct reg_wait *p = reserve_or_sweep(r, &state);

	w->ref = nobody;
	w->mine = true;
	w->row = r->row;
	w->row_generation = r->row_generation;
	w->called_ms = 0;
	if (!p)
		return nobody;
	fill(r, p, w);
	/* Before anybody can read it: who may be there is below the mark. */
	if (!raise_mark(r, (uint32_t)(p - r->seg->waits) + 1) ||
	    !become(p, state, REG_WAIT_WAITING)) {
		become(p, state, REG_WAIT_FREE);
		return nobody;
	}
	w->ref.index = (uint32_t)(p - r->seg->waits);
	w->ref.sequence = reg_wait_sequence(state);
	r->waiting++;
	return w->ref;
}

void
reg_queue_leave(struct reg *r, struct reg_waiter_ref w)
{
	struct reg_wait *p;
	uint64_t state;

	/* Twice: it may be displaced in between. */
	for (int tries = 0; tries < 2; tries++) {
		p = at(r, w, &state);
		if (!p || !is_mine(r, state))
			return;
		if (become(p, state, REG_WAIT_FREE))
			break;
	}
	if (w.index < r->wait_hint)
		r->wait_hint = w.index;
	r->waiting -= r->waiting > 0;
	r->wait_full_ms = 0;
	if (w.index + 1 >= end_of_use(r))
		lower_mark(r);
}

/* ---- read ------------------------------------------------------------------
 */

bool
reg_queue_any(const struct reg *r)
{
	return end_of_use(r) != 0;
}

static uint32_t
count_of(const struct reg *r, struct reg_candidate_ref c)
{
	struct reg_place *p = reg_candidate_at(r, c);
	uint64_t load = p ? atomic_load(&p->load) : 0;

	return p && reg_load_is(load, c.tag) ? reg_load_count(load) : 0;
}

/* Did the process leave its entry behind? */
static bool
is_left_behind(const struct reg *r, uint64_t state, uint64_t now_ms)
{
	return !is_mine(r, state) &&
	       reg_row_gone(r, reg_wait_row(state),
			    reg_wait_row_generation(state),
			    REG_BITS(REG_WAIT_GEN_BITS), now_ms);
}

/* All of an entry that waits. False: it does not, or not any more. */
static bool
read_one(const struct reg *r, uint32_t i, uint64_t now_ms,
	 struct reg_waiter *out)
{
	struct reg_wait *p = &r->seg->waits[i];
	uint64_t state = atomic_load(&p->state), came, called;

	if (reg_wait_state(state) != REG_WAIT_WAITING)
		return false;
	REG_STOP_POINT();
	out->queue = atomic_load_explicit(&p->queue, memory_order_acquire);
	out->client = atomic_load_explicit(&p->client, memory_order_acquire);
	REG_STOP_POINT();
	out->share = reg_share_ref(
		atomic_load_explicit(&p->share, memory_order_acquire));
	came = atomic_load_explicit(&p->came, memory_order_acquire);
	REG_STOP_POINT();
	out->number = atomic_load_explicit(&p->number, memory_order_acquire);
	out->avoids = atomic_load_explicit(&p->avoids, memory_order_acquire);
	called = atomic_load_explicit(&p->called, memory_order_acquire);
	REG_STOP_POINT();
	if (atomic_load(&p->state) != state || is_left_behind(r, state, now_ms))
		return false;
	out->ref.index = i;
	out->ref.sequence = reg_wait_sequence(state);
	out->mine = is_mine(r, state);
	out->row = reg_wait_row(state);
	out->row_generation = atomic_load(&r->seg->rows[out->row].generation);
	out->unheard = atomic_load(&r->seg->rows[out->row].woken);
	out->share_in_flight = count_of(r, out->share);
	out->rank = reg_came_rank(came);
	out->came_ms = reg_came_ms(came);
	out->called_ms = reg_stamp_ms(called, out->ref.sequence);
	return true;
}

size_t
reg_queue_read(const struct reg *r, struct reg_waiter *out, size_t cap)
{
	uint32_t end = end_of_use(r);
	uint64_t now_ms = reg_clock_ms();
	struct reg_waiter w;
	size_t n = 0;

	for (uint32_t i = 0; i < end && n < cap; i++)
		if (read_one(r, i, now_ms, &w))
			out[n++] = w;
	return n;
}

/* ---- call and displace -----------------------------------------------------
 */

bool
reg_queue_call(struct reg *r, const struct reg_waiter *w, uint64_t now_ms,
	       uint64_t again_ms)
{
	uint64_t state, called, last_ms;
	struct reg_wait *p = at(r, w->ref, &state);

	if (!p || reg_wait_state(state) != REG_WAIT_WAITING)
		return false;
	called = atomic_load(&p->called);
	last_ms = reg_stamp_ms(called, w->ref.sequence);
	/* By somebody whose clock is a little ahead, perhaps. */
	if (last_ms && (now_ms < last_ms || now_ms - last_ms < again_ms))
		return false;
	REG_CRASH_POINT();
	if (!atomic_compare_exchange_strong(&p->called, &called,
					    reg_stamp(w->ref.sequence, now_ms)))
		return false;
	REG_CRASH_POINT();
	reg_wake(r, w->row, w->row_generation);
	return true;
}

void
reg_queue_uncall(struct reg *r, struct reg_waiter_ref w)
{
	uint64_t state;
	struct reg_wait *p = at(r, w, &state);

	if (p && is_mine(r, state) && atomic_load(&p->called))
		atomic_store(&p->called, 0);
}

bool
reg_queue_displace(struct reg *r, const struct reg_waiter *w)
{
	uint64_t state;
	struct reg_wait *p = at(r, w->ref, &state);

	if (!p || reg_wait_state(state) != REG_WAIT_WAITING ||
	    !become(p, state, REG_WAIT_DISPLACED))
		return false;
	reg_wake(r, w->row, w->row_generation);
	return true;
}

bool
reg_queue_is_displaced(const struct reg *r, struct reg_waiter_ref w)
{
	uint64_t state;

	return at(r, w, &state) && reg_wait_state(state) == REG_WAIT_DISPLACED;
}

unsigned
reg_queue_displaced(const struct reg *r, uint64_t queue)
{
	uint32_t end = end_of_use(r);
	uint64_t now_ms = reg_clock_ms();
	unsigned n = 0;

	for (uint32_t i = 0; i < end; i++) {
		struct reg_wait *p = &r->seg->waits[i];
		uint64_t state = atomic_load(&p->state);

		if (reg_wait_state(state) != REG_WAIT_DISPLACED)
			continue;
		REG_STOP_POINT();
		n += atomic_load_explicit(&p->queue, memory_order_acquire) ==
			     queue &&
		     atomic_load(&p->state) == state &&
		     !is_left_behind(r, state, now_ms);
	}
	return n;
}
