/* SPDX-License-Identifier: MIT */
/*
 * test_forward.c - one request and its upstreams: which failure moves it to
 * another one, what its client sees of an answer, and what of its end.
 */
#include "serve_chain.h"

#define SSE "text/event-stream"
#define JSON "application/json"
#define HOLD_MAX (32 << 10)

/* ---- which upstream ------------------------------------------------------ */

static void
failures_that_move(void)
{
	static const struct {
		const char *name;
		bool moves;
		int status; /* when it is the last one */
	} rows[GW_TRANSFER__MAX] = {
		[GW_TRANSFER_OK] = {"no answer at all", false, 500},
		[GW_TRANSFER_REFUSED] = {"refused", true, 502},
		[GW_TRANSFER_CONNECT_TIMEOUT] = {"connect timed out", true,
						 504},
		[GW_TRANSFER_UNREACHABLE] = {"unreachable", true, 502},
		[GW_TRANSFER_STRANGER] = {"another program", true, 502},
		[GW_TRANSFER_DNS] = {"no such host", true, 502},
		[GW_TRANSFER_TLS] = {"TLS", true, 502},
		[GW_TRANSFER_UNACKNOWLEDGED] = {"unacknowledged", true, 502},
		[GW_TRANSFER_VANISHED] = {"vanished", false, 502},
		[GW_TRANSFER_CLOSED] = {"closed", false, 502},
		[GW_TRANSFER_NOT_HTTP] = {"not HTTP", false, 502},
		[GW_TRANSFER_TIMED_OUT] = {"timed out", false, 504},
		[GW_TRANSFER_BROKEN] = {"broken", false, 502},
		[GW_TRANSFER_INTERNAL] = {"internal", true, 500},
		[GW_TRANSFER_HEADERS_TOO_LARGE] = {"headers", false, 502},
		[GW_TRANSFER_KEY_REFUSED] = {"key refused", true, 502},
		[GW_TRANSFER_UNAVAILABLE] = {"unavailable", true, 503},
	};

	for (int i = 0; i < GW_TRANSFER__MAX; i++) {
		chain_set_up();
		ask(CHAT, CHAT_D);
		up_done((enum gw_transfer_result)i);
		ok(started == (rows[i].moves ? 2 : 1) &&
			   holds == (int)rows[i].moves &&
			   counted(GW_COUNT_REPICKS) == rows[i].moves,
		   "forward: %s -> %s", rows[i].name,
		   rows[i].moves ? "another one" : "the end");
		while (last.accounts == 0)
			up_done((enum gw_transfer_result)i);
		is_int(last.status, rows[i].status, "forward: in the end");
	}
}

