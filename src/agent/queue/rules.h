/* SPDX-License-Identifier: MIT */
/*
 * rules.h - what schedule.h promises, as pure functions over plain values: they
 * look at nothing else and change nothing. Whoever carries them out gathers the
 * values first. Any thread; they cannot fail.
 */
#ifndef AG_QUEUE_RULES_H
#define AG_QUEUE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/model/state.h"

#define AG_OVERTAKES_MAX 8 /* requests that pass the oldest waiter of a device */

/* Requests of a device. */
struct ag_load {
	unsigned waiting, running;
};

/* A device, as a place for one model. */
struct ag_seat {
	bool room;	   /* it could be started there beside what is there */
	unsigned requests; /* waiting and running ones */
	int64_t free_mib;  /* AG_UNKNOWN counts as none */
};

/* ag_rule_is_better - should the model go to @a and not to @b? */
bool ag_rule_is_better(const struct ag_seat *a, const struct ag_seat *b);

/* The next request of a model, on the device it waits for. */
struct ag_turn {
	bool ready;	    /* the model is there, READY and not in doubt */
	unsigned running;   /* its requests that run now */
	unsigned parallel;  /* how many may, 1 .. AG_PARALLEL_MAX */
	bool in_the_way;    /* the oldest waiter needs the model to go */
	unsigned overtakes; /* requests that passed that waiter so far */
};

/* ag_rule_may_run - may it run now? */
bool ag_rule_may_run(const struct ag_turn *t);

/*
 * ag_rule_is_hopeless - shall requests for this model be refused? A first crash
 * of what ran is over in a moment; more of them are not, nor is a failed start.
 */
bool ag_rule_is_hopeless(const struct ag_model *m);

/* The device a model waits for, and the one that would be best for it now. */
struct ag_detour {
	bool same;	    /* they are one */
	unsigned running;   /* requests on the device it waits for */
	bool changing;	    /* the other one: a model is on its way up or down */
	bool fits;	    /* the model would have room there */
	struct ag_load load;
};

/* ag_rule_goes_elsewhere - did the other one become free, and this one not? */
bool ag_rule_goes_elsewhere(const struct ag_detour *d);

/* The model that would have to go first, to make room for another one. */
struct ag_eviction {
	bool any;	    /* there is such a model */
	bool shares;	    /* it is of the same group */
	bool unsettled;	    /* memory on the device was not measured yet */
	unsigned running;   /* its requests that run now */
	unsigned overtakes; /* requests that passed the oldest waiter */
};

enum ag_room_step {
	AG_ROOM_WAIT,	 /* for what runs, or for what changes */
	AG_ROOM_MEASURE, /* there may be room already: read the memory again */
	AG_ROOM_END,	 /* it goes; it drains first when requests run */
};

/* ag_rule_make_room - what is the next step towards room? */
enum ag_room_step ag_rule_make_room(const struct ag_eviction *e);

#endif
