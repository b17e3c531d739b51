/* SPDX-License-Identifier: MIT */
/*
 * pool_listen.h - the socket that the processes of a --listen pool share.
 */
#ifndef GW_RESPONDER_POOL_LISTEN_H
#define GW_RESPONDER_POOL_LISTEN_H

#include <sys/un.h>

#include "base/err.h"
#include "responder/pool.h"

struct gw_listener {
	int fd; /* -1 = closed */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "" = TCP */
};

/*
 * gw_listener_open - bind and listen as the options say.
 * A socket file that nobody answers on is replaced; any other file is not.
 * @out  filled on success; the caller closes it
 * Returns 0, or -1 with err INVALID_REQUEST (no address at all) or INTERNAL
 * (says which step failed and why); then nothing was left behind.
 */
GW_MUSTCHECK int gw_listener_open(const struct gw_pool_options *o,
				  struct gw_listener *out, struct gw_err *err);

/*
 * gw_listener_close - stop listening and remove the socket file. Processes that
 * inherited the descriptor close theirs themselves. Twice is as good as once.
 */
void gw_listener_close(struct gw_listener *l);

#endif
