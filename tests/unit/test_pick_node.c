/* SPDX-License-Identifier: MIT */
/*
 * test_pick_node.c - the gateway's own path of a request, over a registry:
 * which node gets it, and that the registry counts a request exactly where it
 * runs, for as long as it does.
 */
#include "responder/stages.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve_run.h"
#include "stage/policy.h"

#define STALE_MS 10000
#define CHAT "/v1/chat/completions"
#define CHAT_P "{\"model\":\"p\"}"
#define CHAT_D "{\"model\":\"d\"}"
#define STREAM_D "{\"model\":\"d\",\"stream\":true}"
#define SSE "text/event-stream"
#define ONE "[{\"model_id\":\"m\",\"roles\":[\"r\"]}]"
#define TWO                                                                    \
	"[{\"model_id\":\"m\",\"roles\":[\"r\"]},"                             \
	"{\"model_id\":\"o\",\"roles\":[\"r\"]}]"

static const struct gw_endpoint endpoints[] = {
	{.path = CHAT, .method = GW_METHOD_POST, .flags = GW_EP_STREAMED},
};

static struct gw_routing routing;
static char shm_name[64];

/* ---- set-up -------------------------------------------------------------- */

static void
put(const char *id, const char *models)
{
	char text[512];
	struct reg_err err = {0};

	snprintf(text, sizeof(text),
		 "{\"node_id\":\"%s\",\"base_url\":\"http://%s\","
		 "\"served_models\":%s}",
		 id, id, models);
	if (reg_node_put(routing.reg, id, text, strlen(text), clock_ms,
			 STALE_MS, NULL, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
}

static void
touch(const char *id, const char *status)
{
	struct reg_err err = {0};

	if (reg_node_touch(routing.reg, id, status, status ? strlen(status) : 0,
			   clock_ms, &err) < 0)
		exit(1);
}

static void
end_registry(void)
{
	gw_policies_release(&routing);
	gw_place_keys_release(&routing);
	gw_choices_release(&routing.choices);
	gw_node_view_free(routing.nodes);
	reg_close(routing.reg);
}

/* A registry of its own with nodes n1 .. n@n, of one model each. */
static void
nodes(unsigned n)
{
	struct reg_err err = {0};
	char id[16];

	set_up(&gw_pipeline, endpoints, 1, &routing);
	end_registry();
	memset(&routing, 0, sizeof(routing));
	routing.worker = worker;
	routing.reg = reg_open(shm_name, 12u << 20, &err);
	if (!routing.reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	reg_unlink(shm_name); /* nobody else needs the name */
	routing.nodes = gw_node_view_new(routing.reg, STALE_MS);
	config->auth.upstream_node_key = strdup("node-key");
	config->gateway.eject.failures = 3;
	config->gateway.eject.pause_ms = 5000;
	config->gateway.eject.pause_max_ms = 10000;
	for (unsigned i = 1; i <= n; i++) {
		snprintf(id, sizeof(id), "n%u", i);
		put(id, ONE);
	}
}

static void
ask(const char *body)
{
	client("POST", CHAT);
	arrive();
	send_all(body);
}

static struct reg_candidate_ref
candidate(unsigned node, const char *model_json)
{
	char url[32];
	uint64_t address[2], key[2];

	snprintf(url, sizeof(url), "http://n%u", node);
	gw_address_key(url, address);
	gw_candidate_key(address, model_json, key);
	return reg_candidate_open(routing.reg, key, clock_ms);
}

static uint32_t
in_flight(unsigned node, const char *model_json)
{
	struct reg_candidate state;

	reg_candidate_read(routing.reg, candidate(node, model_json), clock_ms,
			   &state);
	return state.in_flight;
}

/* Requests that run by the registry's account: "on n1", "none", ... */
static const char *
running(void)
{
	static char text[256];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned n = 1; n <= 9; n++)
		for (unsigned k = 0; k < 2; k++) {
			uint32_t running = in_flight(n, k ? "\"o\"" : "\"m\"");

			while (running--)
				used += (size_t)snprintf(
					text + used, sizeof(text) - used,
					"%son n%u", used ? " " : "", n);
		}
	return used ? text : "none";
}

/* ---- what is counted ----------------------------------------------------- */

static void
answer_whole(void)
{
	up_head(200, "text/plain", -1);
	up_data("x");
	is_str(running(), "on n1", "leases: while the answer streams");
	up_done(GW_TRANSFER_OK);
}

static void
answer_short(void)
{
	up_head(200, "application/json", 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
}

static void
break_off(void)
{
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_BROKEN);
}

/* Each attempt, with a wait before the same node is asked again. */
static void
fail_each(enum gw_transfer_result result)
{
	while (!has_ended(&conn)) {
		up_done(result);
		if (!has_ended(&conn))
			is_str(running(), "on n1", "leases: while it waits");
		pass(700);
	}
}

static void
refuse(void)
{
	up_done(GW_TRANSFER_REFUSED);
}

static void
refuse_each(void)
{
	fail_each(GW_TRANSFER_REFUSED);
	is_int((long long)started, 3, "leases: three attempts");
}

static void
close_each(void)
{
	fail_each(GW_TRANSFER_CLOSED);
	is_int((long long)started, 2, "leases: two attempts");
}

static void
leave_while_it_waits(void)
{
	refuse();
	leave();
}

static void
take_too_long(void)
{
	pass(5001);
}

static void
leave_in_stream(void)
{
	up_head(200, SSE, -1);
	leave();
}

static void
write_fails(void)
{
	up_head(200, SSE, -1);
	conn.full = true;
	up_data("data: 1\n\n");
}

static void
worker_ends(void)
{
	gw_worker_end_requests(worker);
	conn.request = NULL;
}

static void
comment_then_refuse(void)
{
	pass(1001);
	is_int(got(GW_SSE_KEEPALIVE), 1, "leases: an early 200");
	fail_each(GW_TRANSFER_REFUSED);
}

static void
every_end(void)
{
	static const struct {
		const char *how;
		void (*end)(void);
	} rows[] = {
		{"answered", answer_whole},
		{"answered in one piece", answer_short},
		{"broke off", break_off},
		{"the only node refused", refuse_each},
		{"the client left between two attempts", leave_while_it_waits},
		{"closed without an answer", close_each},
		{"a limit", take_too_long},
		{"the client left before the head", leave},
		{"the client left in the stream", leave_in_stream},
		{"the client cannot be written to", write_fails},
		{"the worker ends", worker_ends},
		{"refused behind an early 200", comment_then_refuse},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		nodes(1);
		config->gateway.sse_keepalive_ms = 1000;
		model(DISCOVERED)->timeouts.total_ms = 5000;
		ask(STREAM_D);
		is_str(running(), "on n1", "leases: one while it runs");
		rows[i].end();
		is_str(running(), "none", rows[i].how);
		is_int((long long)counted(GW_COUNT_REQUESTS), 1,
		       "leases: and it has ended");
	}
	nodes(1);
	refuse_start = true;
	ask(CHAT_D);
	is_str(running(), "none", "leases: a transfer that cannot start");
	nodes(1);
	ask(CHAT_P);
	is_str(running(), "none", "leases: a proxy is no node");
	leave();
}

static void
every_move(void)
{
	const char *second;

	nodes(3);
	ask(CHAT_D);
	is_str(running(), "on n1", "moves: the first node");
	refuse();
	second = strcmp(running(), "on n3") == 0 ? "on n3" : "on n2";
	is_str(running(), second, "moves: another one, and only it");
	refuse();
	is_str(running(), strcmp(second, "on n2") == 0 ? "on n3" : "on n2",
	       "moves: the third, and only it");
	refuse();
	is_str(running(), "none", "moves: none was left");
	ok(got("Status: 502") == 1 && started == 3, "moves: 502 in the end");
	nodes(3);
	ask(CHAT_D);
	refuse();
	answer_short();
	is_str(running(), "none", "moves: moved, then answered");
	nodes(3);
	ask(CHAT_D);
	refuse();
	leave();
	is_str(running(), "none", "moves: moved, then the client left");
	nodes(3);
	for (int i = 0; i < 10; i++) {
		ask(CHAT_D);
		refuse();
		refuse();
		leave();
	}
	is_str(running(), "none", "moves: ten requests, none forgotten");
}

static void
no_lease_left(void)
{
	struct reg_candidate_ref c;

	nodes(1);
	c = candidate(1, "\"m\"");
	for (int i = 0; i < REG_LEASES_MAX; i++)
		if (reg_lease_take(routing.reg, c, 0, NULL) < 0)
			exit(1);
	ask(CHAT_D);
	answer_short();
	is_int(got("Status: 200"), 1, "leases: none left -> served, uncounted");
	ok(reg_lease_take(routing.reg, c, 0, NULL) < 0,
	   "leases: and nobody else's is dropped");
}

/* A request that was left for another node takes no turn of those behind it. */
static void
first_attempts_in_turn(void)
{
	bool in_turn = true;

	nodes(3);
	config->gateway.eject.failures = 1000;
	for (int i = 0; i < 9; i++) {
		const char *urls[] = {"http://n1" CHAT, "http://n2" CHAT,
				      "http://n3" CHAT};

		started = 0;
		ask(CHAT_D);
		in_turn &= strcmp(transfers[0].url, urls[i % 3]) == 0;
		if (i % 2)
			refuse();
		leave();
	}
	ok(in_turn, "pick: every second one is refused -> first attempts stay "
		    "in turn");
}

/* ---- which node ---------------------------------------------------------- */

static void
not_twice(void)
{
	bool twice = false;

	nodes(3);
	config->gateway.eject.failures = 1000;
	model(DISCOVERED)->strategy = GW_RANDOM;
	for (int i = 0; i < 20; i++) {
		started = 0;
		ask(CHAT_D);
		refuse();
		refuse();
		twice |= strcmp(transfers[0].url, transfers[1].url) == 0 ||
			 strcmp(transfers[1].url, transfers[2].url) == 0 ||
			 strcmp(transfers[0].url, transfers[2].url) == 0;
		leave();
	}
	ok(!twice, "pick: whatever the policy says, no node is tried twice");
	nodes(0);
	put("n1", TWO);
	put("n2", ONE);
	ask(CHAT_D);
	refuse();
	is_str(up()->url, "http://n2" CHAT,
	       "pick: two models of a node are one node");
	refuse();
	pass(700);
	refuse();
	ok(started == 3 &&
		   got("none of 3 attempts for model 'd' has an answer (n1 "
		       "unconnected, n2 unconnected, n2 unconnected); the "
		       "last: connection refused") == 1,
	   "pick: all tried -> 502 says how often and why");
}

static void
another_in_its_place(void)
{
	struct reg_err err = {0};

	nodes(2);
	ask(CHAT_D);
	if (reg_node_remove(routing.reg, "n1", &err) < 0)
		exit(1);
	put("n9", ONE);
	refuse();
	refuse();
	ok(strcmp(transfers[0].url, "http://n1" CHAT) == 0 && started == 3 &&
		   strcmp(transfers[1].url, transfers[2].url) != 0,
	   "pick: a new node in the place of a tried one is not that one");
	leave();
	is_str(running(), "none", "pick: and all are let go");
}

static bool
has_another(void)
{
	return up()->ops->may_leave(up()->arg);
}

static void
others(void)
{
	nodes(1);
	ask(CHAT_D);
	ok(!has_another(), "another: the only node -> none");
	put("n2", ONE);
	ok(has_another(), "another: one registers -> there is");
	refuse();
	ok(!has_another(), "another: not the one that was tried");
	put("n3", ONE);
	ok(has_another(), "another: but a third");
	leave();
	nodes(2);
	ask(CHAT_D);
	pass(STALE_MS);
	touch("n1", NULL);
	ok(!has_another(), "another: a stale one is none");
	touch("n2", "{\"models\":{\"m\":{\"state\":\"failed\"}}}");
	ok(!has_another(), "another: nor is one whose model has failed");
	touch("n2", "{}");
	ok(has_another(), "another: fresh again -> there is");
	leave();
	ask(CHAT_P);
	ok(!has_another(), "another: a proxy has none");
	leave();
}

static void
none_fresh(void)
{
	nodes(0);
	ask(CHAT_D);
	ok(got("Status: 503") == 1 && got("Retry-After: 5") == 1 &&
		   got("no node serves the role 'r' of model 'd'") == 1,
	   "none: no node -> 503 says so");
	nodes(2);
	pass(STALE_MS);
	ask(CHAT_D);
	ok(got("all 2 nodes that serve the role 'r' of model 'd' are stale: "
	       "none gave a sign of life for 10 s") == 1,
	   "none: all stale");
	nodes(1);
	touch("n1", "{\"models\":{\"m\":{\"state\":\"failed\"}}}");
	ask(CHAT_D);
	ok(got("reported as failed by all 1 fresh nodes") == 1,
	   "none: all failed");
	is_str(running(), "none", "none: and nothing is counted");
}

/* ---- who is passed over -------------------------------------------------- */

/* Which of two nodes have the next four requests? */
static const char *
next_four(void)
{
	static char text[8];

	for (int i = 0; i < 4; i++) {
		started = 0;
		ask(CHAT_D);
		text[i] = up()->url[strlen("http://n")];
		answer_short();
	}
	text[4] = '\0';
	return text;
}

static void
ejected_nodes(void)
{
	nodes(2);
	is_str(next_four(), "1212", "eject: two nodes in turn");
	for (int i = 0; i < 2; i++) {
		started = 0;
		ask(CHAT_D);
		is_str(up()->url, "http://n1" CHAT, "eject: refused once");
		refuse();
		answer_short();
		ask(CHAT_D);
		answer_short();
	}
	is_str(next_four(), "2222", "eject: refused twice -> passed over");
	pass(5001);
	ask(CHAT_D);
	is_str(up()->url, "http://n1" CHAT,
	       "eject: its pause is over -> tried");
	leave();
	ask(CHAT_D);
	is_str(up()->url, "http://n1" CHAT,
	       "eject: the client left -> tried again");
	answer_short();
	ok(strchr(next_four(), '1') && strchr(next_four(), '2'),
	   "eject: it answers -> in turn again");
	nodes(2);
	for (int i = 0; i < 3; i++) {
		while (ask(CHAT_D), up()->url[strlen("http://n")] != '1')
			answer_short();
		up_head(500, "application/json", 2);
		up_data("{}");
		up_done(GW_TRANSFER_OK);
		answer_short();
	}
	is_str(next_four(), "2222",
	       "eject: 500 thrice, and another one answered -> passed over");
	nodes(1);
	for (int i = 0; i < 3; i++) {
		ask(CHAT_D);
		fail_each(GW_TRANSFER_REFUSED);
	}
	ask(CHAT_D);
	is_str(running(), "on n1", "eject: the only one is asked all the same");
	answer_short();
	is_int(got("Status: 200"), 1, "eject: and answers");
}

/* ---- what it is told ----------------------------------------------------- */

static void
told(void)
{
	nodes(1);
	ask(CHAT_D);
	is_str(up()->body, "{\"model\":\"m\"}", "told: a node, its own model");
	is_str(up()->bearer, "node-key", "told: and the key for nodes");
	answer_short();
	is_int(got("X-RoleMesh-Node: n1\r\n"), 1, "told: the client, the node");
	nodes(0);
	ask(CHAT_P);
	is_str(up()->body, CHAT_P, "told: a proxy, what the client said");
	is_str(up()->bearer, "secret", "told: and its key");
	leave();
	config->default_model = strdup("p");
	ask("{\"a\":1}");
	is_str(up()->body, "{\"model\":\"p\",\"a\":1}",
	       "told: a proxy, the alias where the client named none");
	leave();
	model(PROXY)->default_model_json = strdup("\"other\"");
	ask(CHAT_P);
	is_str(up()->body, "{\"model\":\"other\"}",
	       "told: a proxy, what is configured for it");
	leave();
}

int
main(void)
{
	snprintf(shm_name, sizeof(shm_name), "/rolemesh-test-pick-%d",
		 (int)getpid());
	every_end();
	every_move();
	no_lease_left();
	first_attempts_in_turn();
	not_twice();
	another_in_its_place();
	others();
	none_fresh();
	ejected_nodes();
	told();
	tear_down();
	end_registry();
	return done_testing();
}
