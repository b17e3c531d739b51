/* SPDX-License-Identifier: MIT */
/*
 * verify.c - every invariant of the layout, checked one by one. For tests and
 * for regdump; never on a path that serves requests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* What is collected on the way through the slots. */
struct survey {
	uint8_t *seen; /* one byte a block: 1 = part of a chain */
	uint32_t n_ids;
	uint32_t ids[REG_NODES_MAX]; /* slots with a node, to compare ids */
};

static int
violation(struct reg_err *err, const char *what, uint32_t where)
{
	return reg_fail(err, REG_LAYOUT, 0, "%s (at %u)", what, where);
}

/* A chain has as many blocks as its head says, all its own. */
static int
check_chain(const struct reg *r, struct survey *s, uint32_t slot,
	    enum reg_payload which, uint32_t head, struct reg_front *front,
	    struct reg_err *err)
{
	uint32_t owner = reg_block_owner(slot, which);
	uint32_t index = head, length = 0, expected;

	while (index) {
		struct reg_block *b;

		if (index >= r->n_blocks)
			return violation(err, "a block index is out of range",
					 index);
		b = &r->seg->blocks[index];
		if (atomic_load(&b->owner) != owner)
			return violation(err, "a block has another owner",
					 index);
		if (s->seen[index])
			return violation(err, "a block is used twice", index);
		s->seen[index] = 1;
		length++;
		index = atomic_load(&b->next);
	}
	if (!reg_front_read(r, head, owner, front))
		return violation(err, "a payload has an impossible head", slot);
	expected = reg_blocks_for(
		reg_image_words(front->head.id_bytes, front->head.bytes));
	if (length != expected)
		return violation(err, "a chain has another length than it says",
				 slot);
	return 0;
}

static int
check_slot(const struct reg *r, struct survey *s, uint32_t i,
	   struct reg_err *err)
{
	struct reg_slot *slot = &r->seg->slots[i];
	uint64_t record = atomic_load(&slot->record);
	uint64_t status = atomic_load(&slot->status);
	struct reg_front front;

	if (reg_link_head(record)) {
		if (check_chain(r, s, i, REG_RECORD, reg_link_head(record),
				&front, err))
			return -1;
		if (strlen(front.id) != front.head.id_bytes ||
		    front.head.id_bytes == 0 ||
		    atomic_load(&slot->id_hash) !=
			    gw_hash(front.id, strlen(front.id)))
			return violation(err, "a node's id and its hash differ",
					 i);
		if (reg_life_generation(atomic_load(&slot->life)) == 0)
			return violation(err, "a node has no generation", i);
		s->ids[s->n_ids++] = i;
	}
	if (!reg_link_head(status))
		return 0;
	if (!reg_link_head(record))
		return violation(err, "a status without a node", i);
	if (check_chain(r, s, i, REG_STATUS, reg_link_head(status), &front,
			err))
		return -1;
	if (front.head.record_generation != reg_link_generation(record))
		return violation(err, "a status of another registration", i);
	return 0;
}

/* Two nodes with one id have one hash: only those are compared. */
static int
check_ids(const struct reg *r, const struct survey *s, struct reg_err *err)
{
	enum {
		BUCKETS = 2 * REG_NODES_MAX
	};
	uint64_t *hashes = calloc(BUCKETS, sizeof(*hashes));

	if (!hashes)
		return reg_fail(err, REG_SYSTEM, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < s->n_ids; i++) {
		uint64_t hash =
			atomic_load(&r->seg->slots[s->ids[i]].id_hash) | 1;
		uint32_t at = (uint32_t)(hash >> 16) % BUCKETS;

		while (hashes[at] && hashes[at] != hash)
			at = (at + 1) % BUCKETS;
		if (hashes[at]) {
			free(hashes);
			return violation(err, "two nodes have one id",
					 s->ids[i]);
		}
		hashes[at] = hash;
	}
	free(hashes);
	return 0;
}

static int
check_turns(const struct reg *r, struct reg_err *err)
{
	for (uint32_t i = 0; i < REG_TURNS_MAX; i++) {
		struct reg_turn *t = &r->seg->turns[i];
		uint32_t bytes = atomic_load(&t->name_bytes);

		if (bytes > REG_TURN_NAME_MAX)
			return violation(err, "the name of a turn is too long",
					 i);
		if (bytes && t->name_hash != gw_hash(t->name, bytes))
			return violation(err, "a turn's name and hash differ",
					 i);
		if (atomic_load(&t->used) >
		    atomic_load(&r->seg->header.turn_clock))
			return violation(err, "a turn of the future", i);
	}
	return 0;
}

/* Leases that a candidate has to count, whoever is in the middle of what. */
static bool
counts(uint64_t load, uint32_t lease, uint64_t held)
{
	switch (reg_held_state(held)) {
	case REG_FREE:
		break;
	case REG_TAKING:
		return reg_load_says(load, lease, held, false);
	case REG_HELD:
		return true;
	case REG_DROPPING:
		return !reg_load_says(load, lease, held, true);
	}
	return false;
}

/*
 * Each load word is the number of its leases. It changes with every one of
 * them: what did not change while all leases were looked at, must have been
 * right.
 */
static int
check_loads(const struct reg *r, uint64_t *loads, uint32_t *found,
	    struct reg_err *err)
{
	for (uint32_t i = 0; i < REG_CANDIDATES_MAX; i++)
		loads[i] = atomic_load(&r->seg->places[i].load);
	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load(&r->seg->leases[i]);
		uint32_t candidate = reg_held_candidate(held);

