/* SPDX-License-Identifier: MIT */
/*
 * reg_queue.h - the part of reg.h about waiting: who waits for a place, how a
 * process is woken, how fast a queue moves, and how often a client comes. reg.h
 * includes it, and its promises hold here, too.
 *
 * Nothing here decides: whoever frees a place reads who waits, finds out by a
 * function of his own who is next, and calls that one. The one that was called
 * does the same, and takes the place with reg_lease_take(). All of it works
 * without a lock.
 */
#ifndef REG_QUEUE_H
#define REG_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reg_candidate.h"

struct reg;

#define REG_WAITERS_MAX 16384 /* waiting at one time, all processes */
#define REG_RANKS 4	      /* classes of those who wait: 0 .. 3 */
#define REG_WAKES_MAX 64      /* messages that one drain takes */
#define REG_RATE_MAX 1000000u /* the most that a client may come in a minute   \
			       */

/* ---- waking a process -----------------------------------------------------
 */

/*
 * reg_wake_fd - the descriptor by which others wake this process.
 * Made at the first call: a datagram socket, non-blocking and close-on-exec,
 * with a random name outside of all file systems. Readable: call
 * reg_wake_drain(). Returns it, or -1 (no descriptor left; a forked child):
 * then it has to look by itself now and then, and the next call tries again.
 * The handle owns it: it is closed by reg_close(), and stays the same over
 * reg_move_end(), after which the process looks once: who wanted to wake it in
 * the new segment before, could not.
 */
int reg_wake_fd(struct reg *r);

/*
 * reg_wake_drain - take the messages that are there, REG_WAKES_MAX at most.
 * True: somebody woke this process since the last call; it looks at all that it
 * could be woken for. False: nobody did. What messages say, and who sends them,
 * does not matter: whether it was woken is in the segment, where nobody writes
 * but processes of the instance, so a stranger wakes nobody and keeps nobody
 * from being woken.
 */
bool reg_wake_drain(struct reg *r);

/*
 * reg_wake - wake the process that has a row. One store and one sendto(2) that
 * never waits: one that does not run (it was stopped) has it when it goes on.
 * @row, @row_generation  as reg_queue_read() tells them
 * False: nobody of that generation is there, or it has no descriptor.
 * Crash: if the caller dies half-way nobody is woken; hence everybody who waits
 * looks by itself as well, every 250 ms or so.
 */
bool reg_wake(struct reg *r, uint32_t row, uint64_t row_generation);

/* ---- those who wait -------------------------------------------------------
 */

/* One that waits. Both numbers must match for it to be the same one. */
struct reg_waiter_ref {
	uint32_t index;	   /* REG_WAITERS_MAX = none: every call tolerates it */
	uint32_t sequence; /* changes when another one takes the entry */
};

struct reg_waiter {
	struct reg_waiter_ref ref;
	bool mine;		 /* this handle's own */
	uint32_t row;		 /* of its process, for reg_wake() ... */
	uint64_t row_generation; /* ... and which of the row's owners that is */
	bool unheard; /* read: it was woken, for whatever, and did not look yet */
	uint64_t queue;	 /* where it waits: a hash of the queue's name */
	uint64_t client; /* whose it is: a hash */
	struct reg_candidate_ref share; /* whose leases are what its client has
					 * running there; may be none */
	uint32_t share_in_flight;	/* read: that many now; join: ignored */
	uint32_t rank;			/* its class, 0 .. REG_RANKS-1 */
	uint64_t came_ms;		/* CLOCK_MONOTONIC, below 2^62 */
	uint64_t number;    /* order among equals, of all processes; never 0.
			     * join: 0 draws the next one */
	uint64_t avoids;    /* where it does not want to go: bits that mean
			     * something to whoever reads them, 0 = nowhere */
	uint64_t called_ms; /* of the last call since it joined, or since
			     * reg_queue_uncall(); 0 = none. join: ignored */
};

/*
 * reg_queue_any - may anybody wait? One load; what costs nothing whenever a
 * place is freed. True for a while, perhaps, after the last one left.
 * Of one that joins and then looks for a place, and one that frees a place
 * (reg_lease_drop()) and then asks this and reads, at least one sees what the
 * other did: so nobody waits for a place that was free.
 */
bool reg_queue_any(const struct reg *r);

/*
 * reg_queue_join - wait.
 * @w  in: queue, client, share, rank (more than 3 is 3), came_ms, number,
 *     avoids
 *     out: all else of it
 * Returns w->ref: none when REG_WAITERS_MAX wait already, or did when this
 * process searched in vain, less than 50 ms ago. The caller leaves; so does
 * reg_close(). Others see all of it, or nothing.
 * Crash: whoever died waiting is read for at most 50 ms after (that is how long
 * a "still alive" is believed), and its entry is free again after the next
 * reg_lease_sweep(). One that died inside of this was never seen; its entry is
 * free when another process has its row, or all entries are needed.
 */
struct reg_waiter_ref reg_queue_join(struct reg *r, struct reg_waiter *w);

/* reg_queue_leave - wait no longer, displaced or not. Another process's waiter,
 * one that left already, or none: nothing happens. */
