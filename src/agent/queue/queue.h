/* SPDX-License-Identifier: MIT */
/*
 * queue.h - what the files of the scheduler share: the queues and the moves of a
 * ticket. Nobody else includes it; they have schedule.h and ticket.h.
 *
 * Who calls whom, from the top: schedule.c and ticket.c, moves.c,
 * choose_device.c and evictions.c, queue.c, rules.c.
 */
#ifndef AG_QUEUE_H
#define AG_QUEUE_H

#include <ev.h>

#include "agent/config/agent_config.h"
#include "agent/device/device.h"
#include "agent/model/placement.h"
#include "agent/queue/rules.h"
#include "agent/queue/ticket.h"

struct ag_queue {
	struct ag_device *device;
	TAILQ_HEAD(ag_tickets, ag_ticket) waiting; /* oldest first */
	unsigned n_waiting;
	uint64_t head;	    /* number of the oldest ticket, for overtakes */
	unsigned overtakes; /* requests that passed it */
};

struct ag_scheduler {
	struct ev_loop *loop;
	const struct ag_config *config;
	struct ag_devices *devices;
	struct ag_models models;
	struct ag_queue *queues; /* one a device, in their order */
	size_t n_queues;
	uint64_t tickets; /* given out */
	ev_timer run;	  /* schedule.c decides, in the next turn */
	/* evictions.c */
	bool moved;	   /* models, or what is known of devices */
	uint64_t expected; /* models that wait for a device, as last seen */
	uint64_t evicts;   /* models that would push another one out, the same */
	void (*on_evicts)(void *arg);
	void *on_evicts_arg;
};

/* ---- queue.c --------------------------------------------------------------- */

/* ag_queue_wake - look at all queues again, in the next turn of the loop. */
void ag_queue_wake(struct ag_scheduler *s);

/* ag_queue_of - the queue of a device. */
struct ag_queue *ag_queue_of(const struct ag_scheduler *s,
			     const struct ag_device *d);

/* ag_queue_load - the requests of its device. */
struct ag_load ag_queue_load(const struct ag_scheduler *s,
			     const struct ag_queue *q);

/* ag_queue_join - wait in this queue, in the order of arrival: tickets of a
 * model may come from another one. ag_queue_leave - wait no more. */
void ag_queue_join(struct ag_queue *q, struct ag_ticket *t);
void ag_queue_leave(struct ag_ticket *t);

/* ag_queue_in_the_way - does the oldest waiter need @m to go away? */
bool ag_queue_in_the_way(const struct ag_scheduler *s, const struct ag_queue *q,
			 const struct ag_model *m);

/* ag_queue_may_run - may one more request of this model run now? */
bool ag_queue_may_run(const struct ag_scheduler *s, const struct ag_queue *q,
		      const struct ag_model *m);

/* ---- choose_device.c ------------------------------------------------------- */

/* ag_queue_best - the best device for @m by itself; NULL: none may have it. */
struct ag_queue *ag_queue_best(const struct ag_scheduler *s,
			       const struct ag_model *m);

/* ag_queue_choose - where a request for @m should wait; NULL: nowhere. */
struct ag_queue *ag_queue_choose(const struct ag_scheduler *s,
				 const struct ag_model *m);

/* ---- evictions.c ------------------------------------------------------------ */

/* ag_queue_note_evictions - whom a start would push out: was that told already? */
void ag_queue_note_evictions(struct ag_scheduler *s);

/* ---- moves.c --------------------------------------------------------------- */

/* ag_ticket_run - it is granted, and counts as running on @q's device. */
void ag_ticket_run(struct ag_scheduler *s, struct ag_queue *q,
		   struct ag_ticket *t);

/*
 * ag_ticket_grant / ag_ticket_refuse - answer a waiting ticket and call its
 * owner, who may drop it: do not touch it afterwards.
 */
void ag_ticket_grant(struct ag_scheduler *s, struct ag_ticket *t);
void ag_ticket_refuse(struct ag_ticket *t);

/* ag_ticket_gather - all that wait for @m wait for @q's device from now on. */
void ag_ticket_gather(struct ag_scheduler *s, const struct ag_model *m,
		      struct ag_queue *q);

/*
 * ag_ticket_is_stranded - does it wait for a device that cannot have its model
 * (any more)? ag_ticket_rescue - to another device with all that wait for this
 * model, or refused as above when there is none.
 */
bool ag_ticket_is_stranded(const struct ag_ticket *t);
void ag_ticket_rescue(struct ag_scheduler *s, struct ag_ticket *t);

#endif
