/* SPDX-License-Identifier: MIT */
/*
 * test_reg_crash.c - die at every step of every write, one after the other.
 *
 * Built from the library's sources with REG_CRASH_POINTS. For each operation a
 * child is killed at its 1st, 2nd, 3rd, ... crash point until it gets through.
 * Each time another process that was attached all along must find the state
 * before the operation, or after it, or what the scenario allows between; it
 * must be able to go on; and nothing of the dead one may count any more.
 */
#include "reg_test.h"

#define STEPS_MAX 2000
#ifdef REG_TEST_SLOW
#define REPAIR_STRIDE 5 /* of the double deaths, try some */
#else
#define REPAIR_STRIDE 1
#endif
#define BLOCKS_SEGMENT REG_SEGMENT_MIN

static struct reg_err err;
static long countdown; /* 0 = live on */

void
reg_crash_point(void)
{
	if (countdown && --countdown == 0)
		raise(SIGKILL);
}

enum state {
	BROKEN = -1,
	BEFORE,
	AFTER,
	BETWEEN
};

struct scenario {
	const char *title;
	void (*prepare)(struct reg *r); /* by the one who stays */
	void (*setup)(struct reg *w);	/* by the one who dies, still safe */
	bool (*run)(struct reg *w);	/* true = came out as it should */
	enum state (*look)(const struct reg *r); /* without a lock */
	bool moves_epoch;			 /* whenever it is not BEFORE */
	bool opens; /* run() is about opening: w is NULL */
};

/* ---- nodes --------------------------------------------------------------- */

static bool
find(const struct reg *r, const char *id, struct reg_node *node)
{
	uint32_t slot = 0;

	while (reg_node_next(r, &slot, node))
		if (strcmp(node->id, id) == 0)
			return true;
	return false;
}

/* The length of a payload when it is whole, 0 = none, -1 = broken. */
static int
length_of(const struct reg *r, const char *id, enum reg_payload which)
{
	struct reg_node node;
	char *bytes;
	size_t len;
	bool whole;

	if (!find(r, id, &node))
		return 0;
	if (reg_node_read(r, node.ref, which, &bytes, &len, &err))
		return -1;
	whole = !bytes || payload_is_whole(bytes, len);
	free(bytes);
	return whole ? (int)len : -1;
}

static bool
put(struct reg *r, const char *id, size_t len, uint64_t now_ms)
{
	static char bytes[20000];

	payload_make(bytes, len, len);
	return reg_node_put(r, id, bytes, len, now_ms, 1000, NULL, &err) == 0;
}

static bool
touch(struct reg *r, const char *id, size_t len, uint64_t now_ms)
{
	static char bytes[20000];

	payload_make(bytes, len, len);
	return reg_node_touch(r, id, bytes, len, now_ms, &err) == 0;
}

static void
prepare_node(struct reg *r)
{
	put(r, "a", 1100, 100);
	touch(r, "a", 700, 100);
}

static bool
run_put_new(struct reg *w)
{
	return put(w, "new", 1500, 200);
}

static enum state
look_put_new(const struct reg *r)
{
	int added = length_of(r, "new", REG_RECORD);

	if (length_of(r, "a", REG_RECORD) != 1100 ||
	    length_of(r, "a", REG_STATUS) != 700 ||
	    length_of(r, "new", REG_STATUS) != 0)
		return BROKEN;
	return added == 0 ? BEFORE : added == 1500 ? AFTER : BROKEN;
}

static bool
run_replace(struct reg *w)
{
	return put(w, "a", 1600, 200);
}

static enum state
look_replace(const struct reg *r)
{
	int record = length_of(r, "a", REG_RECORD);
	int status = length_of(r, "a", REG_STATUS);

	if (record == 1100 && status == 700)
		return BEFORE;
	return record == 1600 && status == 0 ? AFTER : BROKEN;
}

static void
prepare_crowd(struct reg *r)
{
	put(r, "old", 7000, 100);
	touch(r, "old", 3000, 100);
	put(r, "older", 12000, 90);
	put(r, "fresh", 7000, 2000);
}

static bool
run_evict(struct reg *w)
{
	/* Done again it finds no room for both: then the first one stands. */
	return put(w, "new", 16000, 2000) ||
	       length_of(w, "new", REG_RECORD) == 16000;
}

