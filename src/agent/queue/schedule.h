/* SPDX-License-Identifier: MIT */
/*
 * schedule.h - which request runs when, and which model on which device.
 *
 * Every request gets a ticket in the queue of one device. The rules:
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
#include <stdint.h>
#include <sys/queue.h>

#include "agent/model/model.h"
#include "base/err.h"

#define AG_OVERTAKES_MAX 8
#define AG_SETTLE_MS 200 /* oldest sample that may decide about room */

struct ag_agent;
struct ag_queue;
struct ag_scheduler;
struct gw_request;

enum ag_ticket_state {
	AG_TICKET_WAITING,
	AG_TICKET_GRANTED, /* forward it to the model's port */
	AG_TICKET_REFUSED, /* the request's err says why */
};

struct ag_ticket {
	TAILQ_ENTRY(ag_ticket) link; /* WAITING: in queue->waiting */
	enum ag_ticket_state state;
	uint64_t number;	     /* order of arrival */
	struct gw_request *request;
	struct ag_model *model;
	struct ag_queue *queue;
};

/*
 * ag_scheduler_new - a queue for each device; a->devices are known by now.
 * Returns NULL when memory is out.
 */
GW_MUSTCHECK struct ag_scheduler *ag_scheduler_new(struct ag_agent *a);

/* ag_scheduler_free - NULL is allowed; no ticket is left. */
void ag_scheduler_free(struct ag_scheduler *s);

/*
 * ag_ticket_take - a request wants a model.
 * @err  DEVICE_QUEUE_FULL, MODEL_START_FAILED (it failed and is not tried yet),
 *       NO_DEVICE, INTERNAL
 * Returns a ticket, granted at once when nothing stands against it; a waiting
 * one is granted or refused later, and its request is resumed. NULL on error.
 */
GW_MUSTCHECK struct ag_ticket *ag_ticket_take(struct ag_scheduler *s,
					      struct ag_model *m,
					      struct gw_request *r,
					      struct gw_err *err);

/* ag_ticket_drop - the request is over or its client left; NULL is allowed. */
void ag_ticket_drop(struct ag_scheduler *s, struct ag_ticket *t);

/* ag_scheduler_wake - look at all queues again, in the next turn of the loop. */
void ag_scheduler_wake(struct ag_scheduler *s);

/* ag_scheduler_model_changed - a model went to another state. */
void ag_scheduler_model_changed(struct ag_scheduler *s, struct ag_model *m);

/*
 * ag_scheduler_room_for - the best device that takes a model right now without
 * ending another one, or NULL.
 */
struct ag_device *ag_scheduler_room_for(struct ag_scheduler *s,
					const struct ag_model *m);

/* ag_scheduler_preload - start what is to be preloaded, as far as it fits. */
void ag_scheduler_preload(struct ag_scheduler *s);

/* Requests of a device. */
struct ag_load {
	unsigned waiting, running;
};
struct ag_load ag_scheduler_load(const struct ag_scheduler *s,
				 const struct ag_device *d);

#endif
