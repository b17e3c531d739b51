/* SPDX-License-Identifier: MIT */
/*
 * state.h - one model of this node as it stands, and the steps between its
 * states (states.def, drawn in ARCHITECTURE.md).
 *
 * Who may write what: model.c the process and its failures, the scheduler its
 * own part at the end, ag_model_enter() the state. Everybody may read. Nothing
 * of it survives the process; children.json names the pids.
 */
#ifndef AG_MODEL_STATE_H
#define AG_MODEL_STATE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/config/agent_config.h"
#include "agent/device/device.h"
#include "agent/model/look.h"
#include "agent/model/readiness.h"
#include "agent/process/listener.h"
#include "agent/process/output_ring.h"
#include "agent/process/process.h"
#include "base/backoff.h"
#include "base/err.h"

#define AG_REASON_BYTES 256
#define AG_KEY_BYTES 32 /* of random, twice as many digits */

enum ag_state {
#define STATE(name, word, next, text) AG_##name,
#include "agent/model/states.def"
#undef STATE
	AG_STATE__MAX
};

struct ag_model;

/* What models tell and ask; called on the loop, with ag_model_context.arg. */
struct ag_model_ops {
	/* It went to another state: m->state, m->reason. */
	void (*changed)(void *arg, struct ag_model *m);
	/* What kept it from being started or used is settled: it was READY but
	 * in doubt and answers again, or what it needs is there. */
	void (*settled)(void *arg, struct ag_model *m);
	/* The pid of one of them came or went. */
	void (*children_changed)(void *arg);
	/* A device that takes it right now without ending another model, or
	 * NULL: what ran and crashed asks before it comes back by itself. */
	struct ag_device *(*room_for)(void *arg, const struct ag_model *m);
};

/* What the models of an agent work with; all of it is borrowed. */
struct ag_model_context {
	struct ev_loop *loop;		/* libev's default one */
	struct gw_upstreams *upstreams;	/* asks whether they are ready */
	const struct ag_config *config;
	struct ag_devices *devices;
	const char *guard;		/* path of rolemesh-guard */
	const char *mark;		/* of what this agent starts (leftovers.h) */
	const struct ag_model_ops *ops;
	void *arg;
};

struct ag_model {
	const struct ag_model_context *context;
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
	char key[2 * AG_KEY_BYTES + 1];	/* what it asks callers for, "" = none */
	struct ag_listener listener;	/* sockets of it that were seen to listen */
	unsigned strangers;		/* looks in a row that found others' */
	struct ag_look look;		/* is what it needs there? */
	struct ag_readiness readiness;
	unsigned slots;			/* as llama-server told last, 0 = never */
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
	const struct ag_device *expected; /* ... of this device; NULL = none */
	uint64_t last_used_ms;
	bool preload_due;		/* start it where there is room */
	ev_timer idle;
};

/* All of an agent's, in the order of the configuration. */
struct ag_models {
	struct ag_model *model;
	size_t n;
};

/* ag_state_word - as the inventory and the heartbeat say it; static. */
const char *ag_state_word(enum ag_state s);

/*
 * ag_model_parallel - how many of its requests may run at one time: as
 * configured, else as many as its llama-server told that it has slots, else one.
 * 1 .. AG_PARALLEL_MAX
 */
unsigned ag_model_parallel(const struct ag_model *m);

/*
 * ag_model_enter - go to another state: the only place that changes m->state.
 * A step that states.def does not have is a programmer error. Logs, and then
 * tells ops->changed.
 * @reason  kept and logged; NULL or "" = none
 */
void ag_model_enter(struct ag_model *m, enum ag_state to, const char *reason);

#endif
