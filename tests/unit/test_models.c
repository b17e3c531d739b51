/* SPDX-License-Identifier: MIT */
/*
 * test_models.c - /v1/models of a thousand nodes: in pieces, between which
 * other requests are answered, nodes come and go, and the client may leave.
 */
#include "base/json.h"
#include "endpoint/table.h"
#include "probe/probe.h"
#include "responder/stages.h"
#include "routing/place_keys.h"
#include "routing/routing.h"
#include "serve_run.h"
#include "stage/policy.h"

#define NODES 1000
#define STALE_MS 100000000
#define TURNS_MAX 1000

static struct gw_routing routing;
static char shm_name[64];

/* ---- set-up -------------------------------------------------------------- */

static void
put(unsigned i, const char *host)
{
	char id[16], text[256];
	struct reg_err err = {0};

	snprintf(id, sizeof(id), "n%u", i);
	snprintf(text, sizeof(text),
		 "{\"node_id\":\"%s\",\"base_url\":\"http://%s\","
		 "\"served_models\":[{\"model_id\":\"m\",\"roles\":[\"r\"]}]}",
		 id, host);
	if (reg_node_put(routing.reg, id, text, strlen(text), clock_ms,
			 STALE_MS, NULL, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
}

static void
take_away(unsigned i)
{
	char id[16];
	struct reg_err err = {0};

	snprintf(id, sizeof(id), "n%u", i);
	if (reg_node_remove(routing.reg, id, &err) < 0)
		exit(1);
}

/* It was probed just now, and answered. */
static void
reached(const char *base_url, const char *bearer)
{
	struct reg_probe last;
	uint64_t key[2];

	gw_probe_key(base_url, bearer, key);
	if (reg_probe_begin(routing.reg, key, clock_ms, 0, 1000, &last) !=
	    REG_PROBE_MINE)
		exit(1);
	reg_probe_put(routing.reg, key, clock_ms, 77, 4096 + 200);
}

static void
end_registry(void)
{
	gw_prober_free(routing.prober);
	gw_node_view_free(routing.nodes);
	gw_choices_release(&routing.choices);
	gw_place_keys_release(&routing);
	reg_close(routing.reg);
}

/* A process that has just started, beside a registry of @n nodes on one host.
 */
static void
begin(unsigned n)
{
	struct reg_err err = {0};

	end_registry();
	set_up(&gw_pipeline, gw_endpoints, gw_n_endpoints, &routing);
	memset(&routing, 0, sizeof(routing));
	config->gateway.probe_ttl_ms = STALE_MS;
	config->gateway.probe_timeout_ms = 1000;
	config->auth.upstream_node_key = strdup("key");
	routing.worker = worker;
	routing.reg = reg_open(shm_name, 12u << 20, &err);
	if (!routing.reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	reg_unlink(shm_name); /* nobody else needs the name */
	routing.nodes = gw_node_view_new(routing.reg, STALE_MS);
	routing.prober =
		gw_prober_new(&(struct gw_prober_setup){.loop = worker->loop,
							.upstreams = &upstreams,
							.reg = routing.reg});
	if (!routing.nodes || !routing.prober)
		exit(1);
	reached("http://host", "key");
	reached("http://elsewhere", "key");
	reached("http://p", "secret");
	for (unsigned i = 1; i <= n; i++)
		put(i, "host");
}

/* ---- clients ------------------------------------------------------------- */

/* A moment passes: timers that are due at once fire behind it. */
static void
turn(void)
{
	clock_ms++;
	ev_run(worker->loop, EVRUN_NOWAIT);
}

/* Turns of the loop until the answer has left. */
static unsigned
until_answered(void)
{
	unsigned turns = 0;

	while (!has_ended(&conn) && turns < TURNS_MAX) {
		turn();
		turns++;
	}
	return turns;
}

static void
ask_for_models(void)
{
	client("GET", "/v1/models");
	arrive();
}

/* Somebody else's request, which needs no turn of the loop. */
static bool
heartbeat(void)
{
	static struct gw_fcgi_conn other;
	static const char text[] = "{\"node_id\":\"n1\"}";

	memset(&other, 0, sizeof(other));
	other.param[0][0] = "REQUEST_METHOD";
	other.param[0][1] = "POST";
	other.param[1][0] = "REQUEST_URI";
	other.param[1][1] = "/v1/nodes/heartbeat";
	other.n_params = 2;
	other.request = front.ops->on_request(&other, front.arg);
	front.ops->on_body(other.request, text, strlen(text));
	front.ops->on_body_end(other.request);
	return other.finished && strstr(other.out, "Status: 200");
}

/* How often a node is in the answer. */
static unsigned
shown(unsigned i)
{
	char text[32];

	snprintf(text, sizeof(text), "\"node_id\":\"n%u\",", i);
	return got(text);
}

/* Is each of them there once, but for those in @except (up to a 0)? */
static bool
all_shown(const unsigned *except)
{
	unsigned wrong = 0;

	for (unsigned i = 1; i <= NODES; i++) {
		bool other = false;

		for (const unsigned *e = except; *e; e++)
			other |= *e == i;
		wrong += other ? shown(i) > 1 : shown(i) != 1;
	}
	return wrong == 0;
}

static bool
whole(void)
{
	struct gw_err err = {0};
	char length[64];
	struct json_object *o =
		gw_json_parse_object(got_body(), strlen(got_body()), 64, &err);

	snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
		 strlen(got_body()));
	json_object_put(o);
	return conn.finished && o && got(length) == 1;
}

static const unsigned none[] = {0};

/* ---- tests --------------------------------------------------------------- */

static void
in_pieces(void)
{
	unsigned answered = 0, turns = 0;

	begin(NODES);
	ask_for_models();
	while (!has_ended(&conn) && turns < TURNS_MAX) {
		turn();
		turns++;
		answered += heartbeat();
	}
	/* Nodes are parsed 32 a turn, and shown 64 a turn. */
	ok(turns >= NODES / 32 + NODES / 64,
	   "models: 1,000 nodes -> many turns of the loop (%u)", turns);
	is_int(answered, turns, "models: a heartbeat is answered in each");
	ok(whole() && all_shown(none), "models: each node is shown once");
	is_int(got("\"reachable\":true"), NODES, "models: all are reachable");
	ok(got("{\"id\":\"d\",\"object\":\"model\"") == 1 &&
		   got("{\"id\":\"p\",\"object\":\"model\"") == 1,
	   "models: and so are the aliases");
	ask_for_models();
	turns = until_answered();
	ok(turns >= NODES / 64 && whole() && all_shown(none),
	   "models: the nodes are known -> still in pieces (%u)", turns);
	begin(3);
	ask_for_models();
	ok(until_answered() <= 1 && whole() && shown(3) == 1,
	   "models: few nodes -> one piece");
	begin(0);
	ask_for_models();
	until_answered();
	ok(whole() && got("\"nodes\":[]") == 1, "models: no nodes");
}

/* Whatever happens between any two pieces. */
static void
changes(void)
{
	static const unsigned touched[] = {1, 500, 700, 0};
	unsigned bad = 0, moved = 0, turns = 1;

	for (unsigned k = 0; k < turns; k++) {
		begin(NODES);
		ask_for_models();
		for (unsigned i = 0; i < k && !has_ended(&conn); i++)
			turn();
		take_away(500);
		take_away(1);
		put(NODES + 1, "host"); /* takes a place that became free */
		put(1, "host");		/* moves to another one */
		put(10, "elsewhere");	/* the same, at another address */
		take_away(700);
		turns = k + 1 + until_answered();
		bad += !whole() || !all_shown(touched) || shown(NODES + 1) > 1;
		moved += got("registered just now, not probed yet") == 1;
		turns = turns > k + 1 ? turns : 0;
	}
	is_int(bad, 0,
	       "models: nodes come, move and go between pieces -> those "
	       "that stay are there, none is there twice");
	ok(moved > 0,
	   "models: what is known of an address is not said of another (%u)",
	   moved);
}

static void
client_leaves(void)
{
	unsigned k = 0;

	begin(NODES);
	for (;; k++) {
		ask_for_models();
		for (unsigned i = 0; i < k && !has_ended(&conn); i++)
			turn();
		if (has_ended(&conn))
			break;
		leave();
		turn();
	}
	ok(k > 10 && !worker->requests && heartbeat(),
	   "models: the client leaves between any two pieces (%u)", k);
	begin(NODES);
	ask_for_models();
	turn();
	gw_worker_cut_requests(worker);
	ok(got("Status: 503") == 1 && !worker->requests,
	   "models: a stop in the middle -> a 503");
	turn();
}

static void
slow_client(void)
{
	size_t before;

	begin(NODES);
	ask_for_models();
	conn.fills = true;
	for (int i = 0; i < 1000; i++)
		turn();
	before = conn.out_len;
	ok(!has_ended(&conn) && before <= 3 * GW_FCGI_HIGH_WATER,
	   "models: a client that does not read -> no more is queued (%zu)",
	   before);
	for (int i = 0; i < 100 && !has_ended(&conn); i++) {
		drain();
		turn();
		turn();
	}
	ok(whole() && all_shown(none), "models: it reads -> the whole");
	client("HEAD", "/v1/models");
	arrive();
	until_answered();
	ok(conn.finished && got("Content-Length: ") == 1 && !*got_body(),
	   "models: HEAD -> the length alone");
}

/* The request goes on with the configuration that it began with. */
static void
reload(void)
{
	struct gw_config *other = gw_config_new();

	begin(NODES);
	ask_for_models();
	turn();
	if (!other || gw_config_seal(other) < 0)
		exit(1);
	other->gateway.probe_ttl_ms = STALE_MS;
	other->auth.upstream_node_key = strdup("key");
	gw_config_unref(worker->config);
	worker->config = other;
	until_answered();
	ok(whole() && got("\"id\":\"d\"") == 1 && all_shown(none),
	   "models: another configuration in the middle -> the one it began "
	   "with");
	ask_for_models();
	until_answered();
	ok(whole() && got("\"id\":\"d\"") == 0, "models: the next one has it");
}

/* The other answers that look at all nodes of a role. */
static void
one_role(void)
{
	begin(NODES);
	client("GET", "/v1/models/d");
	arrive();
	ok(!has_ended(&conn) && heartbeat(),
	   "model: 1,000 nodes of a role -> others are answered before");
	until_answered();
	ok(conn.finished && got("Status: 200") == 1, "model: usable");
	for (unsigned i = 1; i <= NODES; i++)
		put(i, "host");
	client("GET", "/ready");
	arrive();
	ok(!has_ended(&conn) && heartbeat(),
	   "ready: 1,000 new registrations -> others are answered before");
	until_answered();
	ok(conn.finished && got("Status: 200") == 1, "ready: it is");
}

int
main(void)
{
	snprintf(shm_name, sizeof(shm_name), "/rolemesh-test-models-%d",
		 (int)getpid());
	in_pieces();
	changes();
	client_leaves();
	slow_client();
	reload();
	one_role();
	end_registry();
	tear_down();
	return done_testing();
}
