/* SPDX-License-Identifier: MIT */
/*
 * client_use.h - what a client uses of what it may. Looks only: nothing is
 * counted, no place is opened. One thread a process; nothing blocks.
 */
#ifndef GW_ROUTING_CLIENT_USE_H
#define GW_ROUTING_CLIENT_USE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "reg.h"

struct gw_client_use {
	bool many; /* it stands for any user: each is counted by itself, and
		    * nothing is known of all of them */
	uint64_t in_flight;
	uint32_t remaining; /* requests that it may send at once now; 0 also
			     * where there is no limit */
};

/*
 * gw_client_use - how it stands.
 * @config  @c is of it
 * Takes time with the number of aliases, where @c has no max_concurrency: it is
 * counted at each of them then.
 */
void gw_client_use(const struct reg *reg, const struct gw_config *config,
		   const struct gw_client *c, uint64_t now_ms,
		   struct gw_client_use *out);

#endif
