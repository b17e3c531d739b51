/* SPDX-License-Identifier: MIT */
/*
 * test_agent_schedule.c - which model on which device, and which one has to go:
 * the rules of schedule.h, one device full of models after the other.
 */
#include "schedule_fixture.h"

#define MAX AG_OVERTAKES_MAX

/* ---- where to ------------------------------------------------------------ */

static void
chosen_device(void)
{
	struct client *c;

	begin(2);
	gpu0->sample.memory_free_mib = 800;
	gpu1->sample.memory_free_mib = 900;
	c = asks(A);
	ok(waits(c) && model[A].state == AG_STARTING && model[A].device == gpu1,
	   "device: nothing runs -> started where most memory is free");
	is_ready(A, gpu1);
	ok(runs(c) && c->answered == 1,
	   "device: the model is ready -> the request runs, told once");
	c = asks(A);
	ok(waits_at(c, gpu1),
	   "device: one that holds the model is busy -> preferred to an empty "
	   "one");
	end();

	begin(2);
	configs[A].parallel = 2;
	is_ready(A, gpu0);
	is_ready(B, gpu1);
	asks(A);
	asks(A);
	asks(B);
	ok(waits_at(asks(C), gpu1),
	   "device: no room anywhere -> the one with the fewest requests");
	end();
}

static void
room_goes_first(void)
{
	struct client *c;

	begin(2);
	in_group(A, 400);
	in_group(C, 400);
	configs[A].parallel = 3;
	is_ready(A, gpu0);
	is_ready(B, gpu1);
	is_sampled();
	for (int i = 0; i < 3; i++)
		asks(A);
	c = asks(C);
	ok(waits_at(c, gpu0) && model[C].device == gpu0 &&
		   model[B].state == AG_READY,
	   "device: room beside others -> before one with fewer requests");
	end();
}

static void
stay_together(void)
{
	struct client *first, *second;

	begin(2);
	is_ready(B, gpu0);
	is_ready(C, gpu1);
	asks(C);
	first = asks(A);
	ok(waits_at(first, gpu0) && model[B].state == AG_STOPPING,
	   "swap: an idle model in the place -> is ended");
	ends(&clients[0]);
	gpu1->sample.memory_free_mib = 2000;
	second = asks(A);
	ok(waits_at(second, gpu0),
	   "device: others wait for the model -> the same device");
	is_gone(B);
	ok(model[A].state == AG_STARTING && model[A].device == gpu0,
	   "swap: the place is free -> the next model is started");
	end();
}

static void
elsewhere(void)
{
	struct client *b, *c, *again;

	begin(2);
	is_ready(A, gpu0);
	is_ready(B, gpu1);
	asks(A);
	b = asks(B);
	c = asks(C);
	again = asks(C);
	ok(waits_at(c, gpu0) && model[A].state == AG_READY,
	   "elsewhere: both devices are busy -> waits");
	ends(b);
	ok(waits_at(c, gpu1) && waits_at(again, gpu1) &&
		   model[B].state == AG_STOPPING && model[A].state == AG_READY,
	   "elsewhere: another device became free -> all go there");
	is_gone(B);
	is_ready(C, gpu1);
	ok(runs(c) && waits(again) && model[C].device == gpu1,
	   "elsewhere: gone there -> in the order of arrival");
	end();
}

/* ---- grouping ------------------------------------------------------------ */

static void
grouping(void)
{
	struct client *b, *late, *passed[MAX], *first;
	unsigned i;

	begin(1);
	configs[A].parallel = MAX + 2;
	is_ready(A, gpu0);
	first = asks(A);
	b = asks(B);
	for (i = 0; i < MAX; i++)
		passed[i] = asks(A);
	ok(all_run(passed, MAX) && waits(b),
	   "grouping: %d later ones for the loaded model -> pass", MAX);
	late = asks(A);
	ok(waits(late) && model[A].state == AG_DRAINING,
	   "grouping: one more -> waits, and the model drains");
	for (i = 0; i < MAX; i++)
		ends(passed[i]);
	ok(model[A].state == AG_DRAINING && runs(first),
	   "draining: a request runs -> the model is not ended");
	ends(first);
	ok(model[A].state == AG_STOPPING,
	   "draining: the last request ended -> the model is ended");
	is_gone(A);
	ok(model[B].state == AG_STARTING,
	   "swap: the oldest waiter's model -> is the next one");
	is_ready(B, gpu0);
	ok(runs(b) && waits(late), "swap: ready -> the oldest waiter runs");
	ends(b);
	ok(model[B].state == AG_STOPPING,
	   "swap: unused, and another one waits -> ended at once");
	end();
}

