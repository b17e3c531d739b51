/* SPDX-License-Identifier: MIT */
/*
 * test_nodes.c - this process's view of the registry: what it parses again,
 * in which order candidates come, and which of them count.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "internal.h" /* of shm: to damage it */
#include "nodes/node_view.h"
#include "nodes/role_lists.h"
#include "tap.h"

#define STALE_MS 1000
#define NOW 1000000

static struct reg *reg;
static struct gw_node_view *view;

static void
fatal(const char *what, const struct reg_err *err)
{
	printf("Bail out! %s: %s\n", what, err->msg);
	exit(1);
}

/* @models: the JSON list */
static void
put(const char *id, const char *models, uint64_t now_ms)
{
	char text[1024];
	struct reg_err err = {0};

	snprintf(text, sizeof(text),
		 "{\"node_id\":\"%s\",\"base_url\":\"http://%s\","
		 "\"served_models\":%s}",
		 id, id, models);
	if (reg_node_put(reg, id, text, strlen(text), now_ms, STALE_MS, NULL,
			 &err) < 0)
		fatal("put", &err);
}

static void
touch(const char *id, const char *status, uint64_t now_ms)
{
	struct reg_err err = {0};

	if (reg_node_touch(reg, id, status, status ? strlen(status) : 0, now_ms,
			   &err) < 0)
		fatal("touch", &err);
}

/* Called once, at the end of the next walk over all nodes. */
static void (*behind_walk)(void);

bool __real_reg_node_next(const struct reg *r, uint32_t *slot,
			  struct reg_node *out);
bool __wrap_reg_node_next(const struct reg *r, uint32_t *slot,
			  struct reg_node *out);

bool
__wrap_reg_node_next(const struct reg *r, uint32_t *slot, struct reg_node *out)
{
	void (*act)(void) = behind_walk;
	bool found = __real_reg_node_next(r, slot, out);

	if (!found && act) {
		behind_walk = NULL;
		act();
	}
	return found;
}

/* The candidates of a role as "node/model node/model". */
static const char *
fresh(const char *role, uint64_t now_ms)
{
	static char text[512];
	const struct gw_candidate *c;
	size_t n = gw_node_view_fresh(view, role, now_ms, &c), used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s%s/%s", i ? " " : "",
					 c[i].node->doc->node_id,
					 c[i].model->model_id);
	return text;
}

static const struct gw_node *
node(const char *id)
{
	const struct gw_node *n;
	uint32_t slot = 0;

	while ((n = gw_node_view_next(view, &slot)))
		if (strcmp(n->doc->node_id, id) == 0)
			return n;
	return NULL;
}

#define A_B "[{\"model_id\":\"x\",\"roles\":[\"a\",\"b\"]}]"
#define TWO                                                                    \
	"[{\"model_id\":\"y\",\"roles\":[\"a\"]},"                             \
	"{\"model_id\":\"z\",\"roles\":[\"b\",\"a\"]}]"

static void
candidates(void)
{
	is_str(fresh("a", NOW), "", "view: an empty registry has none");
	put("n1", A_B, NOW);
	put("n2", TWO, NOW);
	is_str(fresh("a", NOW), "n1/x n2/y n2/z",
	       "view: slot order, then models; a node may offer several");
	is_str(fresh("b", NOW), "n1/x n2/z", "view: only models of the role");
	is_str(fresh("c", NOW), "", "view: unknown role -> none");
	put("n3", A_B, NOW);
	is_str(fresh("b", NOW), "n1/x n2/z n3/x",
	       "view: a new node is seen at once");
}

static void
freshness(void)
{
	struct gw_role_count count;

	touch("n2", NULL, NOW + 500);
	is_str(fresh("b", NOW + STALE_MS - 1), "n1/x n2/z n3/x",
	       "view: just younger than the limit -> fresh");
	is_str(fresh("b", NOW + STALE_MS), "n2/z",
	       "view: at the limit -> stale, no candidate");
	gw_node_view_count(view, "b", NOW + STALE_MS, &count);
	ok(count.nodes == 3 && count.fresh == 1 && count.candidates == 1 &&
		   count.newest_seen_ms == NOW + 500,
	   "view: counts say why");
	ok(node("n1") && !gw_node_is_fresh(view, node("n1"), NOW + 9999),
	   "view: a stale node stays visible");
	touch("n1", NULL, NOW + STALE_MS);
	is_str(fresh("b", NOW + STALE_MS), "n1/x n2/z",
	       "view: a sign of life makes it a candidate again");
}

