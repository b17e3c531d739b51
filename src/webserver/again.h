/* SPDX-License-Identifier: MIT */
/*
 * again.h - the program starts over, as the process it is.
 */
#ifndef GW_WEBSERVER_AGAIN_H
#define GW_WEBSERVER_AGAIN_H

/* How this process was started. */
struct gw_again {
	char **argv;
	char **environment; /* owned list of strings that are not */
};

/*
 * gw_again_init - remember how this process was started.
 * @argv  main()'s own; kept
 * To be called before anything changes the environment. Without memory a later
 * start gets the environment as it is then.
 */
void gw_again_init(struct gw_again *a, char **argv);

/*
 * gw_again_start - execute this very program as it was started before: the same
 * arguments and environment, no descriptor beyond standard error, no blocked
 * signal; ignored ones stay ignored.
 * The caller has ended its children and given everything back. Returns only when
 * that is not possible, with errno.
 */
void gw_again_start(const struct gw_again *a);

/* gw_again_release - forget it; safe twice. */
void gw_again_release(struct gw_again *a);

#endif
