/* SPDX-License-Identifier: MIT */
/*
 * test_server_timing.c - what an answer says of its time: each part once, and
 * nothing that is not known yet.
 */
#include <string.h>

#include "serve/server_timing.h"
#include "serve_chain.h"

/* What the client was told of it; "" = nothing. */
static const char *
told(void)
{
	static char text[400];
	const char *p = strstr(conn.out, "Server-Timing: ");
	size_t n = p ? strcspn(p += strlen("Server-Timing: "), "\r") : 0;

	memcpy(text, p ? p : "", n);
	text[n] = '\0';
	return text;
}

/* A request whose body takes 40 ms, known after 1 ms. */
static struct gw_request *
arrived(const char *path, const char *body)
{
	struct gw_request *r;

	chain_set_up();
	client("POST", path);
	r = arrive();
	r->begun_us -= 1000;
	pass(40);
	send_all(body);
	return r;
}

static void
an_answer(void)
{
	arrived(CHAT, CHAT_P);
	pass(3);
	up_connected();
	pass(20);
	up_head(200, JSON, 4);
	up_data("{");
	pass(100);
	up_data("} \n");
	up_done(GW_TRANSFER_OK);
	is_str(told(),
	       "auth;dur=1.000, queue;dur=0.000, connect;dur=3.000, "
	       "upstream;dur=20.000, gateway;dur=0.000",
	       "timing: neither the client's body nor the rest of an answer");
	arrived(CHAT, STREAM_P);
	up_connected();
	pass(7);
	up_head(200, "text/event-stream", -1);
	pass(5);
	up_data("data: 1\n\n");
	pass(50);
	up_data("data: 2\n\n");
	up_done(GW_TRANSFER_OK);
	is_str(told(),
	       "auth;dur=1.000, queue;dur=0.000, connect;dur=0.000, "
	       "upstream;dur=12.000, gateway;dur=0.000",
	       "timing: of a stream up to its first byte, which no head is");
	is_int(got("Server-Timing"), 1, "timing: once");
	arrived(CHAT, CHAT_P);
	up_connected();
	pass(9);
	up_head(204, "", -1);
	up_done(GW_TRANSFER_OK);
	is_str(told(),
	       "auth;dur=1.000, queue;dur=0.000, connect;dur=0.000, "
	       "upstream;dur=9.000, gateway;dur=0.000",
	       "timing: an answer without a byte begins with its end");
}

static void
further_attempts(void)
{
	arrived(CHAT, CHAT_D);
	pass(3);
	up_done(GW_TRANSFER_REFUSED);
	pass(2);
	up_connected();
	pass(6);
	answer(200, "{}");
	is_str(told(),
	       "auth;dur=1.000, queue;dur=0.000, retry;dur=3.000, "
	       "connect;dur=2.000, upstream;dur=6.000, gateway;dur=0.000",
	       "timing: attempts that came to nothing have a time of their "
	       "own");
	/* Its connection is gone, and the answer that is told was kept. */
	arrived(CHAT, CHAT_D);
	up_connected();
	pass(10);
	answer(500, "{}");
	other.another = false;
	pass(4);
	up_done(GW_TRANSFER_REFUSED);
	while (!has_ended(&conn)) {
		pass(5000);
		if (!has_ended(&conn) && up()->live)
			up_done(GW_TRANSFER_REFUSED);
	}
	ok(last.status == 500 && strstr(told(), ", retry;dur=") &&
		   !strstr(told(), "connect") && !strstr(told(), "upstream"),
	   "timing: an answer that was kept -> none of an upstream's");
}

static void
early(void)
{
	struct gw_request *r = arrived(CHAT, STREAM_P);

	up_connected();
	pass(2);
	up_head(200, "text/event-stream", -1);
	up_data(": wait\n\n");
	is_str(told(),
	       "auth;dur=1.000, queue;dur=0.000, connect;dur=0.000, "
	       "gateway;dur=0.000",
	       "timing: behind a comment -> what is known by then");
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_OK);
	is_int(got("Server-Timing"), 1, "timing: and no more of it");
	(void)r;
}

static void
nobody_asked(void)
{
	arrived(CHAT, "{\"model\":\"other\"}");
	ok(last.status == 404 && !got("Server-Timing"),
	   "timing: an error of the gateway's own -> none");
	arrived(CHAT, CHAT_P);
	model(PROXY)->retry.attempts = 0;
	up_done(GW_TRANSFER_REFUSED);
	ok(last.status == 502 && !got("Server-Timing"),
	   "timing: an upstream without an answer -> none");
	chain_set_up();
	client("POST", "/document");
	arrive();
	send_all("{}");
	ok(last.status == 200 && !got("Server-Timing"),
	   "timing: an answer that no upstream gave -> none");
}

/* Waits for turns, before the first attempt and between two. */
static void
turns(void)
{
	struct gw_request *r = arrived(CHAT, CHAT_P);
	struct gw_times t;
	uint64_t at = r->forward.first_us;

	r->queue.waited_us = 5000;
	r->forward.queued_us = 5000;
	r->forward.first_us = at + 5700;
	r->forward.asked_us = at + 5700;
	t = gw_times_of(r, at + 6000);
	ok(t.us[GW_TIME_QUEUE] == 5000 && t.us[GW_TIME_GATEWAY] == 700 &&
		   !t.known[GW_TIME_RETRY],
	   "timing: a turn's wait is no work of the gateway's");
	r->queue.waited_us = 8000;
	r->forward.asked_us = at + 10700;
	t = gw_times_of(r, at + 11000);
	ok(t.us[GW_TIME_QUEUE] == 8000 && t.us[GW_TIME_RETRY] == 2000,
	   "timing: nor is one between two attempts one of those");
	r->forward.first_us = 0;
	r->queue.waited_us = 0;
	r->queue.begun_us = at + 200;
	t = gw_times_of(r, at + 1200);
	ok(t.us[GW_TIME_QUEUE] == 1000 && t.us[GW_TIME_GATEWAY] == 200 &&
		   !t.known[GW_TIME_CONNECT],
	   "timing: it still waits");
	r->relay.first_us = r->relay.got_us = at + 5000;
	r->relay.connected_us = r->forward.first_us = at;
	r->forward.queued_us = r->queue.begun_us = 0;
	r->forward.asked_us = at;
	t = gw_times_of(r, at + 5250);
	is_int((long long)t.us[GW_TIME_GATEWAY], 250,
	       "timing: what is done with an answer is the gateway's work");
	t = gw_times_of(r, at + 4000);
	is_int((long long)t.us[GW_TIME_GATEWAY], 0,
	       "timing: never below nothing");
	leave();
}

int
main(void)
{
	an_answer();
	further_attempts();
	early();
	nobody_asked();
	turns();
	tear_down();
	return done_testing();
}
