/* SPDX-License-Identifier: MIT */
/*
 * test_reg_reader.c - readers of nodes and of probe results, overtaken at each
 * of their steps by whoever changes what they read.
 *
 * A reader may tell what was before or what is after, never half of each, and
 * never anything of another node or target.
 */
#include "reg_stops.h"

#define OLD_BYTES 600 /* two blocks, so that a copy has a seam */
#define NEW_BYTES 620
#define NOW_MS 5000

/* ---- nodes -----------------------------------------------------------------
 */

/* What `other` sees when nobody disturbs it; slot REG_NODES_MAX = no node. */
static struct reg_node before, after;

static struct reg_node
first_node(const struct reg *r)
{
	struct reg_node node;
	uint32_t slot = 0;

	if (!reg_node_next(r, &slot, &node)) {
		memset(&node, 0, sizeof(node));
		node.ref.slot = REG_NODES_MAX;
	}
	return node;
}

/* Where the node's record (or status) lies now. */
static uint32_t
blocks_of(enum reg_payload which)
{
	struct reg_slot *slot = &other->seg->slots[0];

	return reg_link_head(which == REG_RECORD ? slot->record : slot->status);
}

/* Every payload differs from any other in its first byte and in its length. */
static void
write_payload(const char *id, enum reg_payload which, char fill, size_t len,
	      uint64_t now_ms)
{
	char bytes[NEW_BYTES];

	memset(bytes, fill, len);
	if (which == REG_RECORD
		    ? reg_node_put(other, id, bytes, len, now_ms, 100000, NULL,
				   &err)
		    : reg_node_touch(other, id, bytes, len, now_ms, &err))
		printf("# write %s: %s\n", id, err.msg);
}

static void
prepare_node(void)
{
	write_payload("a", REG_RECORD, 'r', OLD_BYTES, 100);
	write_payload("a", REG_STATUS, 's', OLD_BYTES, 110);
	before = after = first_node(other);
}

static void
prepare_removed(void)
{
	prepare_node();
	if (reg_node_remove(other, "a", &err))
		printf("# remove: %s\n", err.msg);
}

static void
note_after(void)
{
	after = first_node(other);
}

/* Twice: the second one is written where the first one was. */
static void
replaced(void)
{
	uint32_t old = blocks_of(REG_RECORD);

	write_payload("a", REG_RECORD, 'x', NEW_BYTES, 200);
	other->next_block = old;
	write_payload("a", REG_RECORD, 'R', NEW_BYTES, 210);
	note_after();
}

static void
new_status(void)
{
	uint32_t old = blocks_of(REG_STATUS);

	write_payload("a", REG_STATUS, 'x', NEW_BYTES, 200);
	other->next_block = old;
	write_payload("a", REG_STATUS, 'S', NEW_BYTES, 210);
	note_after();
}

static void
removed(void)
{
	if (reg_node_remove(other, "a", &err))
		printf("# remove: %s\n", err.msg);
	note_after();
}

/* Another node has the slot, and its record the blocks. */
static void
succeeded(void)
{
	other->next_block = blocks_of(REG_RECORD);
	if (reg_node_remove(other, "a", &err))
		printf("# remove: %s\n", err.msg);
	write_payload("b", REG_RECORD, 'b', NEW_BYTES, 300);
	write_payload("b", REG_STATUS, 'B', NEW_BYTES, 310);
	note_after();
}

/* The same id again, but another life. */
static void
came_back(void)
{
	succeeded();
	other->next_block = blocks_of(REG_RECORD);
	if (reg_node_remove(other, "b", &err))
		printf("# remove: %s\n", err.msg);
	write_payload("a", REG_RECORD, 'R', OLD_BYTES, 400);
	note_after();
}

/* The slot of a removed node gets another one. */
static void
taken(void)
{
	write_payload("b", REG_RECORD, 'b', NEW_BYTES, 300);
	write_payload("b", REG_STATUS, 'B', NEW_BYTES, 310);
	note_after();
}

