/* SPDX-License-Identifier: MIT */
/*
 * responder.h - one responder process of the gateway: a worker with the registry,
 * the nodes and a watched configuration.
 */
#ifndef GW_RESPONDER_RESPONDER_H
#define GW_RESPONDER_RESPONDER_H

#include "base/err.h"
#include "responder/instance.h"

struct gw_responder;

/*
 * gw_responder_new - load the configuration, attach to the shared memory and
 * build the worker.
 * @instance  lives as long as the responder
 * @err       what failed and what to do
 * Returns a responder the caller frees, or NULL. Configuration findings are
 * printed to stderr.
 */
GW_MUSTCHECK struct gw_responder *gw_responder_new(struct gw_instance *instance,
						   struct gw_err *err);

/* gw_responder_free - open requests are cut off; NULL is allowed. */
void gw_responder_free(struct gw_responder *p);

/*
 * gw_responder_run - serve a listening socket until told to end.
 * SIGTERM, a vanished spawner: no new requests; open ones may finish within
 * gateway.shutdown_grace_s. Returns 0 / -1.
 */
GW_MUSTCHECK int gw_responder_run(struct gw_responder *p, int listen_fd,
				  struct gw_err *err);

#endif
