/* SPDX-License-Identifier: MIT */
/*
 * regdump.c - print a segment as text: `regdump /NAME [--payloads]`.
 *
 * It maps the segment for reading only, takes no row and no lock: what it shows
 * of a busy instance may change while it prints. Payloads can hold addresses of
 * machines; they are printed only when asked for.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define VERIFY_TRIES 5 /* a live writer may be half-way at one look */

static void
print_text(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (isprint(c) && c != '\\')
			putchar(c);
		else
			printf("\\x%02x", c);
	}
}

static void
print_header(const struct reg *r, const char *name)
{
	const struct reg_header *h = &r->seg->header;
	uint64_t owner = atomic_load(&h->owner);

	printf("segment %s layout=%" PRIu32 " bytes=%" PRIu64 " blocks=%" PRIu32
	       " epoch=%" PRIu64 " writes=%" PRIu64 " owner_pid=%" PRIu32
	       "%s\n",
	       name, h->layout, h->total_bytes, h->n_blocks,
	       atomic_load(&h->epoch), atomic_load(&h->write_count),
	       reg_identity_pid(owner), reg_was_left(r) ? " left" : "");
	for (int i = 0; i < REG_ONCE_MAX; i++)
		if (atomic_load(&h->once[i]))
			printf("once %d=%016" PRIx64 "\n", i,
			       atomic_load(&h->once[i]));
}

/* Leases that a row's present owner holds. */
static unsigned
leases_of(const struct reg *r, uint32_t row)
{
	uint64_t generation = atomic_load(&r->seg->rows[row].generation) &
			      REG_BITS(REG_LEASE_GEN_BITS);
	unsigned n = 0;

	for (uint32_t i = 0; i < REG_LEASES_MAX; i++) {
		uint64_t held = atomic_load(&r->seg->leases[i]);

		n += reg_held_state(held) != REG_FREE &&
		     reg_held_row(held) == row &&
		     reg_held_row_generation(held) == generation;
	}
	return n;
}

static void
print_pool(const struct reg_row *row)
{
	uint64_t words[2] = {atomic_load(&row->pool[0]),
			     atomic_load(&row->pool[1])};

	if (!words[0])
		return;
	printf(" pool=");
	print_text((const char *)words, strnlen((const char *)words, 16));
	printf(" note=%016" PRIx64, atomic_load(&row->note));
}

static void
print_rows(const struct reg *r)
{
	for (uint32_t i = 0; i < REG_ROWS_MAX; i++) {
		struct reg_row *row = &r->seg->rows[i];
		uint64_t identity = atomic_load(&row->identity);
		const char *state = "free";

		if (!atomic_load(&row->generation) && !identity)
			continue;
		if (identity)
			state = reg_identity_alive(identity) ? "live" : "dead";
		printf("row %" PRIu32 " %s pid=%" PRIu32 " generation=%" PRIu64
		       "%s",
		       i, state, reg_identity_pid(identity),
		       atomic_load(&row->generation),
		       identity & REG_CLAIMING ? " claiming" : "");
		if (leases_of(r, i))
			printf(" leases=%u", leases_of(r, i));
		if (atomic_load(&row->wake))
			printf(" wakes%s",
			       atomic_load(&row->woken) ? " woken" : "");
		print_pool(row);
		for (int k = 0; k < REG_COUNTERS_MAX; k++)
			if (atomic_load(&row->counters[k]))
				printf(" c%d=%" PRIu64, k,
				       atomic_load(&row->counters[k]));
		for (int k = 0; k < REG_GAUGES_MAX; k++)
			if (atomic_load(&row->gauges[k]))
				printf(" g%d=%" PRId64, k,
				       atomic_load(&row->gauges[k]));
		putchar('\n');
	}
}

static void
print_payload(const struct reg *r, struct reg_node_ref ref,
	      enum reg_payload which, bool payloads)
{
	const char *word = which == REG_RECORD ? "record" : "status";
	struct reg_err err;
	size_t len;
	char *text;

	if (reg_node_read(r, ref, which, &text, &len, &err)) {
		printf("  %s: %s\n", word, err.msg);
		return;
	}
	printf("  %s %zu bytes", word, len);
	if (payloads && len) {
		printf(": ");
		print_text(text, len);
	}
	putchar('\n');
	free(text);
}

