/* SPDX-License-Identifier: MIT */
/*
 * test_forward.c - one request and its upstreams: which failure moves it to
 * another one, what its client sees of an answer, and what of its end.
 */
#include "serve_chain.h"

#define SSE "text/event-stream"
#define HOLD_MAX (64 << 10)

/* ---- which upstream ------------------------------------------------------ */

static void
moved(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_done(GW_TRANSFER_REFUSED);
	is_str(up()->url, "http://up-2" CHAT, "forward: the next is asked");
	is_str(up()->body, CHAT_D, "forward: the same");
	up_connected();
	answer(200, "{}");
	ok(got("Status: ") == 1 && got("X-RoleMesh-Node: n2\r\n") == 1,
	   "forward: the client sees the one that answered");
	is_int(got("X-RoleMesh-Attempts: 2\r\n"), 1, "forward: and how many");
	is_str(got_body(), "{}", "forward: and its answer");
	ok(last.code == GW_OK && last.accounts == 1 && holds == 0,
	   "forward: no failure, and all are let go");
	is_int((long long)counted(GW_COUNT_REPICKS), 1, "forward: one move");
}

/* A program with one upstream, which picks it anew: a node agent. */
static void
without_failover(enum gw_transfer_result result, bool connected)
{
	chain_set_up();
	chain.failover = NULL;
	chain.picks_again = true;
	ask(CHAT, CHAT_P);
	if (connected)
		up_connected();
	up_done(result);
}

static void
one_upstream(void)
{
	chain_set_up();
	chain.failover = NULL;
	ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	ok(started == 1 && last.status == 502,
	   "one upstream: not connected -> the end");
	without_failover(GW_TRANSFER_REFUSED, false);
	is_int((long long)started, 2,
	       "one upstream: it may be picked anew -> is");
	up_done(GW_TRANSFER_REFUSED);
	is_int((long long)started, 3, "one upstream: twice");
	up_done(GW_TRANSFER_REFUSED);
	ok(started == 3 && last.status == 502 && holds == 0,
	   "one upstream: not more often");
	is_int(got("X-RoleMesh-Attempts"), 0, "one upstream: is not counted");
	without_failover(GW_TRANSFER_UNACKNOWLEDGED, true);
	ok(started == 1 && last.status == 502,
	   "one upstream: not what it got and died of");
	without_failover(GW_TRANSFER_CLOSED, false);
	ok(started == 1 && last.status == 502,
	   "one upstream: nor where it was lost");
	without_failover(GW_TRANSFER_INTERNAL, true);
	ok(started == 1 && last.status == 500,
	   "one upstream: nor behind a failure of ours");
	without_failover(GW_TRANSFER_OK, true);
	ok(started == 1 && last.status == 502,
	   "one upstream: an end without an answer is none");
	chain_set_up();
	chain.failover = NULL;
	ask(CHAT, CHAT_P);
	answer(503, "{}");
	ok(last.status == 503 && started == 1 && last.code == GW_OK,
	   "one upstream: its errors are for the client");
	is_str(got_body(), "{}", "one upstream: as they came");
}

static void
byte_pins(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(200, JSON, 9);
	up_data("half");
	is_int((long long)conn.out_len, 0, "forward: a whole answer is held");
	up_done(GW_TRANSFER_BROKEN);
	ok(started == 2 && last.accounts == 0 && conn.out_len == 0,
	   "forward: it breaks off -> another one, the client saw nothing");
	up_head(200, "text/plain", -1);
	is_int((long long)conn.out_len, 0, "forward: a head alone waits");
	up_data("x");
	up_done(GW_TRANSFER_UNACKNOWLEDGED);
	ok(started == 2 && got("Status: 200") == 1 && conn.aborted == 1 &&
		   last.broken,
	   "forward: nothing moves behind the first byte");
	is_int(other.n_cut, 1, "forward: which is held against it");
}

static void
early_moves(void)
{
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(CHAT, STREAM_D);
	pass(1001);
	up_done(GW_TRANSFER_REFUSED);
	ok(started == 2 && last.accounts == 0 && got("Status: ") == 1,
	   "forward: behind an early 200 it still moves");
	answer(503, "{\"error\":{\"message\":\"down\"}}");
	is_int((long long)started, 3, "forward: and once more");
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_OK);
	ok(got("Status: ") == 1 && got("data: 1\n\n") == 1 &&
		   got("error") == 0 && conn.finished == 1 && !last.broken,
	   "forward: the client sees a stream");
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(CHAT, STREAM_D);
	pass(1001);
	while (last.accounts == 0)
		up_done(GW_TRANSFER_REFUSED);
	ok(started == 3 && got("data: {\"error\":") == 1 &&
		   got("upstream_unreachable") == 1 && conn.finished == 1,
	   "forward: nothing is left -> an error event says why");
}