static void
moved(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_done(GW_TRANSFER_REFUSED);
	is_str(up()->url, "http://up-2" CHAT, "forward: the next is asked");
	is_str(up()->body, CHAT_D, "forward: the same");
	up_connected();
	up_head(200, JSON, 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(got("Status: ") == 1 && got("X-RoleMesh-Node: n2\r\n") == 1,
	   "forward: the client sees the one that answered");
	is_str(got_body(), "{}", "forward: and its answer");
	ok(last.code == GW_OK && last.accounts == 1 && holds == 0,
	   "forward: no failure, and all are let go");
}

static void
attempts(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	for (int i = 1; i < GW_PICK_ATTEMPTS; i++) {
		up_done(GW_TRANSFER_REFUSED);
		ok(last.accounts == 0 && holds == 1,
		   "forward: %d refused -> the next one", i);
	}
	up_done(GW_TRANSFER_REFUSED);
	ok(last.accounts == 1 && started == GW_PICK_ATTEMPTS &&
		   picks == GW_PICK_ATTEMPTS,
	   "forward: as many as are tried refused -> the end");
	is_int(last.status, 502, "forward: 502");
	ok(counted(GW_COUNT_REPICKS) == GW_PICK_ATTEMPTS - 1 && holds == 0,
	   "forward: one move less than attempts, all are let go");
}

static void
proxies(void)
{
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	ok(started == 1 && last.status == 502, "forward: a proxy has no other");
	chain_set_up();
	chain.picks_again = true;
	ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	is_int((long long)started, 2,
	       "forward: unless its program says so (a node agent)");
	up_connected();
	up_done(GW_TRANSFER_UNACKNOWLEDGED);
	ok(started == 2 && last.status == 502,
	   "forward: and then not what it got and died of");
}

static void
head_pins(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(200, JSON, 9);
	up_data("half");
	up_done(GW_TRANSFER_UNACKNOWLEDGED);
	ok(started == 1 && got("Status: ") == 1 && last.status == 502,
	   "forward: nothing moves behind a head, though the client has none");
}

static void
early_pins(void)
{
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(CHAT, STREAM_D);
	pass(1001);
	up_done(GW_TRANSFER_REFUSED);
	ok(started == 1 && last.accounts == 1,
	   "forward: nothing moves behind an early 200");
	ok(got("Status: ") == 1 && got("data: {\"error\":") == 1 &&
		   got("upstream_unreachable") == 1 && conn.finished == 1,
	   "forward: an error event says why");
}

static void
second_one_fails_to_start(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	refuse_start = true;
	up_done(GW_TRANSFER_REFUSED);
	ok(last.accounts == 1 && last.status == 500 && holds == 0,
	   "forward: no transfer -> 500, and all are let go");
}

static void
internal_failures(void)
{
	chain_set_up();
	refuse_start = true;
	client("POST", CHAT);
	arrive();
	send_all(CHAT_D);
	ok(picks == GW_PICK_ATTEMPTS && holds == 0 && last.status == 500,
	   "forward: none can be started -> each is tried, then 500");
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_connected();
	up_done(GW_TRANSFER_INTERNAL);
	ok(started == 1 && last.status == 500,
	   "forward: internal, but it was connected -> not sent twice");
}

/* Ours was shown, and the upstream answers so. */
static void
key_refused(const char *body, int status)
{
	chain_set_up();
	model(DISCOVERED)->api_key = strdup("node-secret");
	ask(CHAT, body);
	up_connected();
	up_head(status, JSON, 9);
}

static void
own_keys(void)
{
	struct gw_request *r;

	key_refused(CHAT_P, 401);
	ok(last.status == 502 && last.code == GW_ERR_UPSTREAM_AUTH_FAILED &&
		   up()->left,
	   "own key: refused -> 502, whatever else it says");
	chain_set_up();
	r = ask(CHAT, CHAT_P);
	free(r->target.node_id);
	r->target.node_id = NULL;
	up_head(403, JSON, 9);
	is_str(last.msg,
	       "the upstream of 'p' failed: it refused the gateway's own key, "
	       "models.p.api_key",
	       "own key: 403, too; its place is named");
	ok(!strstr(conn.out, "secret"), "own key: not the key");
	key_refused(CHAT_D, 401);
	ok(started == 2 && last.accounts == 0,
	   "own key: a node refuses -> another one");
	up_head(200, JSON, 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	is_int(last.status, 200, "own key: which answers");
	key_refused(CHAT_D, 403);
	up_head(401, JSON, 9);
	up_head(401, JSON, 9);
	ok(started == 3 && last.code == GW_ERR_UPSTREAM_AUTH_FAILED &&
		   strstr(last.msg, "auth.upstream_node_key"),
	   "own key: all refuse -> 502");
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(401, JSON, 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(last.status == 401 && last.code == GW_OK && started == 1,
	   "own key: none was shown -> the upstream's own answer");
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(CHAT, STREAM_P);
	pass(1001);
	up_head(401, JSON, 2);
	ok(got("upstream_auth_failed") == 1 && conn.finished == 1,
	   "own key: behind an early 200 -> an error event");
}

static void
unavailable(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(503, JSON, 9);
	ok(started == 2 && transfers[0].left && conn.out_len == 0,
	   "503: a node -> another one at once");
	another = false;
	up_head(503, JSON, 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(started == 2 && last.status == 503 && last.code == GW_OK &&
		   strcmp(got_body(), "{}") == 0,
	   "503: the last one -> its own answer");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(503, JSON, 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(started == 1 && last.status == 503, "503: a proxy -> its answer");
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(CHAT, STREAM_D);
	pass(1001);
	up_head(503, JSON, 2);
	ok(started == 1, "503: nothing moves behind an early 200");
}

static void
client_leaves(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	leave();
	ok(last.accounts == 1 && up()->cancelled == 1 && holds == 0,
	   "forward: the client leaves -> cancelled and let go");
	chain_set_up();
	ask(CHAT, STREAM_D);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	leave();
	ok(last.accounts == 1 && up()->cancelled == 1 && holds == 0,
	   "stream: the client leaves -> the same");
}

/* ---- the request's body -------------------------------------------------- */

/* A body that is read in pieces, so that it is seen whether it is there. */
static struct gw_request *
ask_large(void)
{
	static char text[70064];

	snprintf(text, sizeof(text), "{\"model\":\"p\",\"x\":\"%070000d\"}", 0);
	chain_set_up();
	worker->max_body_bytes = 100000;
	client("POST", CHAT);
	arrive();
	front.ops->on_body(conn.request, text, 60000);
	send_all(text + 60000);
	return conn.request;
}

static bool
is_readable(uint64_t offset)
{
	char c;

	return up()->req.read(up()->req.read_arg, offset, &c, 1) == 1;
}

static void
body_memory(void)
{
	uint64_t n;

	ask_large();
	n = up()->req.body_len;
	up()->sent = n - 1;
	up_head(200, "text/plain", -1);
	ok(is_readable(n - 1),
	   "stream: a head before the whole body was sent -> it stays");
	ask_large();
	up()->sent = n;
	up_head(200, "text/plain", -1);
	ok(!is_readable(0), "stream: sent -> its memory is given back");
}

/* ---- the answer ---------------------------------------------------------- */

static void
short_answers(void)
{
	char length[64];

	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(201, JSON, 4);
	up_data("{ ");
	up_data(" }");
	is_int((long long)conn.out_len, 0, "stream: a short answer is held");
	up_done(GW_TRANSFER_OK);
	ok(got("Status: 201") == 1 && got("Content-Length: 4\r\n") == 1 &&
		   got("Content-Type: " JSON "\r\n") == 1,
	   "stream: until it is whole, then it leaves");
	is_str(got_body(), "{  }", "stream: as it came");
	ok(conn.finished == 1 && last.status == 201 && !last.broken,
	   "stream: and that was all");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, JSON, 4);
	up_data("{ ");
	up_done(GW_TRANSFER_BROKEN);
	ok(got("Status: ") == 1 && got("Status: 502") == 1 && !last.broken &&
		   conn.finished == 1,
	   "stream: a short answer that breaks off -> a clean 502");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, JSON, HOLD_MAX);
	is_int((long long)conn.out_len, 0, "stream: the longest that is held");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, JSON, HOLD_MAX + 1);
	snprintf(length, sizeof(length), "Content-Length: %d\r\n",
		 HOLD_MAX + 1);
	is_int(got(length), 1, "stream: one byte more -> its head leaves");
}

static void
longest_short_answer(void)
{
	static char text[HOLD_MAX + 1];

	memset(text, 'h', HOLD_MAX);
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, JSON, HOLD_MAX);
	up_data(text);
	up_done(GW_TRANSFER_OK);
	ok(got("Content-Length: 32768\r\n") == 1 &&
		   strcmp(got_body(), text) == 0,
	   "stream: the longest that is held -> leaves whole");
}

/* When to come again: of an error of ours, only what we say. */
static void
our_errors(void)
{
	struct gw_request *r;

	chain_set_up();
	ask(CHAT, CHAT_P);
	up_retry_after = "7";
	up_head(200, JSON, 9);
	up_retry_after = "";
	up_data("{ ");
	up_done(GW_TRANSFER_BROKEN);
	ok(got("Status: 502") == 1 && got("Retry-After: 7") == 0,
	   "stream: it breaks off -> our error, without the upstream's word");
	chain_set_up();
	ask(CHAT, CHAT_P);
	r = conn.request;
	gw_err_set(&r->err, GW_ERR_MODEL_START_FAILED, 0, "not now");
	r->err.retry_after_s = 99;
	gw_pipeline_resume(r);
	ok(got("Status: 503") == 1 && got("Retry-After: 99\r\n") == 1,
	   "forward: an error that knows when to come again -> says so");
}

static void
long_answers(void)
{
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, "", -1);
	ok(got("Status: 200") == 1 && got("Content-Length") == 0 &&
		   got("Content-Type") == 0,
	   "stream: no length, no type -> the head says none");
	up_data("a");
	is_str(got_body(), "a", "stream: bytes leave as they come");
	up_done(GW_TRANSFER_OK);
	ok(conn.finished == 1 && conn.aborted == 0 && last.status == 200,
	   "stream: the end");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, "", -1);
	up_data("a");
	up_done(GW_TRANSFER_BROKEN);
	ok(conn.aborted == 1 && conn.finished == 0 && last.broken,
	   "stream: one that breaks off is broken for the client, too");
	is_str(got_body(), "a", "stream: and nothing is added to it");
}

