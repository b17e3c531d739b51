/* SPDX-License-Identifier: MIT */
/*
 * test_reg_damage.c - a segment overwritten while it is in use.
 *
 * Whatever stands in it, no call may crash or loop for ever: calls may find
 * nothing, fail, or tell nonsense of the right type. Only the mutex is spared:
 * it belongs to the C library, which follows what it finds there.
 */
#include "reg_test.h"
#include "reg_waiters.h"

#define ROUNDS 60
#define WORDS_HIT 40
#define LOOP_LIMIT_S 120 /* a call that loops dies by SIGALRM */

static struct reg_err err;

/* A part of the segment, in bytes. */
struct part {
	const char *name;
	size_t from, to;
};

#define PART(field)                                                            \
	{                                                                      \
#field, offsetof(struct reg_segment, field),                   \
			offsetof(struct reg_segment, field) +                  \
				sizeof(((struct reg_segment *)0)->field)       \
	}

static const struct part parts[] = {
	{"header", offsetof(struct reg_header, epoch),
	 sizeof(struct reg_header)},
	PART(rows),
	PART(slots),
	PART(turns),
	PART(targets),
	PART(leases),
	PART(places),
	PART(rates),
	PART(waits),
	PART(prefixes),
	PART(prefix_ticks),
	PART(records),
	{"blocks", offsetof(struct reg_segment, blocks), REG_SEGMENT_MIN},
	{"all", offsetof(struct reg_segment, rows), REG_SEGMENT_MIN},
};

/* All that can be said about one. */
static void
judge_candidate(struct reg *r, const uint64_t key[2])
{
	const struct reg_ejection_rules rules = {2, 5000, 10000};
	struct reg_candidate_ref c = reg_candidate_open(r, key, 100000);
	struct reg_candidate state;
	uint64_t pause_ms;

	size_t at;

	reg_prefix_put(r, key[0], 1 + key[0], 100000);
	if (reg_prefix_find(r, key, 2, &at))
		reg_prefix_put(r, key[at], 7, 110000);
	reg_candidate_busy(r, c, 200000);
	reg_candidate_byte(r, c, 100000);
	reg_candidate_fail(r, c, &rules, 2, true, 100000, &pause_ms);
	reg_candidate_try(r, c, 110000);
	reg_candidate_read(r, c, 110000, &state);
	if (key[0] % 3 == 0)
		reg_candidate_untry(r, c);
	else if (key[0] % 3 == 1)
		reg_candidate_succeed(r, c, 120000);
}

/* Whatever waits there is called, displaced, and made to leave. */
static void
judge_waiters(struct reg *r, uint64_t n)
{
	struct reg_candidate_ref c = candidate(r, n);
	struct reg_waiter w = waiter_of(n);
	struct reg_waiter_ref ref;
	struct reg_rate rate;

	w.share = c;
	ref = reg_queue_join(r, &w);
	reg_wake_drain(r);
	read_all(r);
	for (size_t i = 0; i < n_seen && i < 5; i++) {
		reg_queue_call(r, &seen[i], 5000 + n, 10);
		if (i % 2)
			reg_queue_displace(r, &seen[i]);
	}
	reg_queue_displaced(r, n);
	reg_queue_uncall(r, ref);
	if (n % 2)
		reg_queue_leave(r, ref);
	reg_queue_moved(r, c, 1000, 2000 + n);
	reg_queue_interval_ms(r, c, 2000, 5000);
	for (uint64_t i = 0; i < 3; i++)
		reg_rate_take(r, c, 1 + (uint32_t)n * 100, 1000000 + i, &rate);
	reg_rate_look(r, c, 0, 1000, &rate);
}

/* Something of everything, near the beginning of each table. */
static void
populate(struct reg *r)
{
	static char bytes[3000];
	struct reg_probe p;
	uint32_t index;
	char name[16];

	for (uint32_t i = 0; i < 6; i++) {
		uint64_t key[2] = {i, i};

		payload_make(bytes, sizeof(bytes), i);
		snprintf(name, sizeof(name), "n%u", i);
		if (reg_node_put(r, name, bytes, 1000 + i * 300, 100, 1000,
				 NULL, &err) ||
		    reg_node_touch(r, name, bytes, 600, 100, &err) ||
		    reg_turn_open(r, name, &index, &err) ||
		    lease_take(r, i) < 0)
			_exit(3);
		if (reg_probe_begin(r, key, 1000, 10, 100, &p) ==
		    REG_PROBE_MINE)
			reg_probe_put(r, key, 1000, 1, i);
		judge_candidate(r, key);
		judge_waiters(r, i);
	}
}