static void
parses_only_what_changed(void)
{
	const struct gw_node_doc *before, *other;

	gw_node_view_refresh(view);
	before = node("n1")->doc;
	other = node("n2")->doc;
	touch("n1", "{\"load\":1}", NOW);
	gw_node_view_refresh(view);
	ok(node("n1")->doc == before, "view: new status, same document");
	ok(node("n1")->status, "view: the status is parsed");
	put("n1", A_B, NOW);
	gw_node_view_refresh(view);
	ok(node("n2")->doc == other, "view: other nodes are not parsed again");
	ok(!node("n1")->status, "view: a replaced node has lost its status");
}

static void
failed_models(void)
{
	struct gw_role_count count;

	touch("n2", "{\"models\":{\"z\":{\"state\":\"failed\"}}}", NOW);
	is_str(fresh("a", NOW), "n1/x n2/y n3/x",
	       "view: a failed model is no candidate, its neighbour is");
	gw_node_view_count(view, "b", NOW, &count);
	ok(count.nodes == 3 && count.candidates == 2,
	   "view: a failed model is counted out");
	touch("n2", NULL, NOW);
	is_str(fresh("b", NOW), "n1/x n3/x",
	       "view: a heartbeat without metrics changes nothing");
	touch("n2", "{\"models\":{\"z\":{\"state\":\"ready\"}}}", NOW);
	is_str(fresh("b", NOW), "n1/x n2/z n3/x",
	       "view: another state -> candidate again");
}

/* The model's phase, its slots and "!" when it would push another one out. */
static const char *
told(const char *id, size_t model)
{
	static char text[64];
	const struct gw_node *n;
	const struct gw_model_state *s;

	gw_node_view_refresh(view);
	n = node(id);
	s = &n->states[model];
	snprintf(text, sizeof(text), "%d/%u%s%s", s->state, s->parallel,
		 s->evicts ? "!" : "", s->told ? "" : "?");
	return text;
}

static void
told_states(void)
{
	touch("n2",
	      "{\"models\":{\"z\":{\"state\":\"ready\",\"parallel\":4},"
	      "\"y\":{\"state\":\"stopped\",\"parallel\":2,"
	      "\"evicts\":true}}}",
	      NOW);
	is_str(told("n2", 0), "1/2!", "view: what was told of a model");
	is_str(told("n2", 1), "3/4", "view: ... and of the next one");
	is_str(told("n1", 0), "0/0?", "view: a node that tells no states");
	put("n2", A_B, NOW);
	is_str(told("n2", 0), "0/0?",
	       "view: registered anew, with fewer models -> nothing is told");
	put("n2", TWO, NOW);
	touch("n2", "{\"models\":{\"y\":{\"state\":\"ready\"}}}", NOW);
	is_str(told("n2", 0), "3/0", "view: ... and with more of them again");
	is_str(told("n2", 1), "0/0?", "view: a model that was not named");
	touch("n2", NULL, NOW);
	is_str(told("n2", 0), "3/0",
	       "view: a heartbeat without metrics takes nothing back");
}

static void
odd_status(void)
{
	static const char *const texts[] = {
		"{}",
		"[1]",
		"nonsense",
		"{\"models\":[]}",
		"{\"models\":{\"z\":5}}",
		"{\"models\":{\"z\":{}}}",
		"{\"models\":{\"z\":{\"state\":7}}}",
		"{\"models\":{\"other\":{\"state\":\"failed\"}}}",
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(texts); i++) {
		touch("n2", texts[i], NOW);
		is_str(fresh("b", NOW), "n1/x n2/z n3/x", texts[i]);
	}
}

static void
changes(void)
{
	struct reg_err err = {0};

	put("n2", "[{\"model_id\":\"w\",\"roles\":[\"c\"]}]", NOW);
	is_str(fresh("b", NOW), "n1/x n3/x",
	       "view: replaced -> old roles gone");
	is_str(fresh("c", NOW), "n2/w", "view: replaced -> new roles there");
	if (reg_node_remove(reg, "n1", &err) < 0)
		fatal("remove", &err);
	is_str(fresh("b", NOW), "n3/x", "view: deregistered -> gone at once");
	ok(!node("n1"), "view: deregistered -> not there any more");
	put("n4", A_B, NOW);
	is_str(fresh("b", NOW), "n4/x n3/x",
	       "view: order is the slots', also when one is used again");
	if (reg_node_put(reg, "n5", "{broken", 7, NOW, STALE_MS, NULL, &err) <
	    0)
		fatal("put", &err);
	is_str(fresh("b", NOW), "n4/x n3/x",
	       "view: a damaged record is left out");
	is_int((long long)gw_node_age_ms(view, node("n3"), NOW + 7), 7,
	       "view: age of a node");
	is_int((long long)gw_node_age_ms(view, node("n3"), NOW - 7), 0,
	       "view: a clock that is behind gives age 0");
}

