/* SPDX-License-Identifier: MIT */
/*
 * test_relay.c - bytes between an upstream and a client: what is asked of the
 * upstream, which facts its answer leaves, and who waits for whom.
 */
#include <zlib.h>

#include "serve_chain.h"

static unsigned resumed;

/* In place of forward and stream: it starts the transfer and only looks on. */
static enum gw_step
look_on(struct gw_request *r)
{
	resumed++;
	if (r->err.code)
		return GW_FINISH;
	if (!r->relay.transfer && !r->relay.done && gw_relay_start(r) < 0)
		return GW_FINISH;
	return GW_WAIT;
}

/* A request to the proxy "p" whose transfer has begun. */
static struct gw_request *
begin(void)
{
	chain_set_up();
	resumed = 0;
	return ask(CHAT, CHAT_P);
}

/* ---- what is asked ------------------------------------------------------- */

static void
request(void)
{
	struct gw_request *r;

	chain_set_up();
	model(PROXY)->timeouts.connect_ms = 1234;
	r = ask(CHAT "?a=b", CHAT_P);
	is_str(up()->url, "http://up-1" CHAT,
	       "relay: URL -> the upstream's and the path, without a query");
	is_str(up()->bearer, "secret", "relay: the upstream's own key");
	ok(up()->req.post && up()->req.connect_ms == 1234 &&
		   up()->req.total_ms == 0,
	   "relay: POST; libcurl keeps the connect limit, and no other");
	is_str(up()->body, CHAT_P, "relay: the client's body");
	is_int((long long)up()->req.body_len, sizeof(CHAT_P) - 1,
	       "relay: and its length");
	is_int(r->phase, GW_PHASE_CONNECT, "relay: phase connect");
	ok(r->deadline.begun_ms == clock_ms, "relay: total_s counts from here");
}

static void
large_body(void)
{
	enum {
		PAD = 70000
	};
	static char text[PAD + 64];
	char tail[16] = "";
	int n = snprintf(text, sizeof(text), "{\"model\":\"p\",\"x\":\"%0*d\"}",
			 PAD, 0);

	chain_set_up();
	worker->max_body_bytes = 100000;
	client("POST", CHAT);
	arrive();
	front.ops->on_body(conn.request, text, 60000);
	send_all(text + 60000);
	ok(!up()->req.body && up()->req.body_len == (uint64_t)n,
	   "relay: a large body is read in pieces");
	ok(up()->req.read(up()->req.read_arg, (uint64_t)n - 2, tail, 8) == 2 &&
		   strcmp(tail, "\"}") == 0,
	   "relay: from where the transfer stands");
}

static void
headers(void)
{
	static char fits[4032 + 1], too_long[4033 + 1];

	memset(fits, 'a', sizeof(fits) - 1);
	memset(too_long, 'b', sizeof(too_long) - 1);
	begin();
	is_str(up_header("Content-Type: "), "application/json",
	       "relay headers: no type -> JSON");
	ok(up_header("X-Request-Id: req_") != NULL,
	   "relay headers: the request's id");
	is_str(up_header("X-RoleMesh-Via: "), worker->via,
	       "relay headers: who sends it");
	is_int((long long)up()->req.n_headers, 3,
	       "relay headers: nothing that was not sent");
	chain_set_up();
	client("POST", CHAT);
	param("CONTENT_TYPE", "application/json; charset=utf-8");
	param("HTTP_X_REQUEST_ID", "my-id");
	param("HTTP_ACCEPT", fits);
	param("HTTP_USER_AGENT", too_long);
	param("HTTP_TRACEPARENT", "00-1-2-01");
	param("HTTP_TRACESTATE", "");
	param("HTTP_ANTHROPIC_VERSION", "2023-06-01");
	param("HTTP_ANTHROPIC_BETA", "tools");
	param("HTTP_AUTHORIZATION", "Bearer client");
	param("HTTP_X_API_KEY", "client");
	param("HTTP_COOKIE", "c=d");
	param("HTTP_X_ROLEMESH_VIA", "0123456789abcdef");
	arrive();
	send_all(CHAT_P);
	is_str(up_header("Content-Type: "), "application/json; charset=utf-8",
	       "relay headers: the client's type");
	is_str(up_header("X-Request-Id: "), "my-id",
	       "relay headers: the client's id");
	is_str(up_header("Accept: "), fits,
	       "relay headers: the longest value that is forwarded");
	ok(!up_header("User-Agent"),
	   "relay headers: one byte more -> left out, not cut");
	is_str(up_header("traceparent: "), "00-1-2-01",
	       "relay headers: traceparent");
	ok(!up_header("tracestate"), "relay headers: an empty one -> left out");
	is_str(up_header("anthropic-version: "), "2023-06-01",
	       "relay headers: anthropic-version");
	is_str(up_header("anthropic-beta: "), "tools",
	       "relay headers: anthropic-beta");
	ok(up_header("X-RoleMesh-Via: 0123456789abcdef, ") != NULL,
	   "relay headers: and whom it has passed before");
	is_int((long long)up()->req.n_headers, 7,
	       "relay headers: no key, no cookie, nothing else");
}

