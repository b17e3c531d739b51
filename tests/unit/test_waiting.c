/* SPDX-License-Identifier: MIT */
/*
 * test_waiting.c - a request that waits for a slot, in the gateway's own path
 * of stages over a registry, beside another process's requests: a second handle
 * on the same memory. Every bound of time is met just below it and at it.
 */
#include "responder/stages.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve_run.h"
#include "stage/policy.h"
#include "stage/queue.h"
#include "stage/stage.h"

#define CHAT "/v1/chat/completions"
#define CHAT_P "{\"model\":\"p\"}"
#define STREAM_P "{\"model\":\"p\",\"stream\":true}"
#define QUEUE_MAX 2
#define TIMEOUT_MS 5000

static const struct gw_endpoint endpoints[] = {
	{.path = CHAT, .method = GW_METHOD_POST, .flags = GW_EP_STREAMED},
};

static struct gw_routing routing;
static struct reg *other; /* another process */
static char shm_name[64];
static int32_t taken; /* its lease of the one slot */

static void
bound(struct gw_config *c)
{
	c->models[PROXY].max_concurrency = 1;
	c->models[PROXY].queue = (struct gw_queue){QUEUE_MAX, TIMEOUT_MS};
}

static struct reg *
open_reg(const char *name)
{
	struct reg_err err = {0};
	struct reg *reg = reg_open(name, 12u << 20, &err);

	if (!reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	return reg;
}

static void
end_registry(void)
{
	gw_worker_end_requests(worker);
	gw_waiting_stop(&routing);
	gw_policies_release(&routing);
	gw_place_keys_release(&routing);
	gw_choices_release(&routing.choices);
	gw_node_view_free(routing.nodes);
	reg_close(routing.reg);
	reg_close(other);
}

static struct reg_candidate_ref
place(struct reg *reg)
{
	uint64_t address[2], key[2];

	gw_address_key("http://p", address);
	gw_candidate_key(address, "p", key);
	return reg_candidate_open(reg, key, clock_ms);
}

/* The one slot of the proxy is another process's. */
static void
begin(void)
{
	if (routing.reg)
		end_registry();
	set_up(&gw_pipeline, endpoints, 1, &routing);
	memset(&routing, 0, sizeof(routing));
	routing.worker = worker;
	routing.reg = open_reg(shm_name);
	other = open_reg(shm_name);
	reg_unlink(shm_name); /* nobody else needs the name */
	routing.nodes = gw_node_view_new(routing.reg, 10000);
	gw_waiting_start(&routing);
	taken = reg_lease_take(other, place(other), 1, NULL);
}

static void
ask(const char *body)
{
	client("POST", CHAT);
	arrive();
	send_all(body);
}

/* That process ends its request, and says so, as far as it knows. */
static void
give_slot(void)
{
	reg_lease_drop(other, taken);
}

static uint32_t
in_flight(void)
{
	struct reg_candidate met;

	reg_candidate_read(other, place(other), clock_ms, &met);
	return met.in_flight;
}

static uint32_t
places_taken(void)
{
	struct reg_candidate met;
	uint64_t key[2];

	gw_queue_place_key(model(PROXY), key);
	reg_candidate_read(other, reg_candidate_open(other, key, clock_ms),
			   clock_ms, &met);
	return met.in_flight;
}

static size_t
waiting(struct reg_waiter *out)
{
	struct reg_waiter all[8];
	size_t n = reg_queue_read(other, all, 8);

	if (n && out)
		*out = all[0];
	return n;
}

static bool
read_one(struct reg_waiter_ref ref, struct reg_waiter *out)
{
	struct reg_waiter all[8];
	size_t n = reg_queue_read(other, all, 8);

	for (size_t i = 0; i < n; i++)
		if (all[i].ref.index == ref.index) {
			*out = all[i];
			return true;
		}
	return false;
}

/* One of the other process waits there, too. */
static struct reg_waiter_ref
client_waits(uint64_t who, uint32_t rank, uint64_t came_ms)
{
	struct reg_waiter w = {.queue = model(PROXY)->key,
			       .client = who,
			       .share = {.index = REG_CANDIDATES_MAX},
			       .rank = rank,
			       .came_ms = came_ms};

	return reg_queue_join(other, &w);
}

static struct reg_waiter_ref
other_waits(uint32_t rank, uint64_t came_ms)
{
	return client_waits(77, rank, came_ms);
}

static bool
is_running(void)
{
	return started == 1;
}

/* ---- a slot ----------------------------------------------------------------
 */

static void
waits_and_is_served(void)
{
	begin();
	ask(CHAT_P);
	run_loop();
	ok(!is_running() && waiting(NULL) == 1 && places_taken() == 1,
	   "wait: no slot -> it waits, and has a place");
	give_slot();
	pass((uint64_t)(GW_WAITING_LOOK_S * 1000) - 1);
	ok(!is_running(), "wait: nobody told -> not before its own look");
	pass(2);
	ok(is_running() && in_flight() == 1, "wait: ... which takes the slot");
	ok(waiting(NULL) == 0 && places_taken() == 0,
	   "wait: and gives its place back");
	up_head(200, "application/json", 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(in_flight() == 0 && got("Status: 200") == 1,
	   "wait: answered -> the slot is free");
}

static void
is_called(void)
{
	struct reg_waiter w;

	begin();
	ask(CHAT_P);
	run_loop();
	give_slot();
	waiting(&w);
	ok(reg_queue_call(other, &w, clock_ms, GW_GRANT_MS),
	   "call: another process calls it");
	run_loop();
	ok(is_running(), "call: it takes the slot in that turn");
	leave();
}

static void
is_called_for_nothing(void)
{
	struct reg_waiter w;

	begin();
	ask(CHAT_P);
	run_loop();
	waiting(&w);
	reg_queue_call(other, &w, clock_ms, GW_GRANT_MS);
	run_loop();
	ok(!is_running() && waiting(&w) == 1 && w.called_ms == 0,
	   "call: no slot is free -> it waits on as one that was not called");
	leave();
}

static void
own_slot_is_freed(void)
{
	struct gw_fcgi_conn first;

	begin();
	give_slot();
	ask(CHAT_P);
	ok(is_running(), "freed: the first has the slot");
	first = conn;
	ask(CHAT_P);
	run_loop();
	ok(started == 1, "freed: the second waits");
	front.ops->on_gone(first.request);
	run_loop();
	ok(started == 2 && in_flight() == 1,
	   "freed: the first leaves -> the second has it in that turn");
	leave();
	is_int(in_flight(), 0, "freed: and gives it back");
}

/* ---- others
 * ------------------------------------------------------------------ */

static void
others_first(void)
{
	struct reg_waiter_ref ref;
	struct reg_waiter w;

	begin();
	ref = other_waits(GW_INTERACTIVE, clock_ms);
	give_slot();
	ask(CHAT_P);
	run_loop();
	ok(!is_running(), "others: a slot is free, a better one waits -> it "
			  "waits as well");
	ok(read_one(ref, &w) && w.called_ms != 0,
	   "others: and has called that one");
	pass(GW_GRANT_MS - 1);
	ok(!is_running(), "others: it did not move for less than the grace");
	pass((uint64_t)(GW_WAITING_LOOK_S * 1000) + 1);
	ok(is_running(), "others: for the grace -> it is passed over");
	reg_queue_leave(other, ref);
	leave();
}

static void
better_avoids_it(void)
{
	struct reg_waiter_ref ref;
	struct reg_waiter w;

	begin();
	ref = other_waits(GW_INTERACTIVE, clock_ms);
	read_one(ref, &w);
	reg_queue_leave(other, ref);
	w.avoids = UINT64_MAX; /* whatever there is */
	ref = reg_queue_join(other, &w);
	give_slot();
	ask(CHAT_P);
	ok(is_running(), "others: a better one waits, but not for this slot -> "
			 "it goes first, at once");
	ok(read_one(ref, &w) && w.called_ms == 0,
	   "others: and that one was not called");
	reg_queue_leave(other, ref);
	leave();
}

static void
no_better(void)
{
	struct reg_waiter_ref ref;

	begin();
	ref = other_waits(GW_BATCH, clock_ms);
	give_slot();
	ask(CHAT_P);
	ok(is_running(), "others: a worse one waits -> it goes first, at once");
	reg_queue_leave(other, ref);
	leave();
}

static void
client_runs_already(void)
{
	struct reg_waiter_ref ref;
	uint64_t key[2], who[2] = {0, 0};
	int32_t share;

	begin();
	ref = other_waits(GW_NORMAL, clock_ms + 1); /* it comes later */
	ask(CHAT_P);
	memcpy(who, ((struct gw_request *)conn.request)->authenticate.who,
	       sizeof(who));
	gw_share_place_key(model(PROXY), who, key);
	share = reg_lease_take(other, reg_candidate_open(other, key, clock_ms),
			       0, NULL);
	give_slot();
	pass((uint64_t)(GW_WAITING_LOOK_S * 1000) + 1);
	ok(!is_running(), "others: its client runs one there, and theirs none "
			  "-> they are first");
	reg_queue_leave(other, ref);
	reg_lease_drop(other, share);
	leave();
}

/* ---- nothing comes of it
 * ------------------------------------------------------ */

static void
leaves(void)
{
	begin();
	ask(CHAT_P);
	run_loop();
	leave();
	ok(waiting(NULL) == 0 && places_taken() == 0,
	   "leave: its client is gone -> so is it");
	give_slot();
	is_int(in_flight(), 0, "leave: and nothing is counted");
}

static void
times_out(void)
{
	begin();
	ask(CHAT_P);
	pass(TIMEOUT_MS - 1);
	ok(!has_ended(&conn), "timeout: just before queue.timeout_s");
	pass(2);
	ok(got("Status: 503") == 1 && got("\"queue_timeout\"") == 1,
	   "timeout: at it -> 503 queue_timeout");
	is_int(got("Retry-After: 6\r\n"), 1,
	       "timeout: as long as it waited, nobody was served");
	ok(waiting(NULL) == 0 && places_taken() == 0 && in_flight() == 1,
	   "timeout: it holds nothing");
	begin();
	model(PROXY)->timeouts.total_ms = 2000;
	ask(CHAT_P);
	pass(1999);
	ok(!has_ended(&conn), "timeout: just before total_s");
	pass(2);
	ok(got("Status: 504") == 1 && got("timeouts.total_s = 2 s") == 1,
	   "timeout: total_s counts while it waits");
	begin();
	model(PROXY)->timeouts.first_byte_ms = 1000;
	ask(CHAT_P);
	pass(3000);
	ok(!has_ended(&conn), "timeout: first_byte_s does not");
	leave();
}

static void
finds_no_place(void)
{
	static const struct {
		struct gw_queue queue;
		const char *says;
	} rows[] = {
		{{0, TIMEOUT_MS}, "queue.max = 0"},
		{{QUEUE_MAX, 0}, "queue.timeout_s = 0"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		begin();
		model(PROXY)->queue = rows[i].queue;
		ask(CHAT_P);
		ok(got("Status: 429") == 1 && got("\"queue_full\"") == 1 &&
			   got(rows[i].says) == 1,
		   "full: 429 queue_full where %s", rows[i].says);
	}
}

/* Another process has all the places of the queue, a client each. */
static void
fill(int32_t *lease, struct reg_waiter_ref *ref, uint32_t rank)
{
	uint64_t key[2];

	gw_queue_place_key(model(PROXY), key);
	for (int i = 0; i < QUEUE_MAX; i++) {
		lease[i] = reg_lease_take(
			other, reg_candidate_open(other, key, clock_ms),
			QUEUE_MAX, NULL);
		ref[i] = client_waits(80 + (uint64_t)i, rank, clock_ms);
	}
}

static void
displaces(void)
{
	int32_t lease[QUEUE_MAX];
	struct reg_waiter_ref ref[QUEUE_MAX];
	unsigned displaced = 0;

	begin();
	fill(lease, ref, GW_BATCH);
	ask(CHAT_P);
	for (int i = 0; i < QUEUE_MAX; i++)
		displaced += reg_queue_is_displaced(other, ref[i]);
	is_int(displaced, 1, "full: one of a worse class is displaced");
	pass(GW_QUEUE_ROOM_MS - 1);
	ok(!has_ended(&conn) && places_taken() == QUEUE_MAX,
	   "full: which is waited for");
	for (int i = 0; i < QUEUE_MAX; i++)
		if (reg_queue_is_displaced(other, ref[i])) {
			reg_queue_leave(other, ref[i]);
			reg_lease_drop(other, lease[i]);
		}
	pass(GW_QUEUE_ROOM_LOOK_MS);
	ok(waiting(NULL) == QUEUE_MAX && places_taken() == QUEUE_MAX,
	   "full: it left -> its place is taken");
	leave();
	begin();
	fill(lease, ref, GW_BATCH);
	ask(CHAT_P);
	pass(GW_QUEUE_ROOM_MS - 1);
	ok(!has_ended(&conn), "full: it does not leave: just before");
	pass(GW_QUEUE_ROOM_LOOK_MS + 1);
	ok(got("Status: 429") == 1, "full: ... 429");
	begin();
	fill(lease, ref, GW_INTERACTIVE);
	ask(CHAT_P);
	ok(got("Status: 429") == 1 && got("queue.max = 2") == 1,
	   "full: all are better -> 429 at once");
}

static void
is_displaced(void)
{
	struct reg_waiter w;

	begin();
	ask(CHAT_P);
	run_loop();
	waiting(&w);
	ok(reg_queue_displace(other, &w), "displaced: by another process");
	run_loop();
	ok(got("Status: 429") == 1 && got("better class") == 1 &&
		   places_taken() == 0,
	   "displaced: 429 in that turn, and its place is free");
}

/* ---- what it is told
 * ----------------------------------------------------------- */

static void
is_told(void)
{
	struct reg_waiter_ref ref;

	begin();
	config->gateway.sse_keepalive_ms = 60000;
	model(PROXY)->queue.timeout_ms = 60000;
	ref = other_waits(GW_INTERACTIVE, clock_ms);
	ask(STREAM_P);
	pass(GW_WAITING_TELL_FIRST_MS - 1);
	is_int(got(": queued"), 0, "told: nothing in the first half second");
	pass((uint64_t)(GW_WAITING_LOOK_S * 1000) + 1);
	is_int(got("\r\n\r\n: queued position=2 wait_s="), 1,
	       "told: then its place, behind the head");
	pass(3 * GW_WAITING_TELL_MS);
	is_int(got(": queued"), 1, "told: the same place is not told again");
	reg_queue_leave(other, ref);
	pass((uint64_t)(GW_WAITING_LOOK_S * 1000) + 1);
	is_int(got(": queued position=1 "), 1, "told: another one is");
	ref = other_waits(GW_INTERACTIVE, clock_ms);
	pass(GW_WAITING_TELL_MS - 2 * (uint64_t)(GW_WAITING_LOOK_S * 1000));
	is_int(got(": queued"), 2, "told: but not within a second");
	pass(2 * (uint64_t)(GW_WAITING_LOOK_S * 1000) + 2);
	is_int(got(": queued position=2 "), 2, "told: after it, it is");
	reg_queue_leave(other, ref);
	leave();
	begin();
	config->gateway.sse_keepalive_ms = 0;
	ask(STREAM_P);
	pass(3000);
	is_int(got(": queued"), 0, "told: sse_keepalive_s is 0 -> nothing");
	leave();
	begin();
	config->gateway.sse_keepalive_ms = 60000;
	ask(CHAT_P);
	pass(3000);
	is_int((long long)strlen(conn.out), 0, "told: no stream -> nothing");
	leave();
}

/* ---- another segment
 * --------------------------------------------------------------- */

static void
moves(void)
{
	char name[80];
	struct reg_waiter before, after;
	struct reg *to;

	begin();
	ask(CHAT_P);
	run_loop();
	waiting(&before);
	snprintf(name, sizeof(name), "%s-2", shm_name);
	to = open_reg(name);
	reg_unlink(name);
	gw_waiting_moving(&routing);
	gw_pick_move(conn.request, to);
	is_int((long long)reg_queue_read(to, &after, 1), 1,
	       "move: it waits in the other segment");
	ok(after.number == before.number && after.came_ms == before.came_ms,
	   "move: with its own arrival");
	reg_close(routing.reg);
	routing.reg = to;
	leave();
	is_int((long long)reg_queue_read(to, &after, 1), 0,
	       "move: and leaves there");
}

int
main(void)
{
	snprintf(shm_name, sizeof(shm_name), "/rolemesh-test-waiting-%d",
		 (int)getpid());
	configure = bound;
	waits_and_is_served();
	is_called();
	is_called_for_nothing();
	own_slot_is_freed();
	others_first();
	better_avoids_it();
	no_better();
	client_runs_already();
	leaves();
	times_out();
	finds_no_place();
	displaces();
	is_displaced();
	is_told();
	moves();
	end_registry();
	tear_down();
	return done_testing();
}
