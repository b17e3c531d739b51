/* SPDX-License-Identifier: MIT */
/*
 * test_keepalive.c - SSE comments: who gets one, when, and where in the stream
 * one has its place.
 */
#include "serve_chain.h"

#define EVERY 1000
#define SSE "text/event-stream"

static unsigned
comments(void)
{
	return got(GW_SSE_KEEPALIVE);
}

static bool
is_open(void)
{
	return last.accounts == 0;
}

static void
begin(const char *body)
{
	chain_set_up();
	config->gateway.sse_keepalive_ms = EVERY;
	ask(CHAT, body);
}

/* A stream that has begun. */
static void
begin_stream(void)
{
	begin(STREAM_P);
	up_connected();
	up_head(200, SSE, -1);
}

/* Bytes that happen to look like the end of an event are none. */
static void
compressed(void)
{
	up_encoding = "gzip";
	begin_stream();
	up_encoding = "";
	up_data("\x1f\n\n");
	pass(3 * EVERY);
	ok(comments() == 0 && is_open(), "comments: none in a compressed one");
	up_done(GW_TRANSFER_BROKEN);
	ok(conn.aborted == 1 && got("error") == 0,
	   "comments: nor an error event, it breaks off");
}

static void
before_the_head(void)
{
	begin(STREAM_P);
	pass(EVERY - 1);
	is_int((long long)conn.out_len, 0, "comments: none too early");
	pass(2);
	ok(got("Status: ") == 1 && got("Status: 200") == 1 &&
		   got("Content-Type: " SSE "\r\n") == 1 && comments() == 1,
	   "comments: an upstream that says nothing -> 200 and a comment");
	pass(EVERY - 1);
	is_int(comments(), 1, "comments: not more often");
	pass(2);
	is_int(comments(), 2, "comments: one each interval");
	pass(EVERY + 1);
	is_int(comments(), 3, "comments: and so on");
	ok(got("Status: ") == 1 && got("Content-Length") == 0,
	   "comments: behind one head, without a length");
	up_connected();
	pass(EVERY + 1);
	is_int(comments(), 4, "comments: connected -> they go on");
	up_head(200, SSE, -1);
	pass(EVERY + 1);
	is_int(comments(), 5, "comments: the head alone -> they go on");
	is_int(got("Status: "), 1,
	       "comments: of which the client sees nothing");
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_OK);
	ok(conn.finished == 1 && got("data: 1\n\n") == 1 && !last.broken &&
		   last.early && last.events,
	   "comments: and then the stream is as any other");
}

static void
who(void)
{
	begin(CHAT_P);
	up_connected();
	pass(10 * EVERY);
	ok(conn.out_len == 0 && is_open(), "comments: none asked for -> none");
	chain_set_up();
	ask(CHAT, STREAM_P);
	pass(10 * EVERY);
	ok(conn.out_len == 0 && is_open(), "comments: switched off -> none");
	chain_set_up();
	config->gateway.sse_keepalive_ms = EVERY;
	ask("/v1/embeddings", STREAM_P);
	pass(10 * EVERY);
	ok(conn.out_len == 0 && is_open(),
	   "comments: an endpoint without streams -> none");
	begin(STREAM_P);
	up_head(200, "application/json", 100000);
	pass(10 * EVERY);
	ok(comments() == 0 && is_open(),
	   "comments: the answer is no stream -> none");
	begin(CHAT_P);
	up_head(200, SSE, -1);
	pass(EVERY + 1);
	is_int(comments(), 0,
	       "comments: nobody asked for a stream -> none "
	       "before it begins");
	up_data("data: 1\n\n");
	pass(EVERY + 1);
	is_int(comments(), 1, "comments: a stream nobody asked for -> some");
}

/* What the client waited for its own body counts, too. */
static void
since_the_beginning(void)
{
	chain_set_up();
	config->gateway.sse_keepalive_ms = EVERY;
	client("POST", CHAT);
	arrive();
	pass(EVERY / 2);
	is_int(conn.out_len == 0 && is_open(), 1, "comments: none for itself");
	send_all(STREAM_P);
	pass(EVERY / 2 + 1);
	is_int(comments(), 1, "comments: counted from when the request came");
}

static void
between_bytes(void)
{
	begin_stream();
	pass(EVERY / 2);
	up_data("data: 1\n\n");
	pass(EVERY / 2 + 1);
	is_int(comments(), 0, "comments: the interval begins at the last byte");
	pass(EVERY / 2);
	is_int(comments(), 1, "comments: and is over then");
	up_data("data: 2\n\n");
	pass(EVERY + 1);
	is_int(comments(), 2, "comments: the same between later bytes");
}

static void
inside_an_event(void)
{
	begin_stream();
	up_data("data: ha");
	pass(EVERY + 1);
	is_int(comments(), 0, "comments: inside of an event -> none");
	pass(10 * EVERY);
	is_int(comments(), 0, "comments: none for as long as it takes");
	up_data("lf\n\n");
	pass(EVERY - 1);
	is_int(comments(), 0, "comments: none just behind it");
	pass(2);
	is_int(comments(), 1, "comments: an interval later there is one");
	ok(got("data: half\n\n") == 1, "comments: the event is whole");
}

static void
behind_a_backlog(void)
{
	begin_stream();
	up_data("data: 1\n\n");
	conn.backlog = 1;
	pass(EVERY + 1);
	is_int(comments(), 0,
	       "comments: a byte the client has not taken -> none");
	conn.backlog = 0;
	pass(EVERY - 1);
	is_int(comments(), 0, "comments: one left out waits a whole interval");
	pass(2);
	is_int(comments(), 1, "comments: and comes then");
}

static void
and_limits(void)
{
	begin(STREAM_P);
	leave();
	chain_set_up();
	config->gateway.sse_keepalive_ms = EVERY;
	model(PROXY)->timeouts.first_byte_ms = EVERY;
	ask(CHAT, STREAM_P);
	up_connected();
	pass(EVERY + 1);
	ok(comments() == 0 && last.status == 504,
	   "comments: a limit at the same moment wins");
	chain_set_up();
	config->gateway.sse_keepalive_ms = EVERY;
	model(PROXY)->timeouts.first_byte_ms = 2 * EVERY + EVERY / 2;
	ask(CHAT, STREAM_P);
	up_connected();
	pass(EVERY + 1);
	pass(EVERY + 1);
	is_int(comments(), 2, "comments: they come before a later limit");
	pass(EVERY / 2);
	ok(last.hit == GW_LIMIT_FIRST_BYTE && got("upstream_timeout") == 1,
	   "comments: and do not move it");
	ok(got("Status: ") == 1 && conn.finished == 1 && last.broken,
	   "comments: behind them it is an error event");
}

static void
cannot_be_sent(void)
{
	begin(STREAM_P);
	conn.full = true;
	pass(EVERY + 1);
	ok(last.accounts == 1 && up()->cancelled == 1 && conn.aborted == 1,
	   "comments: a client that cannot be written to -> the end");
}

int
main(void)
{
	compressed();
	before_the_head();
	who();
	since_the_beginning();
	between_bytes();
	inside_an_event();
	behind_a_backlog();
	and_limits();
	cannot_be_sent();
	tear_down();
	return done_testing();
}
