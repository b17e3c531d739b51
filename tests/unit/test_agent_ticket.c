/* SPDX-License-Identifier: MIT */
/*
 * test_agent_ticket.c - a request's ticket: granted in which order, refused
 * with which error, rescued, and given back at any moment.
 */
#include "schedule_fixture.h"

static bool
is_not_taken(const struct client *c, enum gw_code code)
{
	return !c->ticket && c->err.code == code && c->answered == 0;
}

/* ---- granted ------------------------------------------------------------- */

static void
parallel(void)
{
	struct client *c[4], *late;

	begin(1);
	configs[A].parallel = 2;
	is_ready(A, gpu0);
	for (int i = 0; i < 4; i++)
		c[i] = arrives(A);
	ok(all_run(c, 2) && c[0]->answered == 0,
	   "ticket: nothing stands against it -> granted at once, nobody is "
	   "called");
	settle();
	ok(waits(c[2]) && waits(c[3]) && model[A].running == 2 &&
		   model[A].waiting == 2,
	   "parallel: as many run as may -> the others wait");
	leave(c[0], false);
	late = arrives(A);
	ok(waits(late), "ticket: earlier ones wait -> does not pass them");
	settle();
	ok(runs(c[2]) && c[2]->answered == 1 && waits(c[3]) && waits(late),
	   "parallel: one ended -> the oldest one runs");
	ends(c[1]);
	ok(runs(c[3]) && waits(late), "parallel: another one -> the next one");
	ok(model[A].running == 2 && model[A].waiting == 1,
	   "ticket: granted -> counted as running, not as waiting");
	end();
	ok(model[A].running == 0 && model[A].waiting == 0,
	   "ticket: all are given back -> nothing runs or waits");
}

static void
load(void)
{
	struct ag_load l;

	begin(2);
	in_group(A, 100);
	in_group(B, 100);
	is_ready(A, gpu0);
	is_ready(B, gpu0);
	is_sampled();
	asks(A);
	asks(A);
	asks(B);
	l = ag_scheduler_load(s, gpu0);
	ok(l.running == 2 && l.waiting == 1,
	   "load: two models of a device -> their requests");
	l = ag_scheduler_load(s, gpu1);
	ok(l.running == 0 && l.waiting == 0, "load: an empty device -> none");
	l = ag_scheduler_load(NULL, gpu0);
	ok(l.running == 0 && l.waiting == 0,
	   "load: the devices are not known yet -> none");
	end();
}

static void
in_doubt(void)
{
	struct client *first, *next;

	begin(1);
	is_ready(A, gpu0);
	first = asks(A);
	next = asks(A);
	leave(first, true);
	settle();
	ok(doubts[A] == 1 && waits(next),
	   "doubt: a connection broke -> no request begins");
	model[A].doubtful = false;
	ag_scheduler_wake(s);
	settle();
	ok(runs(next), "doubt: it answers again -> the next one runs");
	ends(next);
	ok(doubts[A] == 1, "doubt: an orderly end -> none");
	end();
}

/* ---- refused ------------------------------------------------------------- */

static void
queue_full(void)
{
	struct client *b, *other;

	begin(2);
	configs[A].parallel = 2;
	is_ready(A, gpu0);
	is_ready(C, gpu1);
	asks(A);
	asks(C);
	asks(C);
	config.max_pending = 2;
	b = asks(B);
	ok(waits_at(b, gpu0), "queue: one less than may -> waits");
	asks(B);
	b = asks(B);
	ok(is_not_taken(b, GW_ERR_DEVICE_QUEUE_FULL) &&
		   strstr(b->err.msg, "device gpu:0") &&
		   strstr(b->err.msg, "max_pending_per_device = 2"),
	   "queue: as many wait as may -> refused, told device and limit");
	ok(runs(asks(A)), "queue: full, but it can run at once -> runs");
	other = asks(C);
	ok(waits_at(other, gpu1), "queue: another device -> its own limit");
	end();
}

static void
failed_start(void)
{
	struct client *a, *again, *soon;

	begin(1);
	a = asks(A);
	again = asks(A);
	soon = asks(A);
	again->leaves = true;
	model[A].resident = false;
	crashes(A);
	ok(is_refused(a, GW_ERR_MODEL_START_FAILED) &&
		   is_refused(soon, GW_ERR_MODEL_START_FAILED) &&
		   strcmp(a->ticket->err.msg, "crashed") == 0,
	   "refused: the start failed -> all are told why");
	ok(again->answered == 1 && !again->ticket && model[A].waiting == 0,
	   "ticket: given back while it is answered -> fine");
	a = asks(A);
	ok(is_not_taken(a, GW_ERR_MODEL_START_FAILED) &&
		   a->err.retry_after_s > 0 && a->err.retry_after_s <= 60,
	   "refused: it has failed -> at once, told when to try again");
	model[A].failing = true;
	model[A].state = AG_STOPPING;
	gw_err_set(&model[A].error, GW_ERR_MODEL_START_TIMEOUT, 0, "late");
	a = asks(A);
	ok(is_not_taken(a, GW_ERR_MODEL_START_TIMEOUT) &&
		   a->err.retry_after_s == 0,
	   "refused: it was not ready in time and ends -> at once");
	end();
}

