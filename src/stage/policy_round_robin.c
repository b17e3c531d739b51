/* SPDX-License-Identifier: MIT */
/*
 * policy_round_robin.c - each candidate in turn, exact over all processes.
 *
 * The position of a role is one atomic in the registry. This process keeps, for
 * as long as it lives, which index a role has there; reloads do not matter.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "config/config.h"
#include "routing/routing.h"
#include "stage/policy.h"

#define BUSY_TRIES 3
#define TURNS_KEPT 1024 /* as many as the registry has */

struct turn {
	struct turn *next;
	uint32_t index;
	char role[];
};

struct turns {
	struct turn *list;
	size_t n;
};

static void
turns_clear(struct turns *t)
{
	while (t->list) {
		struct turn *first = t->list;

		t->list = first->next;
		free(first);
	}
	t->n = 0;
}

static void
release(struct gw_routing *routing)
{
	struct turns *t = routing->policy_state[GW_ROUND_ROBIN];

	if (t)
		turns_clear(t);
	free(t);
	routing->policy_state[GW_ROUND_ROBIN] = NULL;
}

/* A role that is too long for the registry goes by its hash there. */
static void
turn_name(const char *role, char out[REG_TURN_NAME_MAX + 1])
{
	size_t n = strlen(role);

	if (n <= REG_TURN_NAME_MAX) {
		memcpy(out, role, n + 1);
		return;
	}
	snprintf(out, REG_TURN_NAME_MAX + 1, "%.96s#%016" PRIx64, role,
		 gw_hash(role, n));
}

static int
open_turn(struct gw_routing *routing, const char *role, uint32_t *index)
{
	char name[REG_TURN_NAME_MAX + 1];
	struct reg_err err = {0};

	turn_name(role, name);
	for (int i = 0; i < BUSY_TRIES; i++) {
		if (reg_turn_open(routing->reg, name, index, &err) == 0)
			return 0;
		if (err.code != REG_BUSY)
			return -1;
	}
	return -1;
}

static struct turns *
turns_of(struct gw_routing *routing)
{
	if (!routing->policy_state[GW_ROUND_ROBIN])
		routing->policy_state[GW_ROUND_ROBIN] =
			calloc(1, sizeof(struct turns));
	return routing->policy_state[GW_ROUND_ROBIN];
}

static struct turn *
find_turn(struct turns *t, const char *role)
{
	for (struct turn *i = t->list; i; i = i->next)
		if (strcmp(i->role, role) == 0)
			return i;
	return NULL;
}

/* Remembering is a convenience: without memory it is asked again next time. */
static void
keep_turn(struct turns *t, const char *role, uint32_t index)
{
	size_t bytes = strlen(role) + 1;
	struct turn *new;

	/* Years of renamed roles: start over rather than grow. */
	if (t->n >= TURNS_KEPT)
		turns_clear(t);
	new = malloc(sizeof(*new) + bytes);
	if (!new)
		return;
	new->index = index;
	memcpy(new->role, role, bytes);
	new->next = t->list;
	t->list = new;
	t->n++;
}

static size_t
choose(struct gw_routing *routing, const struct gw_model *m, size_t k)
{
	struct turns *t = turns_of(routing);
	struct turn *known = t ? find_turn(t, m->role) : NULL;
	uint32_t index;

	if (known) {
		index = known->index;
	} else if (open_turn(routing, m->role, &index) == 0) {
		if (t)
			keep_turn(t, m->role, index);
	} else {
		/* Another process holds the lock: an uneven share this once is
		 * better than a request that waits. */
		return gw_policy_random.choose(routing, m, k);
	}
	return (size_t)(reg_turn_next(routing->reg, index) % k);
}

const struct gw_policy gw_policy_round_robin = {
	.name = "round_robin",
	.choose = choose,
	.release = release,
};
