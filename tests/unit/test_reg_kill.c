/* SPDX-License-Identifier: MIT */
/*
 * test_reg_kill.c - thousands of writers killed at random moments.
 *
 * Two writers at a time do random operations on a small segment, where blocks
 * and slots are reused at once, until SIGKILL; two readers check without pause
 * that whatever can be read is whole. In the end nothing of the dead may count,
 * and there must be as much room as in a new segment.
 *
 * REG_TEST_KILLS and REG_TEST_SEED repeat or lengthen a run.
 */
#include <time.h>

#include "reg_test.h"

#define WRITERS 2
#define READERS 2
#define NODES 12
#ifdef REG_TEST_SLOW
#define KILLS 1000
#else
#define KILLS 3000
#endif

#define KILLS_MORE 50 /* times as many, when the readers do not get far */

static struct reg_err err;

/* What all processes of the test share besides the segment. */
struct board {
	_Atomic int stop;
	_Atomic int running[WRITERS]; /* the writer has opened its handle */
	_Atomic uint64_t rounds;      /* of the readers */
	_Atomic uint64_t payloads;    /* they have read whole */
	_Atomic int broken;	      /* a reader has something to say */
	char complaint[300];
};

static struct board *board;

static void
complain(const char *what, const char *detail)
{
	if (atomic_fetch_add(&board->broken, 1) == 0)
		snprintf(board->complaint, sizeof(board->complaint), "%s: %s",
			 what, detail);
	_exit(1);
}

/* ---- writers ---------------------------------------------------------------
 */

static void
write_node(struct reg *r, uint64_t *state)
{
	static char bytes[6000];
	size_t len = 16 + random_next(state) % (sizeof(bytes) - 16);
	uint64_t now_ms = reg_clock_ms();
	char id[16];
	int rc;

	snprintf(id, sizeof(id), "n%u", random_next(state) % NODES);
	payload_make(bytes, len, *state);
	switch (random_next(state) % 6) {
	case 0:
	case 1:
		/* Everybody is stale at once: nodes push one another out. */
		rc = reg_node_put(r, id, bytes, len, now_ms, 0, NULL, &err);
		break;
	case 2:
	case 3:
		rc = reg_node_touch(r, id, bytes, len, now_ms, &err);
		break;
	case 4:
		rc = reg_node_touch(r, id, NULL, 0, now_ms, &err);
		break;
	default:
		rc = reg_node_remove(r, id, &err);
		break;
	}
	if (rc && err.code != REG_BUSY && err.code != REG_NOT_FOUND &&
	    err.code != REG_FULL)
		complain("writer", err.msg);
}

static void
write_others(struct reg *r, uint64_t *state)
{
	uint32_t n = random_next(state) % 100, index;
	uint64_t key[2] = {50 + n % 3, n};
	uint64_t now_ms = reg_clock_ms();
	struct reg_probe p;
	int32_t leases[4];
	char name[16];

	reg_gauge_add(r, 0, 1);
	for (int i = 0; i < 4; i++)
		leases[i] = reg_lease_take(r, candidate(r, n % 7), 0, NULL);
	snprintf(name, sizeof(name), "turn-%u", random_next(state) % 1100);
	if (reg_turn_open(r, name, &index, &err) == 0)
		reg_turn_next(r, index);
	else if (err.code != REG_BUSY)
		complain("writer", err.msg);
	if (reg_probe_begin(r, key, now_ms, 3, 50, &p) == REG_PROBE_MINE)
		reg_probe_put(r, key, now_ms, 1, n);
	if (p.checked_ms && p.result != n)
		complain("writer", "the probe result of another target");
	if (n % 10 == 0)
		reg_probe_forget(r, key);
	for (int i = 0; i < 4; i++)
		reg_lease_drop(r, leases[i]);
	reg_gauge_add(r, 0, -1);
	reg_counter_add(r, 0, 1);
}

static uint64_t writer_seed;

static int
child_writes(void *arg)
{
	uint64_t state = writer_seed;
	struct reg *r = reg_open(seg_name, REG_SEGMENT_MIN, &err);

	if (!r)
		complain("open", err.msg);
	atomic_store((_Atomic int *)arg, 1);
	while (r) {
		write_node(r, &state);
		if (random_next(&state) % 2)
			write_others(r, &state);
		if (random_next(&state) % 64)
			continue;
		reg_close(r);
		r = reg_open(seg_name, 0, &err);
	}
	complain("open again", err.msg);
	return 1;
}

/* ---- readers ---------------------------------------------------------------
 */

static void
read_nodes(const struct reg *r)
{
	struct reg_node node;
	uint32_t slot = 0;

	while (reg_node_next(r, &slot, &node)) {
		if (node.id[0] != 'n' || strlen(node.id) > 3 || !node.seen_ms)
			complain("walk", "a node that nobody registered");
		for (int which = REG_RECORD; which <= REG_STATUS; which++) {
			size_t len;
			char *bytes;

			if (reg_node_read(r, node.ref, which, &bytes, &len,
					  &err)) {
				if (err.code != REG_NOT_FOUND &&
				    err.code != REG_BUSY)
					complain("read", err.msg);
				continue;
			}
			if (bytes && !payload_is_whole(bytes, len))
				complain("read", "a payload in pieces");
			if (!bytes && which == REG_RECORD)
				complain("read", "a node without a record");
			if (bytes)
				atomic_fetch_add(&board->payloads, 1);
			free(bytes);
		}
	}
}

