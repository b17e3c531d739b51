/* SPDX-License-Identifier: MIT */
/*
 * test_limit_client.c - what a client may ask at a time and in a minute, over a
 * registry and in a time that stands still: who is refused, what he is told,
 * and that nothing is counted for him.
 */
#include "base/hash.h"
#include "responder/stages.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve_run.h"
#include "stage/policy.h"
#include "stage/stage.h"

#define CHAT "/v1/chat/completions"
#define BODY "{\"model\":\"p\"}"
#define PLACES REG_CANDIDATES_MAX

static const struct gw_endpoint endpoints[] = {
	{.path = CHAT, .method = GW_METHOD_POST, .flags = GW_EP_STREAMED},
};

static struct gw_routing routing;
static char shm_name[64];

/* ---- set-up -------------------------------------------------------------- */

/* "k" may have @max_concurrency under way and ask @per_minute; "free" all. */
static uint32_t max_concurrency, per_minute;
static bool turned; /* another order, another name */

static void
with_clients(struct gw_config *c)
{
	struct gw_client limited = {.name = strdup(turned ? "other" : "some"),
				    .key = strdup("k"),
				    .all_models = true,
				    .max_concurrency = max_concurrency,
				    .requests_per_minute = per_minute};
	struct gw_client other = {.name = strdup("free"),
				  .key = strdup("free"),
				  .all_models = true};

	c->auth.clients = calloc(2, sizeof(*c->auth.clients));
	c->auth.n_clients = 2;
	c->auth.clients[turned] = limited;
	c->auth.clients[!turned] = other;
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

static struct reg *
registry(void)
{
	struct reg_err err = {0};
	struct reg *r = reg_open(shm_name, 12u << 20, &err);

	if (!r) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	reg_unlink(shm_name); /* nobody else needs the name */
	return r;
}

/* A worker and a configuration anew; what is counted stays. */
static void
configured(uint32_t max, uint32_t rate)
{
	max_concurrency = max;
	per_minute = rate;
	configure = with_clients;
	set_up(&gw_pipeline, endpoints, GW_ARRAY_LEN(endpoints), &routing);
	routing.worker = worker;
}

static void
begin(uint32_t max, uint32_t rate)
{
	turned = false;
	configured(max, rate);
	end_registry();
	memset(&routing, 0, sizeof(routing));
	routing.worker = worker;
	routing.reg = registry();
	routing.nodes = gw_node_view_new(routing.reg, 10000);
}

/* A request of the client with that key, as far as it gets without its body. */
static struct gw_request *
of(const char *key)
{
	client("POST", CHAT);
	param("HTTP_X_API_KEY", key);
	return arrive();
}

static bool
passes(const char *key)
{
	struct gw_request *r = of(key);

	if (r)
		leave();
	return r;
}

/* Where the client with the key "k" is counted. */
static void
key_of_place(uint64_t key[2])
{
	for (int i = 0; i < 2; i++)
		key[i] = gw_hash_more(gw_hash_text("client"),
				      &config->auth.clients[turned].id[i], 8);
}

/* Requests that the registry counts for it. */
static unsigned
counted_there(const struct reg *reg)
{
	struct reg_candidate there;
	uint64_t key[2];

	key_of_place(key);
	reg_candidate_read(reg, reg_candidate_find(reg, key), clock_ms, &there);
	return there.in_flight;
}

/* ---- at a time ----------------------------------------------------------- */

static struct gw_fcgi_conn first;

static void
concurrency(void)
{
	begin(1, 0);
	ok(of("k"), "busy: the first one passes");
	first = conn;
	ok(!of("k") && got("Status: 429") == 1 && got("client_busy") == 1 &&
		   got("Retry-After: 1\r\n") == 1,
	   "busy: one more -> 429, to come again in a second");
	ok(got("this client has 1 request under way, as many as it may at a "
	       "time (max_concurrency)") == 1,
	   "busy: the words");
	is_int(got("x-ratelimit"), 0, "busy: no rate, no word of one");
	is_int((long long)counted(GW_COUNT_CLIENT_BUSY), 1, "busy: counted");
	ok(passes("free"), "busy: another client passes");
	conn = first;
	leave();
	ok(passes("k"), "busy: the first has left -> the next one passes");
	ok(passes("k"), "busy: and the next");
	/* all the ways to an end */
	of("k");
	send_all("no json");
	ok(got("Status: 400") == 1 && passes("k"),
	   "busy: a refused body -> its place is free");
	of("k");
	send_all(BODY);
	is_int((long long)started, 1, "busy: one that is sent upstream");
	up_head(200, "application/json", 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(got("Status: 200") == 1 && passes("k"),
	   "busy: an answer -> its place is free");
}

/* ---- in a minute --------------------------------------------------------- */

static void
rate(void)
{
	begin(0, 3);
	ok(passes("k") && passes("k"), "rate: two of three");
	of("k");
	first = conn;
	ok(!of("k") && got("Status: 429") == 1 && got("rate_limited") == 1 &&
		   got("Retry-After: 20\r\n") == 1,
	   "rate: a fourth -> 429, to come again when there is one more");
	ok(got("x-ratelimit-limit-requests: 3\r\n") == 1 &&
		   got("x-ratelimit-remaining-requests: 0\r\n") == 1 &&
		   got("x-ratelimit-reset-requests: 1m0s\r\n") == 1,
	   "rate: what it is told");
	ok(got("this client may ask 3 times a minute (requests_per_minute); "
	       "the next request may come in 20 s") == 1,
	   "rate: the words");
	is_int((long long)counted(GW_COUNT_RATE_LIMITED), 1, "rate: counted");
	conn = first;
	leave();
	ok(passes("free"), "rate: another client passes");
	clock_ms += 18500;
	ok(!passes("k") && got("Retry-After: 2\r\n") == 1 &&
		   got("in 2 s") == 1,
	   "rate: a second and a half left -> to come in two");
	clock_ms += 501;
	ok(!passes("k") && got("Retry-After: 1\r\n") == 1 &&
		   got("reset-requests: 40.999s\r\n") == 1,
	   "rate: a moment too early -> refused, and that put nothing off");
	clock_ms += 999;
	ok(passes("k"), "rate: as told -> passes");
	ok(!passes("k"), "rate: and no second one");
	clock_ms += 3600000;
	ok(passes("k") && passes("k") && passes("k") && !passes("k"),
	   "rate: after an hour -> three, not more");
}

static void
rate_of_one(void)
{
	begin(0, 1);
	ok(passes("k") && !passes("k") && got("Retry-After: 60\r\n") == 1 &&
		   got("may ask 1 time a minute") == 1,
	   "rate: one a minute -> to come again in a minute");
	begin(0, 1000000);
	for (int i = 0; i < 1000; i++)
		if (!passes("k"))
			ok(false, "rate: a million a minute, number %d", i);
	clock_ms++;
	ok(passes("k"), "rate: a million a minute -> 1,001 at once pass");
}

/* Another process, which read the time later, was faster. */
static void
overtaken(void)
{
	struct reg_rate other;
	struct gw_request *r;
	enum gw_step step;
	uint64_t key[2];

	begin(0, 2);
	key_of_place(key);
	reg_rate_take(routing.reg,
		      reg_candidate_open(routing.reg, key, clock_ms), 2,
		      (clock_ms + 15) * 1000, &other);
	r = of("free");
	r->authenticate.client = &config->auth.clients[turned];
	memcpy(r->authenticate.who, r->authenticate.client->id,
	       sizeof(r->authenticate.who));
	clock_step_ms = 10;
	step = gw_stage_limit_client(r);
	clock_step_ms = 0;
	ok(other.taken && step == GW_NEXT,
	   "overtaken: by the first of two at once -> the second passes");
	leave();
	ok(!passes("k"), "overtaken: and no third one");
}

static void
both(void)
{
	begin(1, 5);
	of("k");
	first = conn;
	for (int i = 0; i < 10; i++)
		of("k");
	ok(got("client_busy") == 1 && got("remaining-requests: 4\r\n") == 1 &&
		   got("reset-requests: 12s\r\n") == 1,
	   "both: refused as busy -> takes nothing, tells how it stands");
	conn = first;
	leave();
	for (int i = 0; i < 4; i++)
		passes("k");
	ok(!passes("k") && got("rate_limited") == 1,
	   "both: five in all -> the sixth comes too often");
	is_int(counted_there(routing.reg), 0,
	       "both: refused as too often -> holds no place");
	ok(!passes("k") && got("rate_limited") == 1,
	   "both: nor does it make the next one a busy one");
}

/* ---- reload, move, a full table ------------------------------------------ */

static void
reload(void)
{
	begin(1, 2);
	ok(passes("k") && passes("k") && !passes("k"), "reload: two of two");
	turned = true;
	configured(1, 2);
	ok(!passes("k") && got("rate_limited") == 1,
	   "reload: another order, another name -> as empty as before");
	configured(1, 4);
	ok(got("limit-requests: 2\r\n") == 1 && !passes("k") &&
		   got("limit-requests: 4\r\n") == 1,
	   "reload: twice as many -> the bucket is as empty, and larger");
	clock_ms += 15000;
	ok(passes("k"), "reload: and refilled twice as fast");
}

static void
move(void)
{
	struct gw_request *r;
	struct reg *to;

	begin(1, 0);
	r = of("k");
	to = registry();
	gw_limit_client_move(r, to);
	is_int(counted_there(to), 1,
	       "move: its place is in the other one, too");
	reg_close(routing.reg);
	routing.reg = to;
	first = conn;
	ok(!of("k") && got("client_busy") == 1, "move: and counts there");
	conn = first;
	leave();
	is_int(counted_there(to), 0, "move: and goes with it");
	ok(passes("k"), "move: then the next one passes");
	r = of("free");
	to = registry();
	gw_limit_client_move(r, to);
	is_int(counted_there(to), 0,
	       "move: who is not counted stays uncounted");
	reg_close(to);
	leave();
}

static void
no_room(void)
{
	uint64_t key[2] = {1, 0};

	begin(1, 1);
	for (uint32_t i = 0; i < 4 * PLACES; i++) {
		key[0] = i + 1;
		key[1] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
		reg_candidate_open(routing.reg, key, clock_ms);
	}
	ok(!passes("k") && got("Status: 503") == 1 && got("overloaded") == 1 &&
		   got("Retry-After: 5\r\n") == 1 && !got("x-ratelimit"),
	   "full: no place to count at -> 503 overloaded");
	ok(passes("free"), "full: who is not counted passes");
	clock_ms += 3600000;
	ok(passes("k"), "full: places that nobody uses go to others");
}

int
main(void)
{
	snprintf(shm_name, sizeof(shm_name), "/rolemesh-test-limit-%d",
		 (int)getpid());
	concurrency();
	rate();
	rate_of_one();
	overtaken();
	both();
	reload();
	move();
	no_room();
	end_registry();
	tear_down();
	return done_testing();
}