static void
upstream_errors(void)
{
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_retry_after = "7";
	up_head(429, JSON, 2);
	up_retry_after = "";
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	ok(got("Status: 429") == 1 && got("Retry-After: 7\r\n") == 1,
	   "stream: an upstream's refusal, and when to come again");
	ok(last.code == GW_OK && counted(GW_COUNT_ANSWERED_4XX) == 1,
	   "stream: is no failure of ours");
}

static void
event_streams(void)
{
	chain_set_up();
	ask(CHAT, STREAM_P);
	up_head(200, SSE "; charset=utf-8", 9);
	ok(got("Status: 200") == 1 && got("Content-Length") == 0 &&
		   got("Content-Type: " SSE "; charset=utf-8\r\n") == 1,
	   "events: no length, more may be added");
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_OK);
	is_str(got_body(), "data: 1\n\n", "events: as they came");
	ok(conn.finished == 1 && !last.broken && last.events,
	   "events: the end");
	chain_set_up();
	ask(CHAT, STREAM_P);
	up_head(200, SSE, -1);
	up_data("data: 1\n\nda");
	up_done(GW_TRANSFER_BROKEN);
	ok(got("data: 1\n\nda\n\ndata: {\"error\":") == 1 &&
		   got("upstream_protocol_error") == 1,
	   "events: one that breaks off -> an error event");
	ok(conn.finished == 1 && last.broken && got("Status: ") == 1,
	   "events: the end of a broken answer");
}