static void
overtakes_are_counted_for_one(void)
{
	struct client *b, *c, *passed[MAX];
	unsigned i;

	begin(1);
	configs[A].parallel = 2 * MAX + 2;
	is_ready(A, gpu0);
	asks(A);
	b = asks(B);
	c = asks(C);
	for (i = 0; i < MAX - 1; i++)
		asks(A);
	ends(b);
	for (i = 0; i < MAX - 1; i++)
		passed[i] = asks(A);
	ok(all_run(passed, MAX - 1) && waits(c) && model[A].state == AG_READY,
	   "grouping: the oldest waiter left -> counted anew for the next one");
	asks(A);
	ok(waits(asks(A)) && model[A].state == AG_DRAINING,
	   "grouping: the next one was passed as often -> the model drains");
	end();
}

static void
oldest_first(void)
{
	begin(1);
	is_ready(A, gpu0);
	asks(A);
	asks(B);
	asks(C);
	asks(B);
	ends(&clients[0]);
	is_gone(A);
	ok(model[B].state == AG_STARTING && model[C].state == AG_STOPPED,
	   "swap: two models wait -> the older waiter's is started");
	is_ready(B, gpu0);
	ok(runs(&clients[1]) && waits(&clients[3]),
	   "swap: parallel is 1 -> one of two runs");
	ends(&clients[1]);
	ok(runs(&clients[3]) && model[B].state == AG_READY,
	   "grouping: the younger one of the loaded model -> passes");
	ends(&clients[3]);
	is_gone(B);
	ok(model[C].state == AG_STARTING, "swap: then -> the other one's");
	end();
}

/* ---- groups -------------------------------------------------------------- */

static void
groups(void)
{
	struct client *a, *b, *c;

	begin(1);
	in_group(A, 400);
	in_group(B, 400);
	in_group(C, 400);
	a = asks(A);
	b = asks(B);
	ok(model[A].state == AG_STARTING && model[B].state == AG_STARTING,
	   "groups: memory for both -> both are started");
	is_ready(A, gpu0);
	is_ready(B, gpu0);
	ok(runs(a) && runs(b), "groups: both are ready -> both serve");
	is_sampled();
	c = asks(C);
	ok(waits(c) && model[A].state == AG_READY && model[B].state == AG_READY,
	   "groups: no memory, all are busy -> waits");
	ends(a);
	ok(model[A].state == AG_STOPPING && model[B].state == AG_READY,
	   "groups: one is unused -> it makes room");
	ends(b);
	is_gone(A);
	ok(model[C].state == AG_STARTING && model[B].state == AG_READY,
	   "groups: there is room -> started beside the other");
	end();
}

static void
unused_longest_goes(void)
{
	begin(1);
	in_group(A, 400);
	in_group(B, 400);
	in_group(C, 400);
	is_ready(A, gpu0);
	is_ready(B, gpu0);
	is_sampled();
	model[A].last_used_ms = 20;
	model[B].last_used_ms = 10;
	asks(C);
	ok(model[B].state == AG_STOPPING && model[A].state == AG_READY,
	   "groups: two are unused -> the one unused longest makes room");
	end();
}