static bool
is_node(const struct reg_node *got, const struct reg_node *want)
{
	return got->ref.slot == want->ref.slot &&
	       got->ref.generation == want->ref.generation &&
	       strcmp(got->id, want->id) == 0 &&
	       got->registered_ms == want->registered_ms &&
	       got->seen_ms == want->seen_ms &&
	       got->record_version == want->record_version &&
	       got->status_version == want->status_version;
}

static struct reg_node found;

static void
walk(void)
{
	found = first_node(me);
}

static const char *
judge_walk(void)
{
	struct reg_node got = found;

	if (is_node(&got, &before) || is_node(&got, &after))
		return NULL;
	/* A sign of life is a word of its own: it may be the newer one. */
	if (got.ref.slot < REG_NODES_MAX &&
	    got.record_version == after.record_version &&
	    got.record_version == before.record_version) {
		got.seen_ms = before.seen_ms;
		if (is_node(&got, &before))
			return NULL;
	}
	return got.ref.slot < REG_NODES_MAX ? "half of two nodes"
					    : "a node that is there is missed";
}

/* Is it a payload of one piece, one that the node of `before` ever had? */
static bool
is_whole(const char *bytes, size_t len, const char *fills)
{
	/* Each registration has a record; a new one has no status. */
	if (!bytes)
		return len == 0 && fills[0] == 's' &&
		       after.record_version != before.record_version;
	for (size_t i = 1; i < len; i++)
		if (bytes[i] != bytes[0])
			return false;
	return bytes[len] == '\0' && bytes[0] && strchr(fills, bytes[0]) &&
	       len == (bytes[0] == 'r' || bytes[0] == 's' ? OLD_BYTES
							  : NEW_BYTES);
}

static char *copy;
static size_t copy_len;
static int read_rc;

static void
read_record(void)
{
	read_rc = reg_node_read(me, before.ref, REG_RECORD, &copy, &copy_len,
				&err);
}

static void
read_status(void)
{
	read_rc = reg_node_read(me, before.ref, REG_STATUS, &copy, &copy_len,
				&err);
}

static bool
is_same_node(void)
{
	return after.ref.slot == before.ref.slot &&
	       after.ref.generation == before.ref.generation;
}

/* @fills: first bytes that it may have found. */
static const char *
judge_payload(const char *fills)
{
	bool whole;

	if (read_rc)
		return err.code == REG_NOT_FOUND && !is_same_node() ? NULL
								    : err.msg;
	whole = is_whole(copy, copy_len, fills);
	free(copy);
	return whole ? NULL : "not the payload of one moment";
}

static const char *
judge_record(void)
{
	return judge_payload("rR");
}

static const char *
judge_status(void)
{
	return judge_payload("sS");
}

/* Of a node that was removed before. */
static const char *
judge_nothing(void)
{
	if (read_rc == 0)
		free(copy);
	else if (err.code == REG_NOT_FOUND)
		return NULL;
	return "a removed node was read";
}

static uint64_t seen_ms;

static void
see(void)
{
	seen_ms = reg_node_seen(me, before.ref);
}

static const char *
judge_seen(void)
{
	if (seen_ms == before.seen_ms ||
	    (is_same_node() ? seen_ms == after.seen_ms : seen_ms == 0))
		return NULL;
	return "the sign of life of another node";
}

static const char *
judge_unseen(void)
{
	return seen_ms ? "a removed node was seen" : NULL;
}

/* A registration that is looked at: its status goes when its record comes. */
static void
register_again(void)
{
	char bytes[NEW_BYTES];

	memset(bytes, 'R', sizeof(bytes));
	if (reg_node_put(me, "a", bytes, sizeof(bytes), 200, 100000, NULL,
			 &err))
		printf("# put: %s\n", err.msg);
}

