/* SPDX-License-Identifier: MIT */
/*
 * test_policies.c - shares: exact for round robin over several processes, even
 * and unbiased for random.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "routing/routing.h"
#include "stage/policy.h"
#include "step.h"
#include "tap.h"

#define PROCESSES 4
#define ROUNDS 20
#define CALLS 10000 /* by each process in each round */
#define K 3
#define STEPPED 20 /* calls, one instruction at a time */

static uint64_t script[4]; /* what gw_worker_random() gives, if set */
static size_t script_at, script_n;

uint64_t
gw_worker_random(struct gw_worker *w)
{
	uint64_t x;

	if (script_at < script_n)
		return script[script_at++];
	/* splitmix64: any good generator will do */
	w->random_state[0] += UINT64_C(0x9e3779b97f4a7c15);
	x = w->random_state[0];
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static struct reg *
attach(const char *name)
{
	struct reg_err err = {0};
	struct reg *reg = reg_open(name, 0, &err);

	if (!reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	return reg;
}

/* What the processes share: a gate for every round, and who was chosen. */
struct board {
	_Atomic int arrived[ROUNDS];
	_Atomic uint32_t shares[K];
	_Atomic uint8_t drawn[PROCESSES * ROUNDS * CALLS + 1];
};

/* Each round begins for all of them at one moment. */
static void
meet(struct board *board, int round)
{
	atomic_fetch_add(&board->arrived[round], 1);
	while (atomic_load(&board->arrived[round]) < PROCESSES)
		sched_yield();
}

/*
 * One process, with a copy of what its parent knows: where the role's position
 * is. With more candidates than calls each comes once.
 */
static void
choose_many(struct gw_routing w, const char *name, struct gw_model *m,
	    struct board *board)
{
	const struct gw_policy *policy = gw_policies[m->strategy];

	w.reg = attach(name);
	for (int round = 0; round < ROUNDS; round++) {
		meet(board, round);
		for (int i = 0; i < CALLS; i++) {
			size_t n = policy->choose(&w, m, sizeof(board->drawn));

			atomic_fetch_add(&board->drawn[n], 1);
			atomic_fetch_add(&board->shares[n % K], 1);
		}
	}
	gw_policies_release(&w);
	reg_close(w.reg);
	_exit(0);
}

static struct board *
new_board(void)
{
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (board == MAP_FAILED)
		exit(1);
	return board;
}

static void
exact_across_processes(struct gw_routing *w, const char *name)
{
	struct gw_model m = {.role = (char *)"reviewer",
			     .strategy = GW_ROUND_ROBIN};
	const size_t calls = PROCESSES * ROUNDS * CALLS;
	struct board *board = new_board();
	uint32_t least = UINT32_MAX, most = 0;
	size_t once = 0;
	int status, bad = 0;

	/* Only to look up a role takes the lock: nobody else wants it yet. */
	if (gw_policy_round_robin.choose(w, &m, calls) != 0)
		bad++;
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			choose_many(*w, name, &m, board);
	while (wait(&status) > 0)
		bad += status != 0;
	for (int k = 0; k < K; k++) {
		uint32_t share = atomic_load(&board->shares[k]);

		least = share < least ? share : least;
		most = share > most ? share : most;
	}
	for (size_t i = 1; i <= calls; i++)
		once += atomic_load(&board->drawn[i]) == 1;
	ok(!bad && most - least <= 1,
	   "round_robin: %d processes, %zu requests -> shares differ by %u",
	   PROCESSES, calls, most - least);
	ok(once == calls &&
		   gw_policy_round_robin.choose(
			   w, &m, sizeof(board->drawn) + 1) == calls + 1,
	   "round_robin: ... and none was lost or came twice");
	munmap(board, sizeof(*board));
}

/* What child and parent of the next test share, and what only one has. */
struct pair {
	struct gw_routing *w;
	const char *name;
	struct gw_model m;
	_Atomic uint8_t *drawn; /* by number: how often */
	size_t between;		/* how many the parent drew */
};

#define PAIR_DRAWS_MAX (STEPPED + STEPS_MAX + 1)

static void
draw(struct pair *pair, struct gw_routing *w)
{
	size_t n = gw_policy_round_robin.choose(w, &pair->m, PAIR_DRAWS_MAX);

	atomic_fetch_add(&pair->drawn[n], 1);
}

static int
child_draws(void *arg)
{
	struct pair *pair = arg;
	struct gw_routing w = *pair->w;

	w.reg = attach(pair->name);
	if (step_begin())
		return CANNOT_TRACE;
	for (int i = 0; i < STEPPED; i++)
		draw(pair, &w);
	return 0;
}

static void
draw_between(void *arg)
{
	struct pair *pair = arg;

	draw(pair, pair->w);
	pair->between++;
}

static void
exact_at_each_instruction(struct gw_routing *w, const char *name)
{
	struct pair pair = {
		.w = w,
		.name = name,
		.m = {.role = (char *)"stepped", .strategy = GW_ROUND_ROBIN}};
	size_t calls, once = 0;
	int status;

	pair.drawn = mmap(NULL, PAIR_DRAWS_MAX, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pair.drawn == MAP_FAILED)
		exit(1);
	draw(&pair, w); /* looks up the role, for the child as well */
	step_through(child_draws, draw_between, &pair, &status);
	calls = 1 + STEPPED + pair.between;
	for (size_t i = 0; i < calls; i++)
		once += atomic_load(&pair.drawn[i]) == 1;
	if (status == CANNOT_TRACE)
		ok(true, "round_robin: each once # SKIP no tracing here");
	else
		ok(status == 0 && pair.between > STEPPED && once == calls,
		   "round_robin: another request at each of %zu instructions "
		   "-> none is lost or comes twice",
		   pair.between);
	munmap((void *)pair.drawn, PAIR_DRAWS_MAX);
}

static void
roles_count_alone(struct gw_routing *w)
{
	struct gw_model a = {.role = (char *)"a"}, b = {.role = (char *)"b"};
	bool in_turn = true;

	for (size_t i = 0; i < 10; i++)
		in_turn &= gw_policy_round_robin.choose(w, &a, 5) == i % 5 &&
			   gw_policy_round_robin.choose(w, &b, 2) == i % 2;
	ok(in_turn, "round_robin: each role has a position of its own");
}

/* Roles may be longer than names in the registry. */
static void
long_roles(struct gw_routing *w)
{
	char one[300], two[300];
	struct gw_model a = {.role = one}, b = {.role = two};
	bool in_turn = true;

	memset(one, 'x', sizeof(one));
	one[sizeof(one) - 1] = '\0';
	memcpy(two, one, sizeof(one));
	two[sizeof(two) - 2] = 'y';
	for (size_t i = 0; i < 4; i++)
		in_turn &= gw_policy_round_robin.choose(w, &a, 4) == i &&
			   gw_policy_round_robin.choose(w, &b, 4) == i;
	ok(in_turn, "round_robin: two long roles are told apart");
}

static void
even_random(struct gw_routing *w)
{
	uint32_t shares[7] = {0};
	bool even = true;

	for (int i = 0; i < 70000; i++)
		shares[gw_policy_random.choose(w, NULL, 7)]++;
	for (int k = 0; k < 7; k++)
		even &= shares[k] > 9500 && shares[k] < 10500;
	ok(even, "random: 70,000 choices of 7 -> about 10,000 each");
}

static void
unbiased_random(struct gw_routing *w)
{
	/* 2^64 mod 3 == 1: the top value alone makes an incomplete run. */
	script[0] = UINT64_MAX;
	script[1] = UINT64_MAX - 1;
	script_at = 0;
	script_n = 2;
	is_int((long long)gw_policy_random.choose(w, NULL, 3),
	       (long long)((UINT64_MAX - 1) % 3),
	       "random: a value of the incomplete run is thrown away");
	is_int((long long)script_at, 2, "random: and another one drawn");
	script_at = 0;
	is_int((long long)gw_policy_random.choose(w, NULL, 4), 3,
	       "random: a power of two has no incomplete run");
	is_int((long long)script_at, 1, "random: one draw is enough then");
	script_n = 0;
	is_int((long long)gw_policy_random.choose(w, NULL, 1), 0,
	       "random: one candidate -> that one");
}

int
main(void)
{
	char name[64];
	struct gw_worker worker = {0};
	struct gw_routing w = {.worker = &worker};

	snprintf(name, sizeof(name), "/rolemesh-test-pol-%d", (int)getpid());
	w.reg = attach(name);
	is_str(gw_policies[GW_ROUND_ROBIN]->name, "round_robin", "table: 0");
	is_str(gw_policies[GW_RANDOM]->name, "random", "table: 1");
	exact_across_processes(&w, name);
	exact_at_each_instruction(&w, name);
	reg_unlink(name);
	roles_count_alone(&w);
	long_roles(&w);
	even_random(&w);
	unbiased_random(&w);
	gw_policies_release(&w);
	reg_close(w.reg);
	return done_testing();
}
