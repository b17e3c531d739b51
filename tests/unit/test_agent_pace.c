/* SPDX-License-Identifier: MIT */
/* test_agent_pace.c - how soon a node may tell its news. */
#include "agent/gateway_line/pace.h"
#include "tap.h"

#define T0 1000000

static void
burst(void)
{
	struct ag_pace p = {0};
	unsigned n = 0;

	for (; n < 2 * AG_PACE_BURST && ag_pace_wait_ms(&p, T0) == 0; n++)
		ag_pace_note(&p, T0);
	is_int(n, AG_PACE_BURST, "pace: so many at once, one more is too many");
	is_int(ag_pace_wait_ms(&p, T0), AG_PACE_EVERY_MS,
	       "pace: ... it waits for its time");
	is_int(ag_pace_wait_ms(&p, T0 + AG_PACE_EVERY_MS - 1), 1,
	       "pace: ... just before");
	is_int(ag_pace_wait_ms(&p, T0 + AG_PACE_EVERY_MS), 0,
	       "pace: ... and then it may");
}

static void
in_the_long_run(void)
{
	struct ag_pace p = {0};
	uint64_t now = T0;
	unsigned n = 0;

	for (; now < T0 + 100 * AG_PACE_EVERY_MS; n++) {
		now += ag_pace_wait_ms(&p, now);
		ag_pace_note(&p, now);
	}
	ok(n >= 100 && n <= 100 + AG_PACE_BURST,
	   "pace: in the long run one in AG_PACE_EVERY_MS (%u in 100)", n);
}

static void
after_a_quiet_time(void)
{
	struct ag_pace p = {0};
	uint64_t later = T0 + 100000;

	for (unsigned i = 0; i < 3 * AG_PACE_BURST; i++)
		ag_pace_note(&p, T0);
	is_int(ag_pace_wait_ms(&p, T0), AG_PACE_EVERY_MS,
	       "pace: those sent too early do not add up");
	for (unsigned i = 0; i < AG_PACE_BURST; i++) {
		ok(ag_pace_wait_ms(&p, later) == 0,
		   "pace: after a quiet time several at once again");
		ag_pace_note(&p, later);
	}
	ok(ag_pace_wait_ms(&p, later) > 0, "pace: ... but no more than that");
}

int
main(void)
{
	burst();
	in_the_long_run();
	after_a_quiet_time();
	return done_testing();
}
