/* SPDX-License-Identifier: MIT */
/* role_lists.c - a small hash table from roles to who serves them. */
#include "nodes/role_lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static size_t
bucket_of(const char *role)
{
	return gw_hash_slot(gw_hash_text(role), GW_ROLE_BUCKETS);
}

/* Every place of a role, in order; with @out NULL it only counts. */
static size_t
find_places(const struct gw_node *nodes, size_t n, const char *role,
	    struct gw_role_place *out)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct gw_node_doc *d = nodes[i].doc;

		for (size_t k = 0; k < d->n_models; k++) {
			if (!gw_node_model_serves(&d->models[k], role))
				continue;
			if (out) {
				out[found].node = (uint32_t)i;
				out[found].model = (uint32_t)k;
			}
			found++;
		}
	}
	return found;
}

const struct gw_role_list *
gw_role_list(struct gw_role_lists *all, const struct gw_node *nodes, size_t n,
	     const char *role)
{
	struct gw_role_list **head = &all->bucket[bucket_of(role)];
	size_t role_bytes = strlen(role) + 1;
	struct gw_role_list *l;

	for (l = *head; l; l = l->next)
		if (strcmp(l->role, role) == 0)
			return l;
	l = calloc(1, sizeof(*l) + role_bytes);
	if (!l)
		return NULL;
	l->n = find_places(nodes, n, role, NULL);
	l->places = calloc(l->n ? l->n : 1, sizeof(*l->places));
	if (!l->places) {
		free(l);
		return NULL;
	}
	find_places(nodes, n, role, l->places);
	memcpy(l->role, role, role_bytes);
	l->next = *head;
	*head = l;
	return l;
}

void
gw_role_lists_drop(struct gw_role_lists *all)
{
	for (size_t i = 0; i < GW_ROLE_BUCKETS; i++) {
		while (all->bucket[i]) {
			struct gw_role_list *l = all->bucket[i];

			all->bucket[i] = l->next;
			free(l->places);
			free(l);
		}
	}
}