static void
measured_first(void)
{
	struct client *c;

	begin(1);
	in_group(A, 400);
	in_group(B, 400);
	in_group(C, 100);
	is_ready(A, gpu0);
	is_ready(B, gpu0);
	is_sampled();
	gpu0->sample.memory_free_mib = 200;
	model[B].since_ms = gpu0->sampled_ms + 1;
	c = asks(C);
	ok(waits(c) && model[A].state == AG_READY &&
		   model[B].state == AG_READY &&
		   devices.max_age_ms == AG_SETTLE_MS,
	   "groups: a new model's memory may be counted twice -> measured "
	   "first");
	gpu0->sample.memory_free_mib = 150;
	is_sampled();
	ok(model[C].state == AG_STARTING && model[C].device == gpu0,
	   "groups: measured, there is room after all -> nobody goes");
	end();
}

static void
beside_is_not_in_the_way(void)
{
	struct client *a, *b;

	begin(1);
	in_group(A, 400);
	in_group(B, 400);
	configs[A].parallel = 3 * MAX;
	is_ready(A, gpu0);
	is_sampled();
	asks(A);
	b = asks(B);
	for (unsigned i = 0; i <= MAX; i++)
		a = asks(A);
	ok(runs(a) && waits(b) && model[B].state == AG_STARTING &&
		   model[A].state == AG_READY,
	   "groups: the oldest waiter's model loads beside -> nobody is in its "
	   "way");
	is_ready(B, gpu0);
	gpu0->sample.memory_free_mib = 200; /* as both are there */
	is_sampled();
	b = asks(B);
	for (unsigned i = 0; i <= MAX; i++)
		a = asks(A);
	ok(runs(a) && waits(b) && model[A].state == AG_READY,
	   "groups: the oldest waiter's model is there, busy -> nobody is in "
	   "its way");
	end();
}

static void
nobody_takes_the_place(void)
{
	struct client *c, *d;

	begin(1);
	in_group(A, 400);
	in_group(B, 400);
	in_group(C, 400);
	in_group(D, 100);
	is_ready(A, gpu0);
	is_ready(B, gpu0);
	is_sampled();
	asks(A);
	asks(B);
	c = asks(C);
	d = asks(D);
	ok(waits(c) && waits(d) && model[D].state == AG_STOPPED,
	   "groups: a later, smaller model -> does not take the place an older "
	   "one waits for");
	end();
}

/* ---- starts that are not worth it ---------------------------------------- */

static void
loading_is_given_up(void)
{
	struct client *a, *b;

	begin(1);
	a = asks(A);
	ends(a);
	ok(model[A].state == AG_STARTING,
	   "loading: nobody waits, nobody else wants the device -> goes on");
	b = asks(B);
	ok(model[A].state == AG_STOPPING && waits(b),
	   "loading: nobody waits, another model is wanted -> ended");
	is_gone(A);
	ok(model[B].state == AG_STARTING, "loading: then -> the other one");
	end();

	begin(1);
	asks(A);
	asks(B);
	ok(model[A].state == AG_STARTING,
	   "loading: somebody waits for it -> goes on");
	end();

	begin(1);
	model[A].resident = true;
	ag_model_start(&model[A], gpu0);
	asks(B);
	ok(model[A].state == AG_STARTING,
	   "loading: it comes back after a crash -> goes on");
	end();
}

static void
cannot_be_started(void)
{
	struct client *b;

	begin(1);
	is_ready(A, gpu0);
	broken[B] = true;
	b = asks(B);
	ok(model[A].state == AG_READY && model[B].state == AG_FAILED &&
		   is_refused(b, GW_ERR_MODEL_START_FAILED),
	   "swap: the next model cannot be started -> takes nobody's place");
	end();
}

/* ---- preload, unused ----------------------------------------------------- */

