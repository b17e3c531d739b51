/* SPDX-License-Identifier: MIT */
/*
 * test_reg_node.c - nodes: registered, replaced, touched, removed, and read by
 * others meanwhile.
 */
#include "reg_nodes.h"

static void
test_life(void)
{
	struct reg_node a, b;
	uint64_t epoch;
	struct reg *r, *other;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	epoch = reg_epoch(other);
	ok(!has(r, "a") && reg_epoch(r) == epoch, "node: none at first");
	is_int(put(r, "a", "first", 100), 0, "node: put -> 0");
	a = node_of(other, "a");
	ok(a.ref.slot == 0 && a.ref.generation != 0,
	   "node: put -> seen by another handle");
	ok(a.registered_ms == 100 && a.seen_ms == 100,
	   "node: put -> its times");
	ok(reads(other, a.ref, REG_RECORD, "first"), "node: record reads back");
	ok(reads(other, a.ref, REG_STATUS, NULL), "node: no status yet");
	ok(reg_epoch(other) != epoch, "node: put -> epoch moves");
	is_int((long long)reg_node_seen(other, a.ref), 100, "node: seen");

	epoch = reg_epoch(r);
	is_int(reg_node_touch(other, "a", NULL, 0, 250, &err), 0,
	       "node: touch -> 0");
	is_int((long long)reg_node_seen(r, a.ref), 250, "node: touch -> seen");
	is_int(reg_node_touch(other, "a", NULL, 0, 240, &err), 0,
	       "node: a late touch -> 0");
	is_int((long long)reg_node_seen(r, a.ref), 250,
	       "node: a late touch -> never backwards");
	ok(reg_epoch(r) == epoch, "node: touch alone -> same epoch");

	is_int(reg_node_touch(r, "a", "busy", 4, 300, &err), 0,
	       "node: touch with status -> 0");
	ok(reads(r, a.ref, REG_STATUS, "busy"), "node: status reads back");
	ok(reg_epoch(r) != epoch, "node: new status -> epoch moves");
	b = node_of(r, "a");
	ok(b.status_version != a.status_version &&
		   b.record_version == a.record_version,
	   "node: new status -> its version moves, the record's stays");
	is_int(reg_node_touch(r, "a", "idle", 4, 310, &err), 0,
	       "node: another status -> 0");
	ok(reads(r, a.ref, REG_STATUS, "idle"), "node: status is replaced");
	a = node_of(r, "a");
	ok(a.status_version != b.status_version, "node: ... and its version");

	is_int(put(r, "a", "second", 400), 0, "node: put again -> 0");
	b = node_of(r, "a");
	ok(b.ref.slot == a.ref.slot && b.ref.generation == a.ref.generation,
	   "node: put again -> the same node");
	ok(reads(r, b.ref, REG_RECORD, "second"), "node: record is replaced");
	ok(reads(r, b.ref, REG_STATUS, NULL), "node: ... and its status gone");
	ok(b.record_version != a.record_version &&
		   b.status_version != a.status_version,
	   "node: ... and both versions moved");
	ok(b.registered_ms == 400 && b.seen_ms == 400, "node: ... its times");
	is_int(count(r), 1, "node: ... still one node");
	ok(reg_verify(r, &err) == 0, "node: verifies");
	reg_close(other);
	reg_close(r);
}

