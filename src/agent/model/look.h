/* SPDX-License-Identifier: MIT */
/*
 * look.h - are the program and the weights of a model there?
 *
 * A file system may hang (a network mount without its server), and whoever asks
 * it hangs with it: so a thread of its own asks, one a model at most, and the
 * loop goes on. It may stay behind in the kernel; the next question waits for
 * its answer instead of asking again.
 */
#ifndef AG_MODEL_LOOK_H
#define AG_MODEL_LOOK_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#define AG_LOOK_FRESH_MS 1000  /* how long an answer counts */
#define AG_LOOK_QUICK_MS 250   /* most answers are there by then */

struct ag_look_job;

/* All zero: nothing was looked at. */
struct ag_look {
	struct ev_loop *loop;
	const char *program, *weights, *model_id;
	uint32_t limit_ms;
	/* @why: what is wrong, for people; NULL = all is there. On the loop. */
	void (*on_seen)(void *arg, const char *why);
	void *arg;
	struct ag_look_job *job; /* asked and not answered, NULL = none */
	bool wanted;		 /* on_seen is owed */
	uint64_t began_ms;	 /* when it was last wanted */
	uint64_t good_ms;	 /* of the last good answer, 0 = none */
	ev_timer limit;
};

/*
 * ag_look_init - @program, @weights, @model_id, the loop and what @arg points to
 * live longer than it.
 * @program   without a '/' it is looked up in PATH
 * @limit_ms  on_seen comes by then, whatever hangs
 */
void ag_look_init(struct ag_look *l, struct ev_loop *loop, const char *program,
		  const char *weights, const char *model_id, uint32_t limit_ms,
		  void (*on_seen)(void *arg, const char *why), void *arg);

/* ag_look_begin - on_seen follows, once; never from inside this call. While one
 * is under way: nothing more. */
void ag_look_begin(struct ag_look *l);

/* ag_look_is_fresh - all was there a moment ago. */
bool ag_look_is_fresh(const struct ag_look *l);

/* ag_look_is_quick - one is under way, and not yet for long.
 * ag_look_hangs - for so long that nobody else should wait for it. */
bool ag_look_is_quick(const struct ag_look *l);
bool ag_look_hangs(const struct ag_look *l);

/* ag_look_stop - no on_seen any more; not waited for. Safe when all is zero. */
void ag_look_stop(struct ag_look *l);

#endif
