/* SPDX-License-Identifier: MIT */
/*
 * test_requests.c - what is kept of a request and shown again: the bytes of a
 * record, who ended a request, and the list, over a registry and in a time that
 * stands still.
 */
#include "base/hash.h"
#include "base/utf8.h"
#include "endpoint/table.h"
#include "responder/stages.h"
#include "routing/place_keys.h"
#include "routing/request_record.h"
#include "routing/routing.h"
#include "serve_run.h"
#include "stage/policy.h"

#define CHAT "/v1/chat/completions"
#define BODY "{\"model\":\"p\"}"
#define STREAM "{\"model\":\"p\",\"stream\":true}"
#define SSE "text/event-stream"
#define JSON "application/json"

/* ---- the bytes
 * --------------------------------------------------------------- */

static void
fill(char *out, size_t n, const char *with)
{
	size_t len = strlen(with);

	for (size_t i = 0; i + len <= n; i += len)
		memcpy(out + i, with, len);
	out[n - n % len] = '\0';
}

static void
test_bytes(void)
{
	static struct gw_request_record a, b;
	uint8_t bytes[REG_RECORD_BYTES];
	size_t n;
	unsigned wrong = 0;

	a = (struct gw_request_record){
		.began_ms = 1234567890123,
		.queue_us = 1,
		.connect_us = GW_RECORDED_NEVER,
		.first_byte_us = 3,
		.total_us = UINT64_MAX - 1,
		.bytes_in = 5,
		.bytes_out = 6,
		.prompt_tokens = 7,
		.completion_tokens = 8,
		.cached_tokens = 9,
		.status = 599,
		.outcome = GW_OUTCOME_CLIENT_GONE,
		.ended_by = GW_ENDED_BY_GATEWAY,
		.stream = true,
		.id = "req_1",
		.client = "somebody",
		.model = "planner",
		.path = CHAT,
		.error = "upstream_timeout",
		.n_attempts = 2,
		.attempts = {{"n1", "unconnected", 4}, {"", "ok", UINT32_MAX}}};
	n = gw_record_encode(&a, bytes);
	ok(n < 200 && gw_record_decode(bytes, n, &b) &&
		   memcmp(&a, &b, sizeof(a)) == 0,
	   "bytes: there and back (%zu)", n);
	for (size_t i = 0; i < n; i++)
		wrong += gw_record_decode(bytes, i, &b);
	is_int(wrong, 0, "bytes: fewer are none");
	ok(!gw_record_decode(bytes, n + 1, &b), "bytes: nor are more");
	/* Whatever the bytes are, they are read within their bounds. */
	for (unsigned seed = 0; seed < 20000; seed++) {
		uint8_t odd[REG_RECORD_BYTES];
		uint64_t h = gw_hash(&seed, sizeof(seed));

		memcpy(odd, bytes, sizeof(odd));
		for (int i = 0; i < 8; i++, h = h * 31 + 7)
			odd[(h >> 20) % n] = (uint8_t)(h >> 40);
		wrong += gw_record_decode(odd, n, &b) &&
			 (b.n_attempts > GW_ATTEMPTS_MAX ||
			  b.outcome >= GW_OUTCOME__MAX ||
			  !memchr(b.id, 0, sizeof(b.id)));
	}
	is_int(wrong, 0, "bytes: damaged ones");
}

