/* SPDX-License-Identifier: MIT */
/*
 * launcher_probe.h - wait until the gateway answers GET /health.
 *
 * "Ready" means that a request went through lighttpd and a responder and came
 * back as 200; that the port accepts says nothing, the launcher bound it
 * itself.
 */
#ifndef GW_GATEWAY_LAUNCHER_PROBE_H
#define GW_GATEWAY_LAUNCHER_PROBE_H

#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>

struct launcher_probe {
	struct ev_loop *loop;
	struct sockaddr_storage address;
	void (*up)(void *arg);
	void *arg;
	int fd; /* -1 between attempts */
	ev_io io;
	ev_timer retry;
	bool sent;
	char head[64]; /* start of the answer */
	unsigned head_len;
};

/*
 * launcher_probe_start - ask again and again, every 50 ms.
 * @address  where the gateway listens; a wildcard is asked through loopback
 * @up       called once, with everything stopped, when the answer is a 200
 * Never blocks. Ends with @up or launcher_probe_stop().
 */
void launcher_probe_start(struct launcher_probe *p, struct ev_loop *loop,
			  const struct sockaddr_storage *address,
			  void (*up)(void *arg), void *arg);

/* launcher_probe_stop - give up; safe before start and twice. */
void launcher_probe_stop(struct launcher_probe *p);

#endif
