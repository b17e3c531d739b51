/* SPDX-License-Identifier: MIT */
/*
 * policy_affinity.c - the candidate that has the conversation's prompt in its
 * cache, unless it has too much to do. A conversation that nobody knows goes to
 * the least busy; of those that are as idle its own hash chooses, so that it
 * finds its way again when it was forgotten and few move when one comes or
 * goes.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "routing/choice.h"
#include "routing/routing.h"
#include "stage/affinity.h"
#include "stage/policy.h"
#include "stage/policy_parts.h"

/* The last new conversations of this process: chance must not give one
 * candidate many more than others. */
#define RECENT_MAX 128

struct recent {
	struct {
		uint64_t alias, key;
	} to[RECENT_MAX];
	size_t n, at;
};

/* A quarter more than its share of @all, rounded up; @n of @of are its own. */
static uint64_t
fair(uint64_t all, uint64_t n, uint64_t of)
{
	return (5 * all * n + 4 * of - 1) / (4 * of);
}

/* One that does not tell how many it computes at once is taken to have a slot
 * for as many as it may be given. */
static bool
has_slot(const struct gw_choice *c)
{
	return (c->parallel == 0 || c->in_flight < c->parallel) &&
	       (c->max_concurrency == 0 || c->in_flight < c->max_concurrency);
}

static bool
has_room(const struct gw_choice *c, size_t k, size_t i)
{
	uint64_t all = 1;

	if (has_slot(&c[i]))
		return true;
	for (size_t j = 0; j < k; j++)
		all += c[j].in_flight;
	return c[i].in_flight <= fair(all, 1, k);
}

/* ---- conversations that nobody knows ------------------------------------- */

static struct recent *
recent_of(struct gw_routing *routing)
{
	void **state = &routing->policy_state[GW_AFFINITY];

	if (!*state)
		*state = calloc(1, sizeof(struct recent));
	return *state;
}

/* @key 0: all of the alias. */
static uint64_t
count_recent(const struct recent *recent, uint64_t alias, uint64_t key)
{
	uint64_t n = 0;

	for (size_t i = 0; recent && i < recent->n; i++)
		n += recent->to[i].alias == alias &&
		     (!key || recent->to[i].key == key);
	return n;
}

static void
note_recent(struct recent *recent, uint64_t alias, uint64_t key)
{
	if (!recent)
		return;
	recent->to[recent->at].alias = alias;
	recent->to[recent->at].key = key;
	recent->at = (recent->at + 1) % RECENT_MAX;
	if (recent->n < RECENT_MAX)
		recent->n++;
}

/* The end of splitmix64: each bit of @x changes half of the result's. */
static uint64_t
mixed(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Highest random weight: as many draws as it weighs, the best one counts. */
static uint64_t
score(uint64_t conversation, uint64_t key, uint32_t weight)
{
	uint64_t best = 0;

	for (uint32_t i = 0; i < weight; i++) {
		uint64_t x = mixed(mixed(conversation ^ mixed(key)) + i);

		best = x > best ? x : best;
	}
	return best;
}

/* Weighs everybody in the step that comes first. */
static uint32_t
weigh_step(const struct gw_choice *c, const void *step)
{
	return c->step == *(const uint32_t *)step ? c->weight : 0;
}

/*
 * Among the idlest. One that had its share lately, of all that could have been
 * asked, comes behind those that had not, and then the one that had least.
 */
static size_t
new_home(struct gw_request *r, const struct gw_choice *c, size_t k,
	 uint64_t conversation)
{
	struct recent *recent = recent_of(gw_routing(r));
	uint64_t alias = gw_hash_text(r->resolve.model->alias);
	uint64_t all = count_recent(recent, alias, 0) + 1, sum;
	uint64_t best = 0, least = UINT64_MAX;
	struct gw_load idle;
	size_t chosen;

	gw_load_least(c, k, &idle);
	chosen = idle.first;
	sum = gw_weights_sum(c, k, weigh_step, &idle.step);
	for (size_t i = 0; i < k && idle.ties > 1; i++) {
		uint32_t w = gw_load_weigh(&c[i], &idle);
		uint64_t mine = w ? score(conversation, c[i].key, w) : 0, had;

		if (mine <= best)
			continue;
		had = count_recent(recent, alias, c[i].key);
		if (had < fair(all, w, sum)) {
			best = mine;
			chosen = i;
		} else if (best == 0 && had * sum / w < least) {
			least = had * sum / w;
			chosen = i;
		}
	}
	note_recent(recent, alias, c[chosen].key);
	return chosen;
}

/* ---- the policy ---------------------------------------------------------- */

/* The place that knows it and has room for it; @k: none. */
static size_t
old_home(struct gw_request *r, const struct gw_choice *c, size_t k,
	 const uint64_t *keys, size_t n)
{
	size_t at;
	uint64_t known = reg_prefix_find(gw_routing(r)->reg, keys, n, &at);

	for (size_t i = 0; known && i < k; i++)
		if (c[i].key == known && c[i].state == GW_STATE_READY &&
		    has_room(c, k, i))
			return i;
	return k;
}

static size_t
choose(struct gw_request *r, const struct gw_choice *c, size_t k)
{
	uint64_t keys[GW_AFFINITY_KEYS_MAX];
	size_t n = gw_affinity_keys(r, keys), home;

	if (n == 0)
		return gw_policy_least_busy.choose(r, c, k);
	home = old_home(r, c, k, keys, n);
	return home < k ? home : new_home(r, c, k, keys[0]);
}

/* Of several that are as idle each process spreads what it gets itself. */
static size_t
look(struct gw_request *r, const struct gw_choice *c, size_t k,
     uint32_t *weighs)
{
	uint64_t keys[GW_AFFINITY_KEYS_MAX];
	size_t n = gw_affinity_keys(r, keys), home;
	struct gw_load idle;

	if (n == 0)
		return gw_policy_least_busy.look(r, c, k, weighs);
	home = old_home(r, c, k, keys, n);
	if (home < k)
		return home;
	gw_load_least(c, k, &idle);
	return idle.ties == 1
		       ? idle.first
		       : gw_weights_all(c, k, gw_load_weigh, &idle, weighs);
}

static void
release(struct gw_routing *routing)
{
	free(routing->policy_state[GW_AFFINITY]);
	routing->policy_state[GW_AFFINITY] = NULL;
}

const struct gw_policy gw_policy_affinity = {
	.name = "affinity",
	.sees_all = true,
	.choose = choose,
	.look = look,
	.release = release,
};