/* Overwrites words, most of them where something is. */
static void
damage(struct reg *r, const struct part *part, uint64_t *state)
{
	uint64_t *words = (uint64_t *)(void *)r->seg;
	size_t first = part->from / 8, n = (part->to - part->from) / 8;

	for (int i = 0; i < WORDS_HIT; i++) {
		size_t span = i % 4 ? (n < 400 ? n : 400) : n;
		uint64_t random =
			(uint64_t)random_next(state) << 32 | random_next(state);
		const uint64_t values[] = {random,
					   0,
					   UINT64_MAX,
					   random % 100,
					   random % 100 << 32 | 3,
					   words[first + random % n]};

		words[first + random_next(state) % span] =
			values[random_next(state) % 6];
	}
}

static void
call_readers(struct reg *r)
{
	struct reg_node node;
	uint32_t slot = 0;

	reg_epoch(r);
	while (reg_node_next(r, &slot, &node)) {
		for (int which = REG_RECORD; which <= REG_STATUS; which++) {
			size_t len;
			char *bytes;

			if (reg_node_read(r, node.ref, which, &bytes, &len,
					  &err) == 0 &&
			    bytes && bytes[len] != '\0')
				_exit(4);
			free(bytes);
		}
		reg_node_seen(r, node.ref);
	}
	sweep_now(r);
	for (unsigned i = 0; i < REG_GAUGES_MAX; i++)
		reg_gauge_sum(r, i);
	reg_counter_sum(r, 0);
	reg_rows_live(r);
	if (reg_verify(r, &err) == 0)
		return;
}

static void
call_writers(struct reg *r)
{
	static char bytes[5000];
	struct reg_probe p;
	uint32_t index;
	char name[16];
	struct reg *other;

	for (uint32_t i = 0; i < 8; i++) {
		uint64_t key[2] = {i, i};
		int rc;

		judge_candidate(r, key);
		judge_waiters(r, i);
		snprintf(name, sizeof(name), "n%u", i);
		rc = reg_node_touch(r, name, bytes, 900, 200, &err);
		rc += reg_node_put(r, name, bytes, 2000, 300, 0, NULL, &err);
		rc += i % 2 ? 0 : reg_node_remove(r, name, &err);
		if (reg_turn_open(r, name, &index, &err) == 0)
			reg_turn_next(r, index);
		if (reg_probe_begin(r, key, 2000, 10, 100, &p) ==
		    REG_PROBE_MINE)
			reg_probe_put(r, key, 2000, 1, i);
		reg_probe_forget(r, key);
		reg_lease_drop(r, lease_take(r, i));
		reg_lease_drop(r, (int32_t)i);
		reg_gauge_add(r, 0, rc);
	}
	reg_once(r, 1, 1);
	/* A later process attaches; of all parts only the header refuses it. */
	other = reg_open(seg_name, 0, &err);
	if (!other && err.code != REG_LAYOUT && err.code != REG_FULL)
		_exit(5);
	reg_close(other);
}

static int
child_suffers(void *arg)
{
	const struct part *part = arg;
	uint64_t state = part->from + 1;

	alarm(LOOP_LIMIT_S);
	for (int round = 0; round < ROUNDS; round++) {
		struct reg *r;

		reg_unlink(seg_name);
		r = seg_open(REG_SEGMENT_MIN);
		populate(r);
		damage(r, part, &state);
		call_readers(r);
		if (round % 2)
			call_writers(r);
		call_readers(r);
		reg_close(r);
	}
	reg_unlink(seg_name);
	return 0;
}

/* Writes one word of a chain and reads the node that it belongs to. */
static enum reg_code
read_damaged(uint32_t next, uint64_t first_word, struct reg_err *why)
{
	char bytes[2000], *copy;
	enum reg_code code;
	struct reg *r;
	uint32_t head;
	size_t len;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memset(bytes, 'x', sizeof(bytes));
	if (reg_node_put(r, "a", bytes, sizeof(bytes), 1, 1000, NULL, why))
		return why->code;
	head = reg_link_head(r->seg->slots[0].record);
	if (next)
		r->seg->blocks[head].next = next == 1 ? head : next;
	if (first_word)
		r->seg->blocks[head].data[0] = first_word;
	code = reg_node_read(r, (struct reg_node_ref){0, 1}, REG_RECORD, &copy,
			     &len, why)
		       ? why->code
		       : REG_OK;
	free(copy);
	ok(reg_verify(r, &err) == -1 && err.code == REG_LAYOUT,
	   "damage: verify says what: %s", err.msg);
	reg_close(r);
	return code;
}