static enum gw_step
pick_long_url(struct gw_request *r)
{
	chain_pick(r);
	free(r->target.owned_url);
	r->target.owned_url = malloc(6001);
	memset(r->target.owned_url, 'u', 6000);
	r->target.owned_url[6000] = '\0';
	r->target.base_url = r->target.owned_url;
	return GW_NEXT;
}

static void
cannot_start(void)
{
	chain_set_up();
	refuse_start = true;
	ask(CHAT, CHAT_P);
	ok(last.code == GW_ERR_INTERNAL && got("Status: 500") == 1,
	   "relay: a transfer that cannot start -> 500");
	is_int(holds, 0, "relay: and its upstream is let go");
	chain_set_up();
	chain_stages[CHAIN_PICK].run = pick_long_url;
	ask(CHAT, CHAT_P);
	chain_stages[CHAIN_PICK].run = chain_pick;
	is_str(last.msg, "the upstream request is too large",
	       "relay: a URL without bounds -> 500");
	is_int((long long)started, 0, "relay: and nothing was sent");
}

/* ---- what is answered ---------------------------------------------------- */

static void
facts(void)
{
	struct gw_request *r = begin();

	pass(10);
	up_connected();
	ok(r->relay.connected_ms == clock_ms && r->phase == GW_PHASE_FIRST_BYTE,
	   "relay facts: connected, and when");
	is_int(resumed, 1, "relay facts: that is no reason to run a stage");
	up_head(201, "text/plain", 7);
	ok(resumed == 2 && r->relay.head && r->relay.status == 201 &&
		   r->relay.content_length == 7 && !r->relay.is_sse,
	   "relay facts: the head, and the stage runs");
	is_str(r->relay.content_type, "text/plain", "relay facts: its type");
	is_int((long long)r->relay.last_ms, 0, "relay facts: no byte yet");
	pass(10);
	ok(up_data("ab"), "relay facts: bytes are taken");
	is_str(conn.out, "ab", "relay facts: and reach the client");
	ok(r->relay.last_ms == clock_ms && resumed == 2,
	   "relay facts: when the last byte came; no stage runs for it");
	up_done(GW_TRANSFER_BROKEN);
	ok(resumed == 3 && r->relay.done && !r->relay.transfer &&
		   r->relay.failure == GW_TRANSFER_BROKEN,
	   "relay facts: how it ended, and the stage runs");
	is_str(r->relay.reason, "said libcurl", "relay facts: in whose words");
}

static bool
is_sse(const char *type)
{
	struct gw_request *r = begin();

	up_head(200, type, -1);
	return r->relay.is_sse;
}

static void
content_types(void)
{
	static char longer[300 + 1];
	struct gw_request *r;

	ok(is_sse("text/event-stream"), "relay: an event stream");
	ok(is_sse("Text/Event-Stream; charset=utf-8"),
	   "relay: an event stream in other letters");
	ok(is_sse("TEXT/EVENT-STREAM;charset=utf-8") &&
		   is_sse("text/event-stream ; charset=\"utf-8\""),
	   "relay: an event stream with parameters");
	ok(!is_sse("text/event-streaming") && !is_sse("text/event-stream2"),
	   "relay: a type that only begins like one is none");
	ok(!is_sse("text/event") && !is_sse("application/json") && !is_sse(""),
	   "relay: other types are none");
	memset(longer, 't', sizeof(longer) - 1);
	r = begin();
	up_head(200, longer, -1);
	is_int((long long)strlen(r->relay.content_type),
	       sizeof(r->relay.content_type) - 1,
	       "relay: a type without bounds is cut");
}

static void
events(void)
{
	struct gw_request *r = begin();

	up_head(200, "text/event-stream", -1);
	up_data("data: a");
	ok(!gw_sse_between_events(&r->relay.sse),
	   "relay: the client is in the middle of an event");
	up_data("\n\n");
	ok(gw_sse_between_events(&r->relay.sse), "relay: and between two");
}

