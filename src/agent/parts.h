/* SPDX-License-Identifier: MIT */
/*
 * parts.h - the agent's parts (devices, models, queues, the line to the
 * gateway), and what each of them asks of the others. For run.c.
 */
#ifndef AG_PARTS_H
#define AG_PARTS_H

#include "agent/agent.h"

/*
 * ag_parts_new - devices, models and the line; the devices are looked for.
 * @a         config, loop, worker, guard and children_path are set
 * @on_ready  called once on the loop when the devices are known, never before
 *            this returns; then it is time for ag_parts_begin()
 * @err       INTERNAL: no memory, or no process for a vendor tool
 * Returns 0 / -1; the caller frees the parts after failures, too.
 */
GW_MUSTCHECK int ag_parts_new(struct ag_agent *a, void (*on_ready)(void *arg),
			      void *arg, struct gw_err *err);

/*
 * ag_parts_begin - queues for the devices; requests may come.
 * @err  INTERNAL (no memory)
 */
GW_MUSTCHECK int ag_parts_begin(struct ag_agent *a, struct gw_err *err);

/* ag_parts_free - what still runs is killed and not waited for; no request is
 * open any more. Safe on all zero. */
void ag_parts_free(struct ag_agent *a);

#endif