/* ---- verify ----------------------------------------------------------------
 */

/* Nodes "a" (a record of 5 blocks, a status) and "b", a turn, a lease. */
static struct reg *
healthy(void)
{
	char bytes[2000];
	struct reg *r;
	uint32_t index;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memset(bytes, 'x', sizeof(bytes));
	if (reg_node_put(r, "a", bytes, sizeof(bytes), 1, 1000, NULL, &err) ||
	    reg_node_touch(r, "a", "status", 6, 1, &err) ||
	    reg_node_put(r, "b", bytes, 100, 1, 1000, NULL, &err) ||
	    reg_turn_open(r, "turn", &index, &err) || lease_take(r, 0) != 0 ||
	    lease_take(r, 1) != 1 || join(r, 1).index != 0)
		exit(1);
	return r;
}

static struct reg_block *
block_of(struct reg *r, uint64_t link)
{
	return &r->seg->blocks[reg_link_head(link)];
}

static void
spoil_header(struct reg *r)
{
	r->seg->header.total_bytes++;
}

static void
spoil_epoch(struct reg *r)
{
	r->seg->header.epoch |= 1;
}

static void
spoil_range(struct reg *r)
{
	block_of(r, r->seg->slots[0].record)->next = r->n_blocks;
}

static void
spoil_owner(struct reg *r)
{
	block_of(r, r->seg->slots[0].record)->owner++;
}

/* The last of its blocks leads to the first one. */
static void
spoil_circle(struct reg *r)
{
	struct reg_block *b = block_of(r, r->seg->slots[0].record);

	while (b->next)
		b = &r->seg->blocks[b->next];
	b->next = reg_link_head(r->seg->slots[0].record);
}

static void
spoil_length(struct reg *r)
{
	block_of(r, r->seg->slots[0].record)->next = 0;
}

static void
spoil_hash(struct reg *r)
{
	r->seg->slots[0].id_hash ^= 1;
}

static void
spoil_generation(struct reg *r)
{
	r->seg->slots[0].life = reg_life(0, 1);
}

static void
spoil_record(struct reg *r)
{
	r->seg->slots[0].record = reg_link(9, 0);
}

static void
spoil_status(struct reg *r)
{
	/* The generation of the record that it belongs to is word 2. */
	block_of(r, r->seg->slots[0].status)->data[2]++;
}

/* "b" becomes another "a": id and hash. */
static void
spoil_id(struct reg *r)
{
	block_of(r, r->seg->slots[1].record)->data[REG_HEAD_WORDS] =
		block_of(r, r->seg->slots[0].record)->data[REG_HEAD_WORDS];
	r->seg->slots[1].id_hash = r->seg->slots[0].id_hash;
}

static void
spoil_turn_bytes(struct reg *r)
{
	r->seg->turns[0].name_bytes = REG_TURN_NAME_MAX + 1;
}

static void
spoil_turn_name(struct reg *r)
{
	r->seg->turns[0].name[0] ^= 1;
}

static void
spoil_turn_used(struct reg *r)
{
	r->seg->turns[0].used = r->seg->header.turn_clock + 1;
}

static void
spoil_lease(struct reg *r)
{
	r->seg->leases[0] = 0;
}

static struct reg_place *
place_of(struct reg *r, uint64_t n)
{
	return reg_candidate_at(r, candidate(r, n));
}

static void
spoil_load(struct reg *r)
{
	struct reg_place *p = place_of(r, 1);

	p->load = reg_load_with(p->load, 2, 1, r->seg->leases[1], false);
}

static void
spoil_keys(struct reg *r)
{
	struct reg_place *p = place_of(r, 1);

	p->key[0] = p->key[1] = 0;
}

static void
spoil_lease_row(struct reg *r)
{
	r->seg->leases[0] = reg_held(REG_HELD, REG_ROWS_MAX - 1, 0, 0, 1);
}

static void
spoil_mark(struct reg *r)
{
	r->seg->header.mark = 0;
}

