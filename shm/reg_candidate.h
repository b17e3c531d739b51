/* SPDX-License-Identifier: MIT */
/*
 * reg_candidate.h - the part of reg.h about places that can serve: how they are,
 * and what runs there. reg.h includes it, and its promises hold here, too.
 */
#ifndef REG_CANDIDATE_H
#define REG_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reg;

#define REG_LEASES_MAX 65536	/* leases held at one time, all processes */
#define REG_CANDIDATES_MAX 32768 /* places that can serve, remembered */
#define REG_PREFIXES_MAX 65536	/* beginnings of conversations remembered */
#define REG_CANDIDATE_KEEP_MS 60000 /* an unused one is kept for so long */
#define REG_TRIAL_MAX_MS 60000	/* a trial without a verdict counts so long */
#define REG_BYTE_MS 100	/* how exact the time of its last byte is */
#define REG_WELL_MS 60000	/* of success, then pauses are short again */

/* ---- candidates: places that can serve, and how they are ------------------ */

/*
 * A candidate is known by a key of 128 bits. A reference stays good for as long
 * as it has leases, is ejected, or was opened within REG_CANDIDATE_KEEP_MS; its
 * entry may go to another key after that, and whatever is done with the old
 * reference does nothing then. Open anew for every request.
 */
struct reg_candidate_ref {
	uint32_t index; /* REG_CANDIDATES_MAX = none: every call tolerates it */
	uint32_t tag;	/* of whom the entry is */
};

struct reg_candidate {
	uint32_t in_flight;	/* leases on it, all processes; those of a dead one
				 * until reg_lease_sweep() */
	uint32_t failures;	/* in a row; 255 = as many, or more */
	bool ejected;		/* failures reached the rule, no success since */
	bool unconnected;	/* the last failure was: not connected */
	bool on_trial;		/* ejected, and a live process's trial runs (for at
				 * most REG_TRIAL_MAX_MS) */
	uint64_t pause_ends_ms; /* ejected: until then it is passed over */
	uint64_t busy_until_ms; /* it said so: passed over until then; 0 = not */
	uint64_t byte_ms;	/* last byte it gave anybody, REG_BYTE_MS exact;
				 * 0 = never */
};

struct reg_ejection_rules {
	uint32_t failures;     /* in a row eject it, 1 .. 255; 0 = never */
	uint32_t pause_ms;     /* of the first ejection, doubled each time ... */
	uint32_t pause_max_ms; /* ... up to this */
};

/*
 * reg_candidate_open - the entry of a key, a new one when it has none.
 * Returns none when all that the key could have are in use, or the table is
 * being changed by somebody who does not come to an end. Without a lock where
 * the key has an entry: it is one line of memory, and so is all below.
 */
struct reg_candidate_ref reg_candidate_open(struct reg *r,
					    const uint64_t key[2],
					    uint64_t now_ms);

/* reg_candidate_find - the entry of a key, if it has one; it is not used by
 * that. Until it is opened, it may go to another key at any time. */
struct reg_candidate_ref reg_candidate_find(const struct reg *r,
					    const uint64_t key[2]);

/* reg_candidate_read - all that is known about it; of none: nothing. Reads /proc
 * where another process's trial runs, at most every 50 ms. */
void reg_candidate_read(const struct reg *r, struct reg_candidate_ref c,
			uint64_t now_ms, struct reg_candidate *out);

/*
 * reg_candidate_fail - it failed.
 * @n            1, or 2 for a failure that counts double
 * @unconnected  it could not be connected
 * @pause_ms     set when true
 * Returns true when this call ejected it, or ejected it again: a failure after
 * its pause was over doubles the pause, one before that only counts. The first
 * pause after REG_WELL_MS of success is a short one again. Ends the trial of
 * this process.
 */
bool reg_candidate_fail(struct reg *r, struct reg_candidate_ref c,
			const struct reg_ejection_rules *rules, uint32_t n,
			bool unconnected, uint64_t now_ms, uint64_t *pause_ms);