static void
second_one_fails_to_start(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	refuse_start = true;
	up_done(GW_TRANSFER_REFUSED);
	ok(last.accounts == 1 && last.status == 500 && holds == 0 && picks == 3,
	   "forward: no transfer -> the next, then 500, and all are let go");
}

static void
internal_failures(void)
{
	chain_set_up();
	refuse_start = true;
	client("POST", CHAT);
	arrive();
	send_all(CHAT_D);
	ok(picks == 3 && holds == 0 && last.status == 500,
	   "forward: none can be started -> each is tried, then 500");
	is_int(other.n_failed, 3, "forward: each is told");
	chain_set_up();
	refuse_start = true;
	client("POST", CHAT);
	arrive();
	send_all(CHAT_P);
	ok(picks == 1 && last.status == 500,
	   "forward: the only one is not asked again for a failure of ours");
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
		   up()->left && started == 1,
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
	answer(200, "{}");
	is_int(last.status, 200, "own key: which answers");
	key_refused(CHAT_D, 403);
	up_head(401, JSON, 9);
	up_head(401, JSON, 9);
	ok(started == 3 && last.code == GW_ERR_UPSTREAM_AUTH_FAILED &&
		   strstr(last.msg, "models.d.api_key"),
	   "own key: all refuse -> 502");
	key_refused(CHAT_D, 403);
	up_head(401, JSON, 9);
	answer(503, "{\"down\":1}");
	ok(started == 3 && last.status == 503 &&
		   strcmp(got_body(), "{\"down\":1}") == 0,
	   "own key: the last one answers -> that is the client's");
	chain_set_up();
	ask(CHAT, CHAT_D);
	answer(401, "{}");
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
	up_data("x");
	ok(is_readable(n - 1),
	   "stream: an answer before the whole body was sent -> it stays");
	ask_large();
	up()->sent = n;
	up_head(200, "text/plain", -1);
	ok(is_readable(0), "stream: sent, and a head -> it may be sent again");
	up_data("x");
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
	model(PROXY)->retry.attempts = 0;
	up_head(200, JSON, 4);
	up_data("{ ");
	up_done(GW_TRANSFER_BROKEN);
	ok(got("Status: ") == 1 && got("Status: 502") == 1 && !last.broken &&
		   conn.finished == 1,
	   "stream: a short answer that breaks off -> a clean 502");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, JSON, HOLD_MAX);
	up_data("x");
	is_int((long long)conn.out_len, 0, "stream: the longest that is held");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, JSON, HOLD_MAX + 1);
	is_int((long long)conn.out_len, 0,
	       "stream: one byte more -> its head waits for a byte");
	up_data("x");
	snprintf(length, sizeof(length), "Content-Length: %d\r\n",
		 HOLD_MAX + 1);
	is_int(got(length), 1, "stream: and leaves with it");
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
	ok(got("Content-Length: 65536\r\n") == 1 &&
		   strcmp(got_body(), text) == 0,
	   "stream: the longest that is held -> leaves whole");
}

/* When to come again: of an error of ours, only what we say. */
static void
our_errors(void)
{
	struct gw_request *r;

	chain_set_up();
	model(PROXY)->retry.attempts = 0;
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
	up_data("a");
	ok(got("Status: 200") == 1 && got("Content-Length") == 0 &&
		   got("Content-Type") == 0,
	   "stream: no length, no type -> the head says none");
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
	is_int((long long)conn.out_len, 0, "events: a head alone waits");
	up_data("data: 1\n\n");
	ok(got("Status: 200") == 1 && got("Content-Length") == 0 &&
		   got("Content-Type: " SSE "; charset=utf-8\r\n") == 1,
	   "events: no length, more may be added");
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
	model(PROXY)->retry.attempts = 0;
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
	static char piece[40000 + 1];
	size_t before;

	begin_early(CHAT);
	before = conn.out_len;
	up_head(503, JSON, -1);
	up_data("{\"error\":{\"message\":\"away\"}}");
	ok(conn.out_len == before, "early: an upstream's error is held");
	up_done(GW_TRANSFER_OK);
	only_one_event("data: {\"error\":{\"message\":\"away\"",
		       "and becomes one error event");
	begin_early("/v1/messages");
	answer(404, "{\"error\":{\"message\":\"gone\"}}");
	only_one_event("event: error\ndata: ", "in the words of its endpoint");
	begin_early(CHAT);
	answer(200, "{\"a\":\"b\"}");
	only_one_event("the upstream answered with status 200",
		       "a 200 that is no answer -> an error event");
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
	memset(piece, 'e', sizeof(piece) - 1);
	begin_early(CHAT);
	up_head(500, JSON, -1);
	up_data(piece);
	up_data(piece);
	up_done(GW_TRANSFER_OK);
	only_one_event("the upstream answered with status 500",
		       "a very long error -> one event");
}