/* The longest of everything, in characters of one byte and of three. */
static void
test_longest(void)
{
	static struct gw_request_record a, b;
	uint8_t bytes[REG_RECORD_BYTES];
	const char *const texts[] = {"x", "\xe2\x82\xac"};

	for (size_t t = 0; t < 2; t++) {
		unsigned cut = 0;
		size_t n;

		memset(&a, 0, sizeof(a));
		fill(a.id, GW_REQUEST_ID_MAX, texts[t]);
		fill(a.client, GW_CLIENT_NAME_MAX, texts[t]);
		fill(a.model, GW_RECORDED_MODEL_MAX, texts[t]);
		fill(a.path, GW_RECORDED_PATH_MAX, texts[t]);
		fill(a.error, GW_RECORDED_WORD_MAX, texts[t]);
		a.n_attempts = GW_ATTEMPTS_MAX;
		for (int i = 0; i < GW_ATTEMPTS_MAX; i++) {
			fill(a.attempts[i].candidate, GW_RECORDED_NAME_MAX,
			     texts[t]);
			fill(a.attempts[i].result, GW_RECORDED_WORD_MAX,
			     texts[t]);
		}
		n = gw_record_encode(&a, bytes);
		ok(n <= REG_RECORD_BYTES && gw_record_decode(bytes, n, &b) &&
			   strcmp(a.id, b.id) == 0 &&
			   strcmp(a.model, b.model) == 0,
		   "longest: id and model are whole (%zu bytes)", n);
		for (unsigned i = 0; i < b.n_attempts; i++) {
			const char *name = b.attempts[i].candidate;

			cut += strlen(name) % strlen(texts[t]) != 0 ||
			       strncmp(name, a.attempts[i].candidate,
				       strlen(name)) != 0;
		}
		is_int(cut, 0, "longest: names are cut between characters");
	}
	/* Room for a part of each name, whatever the id leaves of it. */
	a.client[0] = a.model[0] = '\0';
	for (size_t id = 20; id < 40; id++) {
		unsigned cut = 0, bad = 0;

		fill(a.id, id, "i");
		if (!gw_record_decode(bytes, gw_record_encode(&a, bytes), &b))
			bad++;
		for (unsigned i = 0; i < b.n_attempts; i++) {
			const char *name = b.attempts[i].candidate;
			size_t len = strlen(name);

			cut += len > 0 && len < GW_RECORDED_NAME_MAX - 2;
			bad += !gw_utf8_valid(name, len);
		}
		ok(cut > 4 && !bad, "longest: %u names cut between characters",
		   cut);
	}
	/* Of a usual length: nothing is cut. */
	fill(a.id, 36, "i");
	fill(a.client, 16, "c");
	fill(a.model, 16, "m");
	memcpy(a.path, CHAT, sizeof(CHAT));
	a.error[0] = '\0';
	for (int i = 0; i < GW_ATTEMPTS_MAX; i++) {
		fill(a.attempts[i].candidate, 16, "n");
		memcpy(a.attempts[i].result, "unconnected", 12);
	}
	ok(gw_record_decode(bytes, gw_record_encode(&a, bytes), &b) &&
		   strcmp(b.attempts[7].candidate, "nnnnnnnnnnnnnnnn") == 0 &&
		   strcmp(b.attempts[7].result, "unconnected") == 0,
	   "longest: eight attempts of usual names are whole");
}

/* ---- requests
 * ------------------------------------------------------------------ */

static struct gw_routing routing;
static char shm_name[64];

static void
end_registry(void)
{
	gw_policies_release(&routing);
	gw_place_keys_release(&routing);
	gw_choices_release(&routing.choices);
	gw_node_view_free(routing.nodes);
	reg_close(routing.reg);
}

static void
with_keys(struct gw_config *c)
{
	c->auth.operator_keys.key = calloc(1, sizeof(char *));
	c->auth.operator_keys.key[0] = strdup("op");
	c->auth.operator_keys.n = 1;
	c->auth.clients = calloc(1, sizeof(*c->auth.clients));
	c->auth.n_clients = 1;
	c->auth.clients[0] = (struct gw_client){.name = strdup("some\"body"),
						.key = strdup("k"),
						.all_models = true};
}

static void
begin(void)
{
	struct reg_err err = {0};

	configure = with_keys;
	set_up(&gw_pipeline, gw_endpoints, gw_n_endpoints, &routing);
	end_registry();
	memset(&routing, 0, sizeof(routing));
	routing.worker = worker;
	routing.reg = reg_open(shm_name, 12u << 20, &err);
	if (!routing.reg) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	reg_unlink(shm_name); /* nobody else needs the name */
	routing.nodes = gw_node_view_new(routing.reg, 10000);
	model(PROXY)->retry.attempts = 0;
}

static void
ask(const char *body)
{
	client("POST", CHAT);
	param("HTTP_X_API_KEY", "k");
	param("HTTP_X_REQUEST_ID", "one");
	if (arrive())
		send_all(body);
}

static struct gw_request_record rec;

/* What was recorded last. */
static const struct gw_request_record *
recorded(void)
{
	uint8_t bytes[REG_RECORD_BYTES];
	size_t n = reg_recorder_read(routing.reg,
				     reg_recorder_newest(routing.reg), bytes);

	memset(&rec, 0, sizeof(rec));
	if (!n || !gw_record_decode(bytes, n, &rec))
		rec.outcome = GW_OUTCOME__MAX;
	return &rec;
}

static bool
ended(enum gw_outcome outcome, enum gw_ended_by by)
{
	recorded();
	if (rec.outcome == outcome && rec.ended_by == by)
		return true;
	printf("# outcome %d by %d, %s\n", (int)rec.outcome, (int)rec.ended_by,
	       rec.error);
	return false;
}