static int
child_reads(void *arg)
{
	struct reg *r = seg_open(0);
	uint64_t epoch = 0, counter = 0;

	(void)arg;
	if (nice(10) < 0) /* the killer and its victims set the pace */
		complain("nice", strerror(errno));
	for (uint64_t round = 0; !atomic_load(&board->stop); round++) {
		uint64_t now = reg_epoch(r);
		uint64_t sum = reg_counter_sum(r, 0);

		if (now < epoch)
			complain("epoch", "went backwards");
		if (sum < counter)
			complain("counter", "a sum went backwards");
		epoch = now;
		counter = sum;
		read_nodes(r);
		if (round % 64 == 0 && reg_verify(r, &err) &&
		    err.code != REG_BUSY)
			complain("verify", err.msg);
		atomic_fetch_add(&board->rounds, 1);
		sched_yield();
	}
	reg_close(r);
	return 0;
}

/* ---- the killer
 * -------------------------------------------------------------- */

static void
pause_us(long us)
{
	const struct timespec ts = {.tv_nsec = us * 1000};

	nanosleep(&ts, NULL);
}

static long
env_number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : otherwise;
}

/* At least so many, and until the readers have got as far. */
static bool
goes_on(long n, long kills)
{
	if (atomic_load(&board->broken))
		return false;
	return n < kills || (n < kills * KILLS_MORE &&
			     atomic_load(&board->payloads) <= (uint64_t)kills);
}

/* Half of them may die while they open the segment, half are at work. */
static int
kill_writers(long kills, uint64_t seed)
{
	pid_t writers[WRITERS] = {0};
	uint64_t state = seed;
	int failed = 0;

	for (long n = 0; goes_on(n, kills); n++) {
		int w = (int)(n % WRITERS);

		if (writers[w])
			failed += kill_and_reap(writers[w]) != 128 + SIGKILL;
		atomic_store(&board->running[w], 0);
		writer_seed = seed + (uint64_t)n * 7919;
		writers[w] = spawn(child_writes, &board->running[w]);
		w = (int)((n + 1) % WRITERS);
		if (n % 2 && writers[w])
			while (!atomic_load(&board->running[w]) &&
			       !atomic_load(&board->broken))
				sched_yield();
		pause_us(10 + random_next(&state) % 490);
	}
	for (int w = 0; w < WRITERS; w++)
		if (writers[w])
			failed += kill_and_reap(writers[w]) != 128 + SIGKILL;
	return failed;
}

/* How many nodes of one block fit: all blocks, if none is lost. */
static int
capacity(struct reg *r)
{
	char id[16];
	int n = 0;

	do
		snprintf(id, sizeof(id), "c%d", n++);
	while (RETRY(reg_node_put(r, id, "x", 1, 1, UINT64_MAX, NULL, &err),
		     err) == 0);
	return n - 1;
}

static void
test_aftermath(struct reg *r)
{
	struct reg_node node;
	unsigned total;
	uint32_t slot = 0;
	struct reg *unused;
	int expected;

	is_int(RETRY(reg_verify(r, &err), err), 0, "kill: segment verifies");
	is_int(reg_rows_live(r), 1, "kill: one process is left");
	is_int(reg_gauge_sum(r, 0), 0, "kill: gauges are zero");
	sweep_now(r);
	is_int(leases_of_all(r), 0, "kill: no lease is left");
	while (reg_node_next(r, &slot, &node))
		if (reg_node_remove(r, node.id, &err))
			ok(false, "kill: remove %s: %s", node.id, err.msg);
	slot = 0;
	ok(!reg_node_next(r, &slot, &node), "kill: all nodes can be removed");
	total = (unsigned)capacity(r);
	seg_new();
	unused = seg_open(REG_SEGMENT_MIN);
	expected = capacity(unused);
	is_int(total, expected, "kill: as much room as in a new segment");
	reg_close(unused);
}

int
main(void)
{
	long kills = env_number("REG_TEST_KILLS", KILLS);
	uint64_t seed = (uint64_t)env_number("REG_TEST_SEED", getpid());
	pid_t readers[READERS];
	uint64_t operations;
	int failed, reader_failed = 0;
	struct reg *r;

	board = shared_page(sizeof(*board));
	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	for (int i = 0; i < READERS; i++)
		readers[i] = spawn(child_reads, NULL);
	failed = kill_writers(kills, seed);
	atomic_store(&board->stop, 1);
	for (int i = 0; i < READERS; i++)
		reader_failed += reap(readers[i]) != 0;
	operations = reg_counter_sum(r, 0);
	printf("# seed %llu: %ld kills, %llu operations, %llu rounds of "
	       "readers, %llu payloads\n",
	       (unsigned long long)seed, kills, (unsigned long long)operations,
	       (unsigned long long)atomic_load(&board->rounds),
	       (unsigned long long)atomic_load(&board->payloads));
	is_str(board->complaint, "",
	       "kill: nobody has anything to complain of");
	is_int(failed, 0, "kill: every writer died of SIGKILL alone");
	is_int(reader_failed, 0, "kill: every reader came to its end");
	ok(operations > (uint64_t)kills, "kill: the writers were at work");
	ok(atomic_load(&board->payloads) > (uint64_t)kills,
	   "kill: the readers were at work");
	test_aftermath(r);
	reg_close(r);
	return done_testing();
}