static void
error_events(void)
{
	chain_set_up();
	ask(CHAT, STREAM_P);
	up_head(200, SSE, -1);
	up_data("data: 1\n\ndata: {\"er");
	up_data("ror\":{\"message\":\"of the prompt\",\"code\":\"died\"}}\n\n");
	up_done(GW_TRANSFER_OK);
	ok(got("\"error\":{") == 1 && conn.finished == 1 && !last.broken &&
		   last.status == 200,
	   "error event: of the upstream's -> passed on");
	ok(last.code == GW_ERR_UPSTREAM_ERROR_EVENT &&
		   strstr(last.msg, "sent an error event: died") &&
		   !strstr(last.msg, "prompt"),
	   "error event: its code is remembered, not its words");
	is_int((long long)counted(GW_COUNT_STREAM_BROKEN), 1,
	       "error event: and it counts as broken");
	chain_set_up();
	ask(CHAT, STREAM_P);
	up_head(200, SSE, -1);
	up_data("data: {\"error\":{\"code\":1}}\n\n");
	up_done(GW_TRANSFER_BROKEN);
	ok(got("\"error\":{") == 1 && conn.finished == 1,
	   "error event: and then it breaks off -> no second one");
}

static void
cut_off(void)
{
	chain_set_up();
	gw_worker_cut_requests(worker);
	ask(CHAT, STREAM_P);
	up_head(200, SSE, -1);
	up_data("data: 1\n\nda");
	gw_worker_cut_requests(worker);
	ok(got("da\n\ndata: {\"error\":") == 1 && got("shutting_down") == 1 &&
		   conn.finished == 1 && up()->cancelled == 1,
	   "cut off: a stream ends with an event that says why");
	ok(last.accounts == 1 && last.broken && last.status == 200 &&
		   last.code == GW_ERR_SHUTTING_DOWN,
	   "cut off: and is remembered as that");
	chain_set_up();
	ask(CHAT, CHAT_P);
	gw_worker_cut_requests(worker);
	ok(got("Status: 503") == 1 && got("Retry-After: ") == 1 &&
		   last.accounts == 1,
	   "cut off: no head yet -> 503");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, "", -1);
	up_data("a");
	gw_worker_cut_requests(worker);
	ok(conn.aborted == 1 && last.broken,
	   "cut off: a long answer breaks off");
	chain_set_up();
	client("POST", CHAT);
	arrive();
	gw_worker_cut_requests(worker);
	ok(got("Status: 503") == 1 && counted(GW_COUNT_CLIENT_GONE) == 0,
	   "cut off: its body is not there yet -> 503");
}