static const char *
judge_versions(void)
{
	return after.record_version != before.record_version &&
			       after.status_version == before.status_version
		       ? "the status of the last registration looks like its "
			 "own"
		       : NULL;
}

static const struct overtaking nodes[] = {
	{"walk: replaced", prepare_node, replaced, walk, judge_walk},
	{"walk: new status", prepare_node, new_status, walk, judge_walk},
	{"walk: removed", prepare_node, removed, walk, judge_walk},
	{"walk: another in the slot", prepare_node, succeeded, walk,
	 judge_walk},
	{"walk: comes back", prepare_node, came_back, walk, judge_walk},
	{"walk: while it is replaced", prepare_node, note_after, register_again,
	 judge_versions},
	{"record: replaced", prepare_node, replaced, read_record, judge_record},
	{"record: new status", prepare_node, new_status, read_record,
	 judge_record},
	{"record: removed", prepare_node, removed, read_record, judge_record},
	{"record: another in the slot", prepare_node, succeeded, read_record,
	 judge_record},
	{"record: comes back", prepare_node, came_back, read_record,
	 judge_record},
	{"status: replaced", prepare_node, replaced, read_status, judge_status},
	{"status: new status", prepare_node, new_status, read_status,
	 judge_status},
	{"status: removed", prepare_node, removed, read_status, judge_status},
	{"status: another in the slot", prepare_node, succeeded, read_status,
	 judge_status},
	{"status: comes back", prepare_node, came_back, read_status,
	 judge_status},
	{"seen: new status", prepare_node, new_status, see, judge_seen},
	{"seen: another in the slot", prepare_node, succeeded, see, judge_seen},
	{"record: removed, slot taken", prepare_removed, taken, read_record,
	 judge_nothing},
	{"status: removed, slot taken", prepare_removed, taken, read_status,
	 judge_nothing},
	{"seen: removed, slot taken", prepare_removed, taken, see,
	 judge_unseen},
	{0},
};

/* ---- probes ----------------------------------------------------------------
 */

/* Where case_home lives, this one may get to live. */
static const uint64_t rival[2] = {4000, 2};

static struct reg_probe probe;
static enum reg_probe_turn turn, others_turn;

static enum reg_probe_turn
begin(struct reg *r, const uint64_t key[2], uint64_t now_ms, uint64_t ttl_ms)
{
	return reg_probe_begin(r, key, now_ms, ttl_ms, 60000, &probe);
}

/* A window without room, where case_home was checked longest ago. */
static void
prepare_window(void)
{
	others_turn = REG_PROBE_WAIT;
	case_fill_window(other);
	if (begin(other, case_home, 900, 1) == REG_PROBE_MINE)
		reg_probe_put(other, case_home, 900, 1, 7);
}

static void
given_away(void)
{
	others_turn = begin(other, rival, 100000, 1);
	if (others_turn == REG_PROBE_MINE)
		reg_probe_put(other, rival, 100000, 3, 77);
}

static void
being_given_away(void)
{
	begin(other, rival, 100000, 1);
}

static void
probed_again(void)
{
	if (begin(other, case_home, NOW_MS, 1) == REG_PROBE_MINE)
		reg_probe_put(other, case_home, NOW_MS, 2, 8);
}

static void
being_probed(void)
{
	others_turn = begin(other, case_home, NOW_MS, 1);
}

static void
forgotten(void)
{
	reg_probe_forget(other, case_home);
}

static struct reg_probe told;

static void
ask(void)
{
	turn = begin(me, case_home, NOW_MS, 100000);
	told = probe;
}

static void
ask_anew(void)
{
	turn = begin(me, case_home, NOW_MS, 1);
	told = probe;
}

