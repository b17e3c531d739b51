/* SPDX-License-Identifier: MIT */
/*
 * policy_position.c - counts that all processes share, by role.
 *
 * The position of a role is one atomic in the registry. This process keeps, for
 * as long as it lives, which index a role has there; reloads do not matter.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "routing/routing.h"
#include "stage/policy_parts.h"

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

void
gw_position_forget(void **kept)
{
	if (*kept)
		turns_clear(*kept);
	free(*kept);
	*kept = NULL;
}

/* A role that is too long for the registry goes by its hash there; so does one
 * whose count is of another kind. */
static void
turn_name(const char *kind, const char *role, char out[REG_TURN_NAME_MAX + 1])
{
	size_t n = strlen(role);

	if (!*kind && n <= REG_TURN_NAME_MAX) {
		memcpy(out, role, n + 1);
		return;
	}
	snprintf(out, REG_TURN_NAME_MAX + 1, "%.96s#%016" PRIx64, role,
		 gw_hash_more(gw_hash_text(kind), role, n));
}

static int
open_turn(struct gw_routing *routing, const char *kind, const char *role,
	  uint32_t *index)
{
	char name[REG_TURN_NAME_MAX + 1];
	struct reg_err err = {0};

	turn_name(kind, role, name);
	for (int i = 0; i < BUSY_TRIES; i++) {
		if (reg_turn_open(routing->reg, name, index, &err) == 0)
			return 0;
		if (err.code != REG_BUSY)
			return -1;
	}
	return -1;
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

bool
gw_position_next(struct gw_routing *routing, void **kept, const char *kind,
		 const char *role, uint64_t *n)
{
	struct turns *t;
	struct turn *known;
	uint32_t index;

	if (!*kept)
		*kept = calloc(1, sizeof(struct turns));
	t = *kept;
	known = t ? find_turn(t, role) : NULL;
	if (known) {
		index = known->index;
	} else if (open_turn(routing, kind, role, &index) < 0) {
		return false;
	} else if (t) {
		keep_turn(t, role, index);
	}
	*n = reg_turn_next(routing->reg, index);
	return true;
}

bool
gw_position_look(struct gw_routing *routing, const char *kind, const char *role,
		 uint64_t *n)
{
	char name[REG_TURN_NAME_MAX + 1];
	struct reg_err err = {0};

	turn_name(kind, role, name);
	for (int i = 0; i < BUSY_TRIES; i++)
		if (reg_turn_look(routing->reg, name, n, &err) == 0)
			return true;
	return false;
}
