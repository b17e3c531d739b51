/* SPDX-License-Identifier: MIT */
/* role_lists.c - a hash table from roles to who serves them. */
#include "nodes/role_lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define BUCKETS_MIN 64

/* Where the list of a role hangs, or would; the table has buckets. */
static struct gw_role_list **
place_of(const struct gw_role_lists *all, const char *role)
{
	struct gw_role_list **at =
		&all->bucket[gw_hash_slot(gw_hash_text(role), all->n_buckets)];

	while (*at && strcmp((*at)->role, role) != 0)
		at = &(*at)->next;
	return at;
}

const struct gw_role_list *
gw_role_list(const struct gw_role_lists *all, const char *role)
{
	return all->n_buckets ? *place_of(all, role) : NULL;
}

/* A list a bucket, more or less, whatever nodes make up. */
static int
grow(struct gw_role_lists *all)
{
	struct gw_role_lists more = {.n = all->n};

	if (all->n < all->n_buckets)
		return 0;
	more.n_buckets = all->n_buckets ? all->n_buckets * 4 : BUCKETS_MIN;
	more.bucket = calloc(more.n_buckets, sizeof(struct gw_role_list *));
	if (!more.bucket)
		return all->n_buckets ? 0 : -1;
	for (size_t i = 0; i < all->n_buckets; i++) {
		while (all->bucket[i]) {
			struct gw_role_list *l = all->bucket[i];

			all->bucket[i] = l->next;
			l->next = NULL;
			*place_of(&more, l->role) = l;
		}
	}
	free(all->bucket);
	*all = more;
	return 0;
}

static struct gw_role_list *
list_for(struct gw_role_lists *all, const char *role)
{
	size_t role_bytes = strlen(role) + 1;
	struct gw_role_list *l;

	if (grow(all) < 0)
		return NULL;
	l = *place_of(all, role);
	if (l)
		return l;
	l = calloc(1, sizeof(*l) + role_bytes);
	if (!l)
		return NULL;
	memcpy(l->role, role, role_bytes);
	*place_of(all, role) = l;
	all->n++;
	return l;
}

static void
drop_if_empty(struct gw_role_lists *all, const char *role)
{
	struct gw_role_list **at = place_of(all, role), *l = *at;

	if (!l || l->n)
		return;
	*at = l->next;
	all->n--;
	free(l->places);
	free(l);
}

/* The first place at or behind a slot's first. */
static size_t
first_of(const struct gw_role_list *l, uint32_t slot)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->places[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Behind what the slot has already; a role named twice counts once. */
static int
insert(struct gw_role_list *l, struct gw_role_place p)
{
	size_t at = first_of(l, p.slot + 1);

	if (at > 0 && l->places[at - 1].slot == p.slot &&
	    l->places[at - 1].model == p.model)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 4;
		struct gw_role_place *more =
			realloc(l->places, cap * sizeof(*more));

		if (!more)
			return -1;
		l->places = more;
		l->cap = cap;
	}
	memmove(&l->places[at + 1], &l->places[at],
		(l->n - at) * sizeof(l->places[0]));
	l->places[at] = p;
	l->n++;
	return 0;
}

static int
add_role(struct gw_role_lists *all, const char *role, struct gw_role_place p)
{
	struct gw_role_list *l = list_for(all, role);

	return l ? insert(l, p) : -1;
}

int
gw_role_lists_add(struct gw_role_lists *all, uint32_t slot,
		  const struct gw_node_doc *d)
{
	for (size_t k = 0; k < d->n_models; k++) {
		const struct gw_node_model *m = &d->models[k];
		struct gw_role_place p = {slot, (uint32_t)k};

		for (size_t i = 0; i < m->n_roles; i++) {
			if (add_role(all, m->roles[i], p) == 0)
				continue;
			gw_role_lists_remove(all, slot, d);
			return -1;
		}
	}
	return 0;
}

static void
remove_role(struct gw_role_lists *all, const char *role, uint32_t slot)
{
	struct gw_role_list *l = *place_of(all, role);
	size_t from, to;

	if (!l)
		return;
	from = first_of(l, slot);
	to = first_of(l, slot + 1);
	if (from < to) {
		memmove(&l->places[from], &l->places[to],
			(l->n - to) * sizeof(l->places[0]));
		l->n -= to - from;
	}
	drop_if_empty(all, role);
}

void
gw_role_lists_remove(struct gw_role_lists *all, uint32_t slot,
		     const struct gw_node_doc *d)
{
	for (size_t k = 0; all->n_buckets && k < d->n_models; k++)
		for (size_t i = 0; i < d->models[k].n_roles; i++)
			remove_role(all, d->models[k].roles[i], slot);
}

void
gw_role_lists_release(struct gw_role_lists *all)
{
	for (size_t i = 0; i < all->n_buckets; i++) {
		while (all->bucket[i]) {
			struct gw_role_list *l = all->bucket[i];

			all->bucket[i] = l->next;
			free(l->places);
			free(l);
		}
	}
	free(all->bucket);
	*all = (struct gw_role_lists){0};
}
