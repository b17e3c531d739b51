/* SPDX-License-Identifier: MIT */
/*
 * probe.c - results of probes, and who may probe next.
 *
 * A target lives in one of the WINDOW entries behind its key's home. An entry
 * gets a (new) key only under the lock and in the hands of whoever holds its
 * lease; results are published by the lease's holder. Everything else is
 * lock-free:
 *  - `checked` holds a sequence that moves whenever the entry changes hands or
 *    is forgotten. Who looked at an entry and stores into it later does so by
 *    compare-and-swap against what he saw, so a result never lands on another
 *    target.
 *  - `outcome` is stored before `checked`: a reader may see a result that is
 *    newer than it says, never one that is older.
 */
#include <string.h>

#include "internal.h"

#define WINDOW 64
#define LOOK_TRIES 64
#define CARRY_LEASE_MS 1000

/* A consistent look at an entry. */
struct view {
	struct reg_target *target; /* NULL = the key has no entry */
	uint64_t checked;
	uint64_t outcome;
};

static struct reg_target *
entry_at(const struct reg *r, const uint64_t key[2], uint32_t n)
{
	return &r->seg->targets[(key[0] + n) % REG_PROBES_MAX];
}

static bool
has_key(struct reg_target *t, const uint64_t key[2])
{
	return atomic_load(&t->key[0]) == key[0] &&
	       atomic_load(&t->key[1]) == key[1];
}

/* Reads one entry. True when it is the key's; the view is of one moment. */
static bool
look_at(struct reg_target *t, const uint64_t key[2], struct view *v)
{
	for (int tries = 0; tries < LOOK_TRIES; tries++) {
		bool same;

		v->checked = atomic_load(&t->checked);
		REG_STOP_POINT();
		same = has_key(t, key);
		REG_STOP_POINT();
		v->outcome = atomic_load(&t->outcome);
		REG_STOP_POINT();
		if (atomic_load(&t->checked) != v->checked)
			continue;
		return v->checked && same;
	}
	return false;
}

static struct view
look_up(const struct reg *r, const uint64_t key[2])
{
	struct view v;

	for (uint32_t n = 0; n < WINDOW; n++) {
		struct reg_target *t = entry_at(r, key, n);

		if (look_at(t, key, &v)) {
			v.target = t;
			return v;
		}
		if (!v.checked)
			break; /* entries are never emptied: it ends here */
	}
	return (struct view){0}; /* what was seen is of other targets */
}

static void
tell(const struct view *v, struct reg_probe *out)
{
	memset(out, 0, sizeof(*out));
	out->checked_ms = reg_checked_ms(v->checked);
	if (!out->checked_ms)
		return;
	out->result = reg_outcome_result(v->outcome);
	out->since_wall_s = reg_outcome_since(v->outcome);
}

static bool
is_fresh(const struct view *v, uint64_t now_ms, uint64_t ttl_ms)
{
	uint64_t checked_ms = reg_checked_ms(v->checked);
	uint64_t age = now_ms > checked_ms ? now_ms - checked_ms : 0;

	return checked_ms && age < ttl_ms;
}

static bool
is_mine(const struct reg *r, uint64_t lease)
{
	return lease && reg_claim_row(lease) == r->row &&
	       reg_claim_row_generation(lease) ==
		       (r->row_generation & REG_BITS(REG_CLAIM_GEN_BITS));
}

/* Is an entry's lease free, expired, or its holder gone? */
static bool
is_available(struct reg *r, uint64_t lease, uint64_t now_ms)
{
	/* Cheap questions first: the last one may read /proc. */
	return !lease || reg_claim_until_ms(lease) <= now_ms ||
	       reg_row_gone(r, reg_claim_row(lease),
			    reg_claim_row_generation(lease),
			    REG_BITS(REG_CLAIM_GEN_BITS), now_ms);
}