static void
preload(void)
{
	begin(2);
	for (size_t i = 0; i < N_MODELS; i++)
		configs[i].preload = model[i].resident = true;
	configs[D].preload = false;
	ag_model_enter(&model[B], AG_FAILED, "no file");
	ag_scheduler_preload(s);
	settle();
	ok(model[A].state == AG_STARTING && model[A].device == gpu0 &&
		   model[C].state == AG_STARTING && model[C].device == gpu1,
	   "preload: empty devices -> one model each");
	ok(model[B].state == AG_FAILED && model[D].state == AG_STOPPED,
	   "preload: failed already, not to be preloaded -> not started");
	end();

	begin(1);
	for (size_t i = 0; i < N_MODELS; i++)
		configs[i].preload = model[i].resident = true;
	in_group(A, 400);
	in_group(C, 400);
	ag_scheduler_preload(s);
	settle();
	ok(model[A].state == AG_STARTING && model[C].state == AG_STARTING &&
		   model[B].state == AG_STOPPED,
	   "preload: one device -> those that fit beside each other");
	ok(model[A].resident && !model[B].resident,
	   "preload: no room -> does not come back by itself");
	ok(!ag_scheduler_room_for(s, &model[B]),
	   "room: the device is taken by a stranger -> none");
	end();
}

static void
unused(void)
{
	struct client *a;

	begin(1);
	is_ready(A, gpu0);
	ok(!ev_is_active(&model[A].idle),
	   "idle: idle_unload_s is 0 -> stays for ever");
	config.idle_unload_ms = 1;
	a = asks(A);
	ok(!ev_is_active(&model[A].idle), "idle: a request runs -> no timer");
	ends(a);
	ok(ev_is_active(&model[A].idle) || model[A].state == AG_STOPPING,
	   "idle: the last request ended -> a timer");
	for (unsigned i = 0; i < TURNS_MAX && ev_is_active(&model[A].idle); i++)
		ev_run(loop, EVRUN_ONCE);
	ok(model[A].state == AG_STOPPING &&
		   strcmp(model[A].reason, "unused for idle_unload_s") == 0,
	   "idle: unused for that long -> ended");
	end();

	begin(1);
	config.idle_unload_ms = 3600000;
	is_ready(A, gpu0);
	a = asks(A);
	ends(a);
	arrives(A);
	ok(!ev_is_active(&model[A].idle),
	   "idle: used again -> the timer stops");
	ends(&clients[1]);
	crashes(A);
	ok(!ev_is_active(&model[A].idle), "idle: it is gone -> no timer");
	end();
}

/* The files of a model are looked for, off the loop. */
static void
looked_for_first(void)
{
	struct client *a, *b;

	begin(1);
	looked_for[A] = true;
	a = asks(A);
	b = asks(B);
	ok(waits(a) && waits(b) && model[A].state == AG_STOPPED &&
		   model[B].state == AG_STOPPED,
	   "files: looked for since a moment -> later ones wait");
	looked_for[A] = false;
	ag_scheduler_wake(s);
	settle();
	ok(model[A].state == AG_STARTING && model[B].state == AG_STOPPED,
	   "files: there -> started before later ones");
	end();

	begin(1);
	is_ready(B, gpu0);
	looked_for[A] = true;
	asks(A);
	ok(model[B].state == AG_READY,
	   "files: not known to be there -> nobody has to go");
	end();
}

static void
hanging(void)
{
	unsigned passed = 0;

	begin(1);
	is_ready(B, gpu0);
	out_of_reach[A] = true;
	asks(A);
	for (int i = 0; i < 2 * MAX; i++) {
		struct client *b = asks(B);

		passed += runs(b);
		ends(b);
	}
	ok(passed == 2 * MAX && model[B].state == AG_READY,
	   "files: the file system hangs -> any number may pass");
	end();

	begin(1);
	out_of_reach[A] = true;
	asks(A);
	asks(B);
	ok(model[A].state == AG_STOPPED && model[B].state == AG_STARTING,
	   "files: the file system hangs -> later ones are started");
	end();
}

int
main(void)
{
	looked_for_first();
	hanging();
	chosen_device();
	room_goes_first();
	stay_together();
	elsewhere();
	grouping();
	overtakes_are_counted_for_one();
	oldest_first();
	groups();
	unused_longest_goes();
	measured_first();
	beside_is_not_in_the_way();
	nobody_takes_the_place();
	loading_is_given_up();
	cannot_be_started();
	preload();
	unused();
	return done_testing();
}
