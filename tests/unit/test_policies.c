/* SPDX-License-Identifier: MIT */
/*
 * test_policies.c - shares: exact for round robin over several processes, also
 * by weight, even and unbiased for random; who is the least busy.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/fcgi_conn.h"
#include "routing/choice.h"
#include "routing/routing.h"
#include "stage/policy.h"
#include "stage/policy_parts.h"
#include "step.h"
#include "tap.h"

#define PROCESSES 4
#define ROUNDS 20
#define CALLS 10000 /* by each process in each round */
#define K 3
#define CHOICES_MAX 1000
#define STEPPED 20 /* calls, one instruction at a time */

static const char *const names[] = {"round_robin", "random", "least_busy",
				    "affinity"};

const char *
gw_fcgi_param(const struct gw_fcgi_conn *c, const char *name)
{
	(void)c;
	(void)name;
	return NULL;
}

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

/* As many that nobody prefers, made anew each time. */
static struct gw_choice *
alike(size_t k)
{
	static struct gw_choice c[CHOICES_MAX];

	for (size_t i = 0; i < k; i++)
		c[i] = (struct gw_choice){
			.key = i + 1, .state = GW_STATE_READY, .weight = 1};
	return c;
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
};

/* Each round begins for all of them at one moment. */
static void
meet(struct board *board, int round)
{
	atomic_fetch_add(&board->arrived[round], 1);
	while (atomic_load(&board->arrived[round]) < PROCESSES)
		sched_yield();
}

/* One process, with a copy of what its parent knows: where the role's position
 * is. */
static void
choose_many(struct gw_request r, const char *name, const struct gw_choice *c,
	    struct board *board)
{
	struct gw_worker worker = *r.worker;
	struct gw_routing w = *gw_routing(&r);
	const struct gw_policy *policy = gw_policies[r.resolve.model->strategy];

