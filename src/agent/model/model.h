/* SPDX-License-Identifier: MIT */
/*
 * model.h - one configured model and the llama-server that runs it.
 *
 * A small explicit state machine (states.def, drawn in ARCHITECTURE.md). It
 * starts and ends a process, asks it whether it is ready, and tries again after
 * a failure. It does not know requests or queues: the scheduler tells it what to
 * do, and is told of every change.
 *
 * One thread; nothing blocks.
 */
#ifndef AG_MODEL_H
#define AG_MODEL_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/config/agent_config.h"
#include "agent/device/device.h"
#include "agent/model/readiness.h"
#include "agent/process/output_ring.h"
#include "agent/process/process.h"
#include "base/backoff.h"
#include "base/err.h"

#define AG_REASON_BYTES 256
#define AG_RESTART_FIRST_MS 1000  /* wait after a first failure */
#define AG_RESTART_MAX_MS 60000	  /* the longest wait */
#define AG_QUIET_MS 60000	  /* good for so long: a failure is a first one */
#define AG_OUTPUT_LOGGED 5	  /* last lines logged after a failure */

enum ag_state {
#define STATE(name, word, next, text) AG_##name,
#include "agent/model/states.def"
#undef STATE
	AG_STATE__MAX
};

struct ag_agent;

struct ag_model {
	struct ag_agent *agent;
	const struct ag_model_config *config;
	size_t index;			/* in the configuration */
	enum ag_state state;
	int64_t since_wall_s;		/* in this state */
	uint64_t since_ms;
	char reason[AG_REASON_BYTES];	/* why it is in this state, "" = asked */

	/* the process; device stays set until it is gone */
	struct ag_device *device;	/* NULL unless there is a process */
	struct ag_process *process;
	unsigned port;			/* 0 = none */
	int port_hold;			/* keeps it ours (port.h), -1 = none */
	pid_t pid;			/* 0 = none */
	uint64_t start_time;		/* of pid */
	struct ag_readiness readiness;
	ev_timer start_limit;
	struct ag_output_ring output;

	/* failure */
	bool failing;			/* STOPPING goes to FAILED, not STOPPED */
	bool doubtful;			/* a connection to it broke: no request
					 * begins until it answers again */
	bool resident;			/* it was ready and nobody stopped it, or it
					 * is preloaded: start it again by itself */
	struct gw_err error;		/* what requests are told while FAILED */
	struct gw_backoff backoff;
	uint64_t good_ms;		/* first ready after the last failure; 0 =
					 * not yet. Ends that were asked for do not
					 * count */
	uint64_t retry_at_ms;		/* FAILED */
	ev_timer retry;
	unsigned starts;		/* ever */
	unsigned crashes;		/* ever: ends that nobody asked for */
	struct ag_exit last_exit;
	int64_t last_exit_wall_s;	/* 0 = never ended */

	/* the scheduler's */
	unsigned running;		/* requests forwarded now */
	unsigned waiting;		/* requests in the queue for it */
	uint64_t last_used_ms;
	ev_timer idle;
};

/* ag_models_new - all of the configuration, stopped; NULL: no memory. */
GW_MUSTCHECK struct ag_model *ag_models_new(struct ag_agent *a);

/* ag_models_free - kills what still runs, without waiting for it. */
void ag_models_free(struct ag_agent *a, struct ag_model *models);

/*
 * ag_model_start - run it on a device.
 * @m  STOPPED or FAILED
 * It is STARTING afterwards, or FAILED when something is known to be missing.
 */
void ag_model_start(struct ag_model *m, struct ag_device *d);

/*
 * ag_model_examine - is what it needs there? A STOPPED model that cannot be
 * started is FAILED afterwards, so that nobody is sent to it in vain.
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

/* ag_state_word - as the inventory and the heartbeat say it; static. */
const char *ag_state_word(enum ag_state s);

/* model_state.c: the only place that changes m->state. */

/*
 * ag_model_enter - go to another state; a step that states.def does not have is
 * a programmer error. Logs, and tells scheduler and dispatcher.
 * @reason  kept and logged; NULL or "" = none
 */
void ag_model_enter(struct ag_model *m, enum ag_state to, const char *reason);

#endif
