/* SPDX-License-Identifier: MIT */
/*
 * ejection.c - how a candidate is: its failures in a row, the pauses it gets
 * for them, the one trial when a pause is over. No lock; every change is one
 * word.
 */
#include <string.h>

#include "internal.h"

#define FAILURES_MAX 255u /* as the word counts them */
#define LEVEL_MAX 15u
#define TRIES 1000 /* of a change, each lost to somebody else's */

/* ---- trials -------------------------------------------------------------- */

static bool
is_mine(const struct reg *r, uint64_t trial)
{
	return trial && reg_trial_row(trial) == r->row &&
	       reg_trial_row_generation(trial) ==
		       (r->row_generation & REG_BITS(REG_TRIAL_GEN_BITS));
}

static bool
is_running(const struct reg *r, uint64_t trial, uint32_t tag, uint64_t now_ms)
{
	return trial && reg_trial_is(trial, tag) &&
	       reg_trial_until_ms(trial) > now_ms &&
	       !reg_row_gone(r, reg_trial_row(trial),
			     reg_trial_row_generation(trial),
			     REG_BITS(REG_TRIAL_GEN_BITS), now_ms);
}

static void
end_trial(struct reg_place *p, uint64_t trial)
{
	REG_CRASH_POINT();
	atomic_compare_exchange_strong(&p->trial, &trial, 0);
	REG_CRASH_POINT();
}

static void
end_mine(const struct reg *r, struct reg_place *p)
{
	uint64_t trial = atomic_load(&p->trial);

	REG_STOP_POINT();
	if (is_mine(r, trial))
		end_trial(p, trial);
}

/* ---- one word ------------------------------------------------------------ */

static bool
replace(struct reg_place *p, uint64_t *word, uint32_t tag,
	const struct reg_health *h)
{
	bool done;

	REG_CRASH_POINT();
	done = atomic_compare_exchange_strong(&p->health, word,
					      reg_health(tag, h));
	REG_CRASH_POINT();
	return done;
}

static bool
look(const struct reg *r, struct reg_candidate_ref c, struct reg_place **p,
     uint64_t *word, struct reg_health *h)
{
	*p = reg_candidate_at(r, c);
	if (!*p)
		return false;
	*word = atomic_load(&(*p)->health);
	REG_STOP_POINT();
	return reg_health_read(*word, c.tag, h);
}

static uint64_t
pause_of(const struct reg_ejection_rules *rules, uint32_t level)
{
	uint64_t pause_ms = (uint64_t)rules->pause_ms << level;

	return pause_ms < rules->pause_max_ms ? pause_ms : rules->pause_max_ms;
}

/* What a failure makes of it; true: it is ejected by that. */
static bool
after_failure(struct reg_health *h, const struct reg_ejection_rules *rules,
	      uint32_t n, uint64_t now_ms, uint64_t *pause_ms)
{
	uint32_t limit =
		rules->failures < FAILURES_MAX ? rules->failures : FAILURES_MAX;

	h->failures =
		n < FAILURES_MAX - h->failures ? h->failures + n : FAILURES_MAX;
	if (h->ejected) {
		if (now_ms < h->ms)
			return false;
	} else {
		if (limit == 0 || h->failures < limit)
			return false;
		if (now_ms >= h->ms && now_ms - h->ms >= REG_WELL_MS)
			h->level = 0;
	}
	*pause_ms = pause_of(rules, h->level);
	h->ejected = true;
	h->ms = now_ms + *pause_ms;
	if (*pause_ms < rules->pause_max_ms && h->level < LEVEL_MAX)
		h->level++;
	return true;
}

/* All is well from now on. True: it was ejected. */
static bool
make_well(struct reg *r, struct reg_candidate_ref c, uint64_t now_ms)
{
	struct reg_health h;
	struct reg_place *p;
	uint64_t word, trial;

	for (int tries = 0; tries < TRIES && look(r, c, &p, &word, &h);
	     tries++) {
		struct reg_health well = {.level = h.level, .ms = now_ms};

		if (!h.failures && !h.ejected)
			return false;
		trial = atomic_load(&p->trial);
		if (!replace(p, &word, c.tag, &well))
			continue;
		if (h.ejected && trial)
			end_trial(p, trial);
		return h.ejected;
	}
	return false;
}

/* ---- public -------------------------------------------------------------- */