static void
someone_registers(void)
{
	put("late", "[{\"model_id\":\"l\",\"roles\":[\"late\"]}]", NOW);
}

static void
change_behind_the_walk(void)
{
	behind_walk = someone_registers;
	put("n3", A_B, NOW);
	is_str(fresh("late", NOW), "",
	       "view: registered while it is refreshed -> not yet there");
	is_str(fresh("late", NOW), "late/l", "view: ... but the next time");
}

/* More roles than buckets: some share one with those that are there. */
static void
many_roles(void)
{
	unsigned strangers = 0;
	char role[16];

	fresh("a", NOW);
	fresh("b", NOW);
	for (int i = 0; i < 512; i++) {
		snprintf(role, sizeof(role), "role-%d", i);
		strangers += *fresh(role, NOW) != '\0';
	}
	is_int(strangers, 0, "view: no role gets the nodes of another");
}

/* The block behind the first of a payload: a walk does not look at it. */
static _Atomic uint32_t *
owner_of_second(const char *id, enum reg_payload which)
{
	struct reg_slot *slot = &reg->seg->slots[node(id)->reg.ref.slot];
	uint64_t link = which == REG_RECORD ? slot->record : slot->status;
	uint32_t first = reg_link_head(link);

	return &reg->seg->blocks[reg->seg->blocks[first].next].owner;
}

#define LONG_ID "an-id-of-some-length"

static void
put_long(const char *role)
{
	char models[1000];
	size_t n = (size_t)snprintf(models, sizeof(models),
				    "[{\"model_id\":\"m\",\"roles\":[\"%s\"",
				    role);

	for (int i = 0; i < 14; i++)
		n += (size_t)snprintf(models + n, sizeof(models) - n,
				      ",\"%040d\"", i);
	snprintf(models + n, sizeof(models) - n, "]}]");
	put(LONG_ID, models, NOW);
}

static void
touch_long(const char *state)
{
	char status[900];

	snprintf(status, sizeof(status),
		 "{\"models\":{\"m\":{\"state\":\"%s\"}},\"x\":\"%0600d\"}",
		 state, 0);
	touch(LONG_ID, status, NOW);
}

/* What cannot be read now is read as soon as it can be, without a change. */
static void
unreadable(void)
{
	_Atomic uint32_t *owner;
	uint32_t kept;

	put_long("old");
	touch_long("ready");
	is_str(fresh("old", NOW), LONG_ID "/m", "view: a node of long texts");
	touch_long("failed");
	gw_node_view_refresh(view);
	is_str(fresh("old", NOW), "", "view: its model has failed");
	touch_long("ready");
	owner = owner_of_second(LONG_ID, REG_STATUS);
	kept = atomic_exchange(owner, 0);
	is_str(fresh("old", NOW), "",
	       "view: a status that cannot be read -> as it was");
	atomic_store(owner, kept);
	is_str(fresh("old", NOW), LONG_ID "/m",
	       "view: it can be read again -> the new one");
	put_long("new");
	owner = owner_of_second(LONG_ID, REG_RECORD);
	kept = atomic_exchange(owner, 0);
	is_str(fresh("old", NOW), LONG_ID "/m",
	       "view: a record that cannot be read -> as it was");
	atomic_store(owner, kept);
	is_str(fresh("new", NOW), LONG_ID "/m",
	       "view: it can be read again -> the new one");
	is_str(fresh("old", NOW), "", "view: ... instead of the old one");
}

/* The same where the node is a new one for this process. */
static void
unreadable_at_first(void)
{
	struct gw_node_view *kept = view;
	_Atomic uint32_t *owner;
	uint32_t was;

	touch_long("failed");
	gw_node_view_refresh(view);
	owner = owner_of_second(LONG_ID, REG_STATUS);
	view = gw_node_view_new(reg, STALE_MS);
	if (!view)
		exit(1);
	was = atomic_exchange(owner, 0);
	is_str(fresh("new", NOW), LONG_ID "/m",
	       "view: a new node, its status cannot be read -> none");
	atomic_store(owner, was);
	is_str(fresh("new", NOW), "", "view: it can -> its model has failed");
	gw_node_view_free(view);
	view = kept;
}

