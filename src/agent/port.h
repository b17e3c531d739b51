/* SPDX-License-Identifier: MIT */
/* port.h - a free TCP port on 127.0.0.1 for a llama-server. */
#ifndef AG_PORT_H
#define AG_PORT_H

#include <stdbool.h>

/*
 * ag_port_is_free - can 127.0.0.1:@port be listened on right now?
 * A stranger on the port would be taken for our llama-server, and versions of
 * llama-server that set SO_REUSEPORT share one without noticing: so this is asked
 * before each start, without that option. Does not block.
 */
bool ag_port_is_free(unsigned port);

#endif