bool
reg_candidate_fail(struct reg *r, struct reg_candidate_ref c,
		   const struct reg_ejection_rules *rules, uint32_t n,
		   bool unconnected, uint64_t now_ms, uint64_t *pause_ms)
{
	struct reg_health h;
	struct reg_place *p;
	uint64_t word, pause = 0;

	for (int tries = 0; tries < TRIES && look(r, c, &p, &word, &h);
	     tries++) {
		bool ejects = after_failure(&h, rules, n, now_ms, &pause);

		h.unconnected = unconnected;
		if (!replace(p, &word, c.tag, &h))
			continue;
		if (h.ejected)
			end_mine(r, p);
		if (ejects)
			*pause_ms = pause;
		return ejects;
	}
	return false;
}

bool
reg_candidate_succeed(struct reg *r, struct reg_candidate_ref c,
		      uint64_t now_ms)
{
	return make_well(r, c, now_ms);
}

bool
reg_candidate_pardon(struct reg *r, struct reg_candidate_ref c, uint64_t now_ms)
{
	return make_well(r, c, now_ms);
}

bool
reg_candidate_try(struct reg *r, struct reg_candidate_ref c, uint64_t now_ms)
{
	struct reg_health h;
	struct reg_place *p;
	uint64_t word, trial, mine;

	if (!look(r, c, &p, &word, &h) || !h.ejected || now_ms < h.ms)
		return false;
	trial = atomic_load(&p->trial);
	REG_STOP_POINT();
	if (is_running(r, trial, c.tag, now_ms))
		return false;
	mine = reg_trial(r->row, r->row_generation, c.tag,
			 now_ms + REG_TRIAL_MAX_MS);
	REG_CRASH_POINT();
	if (!atomic_compare_exchange_strong(&p->trial, &trial, mine))
		return false;
	REG_CRASH_POINT();
	/* A trial may have ended since we looked: this would be one too many.
	 */
	if (look(r, c, &p, &word, &h) && h.ejected && now_ms >= h.ms)
		return true;
	end_trial(p ? p : &r->seg->places[c.index], mine);
	return false;
}

void
reg_candidate_untry(struct reg *r, struct reg_candidate_ref c)
{
	struct reg_place *p = reg_candidate_at(r, c);

	if (p)
		end_mine(r, p);
}

void
reg_candidate_busy(struct reg *r, struct reg_candidate_ref c, uint64_t until_ms)
{
	struct reg_place *p = reg_candidate_at(r, c);

	for (int tries = 0; p && tries < TRIES; tries++) {
		uint64_t word = atomic_load(&p->busy);
		uint64_t stands_ms = reg_stamp_ms(word, c.tag);

		REG_STOP_POINT();
		if (until_ms ? until_ms <= stands_ms : !stands_ms)
			return;
		REG_CRASH_POINT();
		if (atomic_compare_exchange_strong(&p->busy, &word,
						   reg_stamp(c.tag, until_ms)))
			return;
	}
}

/* What a late one stores here is of another tag, and so of nobody. */
void
reg_candidate_byte(struct reg *r, struct reg_candidate_ref c, uint64_t now_ms)
{
	struct reg_place *p = reg_candidate_at(r, c);
	uint64_t byte_ms;

	if (!p)
		return;
	byte_ms = reg_stamp_ms(
		atomic_load_explicit(&p->byte, memory_order_relaxed), c.tag);
	REG_STOP_POINT();
	if (!byte_ms || now_ms >= byte_ms + REG_BYTE_MS)
		atomic_store_explicit(&p->byte, reg_stamp(c.tag, now_ms),
				      memory_order_relaxed);
}

void
reg_candidate_read(const struct reg *r, struct reg_candidate_ref c,
		   uint64_t now_ms, struct reg_candidate *out)
{
	struct reg_health h;
	struct reg_place *p;
	uint64_t word, load;

	memset(out, 0, sizeof(*out));
	if (!look(r, c, &p, &word, &h))
		return;
	load = atomic_load(&p->load);
	REG_STOP_POINT();
	if (!reg_load_is(load, c.tag))
		return;
	out->in_flight = reg_load_count(load);
	out->failures = h.failures;
	out->unconnected = h.unconnected;
	out->ejected = h.ejected;
	if (h.ejected) {
		out->pause_ends_ms = h.ms;
		out->on_trial =
			is_running(r, atomic_load(&p->trial), c.tag, now_ms);
	}
	out->busy_until_ms = reg_stamp_ms(atomic_load(&p->busy), c.tag);
	out->byte_ms = reg_stamp_ms(
		atomic_load_explicit(&p->byte, memory_order_relaxed), c.tag);
}