/* ---- behind an early 200 ------------------------------------------------- */

static void
begin_early(const char *path)
{
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(path, STREAM_P);
	pass(1001);
}

static void
only_one_event(const char *text, const char *title)
{
	ok(got("Status: ") == 1 && got("\"error\":{") == 1 && got(text) == 1 &&
		   conn.finished == 1 && last.broken && last.accounts == 1,
	   "early: %s", title);
}

static void
early_errors(void)
{
	size_t before;

	begin_early(CHAT);
	before = conn.out_len;
	up_head(503, JSON, -1);
	up_data("{\"error\":{\"message\":\"loading\"}}");
	pass(5000);
	ok(conn.out_len == before, "early: an upstream's error is held");
	up_done(GW_TRANSFER_OK);
	only_one_event("data: {\"error\":{\"message\":\"loading\"",
		       "and becomes one error event");
	begin_early("/v1/messages");
	up_head(404, JSON, 2);
	up_data("{\"error\":{\"message\":\"gone\"}}");
	up_done(GW_TRANSFER_OK);
	only_one_event("event: error\ndata: ", "in the words of its endpoint");
	begin_early(CHAT);
	up_head(200, JSON, 9);
	up_data("{\"a\":\"b\"}");
	up_done(GW_TRANSFER_OK);
	only_one_event("the upstream answered with status 200",
		       "a 200 that is no stream -> an error event");
	begin_early(CHAT);
	up_head(500, SSE, -1);
	up_data("data: x\n\n");
	up_done(GW_TRANSFER_OK);
	only_one_event("the upstream answered with status 500",
		       "a stream with another status -> an error event");
	begin_early(CHAT);
	up_head(503, JSON, -1);
	up_data("half");
	up_done(GW_TRANSFER_BROKEN);
	only_one_event("upstream_protocol_error",
		       "an error that breaks off -> an event of ours");
}

int
main(void)
{
	failures_that_move();
	moved();
	attempts();
	proxies();
	head_pins();
	early_pins();
	second_one_fails_to_start();
	internal_failures();
	own_keys();
	unavailable();
	client_leaves();
	body_memory();
	short_answers();
	longest_short_answer();
	our_errors();
	long_answers();
	upstream_errors();
	event_streams();
	error_events();
	cut_off();
	early_errors();
	tear_down();
	return done_testing();
}
