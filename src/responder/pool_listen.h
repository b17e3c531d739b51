/* SPDX-License-Identifier: MIT */
/*
 * pool_listen.h - the socket that the processes of a --listen pool share.
 */
#ifndef GW_RESPONDER_POOL_LISTEN_H
#define GW_RESPONDER_POOL_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"
#include "responder/pool.h"

#define GW_LISTEN_HOST_BYTES 256

struct gw_listener {
	int fd; /* -1 = closed */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "" = TCP */
	dev_t dev; /* of the socket file that was made there */
	ino_t ino;
};

/*
 * gw_listener_is_open - is @address a HOST:PORT that others than this machine can
 * reach, as far as its text says? Then @host is its host.
 */
bool gw_listener_is_open(const char *address, char host[GW_LISTEN_HOST_BYTES]);

/*
 * gw_listener_open - bind and listen as the options say.
 * A socket file that nobody answers on is replaced; any other file is not. The
 * folder is locked meanwhile (flock), so of two pools that start at once one
 * finds the other's socket; waits for the lock a few seconds at most.
 * @out  filled on success; the caller closes it
 * Returns 0, or -1 with err INVALID_REQUEST (no address at all) or INTERNAL
 * (says which step failed and why); then nothing was left behind.
 */
GW_MUSTCHECK int gw_listener_open(const struct gw_pool_options *o,
				  struct gw_listener *out, struct gw_err *err);

/*
 * gw_listener_close - remove the socket file, unless another pool's has taken
 * its place, and stop listening: whoever connects to it now is refused, though
 * other processes have the descriptor, and who waits can still be accepted.
 * Those processes close theirs themselves. Twice is as good as once.
 */
void gw_listener_close(struct gw_listener *l);

#endif