static void
held(void)
{
	static char piece[40000 + 1];
	struct gw_request *r = begin();

	memset(piece, 'h', sizeof(piece) - 1);
	r->stream.hold = true;
	conn.backlog = GW_FCGI_HIGH_WATER + 1;
	ok(up_data("half") && !r->relay.paused,
	   "relay: a held answer waits for no client");
	ok(conn.out_len == 0 && strcmp(r->relay.held.data, "half") == 0,
	   "relay: nor does it leave");
	ok(gw_sse_between_events(&r->relay.sse),
	   "relay: so that the client stands where it stood");
	ok(up_data(piece) && up_data(piece) && up_data(piece),
	   "relay: more than can be held is still taken");
	ok(r->relay.held.len == 64 << 10 && last.accounts == 0,
	   "relay: of which 64 KiB are kept");
	conn.backlog = 0;
}

static void
back_pressure(void)
{
	struct gw_request *r = begin();

	up_head(200, "text/plain", -1);
	conn.backlog = GW_FCGI_HIGH_WATER;
	ok(up_data("1") && !r->relay.paused,
	   "relay: a backlog at the high-water mark -> taken");
	front.ops->on_writable(r);
	is_int(up()->resumed, 0, "relay: room, and nothing was paused");
	pass(10);
	conn.backlog = GW_FCGI_HIGH_WATER + 1;
	ok(!up_data("2") && r->relay.paused, "relay: above it -> paused");
	ok(r->relay.paused_ms == clock_ms && r->relay.last_ms == clock_ms - 10,
	   "relay: since when; what was refused is no byte");
	is_str(conn.out, "1", "relay: and does not reach the client");
	pass(10);
	drain();
	ok(!r->relay.paused && up()->resumed == 1, "relay: room -> goes on");
	ok(r->relay.last_ms == clock_ms,
	   "relay: the upstream's silence begins there");
	ok(up_data("2") && strcmp(conn.out, "12") == 0,
	   "relay: with what was refused");
	conn.backlog = GW_FCGI_HIGH_WATER + 1;
	up_data("3");
	up_done(GW_TRANSFER_BROKEN);
	drain();
	is_int(up()->resumed, 1, "relay: room for a transfer that ended");
}

static void
write_fails(void)
{
	begin();
	up_head(200, "text/plain", -1);
	conn.full = true;
	ok(up_data("x"), "relay: a client that cannot be written to");
	ok(up()->cancelled == 1 && last.accounts == 1 &&
		   last.code == GW_ERR_INTERNAL,
	   "relay: ends the transfer and the request, once");
	is_int(conn.aborted, 1, "relay: and the connection is broken off");
}

/* ---- compressed ---------------------------------------------------------- */

static void
compressed(void)
{
	static Bytef zeros[120000], coded[1000];
	uLongf len = sizeof(coded);
	struct gw_request *r = begin();

	memset(zeros, '0', sizeof(zeros));
	compress(coded, &len, zeros, sizeof(zeros));
	up_encoding = "deflate";
	up_head(200, "text/event-stream", -1);
	is_str(r->relay.content_encoding, "deflate",
	       "relay: a coding is noted");
	ok(up_data("\x78\x9c") && conn.out_len == 2,
	   "relay: and its bytes pass as they are");
	r = begin();
	up_head(200, "text/event-stream", -1);
	ok(gw_relay_decode(r) == 0 && !r->relay.content_encoding[0],
	   "relay: decoded -> the client is told of no coding");
	conn.fills = true;
	ok(!up()->ops->on_data(r, (char *)coded, len - 1) && r->relay.paused,
	   "relay: decoded: a client that gets full within a piece waits");
	ok(conn.out_len > GW_FCGI_HIGH_WATER && conn.out_len < sizeof(zeros),
	   "relay: decoded: with what it got until then");
	drain();
	ok(up()->ops->on_data(r, (char *)coded, len - 1) &&
		   conn.out_len == sizeof(zeros),
	   "relay: decoded: the rest when the piece comes again, once");
	up_done(GW_TRANSFER_OK);
	is_int(r->relay.failure, GW_TRANSFER_BROKEN,
	       "relay: decoded: an end in the middle is none");
	r = begin();
	up_head(200, "text/event-stream", -1);
	ok(gw_relay_decode(r) == 0, "relay: decoded: once more");
	conn.fills = true;
	ok(!up()->ops->on_data(r, (char *)coded, len - 4),
	   "relay: decoded: a first piece that has to wait");
	drain();
	ok(up()->ops->on_data(r, (char *)coded, len - 4) &&
		   up()->ops->on_data(r, (char *)coded + len - 4, 4) &&
		   conn.out_len == sizeof(zeros),
	   "relay: decoded: the piece behind it from its beginning");
	up_done(GW_TRANSFER_OK);
	is_int(r->relay.failure, GW_TRANSFER_OK, "relay: decoded: to the end");
	r = begin();
	up_head(200, "text/event-stream", -1);
	ok(gw_relay_decode(r) == 0 &&
		   up()->ops->on_data(r, (char *)coded, len) &&
		   conn.out_len == sizeof(zeros),
	   "relay: decoded: all of it");
	up_done(GW_TRANSFER_OK);
	is_int(r->relay.failure, GW_TRANSFER_OK, "relay: decoded: its end");
	r = begin();
	up_encoding = "br";
	up_head(200, "text/event-stream", -1);
	ok(gw_relay_decode(r) < 0 &&
		   r->err.code == GW_ERR_UPSTREAM_PROTOCOL_ERROR,
	   "relay: a coding that is not known -> an error");
	up_encoding = "";
}