static void
crash(void)
{
	struct client *a;

	begin(1);
	is_ready(A, gpu0);
	crashes(A);
	a = asks(A);
	ok(waits(a), "crash: the first one of what ran -> waited for");
	ag_model_start(&model[A], gpu0);
	settle();
	ok(waits(a), "crash: it is started again -> waits");
	crashes(A);
	ok(is_refused(a, GW_ERR_MODEL_START_FAILED),
	   "crash: a second one in a row -> refused");
	end();
}

/* ---- rescued ------------------------------------------------------------- */

static void
stranded(void)
{
	struct client *first, *second, *third;

	begin(2);
	is_ready(B, gpu0);
	is_ready(C, gpu1);
	asks(B);
	asks(C);
	asks(C);
	first = asks(A);
	second = asks(A);
	ok(waits_at(first, gpu0) && waits_at(second, gpu0),
	   "stranded: wait at the first device");
	gpu0->missing = true;
	is_sampled();
	ok(waits_at(first, gpu1) && waits_at(second, gpu1),
	   "stranded: the device is gone -> wait at the other one");
	gpu1->missing = true;
	is_sampled();
	ok(is_refused(first, GW_ERR_NO_DEVICE) &&
		   is_refused(second, GW_ERR_NO_DEVICE) &&
		   model[A].state == AG_FAILED,
	   "stranded: no device is left -> refused, the model is failed");
	third = asks(D);
	ok(is_not_taken(third, GW_ERR_NO_DEVICE) && model[D].state == AG_FAILED,
	   "stranded: no device from the start -> refused at once");
	end();
}

static void
comes_up_elsewhere(void)
{
	struct client *first, *b, *last;
	const struct ag_ticket *t;

	begin(2);
	is_ready(C, gpu0);
	is_ready(D, gpu1);
	asks(C);
	asks(D);
	first = asks(A);
	b = asks(B);
	last = asks(A);
	ok(waits_at(first, gpu0) && waits_at(b, gpu1) && waits_at(last, gpu0),
	   "elsewhere: two models, two devices -> wait apart");
	ag_model_start(&model[A], gpu1); /* after a crash, by itself */
	settle();
	ok(waits_at(first, gpu1) && waits_at(last, gpu1),
	   "elsewhere: the model comes up on another device -> wait there");
	t = TAILQ_FIRST(&b->ticket->queue->waiting);
	ok(t == first->ticket && TAILQ_NEXT(t, link) == b->ticket &&
		   TAILQ_NEXT(b->ticket, link) == last->ticket,
	   "elsewhere: from another queue -> in the order of arrival");
	is_ready(A, gpu1);
	ok(runs(first) && waits(b) && waits(last),
	   "elsewhere: it is ready -> the first one runs");
	end();
}

/* ---- given back ---------------------------------------------------------- */

static void
dropped(void)
{
	struct client *a, *b, *c;

	begin(1);
	ag_ticket_drop(s, NULL, true);
	ok(!ev_is_active(&s->run), "dropped: no ticket -> nothing happens");
	is_ready(A, gpu0);
	asks(A);
	b = asks(B);
	c = asks(C);
	a = asks(A);
	ok(ag_scheduler_load(s, gpu0).waiting == 3, "dropped: three wait");
	ends(b);
	ok(ag_scheduler_load(s, gpu0).waiting == 2 && model[B].waiting == 0 &&
		   waits(c) && waits(a),
	   "dropped: one left the queue -> the others stay");
	ends(&clients[0]);
	ok(runs(a), "dropped: one that ran -> its place is free");
	ends(a);
	is_gone(A);
	ok(model[B].state == AG_STOPPED && model[C].state == AG_STARTING,
	   "dropped: the oldest waiter left -> the next one's model is next");
	end();
}

int
main(void)
{
	parallel();
	load();
	in_doubt();
	queue_full();
	failed_start();
	crash();
	stranded();
	comes_up_elsewhere();
	dropped();
	return done_testing();
}