static enum state
look_evict(const struct reg *r)
{
	int older = length_of(r, "older", REG_RECORD);
	int old = length_of(r, "old", REG_RECORD);
	int added = length_of(r, "new", REG_RECORD);

	if (length_of(r, "fresh", REG_RECORD) != 7000 || older < 0 || old < 0 ||
	    added < 0 || (older && !old))
		return BROKEN;
	if (older && old)
		return added ? BROKEN : BEFORE;
	return added == 16000 && !old ? AFTER : added == 0 ? BETWEEN : BROKEN;
}

static bool
run_status(struct reg *w)
{
	return touch(w, "a", 900, 200);
}

static enum state
look_status(const struct reg *r)
{
	int status = length_of(r, "a", REG_STATUS);

	if (length_of(r, "a", REG_RECORD) != 1100)
		return BROKEN;
	return status == 700 ? BEFORE : status == 900 ? AFTER : BROKEN;
}

static bool
run_touch(struct reg *w)
{
	return reg_node_touch(w, "a", NULL, 0, 200, &err) == 0;
}

static enum state
look_touch(const struct reg *r)
{
	struct reg_node node;
	uint64_t seen_ms;

	if (!find(r, "a", &node) || length_of(r, "a", REG_STATUS) != 700)
		return BROKEN;
	seen_ms = reg_node_seen(r, node.ref);
	return seen_ms == 100 ? BEFORE : seen_ms == 200 ? AFTER : BROKEN;
}

static bool
run_remove(struct reg *w)
{
	return reg_node_remove(w, "a", &err) == 0 || err.code == REG_NOT_FOUND;
}

static enum state
look_remove(const struct reg *r)
{
	int record = length_of(r, "a", REG_RECORD);
	int status = length_of(r, "a", REG_STATUS);

	if (record == 0)
		return AFTER;
	return record == 1100 && status == 700 ? BEFORE : BROKEN;
}

/* ---- turns --------------------------------------------------------------- */

static const struct reg_turn *
turn_of(const struct reg *r, const char *name)
{
	for (int i = 0; i < REG_TURNS_MAX; i++) {
		const struct reg_turn *t = &r->seg->turns[i];

		if (t->name_bytes == strlen(name) &&
		    memcmp(t->name, name, strlen(name)) == 0)
			return t;
	}
	return NULL;
}

static bool
run_turn(struct reg *w)
{
	uint32_t index;

	return reg_turn_open(w, "new", &index, &err) == 0 &&
	       reg_turn_next(w, index) < 2; /* ours and the dead one's */
}

static enum state
look_turn(const struct reg *r)
{
	const struct reg_turn *t = turn_of(r, "new");

	if (!t)
		return BEFORE;
	return t->position <= 2 ? AFTER : BROKEN;
}

static void
prepare_turns(struct reg *r)
{
	uint32_t index;
	char name[16];

	for (int i = 0; i < REG_TURNS_MAX; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		if (reg_turn_open(r, name, &index, &err))
			return;
		for (int k = 0; k < 7; k++)
			reg_turn_next(r, index);
	}
}

static enum state
look_turns(const struct reg *r)
{
	const struct reg_turn *added = turn_of(r, "new"),
			      *old = turn_of(r, "t0");

	if ((added && old) || (old && old->position != 7) ||
	    (added && added->position > 2) || !turn_of(r, "t1"))
		return BROKEN;
	return old ? BEFORE : added ? AFTER : BETWEEN;
}

/* ---- probes -------------------------------------------------------------- */

static const uint64_t home[2] = {4000, 1};
static uint64_t probe_now_ms = 10000;

/* The entry of a key, read without the library's help. */
static const struct reg_target *
target_of(const struct reg *r, const uint64_t key[2])
{
	for (uint32_t i = 0; i < REG_PROBES_MAX; i++) {
		const struct reg_target *t = &r->seg->targets[i];

		if (t->checked && t->key[0] == key[0] && t->key[1] == key[1])
			return t;
	}
	return NULL;
}

