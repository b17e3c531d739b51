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

static uint64_t
bit_of(uint64_t key)
{
	return UINT64_C(1) << (key & 63);
}

uint64_t
gw_history_bits(const struct gw_history *h, const struct gw_model *m)
{
	uint64_t bits = 0;

	for (unsigned i = 0; h && i < h->n_tried; i++)
		if (h->tried[i].lost || h->tried[i].alias == m)
			bits |= bit_of(h->tried[i].key);
	for (unsigned i = 0; h && i < h->n_unreached; i++)
		bits |= bit_of(h->unreached[i]);
	return bits;
}

bool
gw_is_avoided(uint64_t bits, const struct gw_choice *c)
{
	return bits & (bit_of(c->key) | bit_of(c->keys.address[0]));
}