	w.worker = &worker;
	w.reg = attach(name);
	worker.program = &w;
	r.worker = &worker;
	for (int round = 0; round < ROUNDS; round++) {
		meet(board, round);
		for (int i = 0; i < CALLS; i++)
			atomic_fetch_add(
				&board->shares[policy->choose(&r, c, K)], 1);
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

/* CALLS of all processes together are whole runs of 1 + 2 + 5 turns. */
static void
exact_across_processes(struct gw_routing *w, const char *name, const char *role,
		       const uint32_t weights[K])
{
	struct gw_model m = {.role = (char *)role, .strategy = GW_ROUND_ROBIN};
	struct gw_request r = {.worker = w->worker, .resolve.model = &m};
	struct gw_choice *c = alike(K);
	const uint64_t calls = PROCESSES * ROUNDS * CALLS;
	struct board *board = new_board();
	uint32_t sum = 0, index;
	struct reg_err err = {0};
	int status, bad = 0;

	for (int k = 0; k < K; k++) {
		c[k].weight = weights[k];
		sum += weights[k];
	}
	/* Only to look up a role takes the lock: nobody else wants it yet. */
	if (gw_policy_round_robin.choose(&r, c, K) >= K)
		bad++;
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			choose_many(r, name, c, board);
	while (wait(&status) > 0)
		bad += status != 0;
	for (int k = 0; k < K; k++) {
		uint64_t share = atomic_load(&board->shares[k]);
		uint64_t exact = calls * weights[k] / sum;

		bad += share > exact + 1 || share + 1 < exact;
	}
	ok(!bad,
	   "round_robin: %d processes, %llu requests -> shares of %u:%u:%u",
	   PROCESSES, (unsigned long long)calls, weights[0], weights[1],
	   weights[2]);
	ok(reg_turn_open(w->reg, role, &index, &err) == 0 &&
		   reg_turn_next(w->reg, index) == calls + 1,
	   "round_robin: ... and no turn was lost or came twice");
	munmap(board, sizeof(*board));
}

/* What child and parent of the next test share, and what only one has. */
struct pair {
	struct gw_request *r;
	const char *name;
	_Atomic uint8_t *drawn; /* by number: how often */
	size_t between;		/* how many the parent drew */
};

#define PAIR_DRAWS_MAX (STEPPED + STEPS_MAX + 1)

static void
draw(struct pair *pair, struct gw_request *r)
{
	struct gw_routing *w = gw_routing(r);
	uint64_t n = PAIR_DRAWS_MAX;

	if (gw_position_next(w, &w->policy_state[GW_ROUND_ROBIN], "",
			     r->resolve.model->role, &n) &&
	    n < PAIR_DRAWS_MAX)
		atomic_fetch_add(&pair->drawn[n], 1);
}

static int
child_draws(void *arg)
{
	struct pair *pair = arg;

	gw_routing(pair->r)->reg = attach(pair->name);
	if (step_begin())
		return CANNOT_TRACE;
	for (int i = 0; i < STEPPED; i++)
		draw(pair, pair->r);
	return 0;
}

static void
draw_between(void *arg)
{
	struct pair *pair = arg;

	draw(pair, pair->r);
	pair->between++;
}

static void
exact_at_each_instruction(struct gw_routing *w, const char *name)
{
	struct gw_model m = {.role = (char *)"stepped",
			     .strategy = GW_ROUND_ROBIN};
	struct gw_request r = {.worker = w->worker, .resolve.model = &m};
	struct pair pair = {.r = &r, .name = name};
	size_t calls, once = 0;
	int status;

	pair.drawn = mmap(NULL, PAIR_DRAWS_MAX, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pair.drawn == MAP_FAILED)
		exit(1);
	draw(&pair, &r); /* looks up the role, for the child as well */
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
roles_count_alone(struct gw_request *r)
{
	static struct gw_model a = {.role = (char *)"a"},
			       b = {.role = (char *)"b"};
	bool in_turn = true;

	for (size_t i = 0; i < 10; i++) {
		r->resolve.model = &a;
		in_turn &=
			gw_policy_round_robin.choose(r, alike(5), 5) == i % 5;
		/* Whoever counts in another way takes nobody's turn. */
		gw_policy_least_busy.choose(r, alike(5), 5);
		gw_policy_random.choose(r, alike(5), 5);
		r->resolve.model = &b;
		in_turn &=
			gw_policy_round_robin.choose(r, alike(2), 2) == i % 2;
	}
	ok(in_turn, "round_robin: each role has a position of its own");
}

/* Roles may be longer than names in the registry. */
static void
long_roles(struct gw_request *r)
{
	static char one[300], two[300];
	static struct gw_model m[2] = {{.role = one}, {.role = two}};
	bool in_turn = true;

	memset(one, 'x', sizeof(one));
	one[sizeof(one) - 1] = '\0';
	memcpy(two, one, sizeof(one));
	two[sizeof(two) - 2] = 'y';
	for (size_t i = 0; i < 8; i++) {
		r->resolve.model = &m[i % 2];
		in_turn &=
			gw_policy_round_robin.choose(r, alike(4), 4) == i / 2;
	}
	ok(in_turn, "round_robin: two long roles are told apart");
}

/* ---- weights ------------------------------------------------------------- */

/* The turns of a run as letters, and those of the next run must be the same. */
static const char *
turns(const uint32_t *weights, size_t k, size_t n)
{
	static char text[2 * 200 + 1];
	struct gw_choice *c = alike(k);

	for (size_t i = 0; i < k; i++)
		c[i].weight = weights[i];
	for (size_t i = 0; i < 2 * n; i++)
		text[i] = (char)('a' +
				 gw_weights_turn(c, k, i, gw_weigh_all, NULL));
	if (memcmp(text, text + n, n) != 0)
		return "differs in the next run";
	text[n] = '\0';
	return text;
}

static void
weights_in_turn(void)
{
	static const struct {
		uint32_t weights[4];
		size_t k, n;
		const char *want;
	} rows[] = {
		{{1, 1, 1}, 3, 3, "abc"},
		{{7, 7, 7}, 3, 3, "abc"},
		{{2, 1}, 2, 3, "aab"},
		{{100, 50}, 2, 3, "aab"},
		{{5, 1, 1}, 3, 7, "aaabaca"},
		{{1, 5, 1}, 3, 7, "babbbcb"},
		{{3, 2, 1}, 3, 6, "abaabc"},
		{{1, 2, 3, 4}, 4, 10, "abcddcbdcd"},
		{{9}, 1, 1, "a"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		is_str(turns(rows[i].weights, rows[i].k, rows[i].n),
		       rows[i].want, "weights: in turn");
}

/* Any run of W turns, wherever it begins, and nobody waits long. */
static void
weights_are_exact(void)
{
	bool exact = true, smooth = true;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		size_t k = 2 + (size_t)(seed * 7 % 23);
		struct gw_choice *c = alike(k);
		uint32_t had[32] = {0};
		uint64_t last[32] = {0}, sum = 0;

		for (size_t i = 0; i < k; i++) {
			c[i].weight =
				(uint32_t)(seed * (i + 3) * 2654435761u >> 8) %
					100 +
				1;
			sum += c[i].weight;
		}
		c[0].weight += c[1].weight == c[0].weight; /* gcd 1 or not */
		sum = gw_weights_sum(c, k, gw_weigh_all, NULL);
		for (uint64_t n = 0; n < sum; n++) {
			size_t i = gw_weights_turn(c, k, n + seed * sum,
						   gw_weigh_all, NULL);

			smooth &= n - last[i] <= 2 * (sum / c[i].weight) + k;
			last[i] = n;
			had[i]++;
		}
		for (size_t i = 0; i < k; i++)
			exact &= had[i] == c[i].weight;
	}
	ok(exact, "weights: a run of turns -> each as often as it weighs");
	ok(smooth, "weights: ... spread over the run");
}

static void
extreme_weights(void)
{
	struct gw_choice *c = alike(CHOICES_MAX);
	static uint32_t had[CHOICES_MAX];
	uint64_t sum;
	bool exact = true;

	for (size_t i = 0; i < CHOICES_MAX; i++)
		c[i].weight = i % 2 ? 100 : 1;
	sum = gw_weights_sum(c, CHOICES_MAX, gw_weigh_all, NULL);
	for (uint64_t n = 0; n < sum; n++)
		if (n < 2000 || n + 2000 > sum)
			had[gw_weights_turn(c, CHOICES_MAX, n, gw_weigh_all,
					    NULL)]++;
	for (size_t i = 0; i < CHOICES_MAX; i++)
		exact &= had[i] <= 10;
	ok(exact, "weights: a thousand candidates, 1 and 100 in turn");
}

/* ---- random -------------------------------------------------------------- */

static void
even_random(struct gw_request *r)
{
	struct gw_choice *c = alike(7);
	uint32_t shares[7] = {0};
	bool even = true;

	for (int i = 0; i < 70000; i++)
		shares[gw_policy_random.choose(r, c, 7)]++;
	for (int k = 0; k < 7; k++)
		even &= shares[k] > 9500 && shares[k] < 10500;
	ok(even, "random: 70,000 choices of 7 -> about 10,000 each");
	memset(shares, 0, sizeof(shares));
	for (int i = 0; i < 7; i++)
		c[i].weight = i == 3 ? 8 : 1;
	for (int i = 0; i < 70000; i++)
		shares[gw_policy_random.choose(r, c, 7)]++;
	for (int k = 0; k < 7; k++)
		even &= k == 3 ? shares[k] > 39000 && shares[k] < 41000
			       : shares[k] > 4500 && shares[k] < 5500;
	ok(even, "random: one of 7 weighs 8 -> it gets 8 of 14");
}

static void
unbiased_random(struct gw_request *r)
{
	/* 2^64 mod 3 == 1: the top value alone makes an incomplete run. */
	script[0] = UINT64_MAX;
	script[1] = UINT64_MAX - 1;
	script_at = 0;
	script_n = 2;
	is_int((long long)gw_policy_random.choose(r, alike(3), 3),
	       (long long)((UINT64_MAX - 1) % 3),
	       "random: a value of the incomplete run is thrown away");
	is_int((long long)script_at, 2, "random: and another one drawn");
	script_at = 0;
	is_int((long long)gw_policy_random.choose(r, alike(4), 4), 3,
	       "random: a power of two has no incomplete run");
	is_int((long long)script_at, 1, "random: one draw is enough then");
	script_n = 0;
	is_int((long long)gw_policy_random.choose(r, alike(1), 1), 0,
	       "random: one candidate -> that one");
}

/* ---- least busy ---------------------------------------------------------- */

/* Who is chosen in six choices, as letters. */
static void
least_busy(struct gw_request *r)
{
	static const struct {
		struct gw_choice c[4];
		size_t k;
		const char *want, *title;
	} rows[] = {
#define C(flight, w, max, at)                                                  \
	{.in_flight = flight, .weight = w, .max_concurrency = max, .step = at}
		{{C(0, 1, 0, 0), C(0, 1, 0, 0), C(0, 1, 0, 0)},
		 3,
		 "abcabc",
		 "nobody has anything to do -> in turn"},
		{{C(2, 1, 0, 0), C(1, 1, 0, 0), C(3, 1, 0, 0)},
		 3,
		 "bbbbbb",
		 "the fewest in flight"},
		{{C(2, 1, 0, 0), C(1, 1, 0, 0), C(1, 1, 0, 0)},
		 3,
		 "bcbcbc",
		 "two have as few -> these two in turn"},
		{{C(3, 2, 0, 0), C(2, 1, 0, 0)},
		 2,
		 "aaaaaa",
		 "3 of weight 2 are fewer than 2 of weight 1"},
		{{C(4, 2, 0, 0), C(2, 1, 0, 0)},
		 2,
		 "aabaab",
		 "as busy, and one weighs twice -> in turn by weight"},
		{{C(3, 1, 8, 0), C(2, 1, 4, 0)},
		 2,
		 "aaaaaa",
		 "3 of 8 are fewer than 2 of 4"},
		{{C(3, 1, 0, 0), C(2, 1, 4, 0)},
		 2,
		 "bbbbbb",
		 "no bound -> as wide as the widest"},
		{{C(0, 1, 0, 1), C(5, 1, 0, 0), C(6, 1, 0, 0)},
		 3,
		 "bbbbbb",
		 "an earlier step goes before an idle one in a later"},
		{{C(0, 1, 9, 1), C(1, 1, 4, 0), C(2, 1, 0, 0)},
		 3,
		 "bbbbbb",
		 "how wide others are is asked within the step"},
		{{C(REG_LEASES_MAX, 100, UINT32_MAX, 0),
		  C(REG_LEASES_MAX - 1, 100, UINT32_MAX, 0), C(1, 1, 1, 0)},
		 3,
		 "bbbbbb",
		 "the largest numbers"},
#undef C
	};
	static char role[32];
	static struct gw_model m = {.role = role};

	r->resolve.model = &m;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[7] = "", title[120];

		snprintf(role, sizeof(role), "least busy %zu", i);
		for (int n = 0; n < 6; n++)
			got[n] = (char)('a' + gw_policy_least_busy.choose(
						      r, rows[i].c, rows[i].k));
		snprintf(title, sizeof(title), "least_busy: %s", rows[i].title);
		is_str(got, rows[i].want, title);
	}
}

/* Looked at twice before each turn: it is what then comes. */
static void
looked_at(struct gw_request *r)
{
	static const enum gw_strategy in_turn[] = {GW_ROUND_ROBIN,
						   GW_LEAST_BUSY};
	static struct gw_model m = {.role = (char *)"looked at"};
	struct gw_choice *c = alike(5);
	uint32_t weighs[5];
	size_t at[3], same = 0, n = 0;

	r->resolve.model = &m;
	for (size_t s = 0; s < 2; s++)
		for (int i = 0; i < 12; i++, n++) {
			const struct gw_policy *p = gw_policies[in_turn[s]];

			c[3].weight = 4;
			c[1].in_flight = i % 2;
			at[0] = p->look(r, c, 5, weighs);
			at[1] = p->look(r, c, 5, weighs);
			at[2] = p->choose(r, c, 5);
			same += at[0] == at[1] && at[1] == at[2];
		}
	is_int((long long)same, (long long)n,
	       "look: round_robin, least_busy -> what they then choose");
	ok(gw_policy_random.look(r, c, 5, weighs) == 5 && weighs[0] == 1 &&
		   weighs[3] == 4,
	   "look: random -> chance, as likely as each weighs");
}

/* An alias without a role, as a proxy is, has one candidate. */
static void
without_role(struct gw_request *r)
{
	static struct gw_model m = {.alias = (char *)"proxy"};
	bool first = true;

	r->resolve.model = &m;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		first &= gw_policies[i]->choose(r, alike(1), 1) == 0;
	ok(first, "policies: one candidate, no role -> that one");
}

int
main(void)
{
	char name[64];
	struct gw_worker worker = {0};
	struct gw_routing w = {.worker = &worker};
	struct gw_request r = {.worker = &worker};

	worker.program = &w;
	snprintf(name, sizeof(name), "/rolemesh-test-pol-%d", (int)getpid());
	w.reg = attach(name);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		is_str(gw_policies[i]->name, names[i], "table: as in config.h");
	exact_across_processes(&w, name, "even", (uint32_t[K]){1, 1, 1});
	exact_across_processes(&w, name, "weighted", (uint32_t[K]){5, 1, 2});
	exact_at_each_instruction(&w, name);
	reg_unlink(name);
	roles_count_alone(&r);
	long_roles(&r);
	weights_in_turn();
	weights_are_exact();
	extreme_weights();
	even_random(&r);
	unbiased_random(&r);
	least_busy(&r);
	looked_at(&r);
	without_role(&r);
	gw_policies_release(&w);
	reg_close(w.reg);
	return done_testing();
}