/* No dead process's claim makes anybody wait: hence a new time every call. */
static bool
run_probe(struct reg *w)
{
	struct reg_probe p;

	probe_now_ms += 100;
	return reg_probe_begin(w, home, probe_now_ms, 10, 60000, &p) ==
	       REG_PROBE_MINE;
}

static enum state
look_probe(const struct reg *r)
{
	const struct reg_target *t = target_of(r, home);

	if (!t)
		return BEFORE;
	return reg_checked_ms(t->checked) == 0 ? AFTER : BROKEN;
}

static void
prepare_window(struct reg *r)
{
	struct reg_probe p;

	for (uint64_t i = 0; i < 64; i++) {
		uint64_t key[2] = {home[0], 100 + i};

		if (reg_probe_begin(r, key, 1000, 10, 100, &p) ==
		    REG_PROBE_MINE)
			reg_probe_put(r, key, 1000 + i, 1, (uint32_t)i);
	}
}

static enum state
look_window(const struct reg *r)
{
	const struct reg_target *oldest, *added = target_of(r, home);
	unsigned others = 0;

	for (uint64_t i = 1; i < 64; i++) {
		const struct reg_target *t =
			target_of(r, (uint64_t[2]){home[0], 100 + i});

		others += t && reg_checked_ms(t->checked) == 1000 + i &&
			  reg_outcome_result(t->outcome) == i;
	}
	oldest = target_of(r, (uint64_t[2]){home[0], 100});
	if (others != 63 || (added && oldest) ||
	    (added && reg_checked_ms(added->checked)))
		return BROKEN;
	if (!oldest)
		return added ? AFTER : BETWEEN;
	return reg_checked_ms(oldest->checked) ? BEFORE : BETWEEN;
}

static void
prepare_result(struct reg *r)
{
	struct reg_probe p;

	if (reg_probe_begin(r, home, 1000, 10, 100, &p) == REG_PROBE_MINE)
		reg_probe_put(r, home, 1000, 70, 3);
}

static void
setup_probe(struct reg *w)
{
	run_probe(w);
}

static bool
run_probe_put(struct reg *w)
{
	struct reg_probe p;
	enum reg_probe_turn turn;

	reg_probe_put(w, home, 10100, 80, 4);
	/* Once more by the one who stays, whose turn it may be. */
	turn = reg_probe_begin(w, home, 20000, 20000, 100, &p);
	if (turn == REG_PROBE_MINE) {
		reg_probe_put(w, home, 20000, 80, 4);
		turn = reg_probe_begin(w, home, 20000, 20000, 100, &p);
	}
	return turn == REG_PROBE_FRESH;
}

static enum state
look_probe_put(const struct reg *r)
{
	const struct reg_target *t = target_of(r, home);
	uint64_t ms, result;

	if (!t)
		return BROKEN;
	ms = reg_checked_ms(t->checked);
	result = reg_outcome_result(t->outcome);
	if (result == 3)
		return ms == 1000 ? BEFORE : BROKEN;
	if (result != 4 || reg_outcome_since(t->outcome) != 80)
		return BROKEN;
	return ms == 10100 ? AFTER : ms == 1000 ? BETWEEN : BROKEN;
}

static bool
run_forget(struct reg *w)
{
	reg_probe_forget(w, home);
	return true;
}

static enum state
look_forget(const struct reg *r)
{
	const struct reg_target *t = target_of(r, home);

	if (!t)
		return BROKEN;
	return reg_checked_ms(t->checked) ? BEFORE : AFTER;
}

/* ---- rows and leases ----------------------------------------------------- */

static const struct reg_node_ref somewhere = {5, 0};
static int32_t held[3];

static bool
run_lease_take(struct reg *w)
{
	return reg_lease_take(w, somewhere) >= 0;
}

static void
setup_leases(struct reg *w)
{
	for (int i = 0; i < 3; i++)
		held[i] = reg_lease_take(w, somewhere);
	reg_gauge_add(w, 1, 9);
}

static bool
run_lease_drop(struct reg *w)
{
	for (int i = 0; i < 3; i++)
		reg_lease_drop(w, held[i]);
	return true;
}

static bool
run_close(struct reg *w)
{
	if (countdown) /* the one who stays keeps its handle */
		reg_close(w);
	return true;
}

static int
child_leaves_row(void *unused)
{
	(void)unused;
	setup_leases(seg_open(0));
	return 0; /* without closing */
}

