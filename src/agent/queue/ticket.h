/* SPDX-License-Identifier: MIT */
/*
 * ticket.h - a request's place in the queue of a device: taken, waiting, granted
 * or refused, dropped. What a request is does not matter here: it is somebody
 * who takes a ticket, is called when it was answered, and gives it back.
 *
 * One thread, nothing blocks, no ticket survives the process.
 */
#ifndef AG_QUEUE_TICKET_H
#define AG_QUEUE_TICKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "agent/model/state.h"
#include "base/err.h"

struct ag_queue;
struct ag_scheduler;

enum ag_ticket_state {
	AG_TICKET_WAITING,
	AG_TICKET_GRANTED, /* forward it to the model's port */
	AG_TICKET_REFUSED, /* err says why */
};

/* For its owner to read; written in this folder only. */
struct ag_ticket {
	TAILQ_ENTRY(ag_ticket) link; /* WAITING: in queue->waiting */
	enum ag_ticket_state state;
	uint64_t number;	     /* order of arrival, from 1 */
	struct ag_model *model;
	struct ag_queue *queue;
	struct gw_err err;	     /* REFUSED: for the client */
	void (*answered)(void *owner);
	void *owner;
};

/*
 * ag_ticket_take - somebody wants a model.
 * @answered  called once on the loop when a waiting ticket was granted or
 *            refused, never before this returns; may drop the ticket
 * @owner     passed to it
 * @err       DEVICE_QUEUE_FULL, MODEL_START_FAILED or MODEL_START_TIMEOUT (it
 *            failed and is not tried yet), NO_DEVICE, INTERNAL
 * Returns a ticket that the caller drops, granted at once when nothing stands
 * against it, else waiting. NULL on error.
 */
GW_MUSTCHECK struct ag_ticket *
ag_ticket_take(struct ag_scheduler *s, struct ag_model *m,
	       void (*answered)(void *owner), void *owner, struct gw_err *err);

/*
 * ag_ticket_drop - its owner is done with it, or has left: whatever state it is
 * in, it is freed, and nobody is called. NULL is allowed.
 * @lost_server  the connection to llama-server broke, and neither a client nor
 *               a limit wanted it to: the model is in doubt (ag_model_doubt)
 */
void ag_ticket_drop(struct ag_scheduler *s, struct ag_ticket *t,
		    bool lost_server);

#endif