/* ---- another one --------------------------------------------------------- */

static void
may_move(void)
{
	struct gw_request *r = begin();

	ok(gw_relay_may_move(r), "relay: the first upstream may be left");
	ok(up()->ops->may_leave(r),
	   "relay: while it acknowledges nothing, too");
	another = false;
	ok(!up()->ops->may_leave(r), "relay: not without another one");
	another = true;
	chain.has_another = NULL;
	ok(!up()->ops->may_leave(r), "relay: nor where there never is one");
	chain.has_another = chain_has_another;
	r->forward.moves = GW_PICK_ATTEMPTS - 2;
	ok(gw_relay_may_move(r), "relay: the last but one may be left");
	r->forward.moves = GW_PICK_ATTEMPTS - 1;
	ok(!gw_relay_may_move(r) && !up()->ops->may_leave(r),
	   "relay: the last one may not");
	r->forward.moves = 0;
	r->reply.committed = true;
	ok(!gw_relay_may_move(r) && !up()->ops->may_leave(r),
	   "relay: nor any once the client has a head");
	r->reply.committed = false;
}

static void
reset(void)
{
	struct gw_request *r;

	chain_set_up();
	model(PROXY)->timeouts.total_ms = 1000;
	r = ask(CHAT, CHAT_P);
	ok(ev_is_active(&r->deadline.timer), "relay: limits apply");
	up_connected();
	up_done(GW_TRANSFER_UNACKNOWLEDGED);
	gw_relay_reset(r);
	ok(!r->relay.done && !r->relay.head && r->relay.status == 0,
	   "relay reset: as if nothing had been sent");
	ok(!ev_is_active(&r->deadline.timer),
	   "relay reset: no limit applies meanwhile");
	pass(10);
	gw_pipeline_resume(r);
	ok(started == 2 && r->relay.connected_ms == 0 &&
		   r->phase == GW_PHASE_CONNECT,
	   "relay reset: the next transfer is not connected yet");
	ok(r->deadline.begun_ms == clock_ms - 10,
	   "relay reset: total_s goes on counting");
}

/* ---- failures ------------------------------------------------------------ */

static void
failure_texts(void)
{
	struct gw_request *r;

	chain_set_up();
	model(PROXY)->timeouts.connect_ms = 1500;
	r = ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	gw_relay_failure(r);
	ok(r->err.code == GW_ERR_UPSTREAM_UNREACHABLE, "relay: refused -> 502");
	is_str(r->err.msg,
	       "the upstream of 'p' (node 'n1') failed: connection refused",
	       "relay: its words name alias, node and reason");
	free(r->target.node_id);
	r->target.node_id = NULL;
	r->relay.failure = GW_TRANSFER_BROKEN;
	gw_relay_failure(r);
	ok(r->err.code == GW_ERR_UPSTREAM_PROTOCOL_ERROR,
	   "relay: broke off -> a protocol error");
	is_str(r->err.msg, "the upstream of 'p' failed: the answer broke off",
	       "relay: no node -> none is named");
	r->relay.failure = GW_TRANSFER_CONNECT_TIMEOUT;
	gw_relay_failure(r);
	ok(r->err.code == GW_ERR_UPSTREAM_TIMEOUT, "relay: in no time -> 504");
	is_str(r->err.msg,
	       "the upstream of 'p' could not be connected within "
	       "timeouts.connect_s = 1.5 s",
	       "relay: names the limit");
}

int
main(void)
{
	chain_stages[CHAIN_PICK + 1].run = look_on;
	request();
	large_body();
	headers();
	cannot_start();
	facts();
	content_types();
	events();
	held();
	back_pressure();
	write_fails();
	compressed();
	may_move();
	reset();
	failure_texts();
	tear_down();
	return done_testing();
}
