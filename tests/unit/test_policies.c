/* SPDX-License-Identifier: MIT */
/*
 * test_policies.c - shares: exact for round robin over several processes, even
 * and unbiased for random.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "routing/routing.h"
#include "stage/policy.h"
#include "tap.h"

#define PROCESSES 4
#define CALLS 1000 /* by each process */
#define K 3

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

/* One process: how often it chose each of K; written to @fd. */
static void
choose_many(const char *name, struct gw_model *m, int fd)
{
	struct gw_worker worker = {0};
	struct gw_routing w = {.worker = &worker, .reg = attach(name)};
	uint32_t shares[K] = {0};

	for (int i = 0; i < CALLS; i++)
		shares[gw_policies[m->strategy]->choose(&w, m, K)]++;
	gw_policies_release(&w);
	reg_close(w.reg);
	if (write(fd, shares, sizeof(shares)) != sizeof(shares))
		_exit(1);
	_exit(0);
}

static void
exact_across_processes(const char *name)
{
	struct gw_model m = {.role = (char *)"reviewer",
			     .strategy = GW_ROUND_ROBIN};
	uint32_t shares[K], sum[K] = {0}, least, most;
	int fds[2], status, bad = 0;

	if (pipe(fds) < 0)
		exit(1);
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			choose_many(name, &m, fds[1]);
	for (int i = 0; i < PROCESSES; i++) {
		if (read(fds[0], shares, sizeof(shares)) != sizeof(shares))
			bad++;
		for (int k = 0; k < K; k++)
			sum[k] += shares[k];
	}
	while (wait(&status) > 0)
		bad += status != 0;
	least = most = sum[0];
	for (int k = 1; k < K; k++) {
		least = sum[k] < least ? sum[k] : least;
		most = sum[k] > most ? sum[k] : most;
	}
	ok(!bad && least + most > 0 && most - least <= 1,
	   "round_robin: %d processes, %d requests -> shares differ by %u",
	   PROCESSES, PROCESSES * CALLS, most - least);
	close(fds[0]);
	close(fds[1]);
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
	exact_across_processes(name);
	reg_unlink(name);
	roles_count_alone(&w);
	long_roles(&w);
	even_random(&w);
	unbiased_random(&w);
	gw_policies_release(&w);
	reg_close(w.reg);
	return done_testing();
}