static void
print_nodes(const struct reg *r, bool payloads)
{
	uint64_t now_ms = reg_clock_ms();
	struct reg_node node;
	uint32_t slot = 0;

	while (reg_node_next(r, &slot, &node)) {
		printf("node %" PRIu32 ".%" PRIu32 " '", node.ref.slot,
		       node.ref.generation);
		print_text(node.id, strlen(node.id));
		printf("' seen=%+.1fs registered=%+.1fs record_version=%" PRIu64
		       "\n",
		       ((double)node.seen_ms - (double)now_ms) / 1000,
		       ((double)node.registered_ms - (double)now_ms) / 1000,
		       node.record_version);
		print_payload(r, node.ref, REG_RECORD, payloads);
		print_payload(r, node.ref, REG_STATUS, payloads);
	}
}

static void
print_turns(const struct reg *r)
{
	for (uint32_t i = 0; i < REG_TURNS_MAX; i++) {
		struct reg_turn *t = &r->seg->turns[i];
		uint32_t bytes = atomic_load(&t->name_bytes);

		if (bytes == 0 || bytes > REG_TURN_NAME_MAX)
			continue;
		printf("turn %" PRIu32 " '", i);
		print_text(t->name, bytes);
		printf("' position=%" PRIu64 " used=%" PRIu64 "\n",
		       atomic_load(&t->position), atomic_load(&t->used));
	}
}

static void
print_probes(const struct reg *r)
{
	for (uint32_t i = 0; i < REG_PROBES_MAX; i++) {
		struct reg_target *t = &r->seg->targets[i];
		uint64_t checked = atomic_load(&t->checked);
		uint64_t outcome = atomic_load(&t->outcome);
		uint64_t lease = atomic_load(&t->lease);

		if (!checked && !lease)
			continue;
		printf("probe %" PRIu32 " %016" PRIx64 "%016" PRIx64
		       " checked_ms=%" PRIu64 " sequence=%" PRIu32
		       " result=%" PRIu32 " since=%" PRId64,
		       i, atomic_load(&t->key[0]), atomic_load(&t->key[1]),
		       reg_checked_ms(checked), reg_checked_sequence(checked),
		       reg_outcome_result(outcome), reg_outcome_since(outcome));
		if (lease)
			printf(" lease: row=%" PRIu32 " until_ms=%" PRIu64,
			       reg_claim_row(lease), reg_claim_until_ms(lease));
		putchar('\n');
	}
}

static void
print_told(const struct reg *r)
{
	for (uint32_t i = 0; i < REG_TOLD_MAX; i++) {
		uint64_t key = atomic_load(&r->seg->told[i].key);
		uint64_t word = atomic_load(&r->seg->told[i].word);

		if (key && word)
			printf("told %016" PRIx64 " %s since_ms=%" PRIu64 "\n",
			       key, word >> 63 ? "bad" : "good",
			       word & REG_BITS(REG_MS_BITS));
	}
}

/* Read by hand: a handle that only looks asks nobody whether he lives. */
static void
print_candidate(const struct reg *r, uint32_t index, uint64_t now_ms)
{
	struct reg_place *p = &r->seg->places[index];
	uint64_t rate = atomic_load(&r->seg->rates[index]);
	uint64_t name = atomic_load(&p->name), trial = atomic_load(&p->trial);
	uint64_t load = atomic_load(&p->load);
	uint32_t tag = reg_name_tag(name);
	struct reg_health h;

	if (!name || !reg_load_is(load, tag) ||
	    !reg_health_read(atomic_load(&p->health), tag, &h))
		return;
	printf("candidate %" PRIu32 ".%" PRIu32 " %016" PRIx64 "%016" PRIx64
	       " in_flight=%" PRIu32 " failures=%" PRIu32 " level=%" PRIu32
	       " used=%+.0fs",
	       index, tag, atomic_load(&p->key[0]), atomic_load(&p->key[1]),
	       reg_load_count(load), h.failures, h.level,
	       (double)reg_name_used_s(name) - (double)(now_ms / 1000));
	if (h.ejected)
		printf(" ejected pause_ends=%+.1fs",
		       ((double)h.ms - (double)now_ms) / 1000);
	if (h.unconnected)
		printf(" unconnected");
	if (h.ejected && trial && reg_trial_is(trial, tag))
		printf(" trial: row=%" PRIu32 " until_ms=%" PRIu64,
		       reg_trial_row(trial), reg_trial_until_ms(trial));
	if (reg_stamp_ms(atomic_load(&p->busy), tag))
		printf(" busy_until_ms=%" PRIu64,
		       reg_stamp_ms(atomic_load(&p->busy), tag));
	if (reg_stamp_ms(atomic_load(&p->byte), tag))
		printf(" byte_ms=%" PRIu64,
		       reg_stamp_ms(atomic_load(&p->byte), tag));
	if (rate && reg_rate_word_is(rate, tag))
		printf(" bucket_full=%+.1fs",
		       ((double)(rate & REG_BITS(REG_RATE_BITS)) / 1e6 -
			(double)now_ms) /
			       1000);
	putchar('\n');
}

