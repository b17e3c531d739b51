/* SPDX-License-Identifier: MIT */
/* failure.h - what is said about a llama-server that failed. For model.c. */
#ifndef AG_MODEL_FAILURE_H
#define AG_MODEL_FAILURE_H

#include <stdint.h>

#include "agent/model/state.h"

#define AG_OUTPUT_LOGGED 5 /* last lines logged after a failure */

/*
 * ag_failure_describe - nobody asked for this end: what requests are told.
 * @m    in the state it ended in; only its error is set: MODEL_START_FAILED
 * @how  what is known of the end
 */
void ag_failure_describe(struct ag_model *m, const struct ag_exit *how);

/*
 * ag_failure_log - the error, and its last lines of output.
 * @retry_ms  until it is tried again
 */
void ag_failure_log(const struct ag_model *m, uint32_t retry_ms);

#endif
