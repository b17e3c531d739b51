/* SPDX-License-Identifier: MIT */
/*
 * test_memory.c - when memory is given back: as the number of open requests
 * falls, and not while it goes up and down. The seconds and the turns of the
 * loop are made here.
 */
#include "serve/memory.h"
#include "tap.h"

static struct ev_loop *loop;
static struct gw_memory memory;
static unsigned open_now;

static unsigned
open_requests(void *arg)
{
	(void)arg;
	return open_now;
}

static void
begin(void)
{
	gw_memory_stop(&memory);
	memset(&memory, 0, sizeof(memory));
	gw_memory_init(&memory, loop, open_requests, NULL);
	open_now = 0;
}

static bool
watches(void)
{
	return ev_is_active(&memory.look) && ev_is_active(&memory.turn);
}

/* A turn of the loop, in which requests came or went. */
static void
turn(unsigned open)
{
	while (open_now < open)
		gw_memory_note(&memory, ++open_now);
	open_now = open;
	if (watches())
		ev_invoke(loop, &memory.turn, 0);
}

static void
second(void)
{
	if (watches())
		ev_invoke(loop, &memory.look, 0);
}

static void
at_the_end(void)
{
	const unsigned least = GW_MEMORY_FALL_LEAST;

	begin();
	turn(least - 1);
	ok(!watches(), "memory: few requests -> nothing runs");
	turn(least);
	ok(watches(), "memory: one more -> watched");
	second();
	turn(1);
	second();
	is_int(memory.given, 0, "memory: they were open in this second");
	second();
	ok(memory.given == 0 && watches(),
	   "memory: one less than is worth it has gone -> nothing");
	turn(0);
	second();
	second();
	ok(memory.given == 1 && !watches(),
	   "memory: all are gone for a second -> given back, watched no more");
	turn(least);
	ok(watches(), "memory: more again -> watched again");
}

static void
half(void)
{
	begin();
	turn(200);
	second();
	turn(101);
	second();
	second();
	is_int(memory.given, 0, "memory: more than half stay -> nothing");
	turn(100);
	second();
	second();
	ok(memory.given == 1 && watches(), "memory: half stay -> given back");
	second();
	second();
	is_int(memory.given, 1, "memory: once");
	turn(36);
	second();
	second();
	is_int(memory.given, 2, "memory: and at the next fall again");
}

static void
fall(void)
{
	begin();
	turn(1000);
	turn(0);
	is_int(memory.given, 0, "fall: behind a rise -> not at once");
	turn(1000);
	second();
	turn(1000);
	second();
	turn(1000 - GW_MEMORY_BITE + 1);
	is_int(memory.given, 0, "fall: a little less than the last second saw");
	turn(1000 - GW_MEMORY_BITE);
	is_int(memory.given, 1, "fall: by a bite -> given back at once");
	turn(1000 - 2 * GW_MEMORY_BITE + 1);
	is_int(memory.given, 1, "fall: the next bite is not full");
	turn(1000 - 2 * GW_MEMORY_BITE);
	is_int(memory.given, 2, "fall: now it is");
}

static void
up_and_down(void)
{
	begin();
	for (int i = 0; i < 10; i++) {
		turn(1000);
		turn(300);
		turn(1000);
		second();
		turn(300);
	}
	is_int(memory.given, 0,
	       "memory: up and down within seconds -> nothing");
	begin();
	for (int i = 0; i < 10; i++) {
		turn(1000);
		second();
		turn(0);
		second();
	}
	is_int(memory.given, 0, "memory: from one second to the next, too");
}

int
main(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	at_the_end();
	half();
	fall();
	up_and_down();
	gw_memory_stop(&memory);
	ok(!watches(), "memory: stopped");
	ev_loop_destroy(loop);
	return done_testing();
}