/* reg_candidate_succeed - it answered. True: it was ejected until now. Writes
 * nothing where no failure was counted. Ends any trial. */
bool reg_candidate_succeed(struct reg *r, struct reg_candidate_ref c,
			   uint64_t now_ms);

/*
 * reg_candidate_try - its pause is over: is the caller's request its trial?
 * True for one request of all processes, until reg_candidate_fail(), _succeed()
 * or _untry(), REG_TRIAL_MAX_MS, or the death of its process. False, too, where
 * it is not ejected or its pause is not over.
 */
bool reg_candidate_try(struct reg *r, struct reg_candidate_ref c,
		       uint64_t now_ms);

/* reg_candidate_untry - this process's trial ended without a verdict. */
void reg_candidate_untry(struct reg *r, struct reg_candidate_ref c);

/* reg_candidate_pardon - a probe was answered, or it came anew: the pause is
 * over and failures are forgotten. True: it was ejected until now. */
bool reg_candidate_pardon(struct reg *r, struct reg_candidate_ref c,
			  uint64_t now_ms);

/* reg_candidate_busy - it is to be passed over until then; of two times the
 * later one stands. 0: no longer. */
void reg_candidate_busy(struct reg *r, struct reg_candidate_ref c,
			uint64_t until_ms);

/* reg_candidate_byte - it gave somebody a byte. One load; one store each
 * REG_BYTE_MS. */
void reg_candidate_byte(struct reg *r, struct reg_candidate_ref c,
			uint64_t now_ms);

/*
 * reg_move_candidate - the entry in @to of what a reference of @from names, made
 * there if need be: for leases, which are taken anew. None: nowhere.
 */
struct reg_candidate_ref reg_move_candidate(const struct reg *from,
					    struct reg *to,
					    struct reg_candidate_ref c,
					    uint64_t now_ms);

/* ---- leases: requests that run at a candidate ----------------------------- */

/*
 * reg_lease_take - count one request as running at a candidate.
 * @limit  never more than so many at a time, over all processes; 0 = no limit
 * @full   set: the limit is reached. May be NULL
 * Returns a lease >= 0 that the caller drops, or -1. With *full false that is:
 * @c is none, or its entry was given away (open it again), or all REG_LEASES_MAX
 * are taken; the request is not counted then.
 * Crash: a lease of a dead process counts until somebody sweeps, and is never
 * counted twice or given back twice, wherever it died.
 */
int32_t reg_lease_take(struct reg *r, struct reg_candidate_ref c,
		       uint32_t limit, bool *full);

/* reg_lease_drop - end a lease; -1 is allowed and does nothing. */
void reg_lease_drop(struct reg *r, int32_t lease);

/*
 * reg_lease_sweep - end the leases of processes that died, and whatever they
 * waited for (reg_queue.h); called by each about once a second. Returns how many
 * of both: more than 0, and there may be room for who waits. Of all processes one
 * looks within 500 ms, at 512 KiB, at all who wait, and, in /proc, once at each
 * process that has any.
 */
unsigned reg_lease_sweep(struct reg *r, uint64_t now_ms);

/* ---- prefixes: where conversations were sent ------------------------------- */

/*
 * reg_prefix_find - the value of the longest known one.
 * @hashes  from short to long, @n of them; each is looked for among 8 entries
 * @at      set when found: its index
 * Returns the value, 0 = none is known. What is found is used, and stays longer.
 */
uint64_t reg_prefix_find(struct reg *r, const uint64_t *hashes, size_t n,
			 size_t *at);

/*
 * reg_prefix_put - remember a value, instead of the one before.
 * @value  0 forgets
 * Of more than REG_PREFIXES_MAX those go that nobody asked for longest, about a
 * second exact and among the 8 that could be in its place. It is a hint: two
 * processes that put at the same moment may leave one of the two, or none.
 */
void reg_prefix_put(struct reg *r, uint64_t hash, uint64_t value,
		    uint64_t now_ms);

#endif
