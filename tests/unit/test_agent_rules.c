/* SPDX-License-Identifier: MIT */
/* test_agent_rules.c - the decisions of the queues, row by row. */
#include "agent/queue/rules.h"
#include "base/cleanup.h"
#include "tap.h"

#define MAX AG_OVERTAKES_MAX

static void
better_device(void)
{
	static const struct {
		const char *title;
		struct ag_seat a, b;
		bool better;
	} rows[] = {
		{"room -> before fewer requests",
		 {true, 9, 0},
		 {false, 0, 9},
		 true},
		{"no room -> not by fewer requests",
		 {false, 0, 9},
		 {true, 9, 0},
		 false},
		{"both have room, fewer requests -> better",
		 {true, 1, 0},
		 {true, 2, 9},
		 true},
		{"neither has room, fewer requests -> better",
		 {false, 1, 0},
		 {false, 2, 9},
		 true},
		{"more requests -> not by more memory",
		 {true, 2, 9},
		 {true, 1, 0},
		 false},
		{"as many requests, more memory -> better",
		 {true, 1, 9},
		 {true, 1, 8},
		 true},
		{"all the same -> not better, the first one stays",
		 {true, 1, 9},
		 {true, 1, 9},
		 false},
		{"memory is not known -> counts as none",
		 {true, 1, AG_UNKNOWN},
		 {true, 1, 0},
		 false},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		ok(ag_rule_is_better(&rows[i].a, &rows[i].b) == rows[i].better,
		   "rules: better device: %s", rows[i].title);
}

static void
may_run(void)
{
	static const struct {
		const char *title;
		struct ag_turn turn;
		bool may;
	} rows[] = {
		{"ready, room for one more -> runs",
		 {true, 1, 2, false, 0},
		 true},
		{"not ready -> waits", {false, 0, 1, false, 0}, false},
		{"as many run as may -> waits", {true, 2, 2, false, 0}, false},
		{"in the way, one overtake is left -> runs",
		 {true, 0, 1, true, MAX - 1},
		 true},
		{"in the way, none is left -> waits",
		 {true, 0, 1, true, MAX},
		 false},
		{"not in the way, however many passed -> runs",
		 {true, 0, 1, false, MAX},
		 true},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		ok(ag_rule_may_run(&rows[i].turn) == rows[i].may,
		   "rules: next request: %s", rows[i].title);
}

static void
hopeless(void)
{
	static const struct {
		const char *title;
		enum ag_state state;
		bool failing, resident;
		unsigned starts, failures;
		bool hopeless;
	} rows[] = {
		{"stopped -> waited for", AG_STOPPED, false, false, 0, 0,
		 false},
		{"ready -> waited for", AG_READY, false, true, 1, 0, false},
		{"was not ready in time, ends -> refused", AG_STOPPING, true,
		 false, 1, 0, true},
		{"failed to start -> refused", AG_FAILED, false, false, 1, 1,
		 true},
		{"first crash of what ran -> waited for", AG_FAILED, false,
		 true, 1, 1, false},
		{"second crash in a row -> refused", AG_FAILED, false, true, 2,
		 2, true},
		{"preloaded, but never started -> refused", AG_FAILED, false,
		 true, 0, 1, true},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		const struct ag_model m = {
			.state = rows[i].state,
			.failing = rows[i].failing,
			.resident = rows[i].resident,
			.starts = rows[i].starts,
			.backoff.failures = rows[i].failures,
		};

		ok(ag_rule_is_hopeless(&m) == rows[i].hopeless,
		   "rules: hopeless: %s", rows[i].title);
	}
}

static void
elsewhere(void)
{
	static const struct {
		const char *title;
		struct ag_detour d;
		bool goes;
	} rows[] = {
		{"requests run here, the other one is idle -> goes",
		 {false, 1, false, false, {0, 0}},
		 true},
		{"it is the same device -> stays",
		 {true, 1, false, true, {0, 0}},
		 false},
		{"nothing runs here -> stays",
		 {false, 0, false, true, {0, 0}},
		 false},
		{"a model comes or goes there -> stays",
		 {false, 1, true, true, {0, 0}},
		 false},
		{"others wait there -> stays",
		 {false, 1, false, true, {1, 0}},
		 false},
		{"requests run there, no room beside them -> stays",
		 {false, 1, false, false, {0, 1}},
		 false},
		{"requests run there, room beside them -> goes",
		 {false, 1, false, true, {0, 1}},
		 true},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		ok(ag_rule_goes_elsewhere(&rows[i].d) == rows[i].goes,
		   "rules: elsewhere: %s", rows[i].title);
}

static void
make_room(void)
{
	static const struct {
		const char *title;
		struct ag_eviction e;
		enum ag_room_step step;
	} rows[] = {
		{"nobody can go -> wait",
		 {false, false, false, 0, MAX},
		 AG_ROOM_WAIT},
		{"idle -> it goes", {true, false, false, 0, 0}, AG_ROOM_END},
		{"busy, overtakes are left -> wait",
		 {true, false, false, 1, MAX - 1},
		 AG_ROOM_WAIT},
		{"busy, no overtake is left -> it goes",
		 {true, false, false, 1, MAX},
		 AG_ROOM_END},
		{"of its group, not measured -> measure first",
		 {true, true, true, 0, MAX},
		 AG_ROOM_MEASURE},
		{"of its group, measured -> it goes",
		 {true, true, false, 0, 0},
		 AG_ROOM_END},
		{"a stranger, not measured -> it goes",
		 {true, false, true, 0, 0},
		 AG_ROOM_END},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		ok(ag_rule_make_room(&rows[i].e) == rows[i].step,
		   "rules: make room: %s", rows[i].title);
}

int
main(void)
{
	better_device();
	may_run();
	hopeless();
	elsewhere();
	make_room();
	return done_testing();
}
