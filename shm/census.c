/* SPDX-License-Identifier: MIT */
/*
 * census.c - who of those that hold something lives: asked once for each
 * process during one pass over a table.
 */
#include "internal.h"

bool
reg_census_live(const struct reg *r, struct reg_census *c, uint32_t row,
		uint64_t row_generation, uint64_t mask)
{
	uint64_t generation = atomic_load(&r->seg->rows[row].generation);

	if ((generation & mask) != row_generation)
		return false;
	if (!c->known[row] || c->generation[row] != generation) {
		REG_STOP_POINT();
		c->live[row] = reg_row_alive(r, row) &&
			       atomic_load(&r->seg->rows[row].generation) ==
				       generation;
		REG_STOP_POINT();
		c->generation[row] = generation;
		c->known[row] = true;
	}
	return c->live[row];
}