static bool
take_lease(struct reg *r, struct reg_target *t, uint64_t now_ms,
	   uint64_t lease_ms, uint64_t *taken)
{
	uint64_t before = atomic_load(&t->lease);

	REG_STOP_POINT();
	if (!is_available(r, before, now_ms))
		return false;
	*taken = reg_claim(r->row, r->row_generation, now_ms + lease_ms);
	REG_CRASH_POINT();
	if (!atomic_compare_exchange_strong(&t->lease, &before, *taken))
		return false;
	REG_CRASH_POINT();
	return true;
}

static void
drop_lease(struct reg_target *t, uint64_t lease)
{
	REG_CRASH_POINT();
	atomic_compare_exchange_strong(&t->lease, &lease, 0);
	REG_CRASH_POINT();
}

/* The same entry with no result; sequence 0 stands for "never used". */
static uint64_t
forgotten(uint64_t checked)
{
	uint32_t sequence = (reg_checked_sequence(checked) + 1) &
			    (uint32_t)REG_BITS(REG_RESULT_BITS);

	return reg_checked(0, sequence ? sequence : 1);
}

/* Locked: a never used entry of the key's window, or that checked longest ago;
 * NULL when all of them are being probed. */
static struct reg_target *
choose(struct reg *r, const uint64_t key[2], uint64_t now_ms)
{
	struct reg_target *best = NULL;
	uint64_t oldest = UINT64_MAX;

	for (uint32_t n = 0; n < WINDOW; n++) {
		struct reg_target *t = entry_at(r, key, n);
		uint64_t checked_ms, checked = atomic_load(&t->checked);

		if (!is_available(r, atomic_load(&t->lease), now_ms))
			continue;
		if (!checked)
			return t;
		checked_ms = reg_checked_ms(checked);
		if (checked_ms < oldest) {
			oldest = checked_ms;
			best = t;
		}
	}
	return best;
}

/*
 * Locked, the entry's lease is ours. An entry in use first loses its result,
 * then its key; a new one has its key before `checked` makes it exist.
 */
static void
assign(struct reg_target *t, const uint64_t key[2])
{
	uint64_t checked = atomic_load(&t->checked);

	if (checked)
		atomic_store(&t->checked, forgotten(checked));
	REG_CRASH_POINT();
	atomic_store(&t->key[0], key[0]);
	REG_CRASH_POINT();
	atomic_store(&t->key[1], key[1]);
	atomic_store(&t->outcome, 0);
	REG_CRASH_POINT();
	atomic_store(&t->checked, forgotten(atomic_load(&t->checked)));
	REG_CRASH_POINT();
}

static enum reg_probe_turn
add_locked(struct reg *r, const uint64_t key[2], uint64_t now_ms,
	   uint64_t lease_ms)
{
	for (int tries = 0; tries < LOOK_TRIES; tries++) {
		struct reg_target *t = choose(r, key, now_ms);
		uint64_t taken;

		if (!t)
			break;
		REG_STOP_POINT();
		if (!take_lease(r, t, now_ms, lease_ms, &taken))
			continue; /* somebody probes it after all */
		assign(t, key);
		return REG_PROBE_MINE;
	}
	return REG_PROBE_NO_ROOM;
}

/* A key without an entry. Sets *again when it has got one meanwhile. */
static enum reg_probe_turn
add(struct reg *r, const uint64_t key[2], uint64_t now_ms, uint64_t lease_ms,
    bool *again)
{
	enum reg_probe_turn turn = REG_PROBE_WAIT;
	struct reg_err err;

	*again = false;
	REG_STOP_POINT();
	if (reg_lock(r, &err))
		return err.code == REG_BUSY ? REG_PROBE_WAIT
					    : REG_PROBE_NO_ROOM;
	*again = look_up(r, key).target != NULL;
	if (!*again)
		turn = add_locked(r, key, now_ms, lease_ms);
	reg_unlock(r);
	return turn;
}

