/* SPDX-License-Identifier: MIT */
/*
 * test_relay.c - bytes between an upstream and a client: what is asked of the
 * upstream, which facts its answer leaves, and who waits for whom.
 */
#include <zlib.h>

#include "serve_chain.h"

static unsigned resumed;
static enum gw_relay_mode mode; /* of the next answer */
static bool opens;		/* what is for the client goes there */

/* In place of forward and stream: it starts the transfer, and opens its answer
 * when there is something in it. */
static enum gw_step
look_on(struct gw_request *r)
{
	resumed++;
	if (r->err.code)
		return GW_FINISH;
	if (!r->relay.transfer && !r->relay.done && gw_relay_start(r) < 0)
		return GW_FINISH;
	if (r->relay.head)
		r->relay.mode = mode;
	if (r->relay.first && !r->relay.opened && opens && gw_relay_open(r) < 0)
		return GW_FINISH;
	return GW_WAIT;
}

/* A request to the proxy "p" whose transfer has begun. */
static struct gw_request *
begin(void)
{
	chain_set_up();
	resumed = 0;
	mode = GW_RELAY_PASS;
	opens = true;
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
	ok(r->relay.connected_us == clock_ms * 1000 &&
		   r->phase == GW_PHASE_FIRST_BYTE,
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
	ok(r->relay.last_ms == clock_ms && resumed == 3 && r->relay.opened,
	   "relay facts: when it came; the stage runs for the first one");
	pass(10);
	up_data("c");
	ok(r->relay.last_ms == clock_ms && resumed == 3,
	   "relay facts: when the last byte came; no stage runs for it");
	up_done(GW_TRANSFER_BROKEN);
	ok(resumed == 4 && r->relay.done && !r->relay.transfer &&
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

/* ---- before it is opened ------------------------------------------------- */

/* An answer with a status that is looked at whole. */
static struct gw_request *
begin_mode(enum gw_relay_mode m, int status, const char *type)
{
	struct gw_request *r = begin();

	mode = m;
	opens = false;
	up_head(status, type, -1);
	return r;
}

static void
kept(void)
{
	static char piece[40000 + 1];
	struct gw_request *r =
		begin_mode(GW_RELAY_KEEP, 500, "application/json");

	memset(piece, 'k', sizeof(piece) - 1);
	ok(up_data("half") && conn.out_len == 0 && !r->relay.first &&
		   strcmp(r->relay.held.data, "half") == 0,
	   "relay kept: no byte leaves, and no stage is asked");
	ok(r->relay.last_ms == clock_ms,
	   "relay kept: but the upstream is not silent");
	ok(gw_sse_between_events(&r->relay.sse),
	   "relay kept: the client stands where it stood");
	ok(up_data(piece) && !r->relay.held_cut, "relay kept: more of it");
	resumed = 0;
	up_data(piece);
	ok(resumed == 1 && r->relay.first && r->relay.held_cut,
	   "relay kept: more than 64 KiB -> the stage is asked");
	is_int((long long)r->relay.held.len, 40004,
	       "relay kept: with what there was until then");
	r = begin_mode(GW_RELAY_KEEP, 500, "application/json");
	r->reply.early = true;
	up_data(piece);
	resumed = 0;
	ok(up_data(piece) && up_data(piece) && resumed == 0 &&
		   !r->relay.first && r->relay.held_cut &&
		   r->relay.held.len == GW_HELD_MAX,
	   "relay kept: behind an early 200 its first 64 KiB, to its end");
}

/* Of an answer whose length nobody announced. */
static void
held_to_the_bound(void)
{
	static char most[GW_HELD_MAX + 1];
	struct gw_request *r =
		begin_mode(GW_RELAY_HOLD, 200, "application/json");

	memset(most, 'h', GW_HELD_MAX);
	resumed = 0;
	ok(up_data(most) && resumed == 0 && r->relay.held.len == GW_HELD_MAX,
	   "relay held: 64 KiB -> no stage is asked");
	up_data("h");
	ok(resumed == 1 && r->relay.first && !r->err.code,
	   "relay held: one byte more -> it is opened");
}

static void
held(void)
{
	static char piece[40000 + 1], more[300000 + 1];
	struct gw_request *r =
		begin_mode(GW_RELAY_HOLD, 200, "application/json");

	memset(piece, 'h', sizeof(piece) - 1);
	memset(more, 'm', sizeof(more) - 1);
	ok(up_data("half") && up_data(piece) && conn.out_len == 0 &&
		   !r->relay.first,
	   "relay held: a whole answer waits for its end");
	opens = true;
	ok(up_data(piece) && r->relay.first && r->relay.opened &&
		   conn.out_len == 80004 && !r->relay.held_cut,
	   "relay held: more than 64 KiB -> all of it leaves, nothing is lost");
	ok(strncmp(conn.out, "halfhh", 6) == 0 && r->relay.held.len == 0,
	   "relay held: in its order, once");
	ok(up_data("!") && conn.out_len == 80005,
	   "relay held: and what comes leaves at once");
	r = begin_mode(GW_RELAY_HOLD, 200, "application/json");
	r->reply.early = true;
	ok(up_data(more) && up_data(more) && up_data(more) &&
		   !r->relay.held_cut && !r->relay.first,
	   "relay held: behind an early 200 more of it, to become events");
	up_data(more);
	ok(r->relay.held_cut && r->relay.held.len == GW_WHOLE_MAX &&
		   conn.out_len == 0,
	   "relay held: up to 1 MiB");
	r = begin_mode(GW_RELAY_HOLD, 200, "application/json");
	up_data("all");
	up_done(GW_TRANSFER_OK);
	ok(r->relay.done && !r->relay.first && conn.out_len == 0 &&
		   strcmp(r->relay.held.data, "all") == 0,
	   "relay held: the end finds it as it is");
}

#define SSE "text/event-stream"

/* Comments go to the client, and yet nothing is opened. */
static void
comments(void)
{
	struct gw_request *r = begin_mode(GW_RELAY_PASS, 200, SSE);

	ok(up_data(": pi") && conn.out_len == 0 && !r->relay.first,
	   "relay comments: half of one waits");
	up_data("ng\n");
	ok(got("Status: 200") == 1 && strcmp(got_body(), ": ping\n") == 0 &&
		   r->reply.early && !r->relay.first,
	   "relay comments: a whole one leaves, behind a 200");
	is_int((long long)r->relay.last_ms, 0,
	       "relay comments: which is no first byte");
	up_data("\n: a\r\n\r\n: b");
	is_str(got_body(), ": ping\n\n: a\r\n\r\n",
	       "relay comments: the lines that are whole");
	opens = true;
	up_data("\n\nda");
	ok(r->relay.opened && r->relay.last_ms == clock_ms,
	   "relay comments: an event begins -> the answer is opened");
	is_str(got_body(), ": ping\n\n: a\r\n\r\n: b\n\nda",
	       "relay comments: with all there was, once");
	up_data("ta: 1\n\n");
	is_str(got_body(), ": ping\n\n: a\r\n\r\n: b\n\ndata: 1\n\n",
	       "relay comments: and what comes behind it");
	r = begin_mode(GW_RELAY_PASS, 200, SSE);
	opens = true;
	up_data("data: 1\n\n");
	pass(10);
	up_data(": ping\n\n");
	ok(r->relay.last_ms == clock_ms - 10,
	   "relay comments: later ones are no sign of progress");
	up_data(": ping\n\ndata: 2\n\n");
	ok(r->relay.last_ms == clock_ms,
	   "relay comments: but an event behind one is");
	pass(10);
	up_data("data: 3");
	up_data(":");
	ok(r->relay.last_ms == clock_ms,
	   "relay comments: a colon inside of an event is no comment");
	r = begin_mode(GW_RELAY_PASS, 200, "text/plain");
	up_data(": ping\n\n");
	ok(r->relay.first, "relay comments: none in what is no event stream");
}

/* Others hear of it about ten times a second. */
static void
signs_of_life(void)
{
	begin();
	up_head(200, SSE, -1);
	is_int(other.bytes, 0, "relay: a head is no sign of life");
	up_data("data: 1\n\n");
	is_int(other.bytes, 1, "relay: the first byte is told");
	pass(99);
	up_data("data: 2\n\n");
	is_int(other.bytes, 1, "relay: not every byte is");
	pass(1);
	up_data("data: 3\n\n");
	is_int(other.bytes, 2, "relay: but one each tenth of a second");
	pass(1000);
	up_data(": ping\n\n");
	is_int(other.bytes, 2, "relay: a comment is none");
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

/* A stream whose client has its 200 already. */
static struct gw_request *
begin_decoded(void)
{
	struct gw_request *r = begin();

	r->reply.early = true;
	up_head(200, "text/event-stream", -1);
	return r;
}

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
	r = begin_decoded();
	conn.fills = true;
	ok(!up()->ops->on_data(r, (char *)coded, len - 1) && r->relay.paused &&
		   !r->relay.content_encoding[0],
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
	r = begin_decoded();
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
	r = begin_decoded();
	ok(up()->ops->on_data(r, (char *)coded, len) &&
		   conn.out_len == sizeof(zeros),
	   "relay: decoded: all of it");
	up_done(GW_TRANSFER_OK);
	is_int(r->relay.failure, GW_TRANSFER_OK, "relay: decoded: its end");
	up_encoding = "br";
	begin_decoded();
	up_data("x");
	ok(last.code == GW_ERR_UPSTREAM_PROTOCOL_ERROR && last.accounts == 1,
	   "relay: a coding that is not known -> an error");
	up_encoding = "";
}

/* An answer that is held whole. */
static void
decoded_whole(void)
{
	static char plain[GW_WHOLE_MAX + 2];
	static Bytef coded[8000];
	uLongf len = sizeof(coded);
	struct gw_request *r;

	memset(plain, '0', sizeof(plain) - 1);
	compress(coded, &len, (Bytef *)"hello", 5);
	up_encoding = "";
	r = begin_mode(GW_RELAY_HOLD, 200, "application/json");
	up_data("as it is");
	ok(gw_relay_decode_held(r) == 0 &&
		   strcmp(r->relay.held.data, "as it is") == 0,
	   "relay held: no coding -> as it is");
	up_encoding = "deflate";
	r = begin_mode(GW_RELAY_HOLD, 200, "application/json");
	up()->ops->on_data(r, (char *)coded, len);
	ok(gw_relay_decode_held(r) == 0 && r->relay.held.len == 5 &&
		   memcmp(r->relay.held.data, "hello", 5) == 0 &&
		   !r->relay.held_cut && !r->relay.content_encoding[0],
	   "relay held: decoded");
	r = begin_mode(GW_RELAY_HOLD, 200, "application/json");
	up()->ops->on_data(r, (char *)coded, len - 1);
	ok(gw_relay_decode_held(r) < 0 &&
		   r->err.code == GW_ERR_UPSTREAM_PROTOCOL_ERROR,
	   "relay held: not all of it -> an error");
	len = sizeof(coded);
	compress(coded, &len, (Bytef *)plain, sizeof(plain) - 1);
	r = begin_mode(GW_RELAY_HOLD, 200, "application/json");
	r->reply.early = true;
	up()->ops->on_data(r, (char *)coded, len);
	ok(gw_relay_decode_held(r) == 0 && r->relay.held_cut &&
		   r->relay.held.len == GW_WHOLE_MAX,
	   "relay held: decoded, and cut where it is too much");
	up_encoding = "br";
	r = begin_mode(GW_RELAY_HOLD, 200, "application/json");
	up_data("x");
	ok(gw_relay_decode_held(r) < 0 &&
		   r->err.code == GW_ERR_UPSTREAM_PROTOCOL_ERROR,
	   "relay held: a coding that is not known -> an error");
	up_encoding = "";
}

/* ---- another one --------------------------------------------------------- */

static bool
yes(const struct gw_request *r)
{
	(void)r;
	return true;
}

static void
may_leave(void)
{
	struct gw_request *r = begin();

	other.another = true;
	ok(!up()->ops->may_leave(r), "relay: its program has no other one");
	chain.may_leave = yes;
	ok(up()->ops->may_leave(r), "relay: its program has -> it is left");
	chain.may_leave = NULL;
	ok(!up()->ops->may_leave(r), "relay: nor where there never is one");
	chain.may_leave = chain_may_leave;
}

static void
cancelled(void)
{
	struct gw_request *r = begin();

	up_connected();
	resumed = 0;
	gw_relay_cancel(r, GW_TRANSFER_TIMED_OUT);
	ok(up()->cancelled == 1 && !r->relay.transfer && r->relay.done &&
		   r->relay.failure == GW_TRANSFER_TIMED_OUT && resumed == 0,
	   "relay cancel: the transfer is over, and no stage is asked");
	is_str(r->relay.reason, "", "relay cancel: libcurl says nothing");
	gw_relay_cancel(r, GW_TRANSFER_BROKEN);
	ok(up()->cancelled == 1 && r->relay.failure == GW_TRANSFER_BROKEN,
	   "relay cancel: where none is under way");
	r = begin_mode(GW_RELAY_KEEP, 401, "application/json");
	gw_relay_leave(r, GW_TRANSFER_KEY_REFUSED);
	ok(up()->left && up()->cancelled == 0 && !r->relay.done,
	   "relay leave: it ends when libcurl has returned");
	up_left(up());
	ok(r->relay.done && r->relay.failure == GW_TRANSFER_KEY_REFUSED,
	   "relay leave: as that");
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
	ok(started == 2 && r->relay.connected_us == 0 &&
		   r->phase == GW_PHASE_CONNECT,
	   "relay reset: the next transfer is not connected yet");
	ok(r->deadline.begun_ms == clock_ms - 10,
	   "relay reset: total_s goes on counting");
	r = begin_mode(GW_RELAY_PASS, 200, SSE);
	up_data(": a");
	up_data("\n: b");
	up_done(GW_TRANSFER_BROKEN);
	gw_relay_reset(r);
	ok(r->relay.held.len == 0 && r->relay.mode == GW_RELAY_UNDECIDED &&
		   !r->relay.first && !r->relay.is_sse &&
		   r->relay.content_length == -1 && !r->relay.reason[0],
	   "relay reset: nothing is left of an answer");
	is_str(got_body(), ": a\n",
	       "relay reset: half a comment was never shown");
	r = begin_mode(GW_RELAY_PASS, 200, SSE);
	opens = true;
	up_data("data: ha");
	up_done(GW_TRANSFER_BROKEN);
	gw_relay_reset(r);
	ok(!gw_sse_between_events(&r->relay.sse),
	   "relay reset: where the client stands is kept");
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
	kept();
	held();
	held_to_the_bound();
	comments();
	signs_of_life();
	back_pressure();
	write_fails();
	compressed();
	decoded_whole();
	may_leave();
	cancelled();
	reset();
	failure_texts();
	tear_down();
	return done_testing();
}