static void
test_ends(void)
{
	begin();
	ask(BODY);
	clock_ms += 20;
	up_head(200, JSON, 2);
	clock_ms += 30;
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(ended(GW_OUTCOME_OK, GW_ENDED_BY_UPSTREAM), "end: an answer");
	ok(strcmp(rec.id, "one") == 0 &&
		   strcmp(rec.client, "some\"body") == 0 &&
		   strcmp(rec.model, "p") == 0 && strcmp(rec.path, CHAT) == 0 &&
		   !rec.error[0] && rec.status == 200 && !rec.stream,
	   "end: whose, what, how");
	ok(rec.total_us == 50000 && rec.first_byte_us == 50000 &&
		   rec.bytes_in == strlen(BODY) && rec.bytes_out > 2,
	   "end: how long, how much");
	ok(rec.n_attempts == 1 && strcmp(rec.attempts[0].candidate, "p") == 0 &&
		   strcmp(rec.attempts[0].result, "ok") == 0 &&
		   rec.attempts[0].us == 50000,
	   "end: its attempt");
	ask("no json");
	ok(ended(GW_OUTCOME_REFUSED, GW_ENDED_BY_GATEWAY) &&
		   strcmp(rec.error, "invalid_json") == 0 &&
		   rec.n_attempts == 0 && !rec.model[0] &&
		   rec.connect_us == GW_RECORDED_NEVER,
	   "end: a refusal of the gateway's");
	client("POST", CHAT);
	arrive();
	ok(ended(GW_OUTCOME_REFUSED, GW_ENDED_BY_GATEWAY) && !rec.client[0],
	   "end: without a key");
	ask(BODY);
	up_head(400, JSON, 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(ended(GW_OUTCOME_REFUSED, GW_ENDED_BY_UPSTREAM) && !rec.error[0],
	   "end: a refusal of the upstream's");
	ask(BODY);
	up_done(GW_TRANSFER_REFUSED);
	ok(ended(GW_OUTCOME_FAILED, GW_ENDED_BY_UPSTREAM) &&
		   strcmp(rec.error, "upstream_unreachable") == 0,
	   "end: no upstream");
	ask("{\"model\":\"d\"}");
	ok(ended(GW_OUTCOME_FAILED, GW_ENDED_BY_GATEWAY) &&
		   strcmp(rec.error, "no_available_node") == 0,
	   "end: no node");
	ask(STREAM);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_BROKEN);
	ok(ended(GW_OUTCOME_BROKEN, GW_ENDED_BY_UPSTREAM) && rec.stream,
	   "end: a stream that breaks");
	ask(STREAM);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	leave();
	ok(ended(GW_OUTCOME_CLIENT_GONE, GW_ENDED_BY_CLIENT) &&
		   rec.status == 499,
	   "end: the client leaves");
	model(PROXY)->timeouts.idle_ms = 1000;
	ask(STREAM);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	pass(5000);
	pass(5000);
	ok(ended(GW_OUTCOME_BROKEN, GW_ENDED_BY_LIMIT) &&
		   strcmp(rec.error, "upstream_timeout") == 0,
	   "end: a limit");
	ask(STREAM);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	gw_worker_end_requests(worker);
	ok(ended(GW_OUTCOME_BROKEN, GW_ENDED_BY_STOP), "end: a stop");
}

static void
test_not_kept(void)
{
	uint64_t before;

	begin();
	before = reg_recorder_newest(routing.reg);
	client("GET", "/health");
	arrive();
	client("GET", "/nowhere");
	arrive();
	client("GET", "/rolemesh/requests");
	param("HTTP_X_API_KEY", "op");
	arrive();
	client("POST", CHAT);
	param("HTTP_X_API_KEY", "k");
	conn.asks_admission = true;
	arrive();
	is_int((long long)(reg_recorder_newest(routing.reg) - before), 0,
	       "kept: requests for models alone");
}

/* ---- the list
 * ------------------------------------------------------------------ */

static unsigned turns;

/* Until all of it has left; what it was answered. */
static int
list(const char *query)
{
	static char path[256];

	snprintf(path, sizeof(path), "/rolemesh/requests%s", query);
	client("GET", path);
	param("HTTP_X_API_KEY", "op");
	arrive();
	for (turns = 0; !has_ended(&conn) && turns < 1000; turns++) {
		conn.backlog = 0;
		clock_ms++;
		ev_run(worker->loop, EVRUN_NOWAIT);
	}
	return atoi(conn.out + strlen("Status: "));
}

/* As many as that, newest first by their status. */
static void
keep(int first, int n, enum gw_outcome outcome, const char *alias)
{
	uint8_t bytes[REG_RECORD_BYTES];

	for (int i = 0; i < n; i++) {
		struct gw_request_record one = {.status = first + i,
						.outcome = outcome};

		memcpy(one.model, alias, strlen(alias));
		reg_recorder_put(routing.reg, bytes,
				 gw_record_encode(&one, bytes));
	}
}