enum reg_probe_turn
reg_probe_begin(struct reg *r, const uint64_t key[2], uint64_t now_ms,
		uint64_t ttl_ms, uint64_t lease_ms, struct reg_probe *out)
{
	for (int tries = 0; tries < LOOK_TRIES; tries++) {
		struct view v = look_up(r, key);
		uint64_t taken;

		tell(&v, out);
		if (!v.target) {
			bool again;
			enum reg_probe_turn turn =
				add(r, key, now_ms, lease_ms, &again);

			if (again)
				continue;
			return turn;
		}
		if (is_fresh(&v, now_ms, ttl_ms))
			return REG_PROBE_FRESH;
		if (!take_lease(r, v.target, now_ms, lease_ms, &taken))
			return REG_PROBE_WAIT;
		/* Only now nobody else can publish or give the entry away. */
		if (!look_at(v.target, key, &v)) {
			drop_lease(v.target, taken);
			continue;
		}
		tell(&v, out);
		if (!is_fresh(&v, now_ms, ttl_ms))
			return REG_PROBE_MINE;
		drop_lease(v.target, taken);
		return REG_PROBE_FRESH;
	}
	return REG_PROBE_WAIT;
}

/*
 * An entry keeps its place, so a key is found behind its home as before: what
 * was in use there is in use here, by it or by another one.
 */
void
reg_probe_carry(const struct reg *from, struct reg *to)
{
	uint64_t now_ms = reg_clock_ms();

	for (uint32_t i = 0; i < REG_PROBES_MAX; i++) {
		struct reg_target *old = &from->seg->targets[i];
		struct reg_target *t = &to->seg->targets[i];
		uint64_t taken, checked = atomic_load(&old->checked);
		uint64_t key[2] = {atomic_load(&old->key[0]),
				   atomic_load(&old->key[1])};

		if (!checked || atomic_load(&t->checked) ||
		    look_up(to, key).target ||
		    !take_lease(to, t, now_ms, CARRY_LEASE_MS, &taken))
			continue;
		assign(t, key);
		atomic_store(&t->outcome, atomic_load(&old->outcome));
		REG_CRASH_POINT();
		atomic_store(&t->checked,
			     reg_checked(reg_checked_ms(checked),
					 reg_checked_sequence(
						 atomic_load(&t->checked))));
		drop_lease(t, taken);
	}
}

void
reg_probe_last(const struct reg *r, const uint64_t key[2],
	       struct reg_probe *out)
{
	struct view v = look_up(r, key);

	tell(&v, out);
}

void
reg_probe_put(struct reg *r, const uint64_t key[2], uint64_t now_ms,
	      int64_t now_wall_s, uint32_t result)
{
	struct view v = look_up(r, key);
	uint64_t lease, outcome = reg_outcome(now_wall_s, result);

	if (!v.target)
		return;
	REG_STOP_POINT();
	lease = atomic_load(&v.target->lease);
	REG_STOP_POINT();
	if (!is_mine(r, lease))
		return; /* it took too long, or the target was forgotten */
	if (reg_checked_ms(v.checked) &&
	    reg_outcome_result(v.outcome) == reg_outcome_result(outcome))
		outcome = v.outcome;
	REG_CRASH_POINT();
	if (atomic_compare_exchange_strong(&v.target->outcome, &v.outcome,
					   outcome)) {
		REG_CRASH_POINT();
		atomic_compare_exchange_strong(
			&v.target->checked, &v.checked,
			reg_checked(now_ms, reg_checked_sequence(v.checked)));
	}
	drop_lease(v.target, lease);
}

void
reg_probe_forget(struct reg *r, const uint64_t key[2])
{
	for (int tries = 0; tries < LOOK_TRIES; tries++) {
		struct view v = look_up(r, key);
		uint64_t lease;

		if (!v.target)
			return;
		REG_STOP_POINT();
		/* What a probe under way brings is of the time before. */
		lease = atomic_load(&v.target->lease);
		if (lease)
			drop_lease(v.target, lease);
		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(&v.target->checked,
						   &v.checked,
						   forgotten(v.checked)))
			return;
	}
}