static void
prepare_dead_row(struct reg *r)
{
	(void)r;
	reap(spawn(child_leaves_row, NULL));
}

static bool
run_open(struct reg *unused)
{
	struct reg *w = reg_open(seg_name, 0, &err);
	bool taken_over = w && w->row == 1;

	(void)unused;
	if (!countdown) /* the one who stays keeps one handle alone */
		reg_close(w);
	return taken_over;
}

static const struct scenario scenarios[] = {
	{"put, new node", prepare_node, NULL, run_put_new, look_put_new, true,
	 false},
	{"put, replacing a node with a status", prepare_node, NULL, run_replace,
	 look_replace, true, false},
	{"put, pushing out two stale nodes", prepare_crowd, NULL, run_evict,
	 look_evict, true, false},
	{"touch with a status", prepare_node, NULL, run_status, look_status,
	 true, false},
	{"touch", prepare_node, NULL, run_touch, look_touch, false, false},
	{"remove", prepare_node, NULL, run_remove, look_remove, true, false},
	{"turn, new name", NULL, NULL, run_turn, look_turn, false, false},
	{"turn, table full", prepare_turns, NULL, run_turn, look_turns, false,
	 false},
	{"probe begin, new target", NULL, NULL, run_probe, look_probe, false,
	 false},
	{"probe begin, window full", prepare_window, NULL, run_probe,
	 look_window, false, false},
	{"probe put", prepare_result, setup_probe, run_probe_put,
	 look_probe_put, false, false},
	{"probe forget", prepare_result, setup_probe, run_forget, look_forget,
	 false, false},
	{"lease take", NULL, NULL, run_lease_take, NULL, false, false},
	{"lease drop", NULL, setup_leases, run_lease_drop, NULL, false, false},
	{"close with leases", NULL, setup_leases, run_close, NULL, false,
	 false},
	{"open, taking over a dead row", prepare_dead_row, NULL, run_open, NULL,
	 false, true},
};

/* ---- the machine --------------------------------------------------------- */

static const struct scenario *current;
static long current_step;

static int
child_dies(void *unused)
{
	struct reg *w = NULL;
	bool well;

	(void)unused;
	if (!current->opens)
		w = seg_open(0);
	if (current->setup)
		current->setup(w);
	countdown = current_step;
	well = current->run(w);
	countdown = 0;
	return well ? 0 : 1;
}

static int
child_dies_repairing(void *unused)
{
	struct reg *w = seg_open(0);
	int rc;

	(void)unused;
	countdown = current_step;
	rc = reg_verify(w, &err);
	countdown = 0;
	return rc ? 1 : 0;
}

/* Nothing of a dead process counts. */
static bool
nothing_left(const struct reg *r)
{
	static uint32_t counts[REG_NODES_MAX];
	unsigned total = 0;

	reg_lease_count(r, counts);
	for (int i = 0; i < REG_NODES_MAX; i++)
		total += counts[i];
	return total == 0 && reg_gauge_sum(r, 1) == 0 && reg_rows_live(r) == 1;
}

/* Free blocks, found out anew. */
static uint32_t
free_blocks(struct reg *r)
{
	if (reg_lock(r, &err))
		return 0;
	r->used_valid = false;
	reg_blocks_begin(r);
	reg_unlock(r);
	return r->free_blocks;
}

static const char *
judge(struct reg *r, uint64_t epoch, bool through, uint32_t blocks)
{
	uint64_t raw_epoch = atomic_load(&r->seg->header.epoch);
	enum state state = current->look ? current->look(r) : BEFORE;

	if (state == BROKEN)
		return "readers see a broken state";
	if (through && current->look && state != AFTER)
		return "it got through and is not done";
	if (current->moves_epoch && state != BEFORE && raw_epoch == epoch)
		return "a change without a new epoch";
	if (current->moves_epoch && state != BEFORE && reg_epoch(r) % 2)
		return "an epoch that no longer moves";
	if (!nothing_left(r))
		return "something of the dead process still counts";
	if (reg_verify(r, &err))
		return err.msg;
	if (current->look && current->look(r) != state)
		return "the repair changed what readers see";
	if (!current->run(r))
		return "the operation does not work any more";
	if (current->look && !current->opens && current->run != run_probe_put &&
	    current->look(r) != AFTER)
		return "the operation, done again, is not done";
	if (reg_verify(r, &err))
		return err.msg;
	if (free_blocks(r) != blocks)
		return "blocks are lost";
	return NULL;
}

