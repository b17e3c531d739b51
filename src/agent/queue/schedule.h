/* SPDX-License-Identifier: MIT */
/*
 * schedule.h - which request runs when, and which model on which device.
 *
 * Every request gets a ticket (ticket.h) in the queue of one device. The rules,
 * of which the decisions are in rules.h:
 * - A device that holds the model is preferred; else one with room for it beside
 *   what is there, then the one with the fewest requests, then the most free
 *   memory.
 * - A model that waits for a busy device goes to one that became free meanwhile.
 * - A model runs as many requests at a time as its `parallel` says.
 * - Waiting requests are grouped by model: while the oldest one waits for another
 *   model, up to AG_OVERTAKES_MAX later ones for the loaded model may still pass
 *   it. Then the loaded model drains, and the next one loaded is the oldest
 *   waiter's: it waits for one swap, and for AG_OVERTAKES_MAX requests at most.
 * - A model with running requests is never ended; it drains.
 * - Models of one `group` stay on a device together as far as their memory_mib
 *   fit into what is free; the one unused longest makes room.
 *
 * State: the queues; it decides about models through model.h only. One thread,
 * nothing blocks, no state survives the process.
 */
#ifndef AG_QUEUE_SCHEDULE_H
#define AG_QUEUE_SCHEDULE_H

#include <ev.h>

#include "agent/config/agent_config.h"
#include "agent/device/device.h"
#include "agent/model/state.h"
#include "agent/queue/rules.h"

#define AG_SETTLE_MS 200 /* oldest sample that may decide about room */

struct ag_scheduler;

/*
 * ag_scheduler_new - a queue for each device.
 * @loop, @config, @devices  borrowed; the devices are known by now, and it is
 *                           the scheduler that is told of new samples
 * @models                   borrowed; each one's last part is the scheduler's
 * Returns a scheduler the caller frees, or NULL when memory is out.
 */
GW_MUSTCHECK struct ag_scheduler *
ag_scheduler_new(struct ev_loop *loop, const struct ag_config *config,
		 struct ag_devices *devices, struct ag_models models);

/* ag_scheduler_free - NULL is allowed; no ticket is left. */
void ag_scheduler_free(struct ag_scheduler *s);

/* ag_scheduler_wake - look at all queues again, in the next turn of the loop;
 * NULL is allowed. */
void ag_scheduler_wake(struct ag_scheduler *s);

/* ag_scheduler_model_changed - a model went to another state. */
void ag_scheduler_model_changed(struct ag_scheduler *s, struct ag_model *m);

/*
 * ag_scheduler_room_for - the best device that takes a model right now without
 * ending another one, or NULL.
 */
struct ag_device *ag_scheduler_room_for(struct ag_scheduler *s,
					const struct ag_model *m);

/*
 * ag_scheduler_evicts - would a start of @m push another model out? Not if it is
 * there or on its way up. Others whose requests wait to be started count: the
 * place is theirs. False when @s is NULL.
 */
bool ag_scheduler_evicts(const struct ag_scheduler *s,
			 const struct ag_model *m);

/* ag_scheduler_on_evicts - call this on the loop when that has changed for any
 * model. */
void ag_scheduler_on_evicts(struct ag_scheduler *s, void (*changed)(void *arg),
			    void *arg);

/* ag_scheduler_preload - start what is to be preloaded, as far as it fits, in
 * the order of the configuration; soon. */
void ag_scheduler_preload(struct ag_scheduler *s);

/* ag_scheduler_load - requests of a device; none when @s is NULL. */
struct ag_load ag_scheduler_load(const struct ag_scheduler *s,
				 const struct ag_device *d);

#endif
