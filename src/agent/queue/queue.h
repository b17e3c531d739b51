/* SPDX-License-Identifier: MIT */
/*
 * queue.h - what the files of the scheduler share: the queues and the moves of a
 * ticket. Nobody else includes it; they have schedule.h.
 */
#ifndef AG_QUEUE_H
#define AG_QUEUE_H

#include "agent/model/placement.h"
#include "agent/queue/schedule.h"

struct ag_queue {
	struct ag_device *device;
	TAILQ_HEAD(ag_tickets, ag_ticket) waiting; /* oldest first */
	unsigned n_waiting;
	uint64_t head;	    /* number of the oldest ticket, for overtakes */
	unsigned overtakes; /* requests that passed it */
};

struct ag_scheduler {
	struct ag_agent *agent;
	struct ag_models models;
	struct ag_queue *queues;
	size_t n_queues;
	uint64_t tickets; /* given out */
	ev_timer run;	  /* process() in the next turn */
};

/* ticket.c */

/* ag_queue_may_run - may one more request of this model run now? */
bool ag_queue_may_run(const struct ag_scheduler *s, const struct ag_queue *q,
		      const struct ag_model *m);

/*
 * ag_queue_is_hopeless - shall requests for this model be refused? A first crash
 * of what ran is over in a moment; more of them are not.
 */
bool ag_queue_is_hopeless(const struct ag_model *m);

/*
 * ag_ticket_grant / ag_ticket_refuse - answer a waiting ticket and resume its
 * request, which may end with its ticket: touch neither afterwards.
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

/* choose_device.c */

/* ag_queue_of - the queue of a device. */
struct ag_queue *ag_queue_of(const struct ag_scheduler *s,
			     const struct ag_device *d);

/* ag_queue_best - the best device for @m by itself; NULL: none may have it. */
struct ag_queue *ag_queue_best(const struct ag_scheduler *s,
			       const struct ag_model *m);

/* ag_queue_choose - where a request for @m should wait; NULL: nowhere. */
struct ag_queue *ag_queue_choose(const struct ag_scheduler *s,
				 const struct ag_model *m);

#endif
