/* SPDX-License-Identifier: MIT */
/*
 * test_regdump.c - the program that prints a segment: everything in it appears,
 * payloads only when asked for, and the segment stays as it was.
 *
 * REGDUMP names the program; without it, ./regdump of the build folder is run.
 */
#include "reg_test.h"

static struct reg_err err;
static char output[65536];

/* Runs regdump with arguments; its output is in `output`. Exit status. */
static int
dump(const char *arguments)
{
	const char *program = getenv("REGDUMP");
	char command[600];
	int status;
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), "%s %s 2>&1",
		 program ? program : "./regdump", arguments);
	f = popen(command, "r");
	if (!f)
		return -1;
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
fill(struct reg *r)
{
	const uint64_t key[2] = {0xabcdef, 5};
	struct reg_probe p;
	const struct reg_ejection_rules rules = {2, 5000, 10000};
	struct reg_waiter w = {.queue = 0xaaaa, .client = 0xbbbb, .rank = 2};
	struct reg_candidate_ref c;
	struct reg_rate rate;
	uint32_t index;
	uint64_t pause_ms;

	if (reg_node_put(r, "gpu\\box\n", "secret place", 12, reg_clock_ms(),
			 1000, NULL, &err) ||
	    reg_turn_open(r, "planner", &index, &err) || reg_own(r, &err)) {
		ok(false, "fill: %s", err.msg);
		return;
	}
	reg_turn_next(r, index);
	reg_counter_add(r, 3, 44);
	reg_gauge_add(r, 2, -5);
	lease_take(r, 3);
	reg_once(r, 4, 0xfeed);
	if (reg_probe_begin(r, key, 1000, 10, 10, &p) == REG_PROBE_MINE)
		reg_probe_put(r, key, 1234, 99, 77);
	c = reg_candidate_open(r, key, reg_clock_ms());
	reg_candidate_fail(r, c, &rules, 2, true, reg_clock_ms() - 7000,
			   &pause_ms);
	reg_candidate_try(r, c, reg_clock_ms());
	reg_candidate_busy(r, c, 4321);
	reg_candidate_byte(r, c, 3210);
	reg_wake_fd(r);
	reg_rate_take(r, c, 1, reg_clock_ms() * 1000, &rate);
	w.came_ms = reg_clock_ms() - 3000;
	reg_queue_join(r, &w);
	if (!reg_queue_call(r, &w, reg_clock_ms() - 1000, 10))
		ok(false, "call");
	w.number = 0;
	reg_queue_join(r, &w);
	reg_queue_displace(r, &w);
}

int
main(void)
{
	static const char *const expected[] = {
		"layout=6",
		"row 0 live pid=",
		" generation=1 leases=1 wakes woken c3=44",
		" g2=-5",
		"node 0.1 'gpu\\x5cbox\\x0a'",
		"record 12 bytes",
		"00000000000000030000000000000003 in_flight=1 failures=0",
		"turn 0 'planner'",
		"position=1",
		"checked_ms=1234",
		"result=77",
		"since=99",
		"0000000000abcdef",
		"000000000000feed",
		"0000000000abcdef0000000000000005 in_flight=0 failures=2",
		" ejected pause_ends=-2.",
		" unconnected trial: row=0 until_ms=",
		" busy_until_ms=4321 byte_ms=3210 bucket_full=+",
		("waiter 0.1 waiting row=0 queue=000000000000aaaa "
		 "client=000000000000bbbb rank=2 came=-3."),
		" number=1 called=-1.",
		"waiter 1.1 displaced row=0 queue=000000000000aaaa",
		"every invariant holds",
	};
	char arguments[100];
	uint64_t epoch;
	struct reg *r;

	is_int(dump(""), 2, "regdump: no name -> usage, 2");
	is_int(dump("/reg-test-nothing-here"), 1, "regdump: no segment -> 1");
	ok(strstr(output, "No such file"), "regdump: ... and says so");
	seg_new();
	r = seg_open(REG_SEGMENT_MIN);
	fill(r);
	epoch = reg_epoch(r);
	is_int(dump(seg_name), 0, "regdump: healthy segment -> 0");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		ok(strstr(output, expected[i]), "regdump: prints %s",
		   expected[i]);
	ok(!strstr(output, "secret"), "regdump: payloads stay private");
	snprintf(arguments, sizeof(arguments), "%s --payloads", seg_name);
	is_int(dump(arguments), 0, "regdump: --payloads -> 0");
	ok(strstr(output, "secret place"), "regdump: ... prints them");
	ok(reg_epoch(r) == epoch && reg_rows_live(r) == 1,
	   "regdump: changes nothing, takes no row");
	r->seg->blocks[reg_link_head(r->seg->slots[0].record)].next = 9;
	is_int(dump(seg_name), 1, "regdump: damaged segment -> 1");
	ok(strstr(output, "verify: a block has another owner"),
	   "regdump: ... and says where");
	reg_close(r);
	return done_testing();
}
