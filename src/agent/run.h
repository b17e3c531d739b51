/* SPDX-License-Identifier: MIT */
/* run.h - the agent from its start to its end. For main.c. */
#ifndef AG_RUN_H
#define AG_RUN_H

#include "agent/config/agent_config.h"

#define AG_RUN_AGAIN (-1) /* no exit status */

/*
 * ag_run - serve until a signal asks for the end, or lighttpd ends by itself.
 * @c  lives as long
 * Returns the exit status, or AG_RUN_AGAIN when the private folder was removed
 * by somebody and the program should start over. SIGINT, SIGTERM: says goodbye to the gateway, lets
 * open requests finish within shutdown_grace_s, ends every llama-server; a
 * second signal ends all of it at once. Nothing that it started is left running.
 */
int ag_run(struct ag_config *c);

/*
 * ag_dry_run - print how every model would be started on every device it may
 * run on, as lines for a shell; starts none of them. Asks the vendor tools for
 * devices when they are not configured. Returns the exit status.
 */
int ag_dry_run(struct ag_config *c);

#endif