static void
test_remove(void)
{
	struct reg_node a, b;
	uint64_t epoch;
	struct reg *r;
	size_t len;
	char *text;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	ok(put(r, "a", "x", 100) == 0 &&
		   reg_node_touch(r, "a", "s", 1, 100, &err) == 0,
	   "remove: a node with a status");
	a = node_of(r, "a");
	epoch = reg_epoch(r);
	is_int(reg_node_remove(r, "a", &err), 0, "remove: -> 0");
	ok(!has(r, "a"), "remove: -> not found by walking");
	is_int((long long)reg_node_seen(r, a.ref), 0, "remove: -> not seen");
	ok(reg_epoch(r) != epoch, "remove: -> epoch moves");
	ok(reg_node_read(r, a.ref, REG_RECORD, &text, &len, &err) == -1 &&
		   err.code == REG_NOT_FOUND && !text,
	   "remove: read -> NOT_FOUND");
	ok(reg_node_remove(r, "a", &err) == -1 && err.code == REG_NOT_FOUND,
	   "remove: again -> NOT_FOUND");
	ok(reg_node_touch(r, "a", NULL, 0, 1, &err) == -1 &&
		   err.code == REG_NOT_FOUND,
	   "remove: touch -> NOT_FOUND");
	ok(put(r, "b", "y", 500) == 0, "remove: another takes the slot");
	b = node_of(r, "b");
	ok(b.ref.slot == a.ref.slot && b.ref.generation != a.ref.generation,
	   "remove: ... with another generation");
	ok(reg_node_seen(r, a.ref) == 0 && reg_node_seen(r, b.ref) == 500,
	   "remove: the old reference does not name the new node");
	ok(reads(r, b.ref, REG_STATUS, NULL), "remove: ... nor its status");
	ok(reg_node_read(r, a.ref, REG_RECORD, &text, &len, &err) == -1 &&
		   err.code == REG_NOT_FOUND && !text,
	   "remove: ... nor reads its record");
	ok(reg_verify(r, &err) == 0, "remove: verifies");
	reg_close(r);
}

