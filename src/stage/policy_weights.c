/* SPDX-License-Identifier: MIT */
/*
 * policy_weights.c - shares by weight, without any memory: whose turn it is
 * follows from the number of the turn and the weights alone, so all processes
 * agree and none has to be told.
 *
 * A run of W turns is a round of time. One of weight w comes w times in it, at
 * equal distances, and each begins at a moment of its own, or those that come
 * once would come together. The turns are these moments in their order.
 */
#include "routing/choice.h"
#include "stage/policy_parts.h"

/* Moments of a round. With a weight of 100 two turns of one are still far more
 * than one apart, which is all that exactness needs. */
#define ROUND (UINT64_C(1) << 24)

struct shares {
	const struct gw_choice *c;
	size_t k;
	gw_weigh_fn weigh;
	const void *arg;
	size_t n;	/* so many take part */
	uint32_t gcd;	/* of their weights */
	bool same;	/* each weighs that much */
	uint64_t turns; /* in a round */
};

uint32_t
gw_weigh_all(const struct gw_choice *c, const void *arg)
{
	(void)arg;
	return c->weight;
}

static uint32_t
gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

size_t
gw_weights_all(const struct gw_choice *c, size_t k, gw_weigh_fn weigh,
	       const void *arg, uint32_t *weighs)
{
	for (size_t i = 0; i < k; i++)
		weighs[i] = weigh(&c[i], arg);
	return k;
}

uint64_t
gw_weights_sum(const struct gw_choice *c, size_t k, gw_weigh_fn weigh,
	       const void *arg)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < k; i++)
		sum += weigh(&c[i], arg);
	return sum;
}

size_t
gw_weights_at(const struct gw_choice *c, size_t k, uint64_t x,
	      gw_weigh_fn weigh, const void *arg)
{
	for (size_t i = 0; i < k; i++) {
		uint32_t w = weigh(&c[i], arg);

		if (x < w)
			return i;
		x -= w;
	}
	return 0;
}

static void
look(struct shares *s)
{
	uint64_t sum = 0;
	uint32_t most = 0;

	for (size_t i = 0; i < s->k; i++) {
		uint32_t w = s->weigh(&s->c[i], s->arg);

		if (w == 0)
			continue;
		s->n++;
		s->gcd = gcd(w, s->gcd);
		most = w > most ? w : most;
		sum += w;
	}
	s->same = most == s->gcd;
	s->turns = s->gcd ? sum / s->gcd : 0;
}

/* Of those who take part, the one at place @at. */
static size_t
member(const struct shares *s, uint64_t at)
{
	for (size_t i = 0; i < s->k; i++)
		if (s->weigh(&s->c[i], s->arg) && at-- == 0)
			return i;
	return 0;
}

/* Turns before moment @t of one of weight @w; the places of the @n that take
 * part say who begins when. */
static uint64_t
turns_of(uint64_t w, size_t place, size_t n, uint64_t t)
{
	return (w * t + ROUND - (2 * place + 1) * (ROUND / (2 * n))) / ROUND;
}

static uint64_t
turns_until(const struct shares *s, uint64_t t)
{
	uint64_t all = 0;
	size_t place = 0;

	for (size_t i = 0; i < s->k; i++) {
		uint32_t w = s->weigh(&s->c[i], s->arg);

		if (w)
			all += turns_of(w / s->gcd, place++, s->n, t);
	}
	return all;
}

/* Of those who have a turn at moment @t, the one at place @at. */
static size_t
at_moment(const struct shares *s, uint64_t t, uint64_t at)
{
	size_t place = 0;

	for (size_t i = 0; i < s->k; i++) {
		uint64_t w = s->weigh(&s->c[i], s->arg) / s->gcd;

		if (w == 0)
			continue;
		if (turns_of(w, place, s->n, t) !=
			    turns_of(w, place, s->n, t - 1) &&
		    at-- == 0)
			return i;
		place++;
	}
	return 0;
}

size_t
gw_weights_turn(const struct gw_choice *c, size_t k, uint64_t n,
		gw_weigh_fn weigh, const void *arg)
{
	struct shares s = {.c = c, .k = k, .weigh = weigh, .arg = arg};
	uint64_t before = 0, until = ROUND;

	look(&s);
	if (s.turns == 0)
		return 0;
	n %= s.turns;
	if (s.same)
		return s.n == k ? (size_t)n : member(&s, n);
	/* Turn @n comes behind the moment `before`, and at `until` at last. */
	while (until - before > 1) {
		uint64_t middle = (before + until) / 2;

		if (turns_until(&s, middle) > n)
			until = middle;
		else
			before = middle;
	}
	return at_moment(&s, until, n - turns_until(&s, before));
}