/* Is what begin() told of case_home, and of one moment? */
static const char *
judge_result(void)
{
	if (begin(other, rival, 100001, 1000) == REG_PROBE_FRESH &&
	    (probe.result != 77 || probe.checked_ms != 100000))
		return "another target got the result";
	if (told.checked_ms == 0)
		return turn == REG_PROBE_FRESH ? "fresh, but no result" : NULL;
	if (told.checked_ms == 900)
		return told.result == 7 && told.since_wall_s == 1
			       ? NULL
			       : "a time with another one's result";
	if (told.checked_ms == NOW_MS)
		return told.result == 8 && told.since_wall_s == 2
			       ? NULL
			       : "a new time with another one's result";
	return "another target's time";
}

/* One of the two probes, and not both. */
static const char *
judge_one(void)
{
	if ((turn == REG_PROBE_MINE) == (others_turn == REG_PROBE_MINE))
		return turn == REG_PROBE_MINE ? "two probe one target"
					      : "nobody probes";
	return told.checked_ms && told.result != 7 ? "another one's result"
						   : NULL;
}

static void
prepare_new(void)
{
	others_turn = REG_PROBE_WAIT;
}

static void
prepare_late_put(void)
{
	reg_probe_begin(me, case_home, 2000, 1, 1, &probe);
	turn = REG_PROBE_WAIT;
}

static void
lease_expired(void)
{
	turn = begin(other, case_home, 3000, 500);
}

static void
put_late(void)
{
	reg_probe_put(me, case_home, 2001, 1, 7);
}

/* Whoever has the lease by now keeps it. */
static const char *
judge_late(void)
{
	uint64_t lease = other->seg->targets[case_home[0]].lease;

	if (turn != REG_PROBE_MINE ||
	    (lease && reg_claim_row(lease) == other->row))
		return NULL;
	return "the successor's lease is gone";
}

static void
prepare_probing(void)
{
	prepare_window();
	begin(other, case_home, NOW_MS, 1);
}

static void
result_comes(void)
{
	reg_probe_put(other, case_home, NOW_MS, 2, 8);
}

static void
forget(void)
{
	reg_probe_forget(me, case_home);
}

static const char *
judge_forgotten(void)
{
	if (begin(me, case_home, NOW_MS + 1, 100000) != REG_PROBE_MINE)
		return "a forgotten target is not probed";
	return probe.checked_ms ? "a forgotten target has a result" : NULL;
}

/* It was of its own target alone. */
static const char *
judge_rival(void)
{
	if (others_turn != REG_PROBE_MINE)
		return NULL;
	return begin(other, rival, 100001, 1000) == REG_PROBE_FRESH &&
			       probe.result == 77
		       ? NULL
		       : "another target's result is gone";
}

static const struct overtaking probes[] = {
	{"result: given away", prepare_window, given_away, ask, judge_result},
	{"result: being given away", prepare_window, being_given_away, ask,
	 judge_result},
	{"result: probed again", prepare_window, probed_again, ask,
	 judge_result},
	{"result: being probed", prepare_window, being_probed, ask,
	 judge_result},
	{"result: forgotten", prepare_window, forgotten, ask, judge_result},
	{"begin: given away", prepare_window, given_away, ask_anew,
	 judge_result},
	{"begin: being given away", prepare_window, being_given_away, ask_anew,
	 judge_result},
	{"begin: probed again", prepare_window, probed_again, ask_anew,
	 judge_result},
	{"begin: being probed", prepare_window, being_probed, ask_anew,
	 judge_one},
	{"begin: new, added by another", prepare_new, being_probed, ask_anew,
	 judge_one},
	{"begin: forgotten", prepare_window, forgotten, ask_anew, judge_result},
	{"put: too late, another has the lease", prepare_late_put,
	 lease_expired, put_late, judge_late},
	{"forget: given away", prepare_window, given_away, forget, judge_rival},
	{"forget: a result comes", prepare_probing, result_comes, forget,
	 judge_forgotten},
	{0},
};

int
main(void)
{
	for (const struct overtaking *o = nodes; o->title; o++)
		test_overtaking(o);
	for (const struct overtaking *o = probes; o->title; o++)
		test_overtaking(o);
	return done_testing();
}