/* A client that waits for a stream gets one, whatever came. */
static void
whole_answers(void)
{
	static char piece[300000 + 1];

	begin_early(CHAT);
	answer(200, "{\"id\":\"i\",\"object\":\"chat.completion\",\"choices\":["
		    "{\"index\":0,\"message\":{\"role\":\"assistant\","
		    "\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}");
	ok(got("\"content\":\"hello\"") == 1 && got("data: [DONE]\n\n") == 1 &&
		   got("error") == 0 && conn.finished == 1 && !last.broken,
	   "whole: a chat completion -> events");
	memset(piece, 'w', sizeof(piece) - 1);
	begin_early(CHAT);
	up_head(200, JSON, -1);
	for (int i = 0; i < 4; i++)
		up_data(piece);
	up_done(GW_TRANSFER_OK);
	only_one_event("its whole answer is over 1048576 bytes",
		       "a whole answer without bounds -> an event says so");
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(CHAT, STREAM_P);
	up_head(200, "text/plain", -1);
	pass(5000);
	up_data("x");
	up_done(GW_TRANSFER_OK);
	ok(got("Content-Type: text/plain") == 1 && !last.early &&
		   strcmp(got_body(), "x") == 0,
	   "whole: a head that is no stream's -> no early 200 before its byte");
}

/* An upstream's comments are no answer. */
static void
pings(void)
{
	chain_set_up();
	ask(CHAT, STREAM_D);
	up_connected();
	up_head(200, SSE, -1);
	up_data(": ping\n\n");
	ok(got("Status: 200") == 1 && strcmp(got_body(), ": ping\n\n") == 0,
	   "pings: go to the client");
	up_done(GW_TRANSFER_BROKEN);
	ok(started == 2 && last.accounts == 0,
	   "pings: and then it breaks off -> another one");
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_OK);
	is_str(got_body(), ": ping\n\ndata: 1\n\n", "pings: one stream");
	ok(got("Status: ") == 1 && last.code == GW_OK && !last.broken,
	   "pings: and no failure");
	chain_set_up();
	model(DISCOVERED)->timeouts.first_byte_ms = 2000;
	model(DISCOVERED)->timeouts.idle_ms = 500;
	ask(CHAT, STREAM_D);
	up_connected();
	up_head(200, SSE, -1);
	for (int i = 0; i < 19; i++) {
		pass(100);
		up_data(": ping\n\n");
	}
	is_int((long long)started, 1, "pings: they count neither for idle_s");
	pass(101);
	ok(started == 2 && transfers[0].cancelled == 1,
	   "pings: nor for first_byte_s");
}

static void
empty_streams(void)
{
	chain_set_up();
	ask(CHAT, STREAM_P);
	up_head(200, SSE, -1);
	up_done(GW_TRANSFER_OK);
	ok(last.accounts == 0, "empty stream: the same again, after a while");
	pass(400);
	up_head(200, SSE, -1);
	up_done(GW_TRANSFER_OK);
	ok(last.status == 502 && last.code == GW_ERR_UPSTREAM_PROTOCOL_ERROR,
	   "empty stream: no answer -> 502");
	chain_set_up();
	model(PROXY)->retry.attempts = 0;
	ask(CHAT, STREAM_P);
	up_head(200, SSE, -1);
	up_data(": only this\n\n");
	up_done(GW_TRANSFER_OK);
	ok(got("upstream_protocol_error") == 1 && last.broken,
	   "empty stream: comments alone -> an error event");
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_head(200, SSE, 0);
	up_done(GW_TRANSFER_OK);
	ok(last.status == 200 && last.code == GW_OK,
	   "empty stream: nobody asked for one -> as it came");
}

int
main(void)
{
	moved();
	one_upstream();
	byte_pins();
	early_moves();
	second_one_fails_to_start();
	internal_failures();
	own_keys();
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
	whole_answers();
	pings();
	empty_streams();
	tear_down();
	return done_testing();
}