static void
spoil_wait_row(struct reg *r)
{
	r->seg->waits[0].state =
		reg_wait(REG_WAIT_WAITING, REG_ROWS_MAX - 1, 0, 1);
}

static void
spoil_wait_sequence(struct reg *r)
{
	r->seg->waits[0].state = reg_wait(REG_WAIT_WAITING, 0, 1, 0);
}

static const struct {
	void (*spoil)(struct reg *r);
	const char *says;
} violations[] = {
	{spoil_header, "the header is overwritten"},
	{spoil_epoch, "a change without its end"},
	{spoil_range, "a block index is out of range"},
	{spoil_owner, "a block has another owner"},
	{spoil_circle, "a block is used twice"},
	{spoil_length, "a chain has another length"},
	{spoil_hash, "a node's id and its hash differ"},
	{spoil_generation, "a node has no generation"},
	{spoil_record, "a status without a node"},
	{spoil_status, "a status of another registration"},
	{spoil_id, "two nodes have one id"},
	{spoil_turn_bytes, "the name of a turn is too long"},
	{spoil_turn_name, "a turn's name and hash differ"},
	{spoil_turn_used, "a turn of the future"},
	{spoil_lease, "a candidate counts other leases"},
	{spoil_load, "a candidate counts other leases"},
	{spoil_keys, "a candidate is not found, or twice"},
	{spoil_lease_row, "a lease of an unused row"},
	{spoil_mark, "a waiter above the mark"},
	{spoil_wait_row, "a waiter of an unused row"},
	{spoil_wait_sequence, "a waiter without a sequence"},
};

static void
test_violations(void)
{
	for (size_t i = 0; i < sizeof(violations) / sizeof(violations[0]);
	     i++) {
		struct reg *r = healthy();
		struct reg_err why = {0};

		if (reg_verify(r, &why))
			printf("# healthy: %s\n", why.msg);
		why.msg[0] = '\0';
		violations[i].spoil(r);
		ok(reg_verify(r, &why) == -1 && why.code == REG_LAYOUT &&
			   strstr(why.msg, violations[i].says) == why.msg,
		   "verify: %s (%s)", violations[i].says, why.msg);
		reg_close(r);
	}
}

/* A chain that leads into another node's, long enough to be read. */
static void
test_foreign_block(void)
{
	char bytes[2000], *copy;
	struct reg_err why = {0};
	struct reg *r;
	size_t len;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	memset(bytes, 'x', sizeof(bytes));
	if (reg_node_put(r, "a", bytes, sizeof(bytes), 1, 1000, NULL, &why) ||
	    reg_node_put(r, "b", bytes, sizeof(bytes), 1, 1000, NULL, &why))
		printf("# put: %s\n", why.msg);
	block_of(r, r->seg->slots[0].record)->next =
		reg_link_head(r->seg->slots[1].record);
	ok(reg_node_read(r, (struct reg_node_ref){0, 1}, REG_RECORD, &copy,
			 &len, &why) == -1 &&
		   why.code == REG_LAYOUT,
	   "damage: a block of another node's -> LAYOUT");
	free(copy);
	reg_close(r);
}

int
main(void)
{
	struct reg_err why = {0};

	is_int(read_damaged(0, UINT64_C(0x1ffffffff), &why), REG_LAYOUT,
	       "damage: a payload of 4 GiB -> LAYOUT");
	is_int(read_damaged(0, UINT64_C(0x1000007d0) * 200, &why), REG_LAYOUT,
	       "damage: an id of 200 bytes -> LAYOUT");
	is_int(read_damaged(1u << 30, 0, &why), REG_LAYOUT,
	       "damage: a block far outside -> LAYOUT");
	ok(strstr(why.msg, "remove it and start again"),
	   "damage: message says what to do: %s", why.msg);
	is_int(read_damaged(60, 0, &why), REG_LAYOUT,
	       "damage: a block of nobody's -> LAYOUT");
	/* The copy is bounded by its length: a circle is garbage, not a loop.
	 */
	is_int(read_damaged(1, 0, &why), REG_OK,
	       "damage: a chain in a circle -> ends");
	test_foreign_block();
	test_violations();
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct part part = parts[i];
		int status;

		seg_new();
		status = reap(spawn(child_suffers, &part));
		ok(status == 0,
		   "damage: %d times in %s -> no crash, no loop (%d)", ROUNDS,
		   part.name, status);
	}
	return done_testing();
}
