/* SPDX-License-Identifier: MIT */
/*
 * model.h - runs one configured model: its llama-server from start to end.
 *
 * It starts and ends a process, asks it whether it is ready, and tries again
 * after a failure; state.h is where it stands. It does not know requests or
 * queues: somebody tells it what to do, and is told of every change
 * (ag_model_ops).
 *
 * One thread; nothing blocks.
 */
#ifndef AG_MODEL_H
#define AG_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/model/state.h"
#include "base/err.h"

#define AG_RESTART_FIRST_MS 1000  /* wait after a first failure */
#define AG_RESTART_MAX_MS 60000	  /* the longest wait */
#define AG_QUIET_MS 60000	  /* good for so long: a failure is a first one */

/*
 * ag_models_new - all models of the configuration, stopped.
 * @context  borrowed until they are freed
 * @out      filled on success; the caller frees it
 * @err      INTERNAL (no memory)
 * When the process dies, their guards end every llama-server (process.h).
 */
GW_MUSTCHECK int ag_models_new(const struct ag_model_context *context,
			       struct ag_models *out, struct gw_err *err);

/* ag_models_free - kills what still runs, without waiting for it; nobody is
 * told. Safe on all zero and twice. */
void ag_models_free(struct ag_models *all);

/*
 * ag_model_start - run it on a device.
 * @m  STOPPED or FAILED
 * It is STARTING afterwards, or FAILED when no device is there. Or as it was:
 * then its files are looked for, and it becomes FAILED, or ops->settled asks for
 * the next step.
 */
void ag_model_start(struct ag_model *m, struct ag_device *d);

/*
 * ag_model_examine - is what it needs there? A STOPPED model without a device is
 * FAILED afterwards, and one without its files soon, so that nobody is sent to
 * it in vain.
 */
void ag_model_examine(struct ag_model *m);

/*
 * ag_model_stop - end it: DRAINING while requests run, else STOPPING.
 * @reason  for the log
 * In STARTING .. DRAINING; elsewhere nothing happens.
 */
void ag_model_stop(struct ag_model *m, const char *reason);

/*
 * ag_model_doubt - a request lost its connection to it. Often it is dying, which
 * shows in a moment only: nobody else is sent there until it answers again, or
 * its end is known. Too slow is a failed start. Nothing happens unless READY.
 */
void ag_model_doubt(struct ag_model *m);

/* ag_model_drained - no request runs any more: DRAINING goes on to STOPPING. */
void ag_model_drained(struct ag_model *m);

/* ag_model_shut_down - the agent ends: SIGTERM, SIGKILL after @grace_ms; no
 * restart. 0: SIGKILL now. */
void ag_model_shut_down(struct ag_model *m, uint32_t grace_ms);

/* ag_model_has_process - does something of it still run? */
bool ag_model_has_process(const struct ag_model *m);

#endif
