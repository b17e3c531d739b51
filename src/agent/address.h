/* SPDX-License-Identifier: MIT */
/* address.h - the agent's address, and what belongs to who holds it. For run.c. */
#ifndef AG_ADDRESS_H
#define AG_ADDRESS_H

#include "agent/agent.h"
#include "webserver/site.h"

/*
 * ag_address_prepare - take the address and fill the private folder.
 * @s    initialised; the caller releases it after failures, too
 * @a    config is read; guard and children_path are set
 * @err  INTERNAL, with what to do: port taken, lighttpd missing, ...
 * Ends llama-servers that a dead agent on this address left running. Blocks on
 * files, on resolving listen_host, and up to 5 s on the port of a dead agent.
 */
GW_MUSTCHECK int ag_address_prepare(struct gw_site *s, struct ag_agent *a,
				    struct gw_err *err);

/*
 * ag_address_listen - the socket in the folder that lighttpd connects to.
 * Returns a descriptor, or -1 with err INTERNAL.
 */
GW_MUSTCHECK int ag_address_listen(const struct gw_site *s, struct gw_err *err);

#endif
