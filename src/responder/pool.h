/* SPDX-License-Identifier: MIT */
/*
 * pool.h - rolemesh-responder --listen: one socket, N processes.
 *
 * For web servers that connect instead of spawning (nginx, mod_proxy_fcgi) and
 * for service managers. The parent serves nothing: it starts the processes,
 * replaces dead ones and ends them.
 */
#ifndef GW_RESPONDER_POOL_H
#define GW_RESPONDER_POOL_H

struct gw_pool_options {
	const char *address;	/* "unix:PATH" or "HOST:PORT" */
	unsigned workers;	/* 1 .. 256 */
	unsigned mode;		/* of the unix socket, 0 .. 0777 */
	const char *group;	/* of the unix socket, or NULL */
};

/* Serves a listening socket in a child process; returns its exit status. */
typedef int gw_pool_serve_fn(int listen_fd, void *arg);

/*
 * gw_pool_run - listen, keep the processes running until SIGTERM, SIGINT or,
 * unless ignored, SIGHUP. That closes the socket and removes its file: a new
 * pool may take the address while streams end. A second signal ends the
 * processes at once. Returns the exit status: 0, 1 (could not listen; says
 * why), 2 (bad address).
 * Crash: the processes notice a dead parent and drain. A socket file left by a
 * killed pool is replaced at the next start unless something answers on it.
 */
int gw_pool_run(const struct gw_pool_options *o, gw_pool_serve_fn *serve,
		void *arg);

#endif
