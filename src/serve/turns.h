/* SPDX-License-Identifier: MIT */
/*
 * turns.h - long work in short pieces: one piece a turn of the event loop, of
 * whoever waits longest, so that what else has come is served in between.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_SERVE_TURNS_H
#define GW_SERVE_TURNS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define GW_PIECE_US 1000 /* after so long a piece of work should end */

/* A place in the queue, in the caller's storage; all zero is none. */
struct gw_turn {
	TAILQ_ENTRY(gw_turn) link;
	bool waiting;
	void (*work)(void *arg);
	void *arg;
};

struct gw_turns {
	struct ev_loop *loop;
	ev_timer next;
	TAILQ_HEAD(gw_turn_list, gw_turn) list;
};

/* gw_turns_init - an empty queue in the caller's storage. */
void gw_turns_init(struct gw_turns *all, struct ev_loop *loop);

/* gw_turns_stop - nobody is called any more; who waits is forgotten. */
void gw_turns_stop(struct gw_turns *all);

/*
 * gw_turn_take - to the end of the queue; nothing happens to one that waits.
 * @work  called once, from the event loop, never before this returns; it may
 *        take the next turn, and free the storage of @t
 */
void gw_turn_take(struct gw_turns *all, struct gw_turn *t,
		  void (*work)(void *arg), void *arg);

/* gw_turn_leave - wait no longer; nothing happens to one that does not. */
void gw_turn_leave(struct gw_turns *all, struct gw_turn *t);

/* gw_turn_is_over - has a piece of work that began then taken long enough? */
bool gw_turn_is_over(uint64_t begun_us);

#endif