		found[candidate] += counts(loads[candidate], i, held);
		if (reg_held_state(held) != REG_FREE &&
		    atomic_load(&r->seg->rows[reg_held_row(held)].generation) ==
			    0)
			return violation(err, "a lease of an unused row", i);
	}
	for (uint32_t i = 0; i < REG_CANDIDATES_MAX; i++)
		if (reg_load_count(loads[i]) != found[i] &&
		    atomic_load(&r->seg->places[i].load) == loads[i])
			return violation(err,
					 "a candidate counts other leases than "
					 "it has",
					 i);
	return 0;
}

static int
check_leases(const struct reg *r, struct reg_err *err)
{
	uint64_t *loads = calloc(REG_CANDIDATES_MAX, sizeof(*loads));
	uint32_t *found = calloc(REG_CANDIDATES_MAX, sizeof(*found));
	int rc;

	rc = loads && found
		     ? check_loads(r, loads, found, err)
		     : reg_fail(err, REG_SYSTEM, ENOMEM, "out of memory");
	free(loads);
	free(found);
	return rc;
}

/* Two entries of one key would have two counts. */
static int
check_keys(const struct reg *r, struct reg_err *err)
{
	for (uint32_t i = 0; i < REG_CANDIDATES_MAX; i++) {
		struct reg_place *p = &r->seg->places[i];
		uint64_t key[2] = {atomic_load(&p->key[0]),
				   atomic_load(&p->key[1])};
		struct reg_candidate_ref c;

		if (!atomic_load(&p->name) ||
		    !reg_load_is(atomic_load(&p->load),
				 reg_name_tag(atomic_load(&p->name))))
			continue;
		c = reg_candidate_find(r, key);
		if (c.index != i)
			return violation(err,
					 "a candidate is not found, or twice "
					 "there",
					 i);
	}
	return 0;
}

/* Whoever waits is below the mark, or nobody would read of him. */
static int
check_waits(const struct reg *r, struct reg_err *err)
{
	for (uint32_t i = 0; i < REG_WAITERS_MAX; i++) {
		struct reg_wait *p = &r->seg->waits[i];
		uint64_t state = atomic_load(&p->state);
		uint32_t row = reg_wait_row(state);

		if (reg_wait_state(state) == REG_WAIT_FREE)
			continue;
		if (atomic_load(&r->seg->rows[row].generation) == 0)
			return violation(err, "a waiter of an unused row", i);
		if (reg_wait_sequence(state) == 0)
			return violation(err, "a waiter without a sequence", i);
		/* He is, for as long as he waits. */
		if (reg_wait_state(state) != REG_WAIT_FILLING &&
		    i >= reg_mark_above(atomic_load(&r->seg->header.mark)) &&
		    atomic_load(&p->state) == state)
			return violation(err, "a waiter above the mark", i);
	}
	return 0;
}

/* A record lies where its number says, and was counted before it was begun. */
static int
check_records(const struct reg *r, struct reg_err *err)
{
	for (uint32_t i = 0; i < REG_RECORDS_MAX; i++) {
		uint64_t state = atomic_load(&r->seg->records[i].state);

		if (state >> 1 > atomic_load(&r->seg->header.recorded))
			return violation(err, "a record of the future", i);
		if (state && (state >> 1) % REG_RECORDS_MAX != i)
			return violation(err, "a record at another's place", i);
	}
	for (uint32_t i = 0; i < REG_EDITS_MAX; i++) {
		uint64_t state = atomic_load(&r->seg->edits[i].state);

		if (state >> 1 > atomic_load(&r->seg->header.edited))
			return violation(err, "an edit of the future", i);
		if (state && (state >> 1) % REG_EDITS_MAX != i)
			return violation(err, "an edit at another's place", i);
	}
	return 0;
}

/* Whoever is drained has a key, and was counted before. */
static int
check_drained(const struct reg *r, struct reg_err *err)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < REG_DRAINED_MAX; i++) {
		const struct reg_drained *d = &r->seg->drained[i];

		if (!atomic_load(&d->seen_ms))
			continue;
		n++;
		if (!atomic_load(&d->key))
			return violation(err, "a drained node of no id", i);
	}
	if (n > atomic_load(&r->seg->header.drained))
		return violation(err, "more drained nodes than it says", 0);
	return 0;
}

static int
check_nodes(const struct reg *r, struct reg_err *err)
{
	struct survey *s = calloc(1, sizeof(*s));
	int rc = -1;

	if (s)
		s->seen = calloc(r->n_blocks, 1);
	if (!s || !s->seen) {
		reg_fail(err, REG_SYSTEM, ENOMEM, "out of memory");
		goto out;
	}
	for (uint32_t i = 0; i < REG_NODES_MAX; i++)
		if (check_slot(r, s, i, err))
			goto out;
	rc = check_ids(r, s, err);
out:
	if (s)
		free(s->seen);
	free(s);
	return rc;
}

int
reg_check(const struct reg *r, struct reg_err *err)
{
	const struct reg_header *h = &r->seg->header;

	if (h->magic != REG_MAGIC || h->layout != REG_LAYOUT_VERSION ||
	    h->total_bytes != r->bytes || h->n_blocks != r->n_blocks ||
	    atomic_load(&h->ready) != REG_READY)
		return violation(err, "the header is overwritten", 0);
	if (check_nodes(r, err) || check_turns(r, err) ||
	    check_leases(r, err) || check_keys(r, err) || check_waits(r, err) ||
	    check_records(r, err) || check_drained(r, err))
		return -1;
	return 0;
}

int
reg_verify(const struct reg *r, struct reg_err *err)
{
	int rc = reg_lock(r, err);

	if (rc == 0) {
		rc = reg_check(r, err);
		if (rc == 0 && (atomic_load(&r->seg->header.epoch) & 1))
			rc = violation(err, "a change without its end", 0);
		reg_unlock(r);
	}
	return rc;
}