static void
test_limits(void)
{
	static char big[REG_PAYLOAD_MAX + 1];
	char id[REG_NODE_ID_MAX + 2], *text;
	struct reg_node node;
	struct reg *r;
	size_t len;

	seg_new();
	r = seg_open(12 << 20);
	memset(id, 'i', sizeof(id));
	id[REG_NODE_ID_MAX + 1] = '\0';
	ok(put(r, id, "x", 1) == -1 && err.code == REG_TOO_LARGE,
	   "limit: id of 129 bytes -> TOO_LARGE: %s", err.msg);
	ok(put(r, "", "x", 1) == -1 && err.code == REG_TOO_LARGE,
	   "limit: empty id -> TOO_LARGE");
	ok(reg_node_touch(r, id, NULL, 0, 1, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "limit: touch of a long id -> TOO_LARGE");
	ok(reg_node_remove(r, "", &err) == -1 && err.code == REG_TOO_LARGE,
	   "limit: remove of an empty id -> TOO_LARGE");
	id[REG_NODE_ID_MAX] = '\0';
	is_int(put(r, id, "x", 1), 0, "limit: id of 128 bytes -> 0");
	node = node_of(r, id);
	is_str(node.id, id, "limit: ... reads back");
	ok(reads(r, node.ref, REG_RECORD, "x"), "limit: ... and its record");

	for (size_t want = 65536; want <= REG_PAYLOAD_MAX; want *= 8) {
		payload_make(big, want, want);
		is_int(reg_node_put(r, "big", big, want, 1, 1000, NULL, &err),
		       0, "limit: large record -> 0");
		node = node_of(r, "big");
		ok(reg_node_read(r, node.ref, REG_RECORD, &text, &len, &err) ==
				   0 &&
			   len == want && memcmp(text, big, len) == 0,
		   "limit: record of %zu bytes -> reads back", want);
		free(text);
		is_int(reg_node_touch(r, "big", big, want, 1, &err), 0,
		       "limit: large status -> 0");
		ok(reg_node_read(r, node.ref, REG_STATUS, &text, &len, &err) ==
				   0 &&
			   len == want && memcmp(text, big, len) == 0,
		   "limit: status of %zu bytes -> reads back", want);
		free(text);
	}
	ok(reg_node_put(r, "x", big, sizeof(big), 1, 1000, NULL, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "limit: record one byte over -> TOO_LARGE: %s", err.msg);
	ok(reg_node_put(r, "x", big, 0, 1, 1000, NULL, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "limit: empty record -> TOO_LARGE");
	ok(reg_node_touch(r, "big", big, sizeof(big), 1, &err) == -1 &&
		   err.code == REG_TOO_LARGE,
	   "limit: status one byte over -> TOO_LARGE");
	ok(reg_node_read(r, (struct reg_node_ref){REG_NODES_MAX, 1}, REG_RECORD,
			 &text, &len, &err) == -1 &&
		   err.code == REG_NOT_FOUND &&
		   reg_node_seen(r, (struct reg_node_ref){1u << 31, 1}) == 0,
	   "limit: slot out of range -> NOT_FOUND, not seen");
	ok(reg_verify(r, &err) == 0, "limit: verifies");
	reg_close(r);
}

/* Sizes around the block: one byte less, equal, one more. */
static void
test_block_edges(void)
{
	char bytes[1600], *text;
	struct reg_node node;
	struct reg *r;
	int wrong = 0;
	size_t len;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (size_t want = 9; want < sizeof(bytes); want++) {
		payload_make(bytes, want, want);
		wrong += reg_node_put(r, "edge", bytes, want, 1, 1000, NULL,
				      &err) != 0;
		node = node_of(r, "edge");
		wrong += reg_node_read(r, node.ref, REG_RECORD, &text, &len,
				       &err) != 0;
		wrong += len != want || memcmp(text, bytes, len) != 0 ||
			 text[len] != '\0';
		free(text);
		wrong += reg_verify(r, &err) != 0;
	}
	is_int(wrong, 0, "blocks: every size from 9 to 1,599 -> reads back");
	reg_close(r);
}

/* What a handle remembers of the blocks is true until another one writes. */
static void
test_writers_in_turn(void)
{
	static const char *const ids[] = {"a", "b", "c", "d"};
	struct reg *r[2];
	char bytes[2000];
	int wrong = 0;

	seg_new();
	r[0] = seg_open(REG_SEGMENT_MIN);
	r[1] = seg_open(0);
	for (int i = 0; i < 4; i++) {
		struct reg *w = r[i % 2];

		w->next_block = 1; /* where the other one has just written */
		payload_make(bytes, sizeof(bytes), (uint64_t)i);
		wrong += reg_node_put(w, ids[i], bytes, sizeof(bytes), 1, 1000,
				      NULL, &err) != 0;
		wrong += reg_verify(w, &err) != 0;
	}
	ok(wrong == 0 && count(r[0]) == 4,
	   "blocks: two write in turn -> none takes the other's: %s", err.msg);
	reg_close(r[1]);
	reg_close(r[0]);
}

static void
test_no_err(void)
{
	struct reg *r;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	is_int(reg_node_remove(r, "nobody", NULL), -1,
	       "node: err is NULL -> fails without a word");
	reg_close(r);
}

static int
child_keeps_lock(void *arg)
{
	struct reg *r = seg_open(0);

	if (reg_lock(r, &err) == 0)
		atomic_store((_Atomic int *)arg, 1);
	hold();
}

#define WORK_PUTS 1000000 /* what five refusals may cost at most, anywhere */

static void
test_busy(void)
{
	_Atomic int *locked = shared_page(4096);
	unsigned long start_ms, work_ms;
	uint32_t index;
	struct reg *r;
	pid_t pid;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	ok(put(r, "a", "x", 100) == 0, "busy: a node");
	start_ms = cpu_ms();
	for (int i = 0; i < WORK_PUTS; i++)
		put(r, "a", "x", 100);
	work_ms = cpu_ms() - start_ms;
	pid = spawn(child_keeps_lock, locked);
	await(locked, 1);
	start_ms = cpu_ms();
	ok(put(r, "b", "x", 1) == -1 && err.code == REG_BUSY,
	   "busy: put -> BUSY: %s", err.msg);
	ok(reg_node_touch(r, "a", NULL, 0, 1, &err) == -1 &&
		   err.code == REG_BUSY,
	   "busy: touch -> BUSY");
	ok(reg_node_remove(r, "a", &err) == -1 && err.code == REG_BUSY,
	   "busy: remove -> BUSY");
	ok(reg_turn_open(r, "t", &index, &err) == -1 && err.code == REG_BUSY,
	   "busy: turn -> BUSY");
	ok(reg_verify(r, &err) == -1 && err.code == REG_BUSY,
	   "busy: verify -> BUSY");
	start_ms = cpu_ms() - start_ms;
	ok(start_ms <= work_ms, "busy: ... without much ado");
	if (start_ms > work_ms)
		printf("# %lu ms, and %lu ms for %d puts\n", start_ms, work_ms,
		       WORK_PUTS);
	ok(reads(r, node_of(r, "a").ref, REG_RECORD, "x"),
	   "busy: readers need no lock");
	kill_and_reap(pid);
	is_int(put(r, "b", "x", 100), 0, "busy: holder killed -> put works");
	ok(reg_verify(r, &err) == 0, "busy: verifies");
	reg_close(r);
}

#define CHANGES 3000

static int
child_changes(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg + 1;
	static char bytes[4000];
	struct reg *r = seg_open(0);
	char id[16];

	for (int i = 0; i < CHANGES; i++) {
		size_t len = 9 + random_next(&state) % (sizeof(bytes) - 9);

		snprintf(id, sizeof(id), "n%u", random_next(&state) % 5);
		payload_make(bytes, len, state);
		if (i % 3 == 0) {
			if (RETRY(reg_node_touch(r, id, bytes, len, 1, &err),
				  err) &&
			    err.code != REG_NOT_FOUND && err.code != REG_FULL)
				return 1;
		} else if (RETRY(reg_node_put(r, id, bytes, len, 1, 1000, NULL,
					      &err),
				 err) &&
			   err.code != REG_FULL) {
			return 2;
		}
		if (i % 50 == 0 && RETRY(reg_node_remove(r, id, &err), err) &&
		    err.code != REG_NOT_FOUND)
			return 3;
	}
	reg_close(r);
	return 0;
}

/* Reads everything there is; returns payloads read, or -1 at a broken one. */
static int
read_all(const struct reg *r)
{
	struct reg_node node;
	uint32_t slot = 0;
	int n = 0;

	while (reg_node_next(r, &slot, &node)) {
		for (int which = REG_RECORD; which <= REG_STATUS; which++) {
			size_t len;
			char *bytes;

			if (reg_node_read(r, node.ref, which, &bytes, &len,
					  &err)) {
				if (err.code != REG_NOT_FOUND &&
				    err.code != REG_BUSY)
					return -1;
				continue;
			}
			if (bytes && !payload_is_whole(bytes, len))
				return -1;
			if (node.id[0] != 'n' ||
			    (!bytes && which == REG_RECORD))
				return -1;
			n += bytes != NULL;
			free(bytes);
		}
	}
	return n;
}

static void
test_readers_and_writers(void)
{
	long read = 0, broken = 0;
	pid_t writers[2];
	struct reg *r;
	int left = 2;

	seg_new();
	r = seg_open(REG_SEGMENT_MIN); /* little room: blocks come back soon */
	for (uintptr_t i = 0; i < 2; i++)
		writers[i] = spawn(child_changes, (void *)i);
	while (left && !broken) {
		int n = read_all(r), status;

		broken += n < 0;
		read += n;
		while (waitpid(-1, &status, WNOHANG) > 0) {
			left--;
			broken += status != 0;
		}
	}
	for (int i = 0; broken && i < 2; i++)
		kill(writers[i], SIGKILL);
	ok(broken == 0 && read > 1000,
	   "race: 2 writers, 6,000 changes -> %ld payloads read, all whole",
	   read);
	ok(reg_verify(r, &err) == 0, "race: verifies: %s", err.msg);
	reg_close(r);
}

int
main(void)
{
	test_life();
	test_remove();
	test_limits();
	test_block_edges();
	test_writers_in_turn();
	test_no_err();
	test_busy();
	test_readers_and_writers();
	return done_testing();
}