static void
print_candidates(const struct reg *r)
{
	uint64_t now_ms = reg_clock_ms();

	for (uint32_t i = 0; i < REG_CANDIDATES_MAX; i++)
		print_candidate(r, i, now_ms);
}

static void
print_waiters(const struct reg *r)
{
	static const char *const states[] = {"free", "filling", "waiting",
					     "displaced"};
	uint64_t now_ms = reg_clock_ms();

	for (uint32_t i = 0; i < REG_WAITERS_MAX; i++) {
		struct reg_wait *p = &r->seg->waits[i];
		uint64_t state = atomic_load(&p->state);
		uint64_t came = atomic_load(&p->came);
		uint64_t called = reg_stamp_ms(atomic_load(&p->called),
					       reg_wait_sequence(state));

		if (reg_wait_state(state) == REG_WAIT_FREE)
			continue;
		printf("waiter %" PRIu32 ".%" PRIu32 " %s row=%" PRIu32
		       " queue=%016" PRIx64 " client=%016" PRIx64
		       " rank=%" PRIu32 " came=%+.1fs number=%" PRIu64,
		       i, reg_wait_sequence(state),
		       states[reg_wait_state(state)], reg_wait_row(state),
		       atomic_load(&p->queue), atomic_load(&p->client),
		       reg_came_rank(came),
		       ((double)reg_came_ms(came) - (double)now_ms) / 1000,
		       atomic_load(&p->number));
		if (called)
			printf(" called=%+.1fs",
			       ((double)called - (double)now_ms) / 1000);
		putchar('\n');
	}
}

/* Hashes of prompts say nothing, and are many. */
static void
print_prefixes(const struct reg *r)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < REG_PREFIXES_MAX; i++)
		n += atomic_load(&r->seg->prefixes[i].value) != 0;
	if (n)
		printf("prefixes %u\n", n);
}

/* What they say is the program's. */
static void
print_records(const struct reg *r, bool payloads)
{
	uint64_t newest = reg_recorder_newest(r), n = 0;
	uint64_t number = newest < REG_RECORDS_MAX ? 0
						   : newest - REG_RECORDS_MAX;
	char bytes[REG_RECORD_BYTES];

	while (number++ < newest) {
		size_t len = reg_recorder_read(r, number, bytes);

		n += len > 0;
		if (!payloads || !len)
			continue;
		printf("record %" PRIu64 " %zu bytes: ", number, len);
		print_text(bytes, len);
		putchar('\n');
	}
	if (newest)
		printf("records %" PRIu64 " of %" PRIu64 "\n", n, newest);
}

static void
print_drained(const struct reg *r)
{
	uint64_t now_ms = reg_clock_ms();

	for (uint32_t i = 0; i < REG_DRAINED_MAX; i++) {
		uint64_t key = atomic_load(&r->seg->drained[i].key);
		uint64_t seen = atomic_load(&r->seg->drained[i].seen_ms);

		if (seen)
			printf("drained %016" PRIx64 " seen=%+.1fs\n", key,
			       ((double)seen - (double)now_ms) / 1000);
	}
}

static int
print_verdict(const struct reg *r)
{
	struct reg_err err = {0};

	for (int tries = 0; tries < VERIFY_TRIES; tries++) {
		if (reg_check(r, &err) == 0) {
			printf("verify: every invariant holds\n");
			return 0;
		}
	}
	printf("verify: %s\n", err.msg);
	return 1;
}

int
main(int argc, char **argv)
{
	bool payloads = argc == 3 && strcmp(argv[2], "--payloads") == 0;
	struct reg_err err = {0};
	struct reg *r;
	int status;

	if (argc < 2 || argc > 3 || (argc == 3 && !payloads)) {
		fprintf(stderr, "usage: regdump /NAME [--payloads]\n");
		return 2;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return 1;
	r->fd = -1;
	if (reg_segment_look(r, argv[1], &err)) {
		fprintf(stderr, "regdump: %s\n", err.msg);
		reg_segment_close(r);
		free(r);
		return 1;
	}
	print_header(r, argv[1]);
	print_rows(r);
	print_nodes(r, payloads);
	print_turns(r);
	print_probes(r);
	print_told(r);
	print_candidates(r);
	print_waiters(r);
	print_prefixes(r);
	print_records(r, payloads);
	print_drained(r);
	status = print_verdict(r);
	reg_segment_close(r);
	free(r);
	return status;
}
