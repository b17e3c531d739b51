/* SPDX-License-Identifier: MIT */
/*
 * reg_cases_node.c - interrupted registrations, heartbeats and removals, and
 * what the places to be interrupted at do.
 */
#include <signal.h>

#include "reg_cases.h"
#include "reg_test.h"

const char *case_segment;
long case_countdown;
int case_signal = SIGKILL;
long case_stop;
void (*case_meanwhile)(void);

static struct reg_err err;

void
reg_crash_point(void)
{
	if (case_countdown && --case_countdown == 0)
		raise(case_signal);
	reg_stop_point();
}

/* Others act at once, as if they had been waiting for this moment. */
void
reg_stop_point(void)
{
	if (case_stop && --case_stop == 0)
		case_meanwhile();
}

static bool
find(const struct reg *r, const char *id, struct reg_node *node)
{
	uint32_t slot = 0;

	while (reg_node_next(r, &slot, node))
		if (strcmp(node->id, id) == 0)
			return true;
	return false;
}

/* The length of a payload when it is whole, 0 = none, -1 = broken. */
static int
length_of(const struct reg *r, const char *id, enum reg_payload which)
{
	struct reg_node node;
	char *bytes;
	size_t len;
	bool whole;

	if (!find(r, id, &node))
		return 0;
	if (reg_node_read(r, node.ref, which, &bytes, &len, &err))
		return -1;
	whole = !bytes || payload_is_whole(bytes, len);
	free(bytes);
	return whole ? (int)len : -1;
}

bool
case_put(struct reg *r, const char *id, size_t len, uint64_t now_ms)
{
	static char bytes[20000];

	payload_make(bytes, len, len);
	return reg_node_put(r, id, bytes, len, now_ms, 1000, NULL, &err) == 0;
}

static bool
touch(struct reg *r, const char *id, size_t len, uint64_t now_ms)
{
	static char bytes[20000];

	payload_make(bytes, len, len);
	return reg_node_touch(r, id, bytes, len, now_ms, &err) == 0;
}

static void
prepare_node(struct reg *r)
{
	case_put(r, "a", 1100, 100);
	touch(r, "a", 700, 100);
}

static bool
run_put_new(struct reg *w)
{
	return case_put(w, "new", 1500, 200);
}

static enum state
look_put_new(const struct reg *r)
{
	int added = length_of(r, "new", REG_RECORD);

	if (length_of(r, "a", REG_RECORD) != 1100 ||
	    length_of(r, "a", REG_STATUS) != 700 ||
	    length_of(r, "new", REG_STATUS) != 0)
		return BROKEN;
	return added == 0 ? BEFORE : added == 1500 ? AFTER : BROKEN;
}

/* The slot was another node's, whose reference somebody still has. */
static void
prepare_removed(struct reg *r)
{
	prepare_node(r);
	if (reg_node_remove(r, "a", &err))
		printf("# remove: %s\n", err.msg);
}

static enum state
look_put_removed(const struct reg *r)
{
	const struct reg_node_ref gone = {0, 1};
	int added = length_of(r, "new", REG_RECORD);
	char *bytes;
	size_t len;

	if (reg_node_seen(r, gone) ||
	    reg_node_read(r, gone, REG_RECORD, &bytes, &len, &err) == 0 ||
	    err.code != REG_NOT_FOUND || length_of(r, "new", REG_STATUS) != 0)
		return BROKEN;
	return added == 0 ? BEFORE : added == 1500 ? AFTER : BROKEN;
}

static bool
run_replace(struct reg *w)
{
	return case_put(w, "a", 1600, 200);
}

static enum state
look_replace(const struct reg *r)
{
	int record = length_of(r, "a", REG_RECORD);
	int status = length_of(r, "a", REG_STATUS);

	if (record == 1100 && status == 700)
		return BEFORE;
	return record == 1600 && status == 0 ? AFTER : BROKEN;
}

static void
prepare_crowd(struct reg *r)
{
	case_put(r, "old", 7000, 100);
	touch(r, "old", 3000, 100);
	case_put(r, "older", 12000, 90);
	case_put(r, "fresh", 7000, 2000);
}

static bool
run_evict(struct reg *w)
{
	/* Done again it finds no room for both: then the first one stands. */
	return case_put(w, "new", 16000, 2000) ||
	       length_of(w, "new", REG_RECORD) == 16000;
}

static enum state
look_evict(const struct reg *r)
{
	int older = length_of(r, "older", REG_RECORD);
	int old = length_of(r, "old", REG_RECORD);
	int added = length_of(r, "new", REG_RECORD);

	if (length_of(r, "fresh", REG_RECORD) != 7000 || older < 0 || old < 0 ||
	    added < 0 || (older && !old))
		return BROKEN;
	if (older && old)
		return added ? BROKEN : BEFORE;
	return added == 16000 && !old ? AFTER : added == 0 ? BETWEEN : BROKEN;
}

static bool
run_status(struct reg *w)
{
	return touch(w, "a", 900, 200);
}

static enum state
look_status(const struct reg *r)
{
	int status = length_of(r, "a", REG_STATUS);

	if (length_of(r, "a", REG_RECORD) != 1100)
		return BROKEN;
	return status == 700 ? BEFORE : status == 900 ? AFTER : BROKEN;
}

static bool
run_touch(struct reg *w)
{
	return reg_node_touch(w, "a", NULL, 0, 200, &err) == 0;
}

static enum state
look_touch(const struct reg *r)
{
	struct reg_node node;
	uint64_t seen_ms;

	if (!find(r, "a", &node) || length_of(r, "a", REG_STATUS) != 700)
		return BROKEN;
	seen_ms = reg_node_seen(r, node.ref);
	return seen_ms == 100 ? BEFORE : seen_ms == 200 ? AFTER : BROKEN;
}

static bool
run_remove(struct reg *w)
{
	return reg_node_remove(w, "a", &err) == 0 || err.code == REG_NOT_FOUND;
}

static enum state
look_remove(const struct reg *r)
{
	int record = length_of(r, "a", REG_RECORD);
	int status = length_of(r, "a", REG_STATUS);

	if (record == 0)
		return AFTER;
	return record == 1100 && status == 700 ? BEFORE : BROKEN;
}

const struct scenario node_scenarios[] = {
	{"put, new node", prepare_node, NULL, run_put_new, look_put_new, true,
	 false},
	{"put, in a removed node's slot", prepare_removed, NULL, run_put_new,
	 look_put_removed, true, false},
	{"put, replacing a node with a status", prepare_node, NULL, run_replace,
	 look_replace, true, false},
	{"put, pushing out two stale nodes", prepare_crowd, NULL, run_evict,
	 look_evict, true, false},
	{"touch with a status", prepare_node, NULL, run_status, look_status,
	 true, false},
	{"touch", prepare_node, NULL, run_touch, look_touch, false, false},
	{"remove", prepare_node, NULL, run_remove, look_remove, true, false},
	{0},
};
