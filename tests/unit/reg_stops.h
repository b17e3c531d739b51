/* SPDX-License-Identifier: MIT */
/*
 * reg_stops.h - whoever only looks, or takes what a dead one left, is overtaken
 * at each of its steps.
 *
 * Built with REG_CRASH_POINTS. What the other one does runs inside the step, in
 * the same process but on a handle of its own: to the library that is the same
 * as a process that was stopped there, and it happens every time.
 */
#ifndef TESTS_UNIT_REG_STOPS_H
#define TESTS_UNIT_REG_STOPS_H

#include "reg_cases.h"
#include "reg_test.h"

#define STEPS_MAX 2000

/* Handles of a round: who is overtaken, by whom, and one more if need be. */
static struct reg *me, *other, *newcomer;
static struct reg_err err;

struct overtaking {
	const char *title;
	void (*prepare)(void);
	void (*meanwhile)(void);
	void (*act)(void);	    /* is overtaken */
	const char *(*judge)(void); /* a complaint, or NULL: all is well */
};

/* One round. Returns a complaint or NULL; *through = nobody overtook. */
static const char *
overtake_at(const struct overtaking *o, long step, bool *through)
{
	const char *complaint;

	case_segment = seg_new();
	me = seg_open(REG_SEGMENT_MIN);
	other = seg_open(0);
	newcomer = NULL;
	o->prepare();
	case_meanwhile = o->meanwhile;
	case_stop = step;
	o->act();
	*through = case_stop > 0;
	case_stop = 0;
	complaint = o->judge();
	if (!complaint && reg_verify(other, &err))
		complaint = err.msg;
	reg_close(newcomer);
	reg_close(other);
	reg_close(me);
	return complaint;
}

UNUSED_OK static void
test_overtaking(const struct overtaking *o)
{
	const char *complaint = NULL;
	bool through = false;
	long step = 0;

	while (!through && !complaint && ++step < STEPS_MAX)
		complaint = overtake_at(o, step, &through);
	ok(!complaint && through && step > 1, "%s, at each of %ld steps",
	   o->title, step - 1);
	if (complaint)
		printf("# step %ld: %s\n", step, complaint);
}

#endif
