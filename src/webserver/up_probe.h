/* SPDX-License-Identifier: MIT */
/*
 * up_probe.h - wait until GET /health is answered.
 *
 * "Ready" means that a request went through lighttpd and what is behind it, and
 * came back as 200; that the port accepts says nothing, this program bound it
 * itself.
 */
#ifndef GW_WEBSERVER_UP_PROBE_H
#define GW_WEBSERVER_UP_PROBE_H

#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>

struct gw_up_probe {
	struct ev_loop *loop;
	struct sockaddr_storage address;
	const char *user_agent;
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
 * gw_up_probe_start - ask again and again, every 50 ms.
 * @address     where lighttpd listens; a wildcard is asked through loopback
 * @user_agent  who asks; kept
 * @up          called once, with everything stopped, when the answer is a 200
 * Never blocks. Ends with @up or gw_up_probe_stop().
 */
void gw_up_probe_start(struct gw_up_probe *p, struct ev_loop *loop,
			  const struct sockaddr_storage *address,
		       const char *user_agent, void (*up)(void *arg), void *arg);

/* gw_up_probe_stop - give up; safe before start and twice. */
void gw_up_probe_stop(struct gw_up_probe *p);

#endif