static const char *const refused_queries[][2] = {
	{"limit=-1", "limit"},	     {"limit=0", "limit"},
	{"limit=4097", "limit"},     {"limit=1000000000", "limit"},
	{"limit=1e2", "limit"},	     {"limit=", "limit"},
	{"limit", "limit"},	     {"limit=%31%", "limit"},
	{"limit=%3g", "limit"},	     {"limit=1&limit=1", "limit"},
	{"outcome=okay", "outcome"}, {"outcome=", "outcome"},
	{"model=%00", "model"},	     {"model=%ff", "model"},
	{"models=p", NULL},	     {"x", NULL},
};

static void
test_queries(void)
{
	char path[128];

	begin();
	for (size_t i = 0; i < GW_ARRAY_LEN(refused_queries); i++) {
		const char *field = refused_queries[i][1];
		char want[64];

		snprintf(path, sizeof(path), "?%s", refused_queries[i][0]);
		snprintf(want, sizeof(want),
			 field ? "\"param\":\"%s\"" : "null",
			 field ? field : "");
		ok(list(path) == 400 && got("invalid_request\"") == 1 &&
			   got(want) == 1,
		   "query: %s -> 400", refused_queries[i][0]);
	}
	ok(list("?outcome=x") == 400 &&
		   got("outcome is one of ok, refused, failed, broken, "
		       "client_gone") == 1,
	   "query: what it may be");
	ok(list("") == 200 && strcmp(got_body(), "{\"requests\":[]}\n") == 0,
	   "query: none, and nothing was recorded");
	ok(list("?&limit=%31&") == 200, "query: an escape, nothing between &");
	ok(list("?limit=4096#x") == 200, "query: what is behind it");
}

static void
test_list(void)
{
	const char *newest, *before;

	begin();
	ask("no json");
	keep(1000, 150, GW_OUTCOME_OK, "p");
	keep(2000, 3, GW_OUTCOME_FAILED, "p");
	keep(3000, 3, GW_OUTCOME_FAILED, "gone \xe2\x82\xac");
	is_int(list(""), 200, "list: 200");
	is_int(got("\"status\":"), 100, "list: a hundred where none is asked");
	newest = strstr(got_body(), "\"status\":3002");
	before = strstr(got_body(), "\"status\":3001");
	ok(newest && before && newest < before, "list: the newest first");
	is_int(list("?limit=2"), 200, "list: a limit");
	ok(got("\"status\":") == 2 && got("\"status\":3001") == 1, "list: ...");
	list("?outcome=failed");
	is_int(got("\"status\":"), 6, "list: by outcome");
	list("?outcome=failed&model=p");
	ok(got("\"status\":") == 3 && got("\"status\":2002") == 1,
	   "list: by outcome and model");
	list("?model=gone+%e2%82%ac");
	is_int(got("\"status\":"), 3, "list: of a model that is no more");
	list("?outcome=failed&limit=1&model=p");
	ok(got("\"status\":") == 1 && got("\"status\":2002") == 1,
	   "list: the newest of those");
	list("?outcome=refused");
	ok(got("{\"id\":\"one\",\"time\":") == 1 &&
		   got("\"client\":\"some\\\"body\",\"model\":null,\"path\":"
		       "\"/v1/chat/completions\",\"stream\":false,\"status\":"
		       "400,\"outcome\":\"refused\",\"ended_by\":\"gateway\","
		       "\"error\":\"invalid_json\",\"attempts\":[],\"queue_ms\""
		       ":0,\"connect_ms\":null,\"first_byte_ms\":0,"
		       "\"total_ms\":0,\"bytes_in\":7,\"bytes_out\":") == 1,
	   "list: what one says");
	reg_recorder_put(routing.reg, "rubbish", 7);
	list("?limit=4096");
	is_int(got("\"status\":"), 157, "list: what is none is left out");
	keep(1, 5000, GW_OUTCOME_OK, "p");
	is_int(list("?limit=4096&model=nobody"), 200, "list: of nobody");
	is_int(got("\"status\":"), 0, "list: is empty");
	ok(turns >= 4096 / 64 - 1, "list: in pieces (%u turns)", turns);
	client("GET", "/rolemesh/requests?limit=4096");
	param("HTTP_X_API_KEY", "op");
	arrive();
	run_loop();
	keep(1, 5000, GW_OUTCOME_OK, "p");
	leave();
	ok(list("?limit=1") == 200, "list: who asked left, amid it");
}

int
main(void)
{
	snprintf(shm_name, sizeof(shm_name), "/requests-test-%d",
		 (int)getpid());
	test_bytes();
	test_longest();
	test_ends();
	test_not_kept();
	test_queries();
	test_list();
	tear_down();
	end_registry();
	return done_testing();
}
