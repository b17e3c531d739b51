/* SPDX-License-Identifier: MIT */
/*
 * probe.c - runs: several targets asked at once, one answer to the asker.
 * What it means to probe is in prober.c; a run only counts and keeps time.
 */
#include "probe/probe.h"

#include <errno.h>
#include <ev.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "config/config.h"

#define GRACE_MS 1000

struct place {
	struct gw_probe_waiter waiter;
	struct gw_probe_run *run;
	struct gw_probe_outcome outcome;
};

struct gw_probe_run {
	struct gw_prober *prober;
	struct gw_probe_limits limits;
	size_t pending;
	bool waiting; /* all were asked; on_done is still to be called */
	void (*on_done)(void *arg);
	void *arg;
	ev_timer renewed; /* what is still asked about may be old */
	bool looked;	  /* it has fired once */
	bool any;	  /* one reachable target is enough */
	ev_timer deadline;
	size_t n;
	struct place places[];
};

static void
stop_timers(struct gw_probe_run *run)
{
	struct ev_loop *loop = gw_prober_loop(run->prober);

	ev_timer_stop(loop, &run->renewed);
	ev_timer_stop(loop, &run->deadline);
}

/* @run may be gone afterwards. */
static void
tell(struct gw_probe_run *run)
{
	stop_timers(run);
	run->waiting = false;
	run->on_done(run->arg);
}

static void
on_answer(struct gw_probe_waiter *w, struct gw_probe_outcome outcome)
{
	/* `waiter` is the first member. */
	struct place *place = (struct place *)w;

	place->outcome = outcome;
	if (--place->run->pending == 0 && place->run->waiting)
		tell(place->run);
}

_Static_assert(offsetof(struct place, waiter) == 0, "on_answer casts");

/* What nobody could find out until now counts as unreachable this time. */
static void
give_up(struct gw_probe_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		struct place *place = &run->places[i];

		if (!place->waiter.job)
			continue;
		gw_prober_leave(run->prober, &place->waiter);
		place->outcome.result = gw_probe_result_not_in_time();
		place->outcome.since_wall_s = gw_wall_s();
	}
	run->pending = 0;
	tell(run);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	give_up(t->data);
}

static bool
has_reachable(const struct gw_probe_run *run)
{
	for (size_t i = 0; i < run->n; i++)
		if (!run->places[i].waiter.job &&
		    gw_probe_is_reachable(run->places[i].outcome.result))
			return true;
	return false;
}

/* After a process stood still, answers may wait in its sockets: they come
 * before the second look. */
static void
on_renewed(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct gw_probe_run *run = t->data;

	(void)revents;
	if (!run->looked) {
		run->looked = true;
		ev_timer_set(t, 0., 0.);
		ev_timer_start(loop, t);
		return;
	}
	for (size_t i = 0; i < run->n; i++) {
		struct place *place = &run->places[i];

		run->pending -= place->waiter.job &&
				gw_prober_settle(run->prober, &place->waiter,
						 &place->outcome);
	}
	if (run->pending == 0)
		tell(run);
	else if (run->any && has_reachable(run))
		give_up(run);
}

struct gw_probe_run *
gw_probe_run_new(struct gw_prober *p, const struct gw_config *config, size_t n,
		 void (*on_done)(void *arg), void *arg, struct gw_err *err)
{
	struct gw_probe_run *run =
		calloc(1, sizeof(*run) + n * sizeof(run->places[0]));

	if (!run) {
		gw_err_set(err, GW_ERR_INTERNAL, ENOMEM,
			   "out of memory for probes");
		return NULL;
	}
	run->prober = p;
	run->limits.timeout_ms = config->gateway.probe_timeout_ms;
	run->limits.ttl_ms = config->gateway.probe_ttl_ms;
	run->on_done = on_done;
	run->arg = arg;
	run->n = n;
	ev_timer_init(&run->renewed, on_renewed, GW_PROBE_RENEW_MS / 1000.0,
		      0.);
	ev_timer_init(&run->deadline, on_deadline,
		      (2.0 * run->limits.timeout_ms + GRACE_MS) / 1000.0, 0.);
	run->renewed.data = run->deadline.data = run;
	for (size_t i = 0; i < n; i++) {
		run->places[i].run = run;
		run->places[i].waiter.answer = on_answer;
	}
	return run;
}

void
gw_probe_run_any(struct gw_probe_run *run)
{
	run->any = true;
}

void
gw_probe_run_ask(struct gw_probe_run *run, size_t i,
		 const struct gw_probe_target *target)
{
	struct place *place = &run->places[i];

	run->pending += !gw_prober_ask(run->prober, target, run->limits,
				       &place->waiter, &place->outcome);
}

void
gw_probe_run_recall(struct gw_probe_run *run, size_t i,
		    const struct gw_probe_target *target)
{
	struct gw_probe_outcome *o = &run->places[i].outcome;

	if (gw_prober_recall(run->prober, target, o))
		return;
	o->result = gw_probe_result_not_in_time();
	o->since_wall_s = gw_wall_s();
}

void
gw_probe_run_wait(struct gw_probe_run *run)
{
	if (run->pending == 0)
		return;
	run->waiting = true;
	ev_timer_start(gw_prober_loop(run->prober), &run->renewed);
	ev_timer_start(gw_prober_loop(run->prober), &run->deadline);
}

bool
gw_probe_run_is_done(const struct gw_probe_run *run)
{
	return run->pending == 0;
}

struct gw_probe_outcome
gw_probe_run_outcome(const struct gw_probe_run *run, size_t i)
{
	return run->places[i].outcome;
}

void
gw_probe_run_free(struct gw_probe_run *run)
{
	if (!run)
		return;
	stop_timers(run);
	for (size_t i = 0; i < run->n; i++)
		gw_prober_leave(run->prober, &run->places[i].waiter);
	free(run);
}
