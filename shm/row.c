/* SPDX-License-Identifier: MIT */
/*
 * row.c - one row a process: its counters, its gauges and its claim to both.
 *
 * A row's identity is one atomic word. Whoever finds that the process behind it
 * is dead sets it to 0 or to itself by compare-and-swap. Counters belong to the
 * row and go on under the next owner; gauges and leases belong to the owner.
 */
#include <string.h>

#include "internal.h"

#define WATCH_MS 50 /* how long a "still alive" is believed */

/* Sets up a row whose identity was @before; false when another was faster. */
static bool
claim(struct reg *r, uint32_t row, uint64_t before)
{
	struct reg_row *w = &r->seg->rows[row];
	uint64_t generation;

	/*
	 * While REG_CLAIMING is set nobody counts what the row holds, so the
	 * last owner's gauges and leases never pass for ours.
	 */
	REG_CRASH_POINT();
	if (!atomic_compare_exchange_strong(&w->identity, &before,
					    r->identity | REG_CLAIMING))
		return false;
	REG_CRASH_POINT();
	generation = atomic_load(&w->generation) + 1;
	atomic_store(&w->generation, generation);
	REG_CRASH_POINT();
	atomic_store(&w->wake, 0);
	atomic_store(&w->woken, 0);
	atomic_store(&w->pool[0], 0);
	atomic_store(&w->pool[1], 0);
	atomic_store(&w->note, 0);
	REG_CRASH_POINT();
	for (int i = 0; i < REG_GAUGES_MAX; i++) {
		atomic_store(&w->gauges[i], 0);
		REG_CRASH_POINT();
	}
	atomic_store(&w->identity, r->identity);
	REG_CRASH_POINT();
	r->row = row;
	r->row_generation = generation;
	return true;
}

int
reg_row_claim(struct reg *r, struct reg_err *err)
{
	for (uint32_t row = 0; row < REG_ROWS_MAX; row++) {
		uint64_t before = atomic_load(&r->seg->rows[row].identity);

		if (before && reg_identity_alive(before))
			continue;
		if (claim(r, row, before))
			return 0;
	}
	return reg_fail(err, REG_FULL, 0,
			"%d processes are attached already: stop some of them, "
			"or use another segment name",
			REG_ROWS_MAX);
}

void
reg_row_release(struct reg *r)
{
	uint64_t mine = r->identity;

	atomic_store(&r->seg->rows[r->row].wake, 0);
	REG_CRASH_POINT();
	atomic_compare_exchange_strong(&r->seg->rows[r->row].identity, &mine,
				       0);
	REG_CRASH_POINT();
}

/* A dead owner's row becomes free, so that nobody has to ask /proc again. */
static void
retire(const struct reg *r, uint32_t row, uint64_t identity)
{
	REG_CRASH_POINT();
	atomic_compare_exchange_strong(&r->seg->rows[row].identity, &identity,
				       0);
	REG_CRASH_POINT();
}

bool
reg_row_alive(const struct reg *r, uint32_t row)
{
	uint64_t identity = atomic_load(&r->seg->rows[row].identity);

	if (identity == 0 || (identity & REG_CLAIMING))
		return false;
	REG_STOP_POINT();
	if (identity == r->identity)
		return true;
	if (reg_identity_alive(identity))
		return true;
	if (r->identity) /* a handle that only looks must not write */
		retire(r, row, identity);
	return false;
}

bool
reg_row_gone(const struct reg *r, uint32_t row, uint64_t generation,
	     uint64_t mask, uint64_t now_ms)
{
	struct reg_row *w = &r->seg->rows[row];
	struct reg_watch *watch;
	uint64_t identity;

	if ((atomic_load(&w->generation) & mask) != generation)
		return true;
	REG_STOP_POINT();
	identity = atomic_load(&w->identity);
	REG_STOP_POINT();
	/* REG_CLAIMING: the next owner is about to raise the generation. */
	if (identity == 0 || (identity & REG_CLAIMING))
		return true;
	if (identity == r->identity)
		return false;
	if (!r->watch)
		return !reg_identity_alive(identity);
	watch = &r->watch[row];
	if (watch->identity == identity &&
	    (watch->dead || (now_ms >= watch->asked_ms &&
			     now_ms - watch->asked_ms < WATCH_MS)))
		return watch->dead;
	watch->identity = identity;
	watch->asked_ms = now_ms;
	watch->dead = !reg_identity_alive(identity);
	if (watch->dead)
		retire(r, row, identity);
	return watch->dead;
}