/* How many blocks are free when the operation ran undisturbed. */
static uint32_t
blocks_when_done(void)
{
	uint32_t blocks;
	struct reg *r;

	seg_new();
	r = seg_open(BLOCKS_SEGMENT);
	if (current->prepare)
		current->prepare(r);
	if (!current->opens)
		current->run(r);
	blocks = free_blocks(r);
	reg_close(r);
	return blocks;
}

/* One death. Returns a complaint or NULL; *through = it was not killed. */
static const char *
die_at(long step, long repair_step, uint32_t blocks, bool *through)
{
	const char *complaint;
	uint64_t epoch;
	struct reg *r;
	int status;

	seg_new();
	r = seg_open(BLOCKS_SEGMENT);
	if (current->prepare)
		current->prepare(r);
	epoch = reg_epoch(r);
	current_step = step;
	status = reap(spawn(child_dies, NULL));
	*through = status == 0;
	if (status != 0 && status != 128 + SIGKILL)
		return "the child failed by itself";
	if (repair_step) {
		current_step = repair_step;
		status = reap(spawn(child_dies_repairing, NULL));
		*through = status == 0;
		complaint = judge(r, epoch, false, blocks);
	} else {
		complaint = judge(r, epoch, *through, blocks);
	}
	reg_close(r);
	return complaint;
}

static void
test_scenario(const struct scenario *s)
{
	const char *complaint = NULL;
	bool through = false;
	uint32_t blocks;
	long step = 0;

	current = s;
	blocks = blocks_when_done();
	while (!through && !complaint && ++step < STEPS_MAX)
		complaint = die_at(step, 0, blocks, &through);
	ok(!complaint && through && step > 1, "crash: %s, at each of %ld steps",
	   s->title, step - 1);
	if (complaint)
		printf("# step %ld: %s\n", step, complaint);
}

/* The one who repairs dies as well, at every step of the repair. */
static void
test_repair(const struct scenario *s)
{
	const char *complaint = NULL;
	bool through = false;
	uint32_t blocks;
	long step = 0, deaths = 0, repair = 0;

	current = s;
	blocks = blocks_when_done();
	while (!complaint && ++step < STEPS_MAX) {
		complaint = die_at(step, 0, blocks, &through);
		if (through)
			break;
		through = false;
		for (repair = 1; !through && !complaint && repair < STEPS_MAX;
		     repair += REPAIR_STRIDE, deaths++)
			complaint = die_at(step, repair, blocks, &through);
	}
	ok(!complaint && through && deaths >= step,
	   "crash: %s, then its repair: %ld double deaths", s->title, deaths);
	if (complaint)
		printf("# step %ld, then %ld: %s\n", step, repair, complaint);
}

/* ---- creation: there is nobody who could have been there before -----------
 */

static int
child_creates(void *unused)
{
	struct reg *w;

	(void)unused;
	countdown = current_step;
	w = reg_open(seg_name, BLOCKS_SEGMENT, &err);
	countdown = 0;
	return w ? 0 : 1;
}

static void
test_creation(void)
{
	bool through = false, well = true;
	long step = 0;

	while (!through && well && ++step < STEPS_MAX) {
		struct reg *r;
		int status;

		seg_new();
		current_step = step;
		status = reap(spawn(child_creates, NULL));
		through = status == 0;
		well = through || status == 128 + SIGKILL;
		r = seg_open(BLOCKS_SEGMENT);
		well = well && r->bytes == BLOCKS_SEGMENT &&
		       reg_verify(r, &err) == 0 && put(r, "a", 100, 1) &&
		       nothing_left(r);
		reg_close(r);
	}
	ok(well && through && step > 5,
	   "crash: creation, at each of %ld steps -> the next one builds it",
	   step - 1);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		test_scenario(&scenarios[i]);
	test_creation();
	test_repair(&scenarios[1]);
	test_repair(&scenarios[5]);
	return done_testing();
}