/* What a few nodes a call come to, in the end. */
static void
few_at_a_time(void)
{
	struct gw_node_view *kept = view;
	unsigned calls = 1, n = 0;
	struct reg_err err = {0};
	uint32_t slot = 0;

	view = gw_node_view_new(reg, STALE_MS);
	if (!view)
		exit(1);
	while (!gw_node_view_catch_up(view, 1) && calls < 100)
		calls++;
	while (gw_node_view_next(view, &slot))
		n++;
	ok(n > 2 && calls > n, "catch up: a node a call (%u, %u)", n, calls);
	ok(gw_node_view_catch_up(view, 1), "catch up: nothing new -> at once");
	put("twice", "[{\"model_id\":\"m\",\"roles\":[\"dup\",\"dup\"]}]", NOW);
	ok(!gw_node_view_catch_up(view, 1),
	   "catch up: one more -> one more call");
	for (calls = 1; !gw_node_view_catch_up(view, 1) && calls < 100; calls++)
		;
	ok(calls < n, "catch up: ... but not one a node (%u)", calls);
	is_str(fresh("dup", NOW), "twice/m",
	       "view: a role that a model names twice counts once");
	if (reg_node_remove(reg, "n3", &err) < 0)
		fatal("remove", &err);
	is_str(fresh("b", NOW), "n4/x", "view: the second of a role is gone");
	gw_node_view_free(view);
	view = kept;
}

/* Its file goes while somebody is in the middle of the view. */
static void
registry_moves(void)
{
	char name[64];
	struct gw_node_view *kept = view;
	struct reg *kept_reg = reg, *other, *to;
	const struct gw_candidate *c;
	struct reg_err err = {0};
	struct reg_move what;

	snprintf(name, sizeof(name), "/rolemesh-test-moved-%d", (int)getpid());
	reg = reg_open(name, 0, &err);
	if (!reg)
		fatal("open", &err);
	view = gw_node_view_new(reg, STALE_MS);
	if (!view)
		exit(1);
	put("m1", A_B, NOW);
	put("m2", A_B, NOW);
	is_str(fresh("a", NOW), "m1/x m2/x", "view: before the move");
	reg_unlink(name);
	other = reg_open(name, 0, &err);
	if (!other)
		fatal("open", &err);
	/* Somebody has the place of m1, as its first owner; m1 gets that of
	 * m2, as its first owner, too. */
	to = reg;
	reg = other;
	put("s1", A_B, NOW);
	reg = to;
	to = reg_move_begin(reg, &what, &err);
	if (!to)
		fatal("move", &err);
	reg_move_end(reg, to);
	gw_node_view_moved(view);
	ok(gw_node_view_known_fresh(view, "a", NOW, &c) == 2 && node("m1") &&
		   node("m2"),
	   "view: the registry moved -> what was known stays ...");
	is_str(fresh("a", NOW), "s1/x m1/x m2/x",
	       "view: ... until it is read: who has a place now is shown");
	ok(node("m1") && strcmp(node("m1")->reg.id, "m1") == 0 && node("s1") &&
		   strcmp(node("s1")->reg.id, "s1") == 0,
	   "view: ... under its own name");
	gw_node_view_free(view);
	reg_close(other);
	reg_unlink(name);
	reg_close(reg);
	view = kept;
	reg = kept_reg;
}

int
main(void)
{
	char name[64];
	struct reg_err err = {0};

	snprintf(name, sizeof(name), "/rolemesh-test-nodes-%d", (int)getpid());
	reg = reg_open(name, 0, &err);
	if (!reg)
		fatal("open", &err);
	reg_unlink(name);
	view = gw_node_view_new(reg, STALE_MS);
	if (!view)
		return 1;
	candidates();
	freshness();
	parses_only_what_changed();
	failed_models();
	told_states();
	odd_status();
	changes();
	change_behind_the_walk();
	many_roles();
	unreadable();
	unreadable_at_first();
	few_at_a_time();
	registry_moves();
	gw_node_view_free(view);
	reg_close(reg);
	return done_testing();
}
