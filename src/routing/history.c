/* SPDX-License-Identifier: MIT */
/* history.c - see history.h. */
#include "routing/history.h"

#include "routing/routing.h"

bool
gw_was_tried(const struct gw_history *h, const struct gw_model *m,
	     const struct gw_choice *c)
{
	for (unsigned i = 0; h && i < h->n_tried; i++)
		if (h->tried[i].key == c->key &&
		    (h->tried[i].lost || h->tried[i].alias == m))
			return true;
	/* Nor does it help to ask for another model where nobody listens. */
	for (unsigned i = 0; h && i < h->n_unreached; i++)
		if (h->unreached[i] == c->keys.address[0])
			return true;
	return false;
}