/* In one step: another process may carry off what was counted so far. */
void
reg_counter_add(struct reg *r, unsigned index, uint64_t n)
{
	if (index < REG_COUNTERS_MAX)
		atomic_fetch_add_explicit(&r->seg->rows[r->row].counters[index],
					  n, memory_order_relaxed);
}

void
reg_row_carry_counters(const struct reg *from, struct reg *to)
{
	for (uint32_t row = 0; row < REG_ROWS_MAX; row++)
		for (unsigned i = 0; i < REG_COUNTERS_MAX; i++) {
			_Atomic uint64_t *w = &from->seg->rows[row].counters[i];

			if (atomic_load_explicit(w, memory_order_relaxed) == 0)
				continue;
			REG_CRASH_POINT();
			reg_counter_add(to, i, atomic_exchange(w, 0));
		}
}

/* Only the owner writes these words: a plain add in two halves is enough. */

void
reg_gauge_add(struct reg *r, unsigned index, int64_t n)
{
	_Atomic int64_t *w;
	uint64_t before;

	if (index >= REG_GAUGES_MAX)
		return;
	w = &r->seg->rows[r->row].gauges[index];
	/* Unsigned: it wraps where a damaged value would overflow. */
	before = (uint64_t)atomic_load_explicit(w, memory_order_relaxed);
	atomic_store_explicit(w, (int64_t)(before + (uint64_t)n),
			      memory_order_relaxed);
}

uint64_t
reg_counter_sum(const struct reg *r, unsigned index)
{
	uint64_t sum = 0;

	if (index >= REG_COUNTERS_MAX)
		return 0;
	for (uint32_t row = 0; row < REG_ROWS_MAX; row++)
		sum += atomic_load_explicit(&r->seg->rows[row].counters[index],
					    memory_order_relaxed);
	return sum;
}

int64_t
reg_gauge_sum(const struct reg *r, unsigned index)
{
	uint64_t sum = 0; /* unsigned: as in reg_gauge_add() */

	if (index >= REG_GAUGES_MAX)
		return 0;
	for (uint32_t row = 0; row < REG_ROWS_MAX; row++)
		if (reg_row_alive(r, row))
			sum += (uint64_t)atomic_load(
				&r->seg->rows[row].gauges[index]);
	return (int64_t)sum;
}

unsigned
reg_rows_live(const struct reg *r)
{
	unsigned live = 0;

	for (uint32_t row = 0; row < REG_ROWS_MAX; row++)
		live += reg_row_alive(r, row);
	return live;
}

void
reg_process_say(struct reg *r, const char *pool, uint64_t note)
{
	struct reg_row *w = &r->seg->rows[r->row];
	uint64_t words[2] = {0};

	memcpy(words, pool, strnlen(pool, sizeof(words)));
	atomic_store_explicit(&w->pool[0], words[0], memory_order_relaxed);
	atomic_store_explicit(&w->pool[1], words[1], memory_order_relaxed);
	atomic_store(&w->note, note);
}

void
reg_process_move(const struct reg *r, struct reg *to)
{
	struct reg_row *from = &r->seg->rows[r->row];
	struct reg_row *w = &to->seg->rows[to->row];

	for (int i = 0; i < 2; i++)
		atomic_store(&w->pool[i], atomic_load(&from->pool[i]));
	atomic_store(&w->note, atomic_load(&from->note));
}

/* Letters alone: it is shown to people. */
static void
copy_pool(const struct reg_row *w, char out[REG_POOL_MAX + 1])
{
	uint64_t words[2] = {atomic_load(&w->pool[0]),
			     atomic_load(&w->pool[1])};

	memcpy(out, words, REG_POOL_MAX);
	out[REG_POOL_MAX] = '\0';
	for (char *c = out; *c; c++)
		if (*c < '!' || *c > '~')
			*c = '?';
}

bool
reg_process_next(const struct reg *r, uint32_t *row, struct reg_process *out)
{
	for (; *row < REG_ROWS_MAX; ++*row) {
		const struct reg_row *w = &r->seg->rows[*row];
		uint64_t identity = atomic_load(&w->identity);

		if (!identity || !reg_row_alive(r, *row))
			continue;
		out->row = (*row)++;
		out->generation = atomic_load(&w->generation);
		out->pid = reg_identity_pid(identity);
		copy_pool(w, out->pool);
		out->note = atomic_load(&w->note);
		for (int i = 0; i < REG_GAUGES_MAX; i++)
			out->gauges[i] = atomic_load(&w->gauges[i]);
		return true;
	}
	return false;
}

bool
reg_once(struct reg *r, unsigned index, uint64_t value)
{
	if (index >= REG_ONCE_MAX)
		return false;
	return atomic_exchange(&r->seg->header.once[index], value) != value;
}