void reg_queue_leave(struct reg *r, struct reg_waiter_ref w);

/*
 * reg_queue_read - who waits: all that joined before, and neither left nor were
 * displaced; in no order.
 * @out, @cap  room for so many; more of them are left out
 * Returns how many. Each is whole, and as it was at some moment of the call.
 * Reads /proc for every process that has any of them, at most every 50 ms.
 */
size_t reg_queue_read(const struct reg *r, struct reg_waiter *out, size_t cap);

/*
 * reg_queue_call - tell a waiter's process that it is next.
 * @w         as read
 * @now_ms    CLOCK_MONOTONIC; the time of the call
 * @again_ms  not if it was called within so many ms, by whomever
 * True: this call did it, and no other process that was about to. False: it was
 * called a moment ago, or waits no longer.
 * Crash: dead, or stopped, between marking it as called and waking it: it looks
 * by itself after 250 ms or so, and may be passed over until then. One that was
 * stopped just before marks it with a @now_ms of long ago: the same.
 */
bool reg_queue_call(struct reg *r, const struct reg_waiter *w, uint64_t now_ms,
		    uint64_t again_ms);

/*
 * reg_queue_uncall - its process looked, and it is not next (any more): it was
 * not called. For this handle's own; any other's: nothing happens. To be called
 * after reading who waits, so that a call which came since then still counts as
 * a message.
 */
void reg_queue_uncall(struct reg *r, struct reg_waiter_ref w);

/*
 * reg_queue_displace - a better one needs the place of this one.
 * True for one of all processes: it does not wait any more, its process is
 * woken and makes it leave. Until it leaves it is displaced, and no longer
 * read.
 */
bool reg_queue_displace(struct reg *r, const struct reg_waiter *w);

/* reg_queue_is_displaced - was it, and has not left yet? */
bool reg_queue_is_displaced(const struct reg *r, struct reg_waiter_ref w);

/* reg_queue_displaced - how many of a queue were, and have not left yet; those
 * of dead processes aside, whose places reg_lease_sweep() frees. */
unsigned reg_queue_displaced(const struct reg *r, uint64_t queue);

/* ---- how fast a queue moves ------------------------------------------------
 */

/*
 * Kept at a candidate entry of the queue's own: what reg_candidate_read() says
 * of its last byte, and until when it is busy, means nothing then. Forgotten
 * with the entry; comes along in a move.
 */

/*
 * reg_queue_moved - one that waited got what it waited for.
 * @queue    the queue's entry; none, or given away: nothing happens
 * @came_ms  since when it waited: time in which nobody did says nothing about
 *           how fast the queue moves
 */
void reg_queue_moved(struct reg *r, struct reg_candidate_ref queue,
		     uint64_t came_ms, uint64_t now_ms);

/*
 * reg_queue_interval_ms - how long it takes from one to the next, about:
 * smoothed over the last eight or so, 0 = not known.
 * @since_ms  since when the first of those who wait does: it is not less than
 *            what has passed since then, and since the last one, so a queue
 * that stands still does not look as fast as it was. @now_ms: nobody waits
 */
uint64_t reg_queue_interval_ms(const struct reg *r,
			       struct reg_candidate_ref queue,
			       uint64_t since_ms, uint64_t now_ms);

/* ---- how often a client comes ----------------------------------------------
 */

/*
 * A bucket of N that is refilled evenly, N a minute; full where nothing is
 * known. Exact over all processes: of any number that come at once, N are
 * taken, and in any stretch of time never more than N and what was refilled in
 * it (refilled every 60/N s, rounded up to the nanosecond). One word beside the
 * client's candidate entry, which is kept for longer than it takes to be full.
 * Another N later: as much of the new bucket is missing as was of the old one.
 * Comes along in a move.
 */
struct reg_rate {
	bool taken;
	uint32_t remaining; /* so many more could come now */
	uint64_t next_us;   /* until one more could, rounded up; 0 = now */
	uint64_t full_us;   /* until the bucket is full, rounded up; 0 = is */
};

/*
 * reg_rate_take - one more comes, if there is one left for it.
 * @client      the client's entry
 * @per_minute  N: 1 .. REG_RATE_MAX; what is outside counts as the next inside
 * @now_us      CLOCK_MONOTONIC in microseconds, read for this call: of two
 *              processes the one with the earlier time finds less refilled. Who
 *              is refused and wants to be sure reads it again and calls again
 * @out         filled; not taken: nothing has changed
 * Where the entry is none, or was given away: not taken, and all is 0 (whoever
 * is refused has a next_us above 0): open it again. Crash: it was taken, or
 * not. Whoever was stopped inside takes, or is refused, as if at its own
 * now_us; never more than N for that.
 */
void reg_rate_take(struct reg *r, struct reg_candidate_ref client,
		   uint32_t per_minute, uint64_t now_us, struct reg_rate *out);

/* reg_rate_look - how it stands; takes nothing: out->taken is false. */
void reg_rate_look(const struct reg *r, struct reg_candidate_ref client,
		   uint32_t per_minute, uint64_t now_us, struct reg_rate *out);

#endif
