/* SPDX-License-Identifier: MIT */
/* explain_candidates.c - see explain.h: which of an alias's candidates, and
 * what is against the others. */
#include "endpoint/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "routing/known.h"
#include "routing/routing.h"
#include "stage/explain.h"

#define CANDIDATES_SHOWN_MAX 256 /* of an alias; `more` counts the others */

static uint64_t
weight_in(const struct gw_explained *e, const struct gw_choice *c,
	  uint64_t *all)
{
	uint64_t mine = 0;

	*all = 0;
	for (size_t i = 0; i < e->n; i++) {
		*all += e->weighs[i];
		if (e->keys[i] == c->key)
			mine = e->weighs[i];
	}
	return mine;
}

/* Those that are asked first come first; ranks are few. */
static int
order(const void *a, const void *b)
{
	const struct gw_choice *x = a, *y = b;
	int by_rank = (int)gw_choice_rank(x) - (int)gw_choice_rank(y);

	if (by_rank)
		return by_rank;
	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static const char *
why_not(const struct gw_routing *routing, const struct gw_choice *c,
	const struct gw_choice *first, char out[GW_CHOICE_WHY_BYTES])
{
	const char *why = gw_choice_why(routing, c, gw_mono_ms(), out);

	if (gw_choice_rank(c) == gw_choice_rank(first) &&
	    gw_choice_rank(c) < GW_RANK_NO_SLOT)
		return c->step != first->step ? "others are less busy"
					      : "it is another one's turn";
	return why ? why : "others are better";
}

/* @chosen: its way ends at this alias. */
static struct json_object *
candidate_object(const struct gw_routing *routing, const struct gw_model *m,
		 const struct gw_choice *c, const struct gw_choice *first,
		 const struct gw_explained *e, bool chosen)
{
	struct json_object *o = json_object_new_object();
	bool sends = chosen && e->would == GW_WOULD_SEND;
	bool is_it = sends && e->key && e->key == c->key;
	uint64_t all = 0, mine = sends ? weight_in(e, c, &all) : 0;
	char why[GW_CHOICE_WHY_BYTES];

	gw_json_set_str(o, "node", c->node ? c->node->doc->node_id : NULL);
	gw_json_set_str(o, "model", c->model ? c->model->model_id : m->alias);
	gw_json_set_str(o, "state", gw_state_name(c->state));
	gw_json_set_int(o, "in_flight", c->in_flight);
	gw_json_set_bound(o, "max_concurrency", c->max_concurrency);
	json_object_object_add(o, "chosen", json_object_new_boolean(is_it));
	json_object_object_add(
		o, "chance",
		mine && all ? json_object_new_double((double)mine / (double)all)
			    : NULL);
	gw_json_set_str(o, "passed_over",
			is_it || mine ? NULL : why_not(routing, c, first, why));
	return o;
}

int
gw_explain_candidates(struct gw_request *r, const struct gw_model *m,
		      const struct gw_explained *e, bool chosen,
		      struct json_object *alias, struct json_object **it)
{
	struct gw_routing *routing = gw_routing(r);
	struct gw_choices *all = &routing->choices;
	struct json_object *list = json_object_new_array();
	size_t n;

	json_object_object_add(alias, "candidates", list);
	if (gw_choices_of(routing, r->config, m, gw_mono_ms(), all) < 0)
		return gw_err_set(&r->err, GW_ERR_INTERNAL, ENOMEM,
				  "out of memory");
	if (all->n)
		qsort(all->at, all->n, sizeof(*all->at), order);
	/* The chosen one in front of its equals. */
	for (size_t i = 1; chosen && e->key && i < all->n; i++)
		if (all->at[i].key == e->key) {
			struct gw_choice one = all->at[i];

			memmove(&all->at[1], &all->at[0], i * sizeof(one));
			all->at[0] = one;
			break;
		}
	n = all->n < CANDIDATES_SHOWN_MAX ? all->n : CANDIDATES_SHOWN_MAX;
	for (size_t i = 0; i < n; i++) {
		struct json_object *o = candidate_object(
			routing, m, &all->at[i], &all->at[0], e, chosen);

		json_object_array_add(list, o);
		if (chosen && e->key && e->would == GW_WOULD_SEND &&
		    all->at[i].key == e->key)
			*it = o;
	}
	gw_json_set_int(alias, "more", (int64_t)(all->n - n));
	return 0;
}
