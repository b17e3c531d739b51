/* SPDX-License-Identifier: MIT */
/*
 * test_deadline.c - the time limits of a relayed request, each on its own and
 * against the others.
 */
#include "serve_chain.h"

enum {
	FIRST_BYTE = 2000,
	IDLE = 3000,
	TOTAL = 10000
};

static void
limits(uint32_t first_byte, uint32_t idle, uint32_t total)
{
	struct gw_timeouts t = {.connect_ms = 500,
				.first_byte_ms = first_byte,
				.idle_ms = idle,
				.total_ms = total};

	chain_set_up();
	model(PROXY)->timeouts = model(DISCOVERED)->timeouts = t;
}

static bool
is_open(void)
{
	return last.accounts == 0;
}

static void
first_byte(void)
{
	limits(FIRST_BYTE, 1, 0);
	ask(CHAT, CHAT_P);
	pass(100000);
	ok(is_open(), "first byte: a connect is libcurl's to limit");
	up_connected();
	pass(FIRST_BYTE - 1);
	ok(is_open(), "first byte: it counts from the connection");
	pass(2);
	ok(last.hit == GW_LIMIT_FIRST_BYTE && last.accounts == 1,
	   "first byte: over -> the request ends");
	is_str(last.msg,
	       "the upstream of 'p' sent no first byte within "
	       "timeouts.first_byte_s = 2 s",
	       "first byte: the words of the 504");
	ok(last.status == 504 && got("Status: ") == 1 && up()->cancelled == 1,
	   "first byte: 504, and the transfer is cancelled");
	limits(FIRST_BYTE, 1, 0);
	ask(CHAT, CHAT_P);
	up_connected();
	pass(FIRST_BYTE - 1);
	up_head(200, "application/json", 9);
	pass(2);
	ok(last.hit == GW_LIMIT_FIRST_BYTE, "first byte: a head is none");
	limits(0, IDLE, 0);
	ask(CHAT, CHAT_P);
	up_connected();
	pass(100000);
	ok(is_open(), "first byte: 0 -> no limit");
	limits(FIRST_BYTE, 1, 0);
	ask(CHAT, CHAT_D);
	up_connected();
	pass(FIRST_BYTE - 1);
	up_done(GW_TRANSFER_UNACKNOWLEDGED);
	pass(100000);
	ok(is_open() && started == 2,
	   "first byte: another upstream -> counts from its own connection");
}

/* The process was stopped: the limit is over, and bytes wait in a socket. */
static void
late(void)
{
	limits(FIRST_BYTE, IDLE, 0);
	ask(CHAT, CHAT_P);
	up_connected();
	clock_ms += FIRST_BYTE + 1;
	ev_run(worker->loop, EVRUN_NOWAIT);
	ok(is_open(), "late: the first byte's limit -> one more look");
	up_head(200, "application/json", 9);
	up_data("x");
	pass(IDLE - 1);
	ok(is_open(), "late: the byte was there -> the request goes on");
	clock_ms += IDLE;
	ev_run(worker->loop, EVRUN_NOWAIT);
	ok(is_open(), "late: the idle limit -> one more look");
	up_data("x");
	pass(IDLE - 1);
	ok(is_open(), "late: a byte was there -> the request goes on");
	pass(2);
	ok(last.hit == GW_LIMIT_IDLE, "late: and then none -> it ends");
}

static void
idle(void)
{
	limits(FIRST_BYTE, IDLE, 0);
	ask(CHAT, CHAT_P);
	up_connected();
	up_head(200, "application/json", 9);
	up_data("x");
	pass(IDLE - 1);
	ok(is_open(), "idle: a byte ends the limit for the first one");
	up_data("x");
	pass(IDLE - 1);
	ok(is_open(), "idle: each byte moves it");
	pass(2);
	ok(last.hit == GW_LIMIT_IDLE && last.accounts == 1,
	   "idle: over -> the request ends");
	is_str(last.msg,
	       "the upstream of 'p' fell silent within timeouts.idle_s = 3 s",
	       "idle: the words of the 504");
	is_int(last.status, 504, "idle: a held answer is still a 504");
	limits(0, IDLE, 0);
	ask(CHAT, CHAT_P);
	up_connected();
	up_head(200, "text/plain", -1);
	pass(100000);
	up_data("x");
	pass(IDLE + 1);
	is_int(last.hit, GW_LIMIT_IDLE, "idle: as the only limit there is");
	limits(FIRST_BYTE, 0, 0);
	ask(CHAT, CHAT_P);
	up_connected();
	up_head(200, "text/plain", -1);
	up_data("x");
	pass(100000);
	ok(is_open(), "idle: 0 -> no limit");
}

static void
total(void)
{
	limits(0, 0, TOTAL);
	ask(CHAT, CHAT_P);
	pass(TOTAL - 1);
	ok(is_open(), "total: it counts from the first transfer");
	pass(2);
	ok(last.hit == GW_LIMIT_TOTAL && last.status == 504,
	   "total: over before a connection -> 504");
	is_str(last.msg,
	       "the upstream of 'p' did not finish within timeouts.total_s = "
	       "10 s",
	       "total: the words of the 504");
	limits(0, IDLE, TOTAL);
	ask(CHAT, CHAT_D);
	pass(TOTAL / 2);
	up_done(GW_TRANSFER_REFUSED);
	is_int((long long)started, 2, "total: another upstream is tried");
	pass(TOTAL / 2 - 1);
	ok(is_open(), "total: with what is left of it");
	pass(2);
	is_int(last.hit, GW_LIMIT_TOTAL, "total: one for all of them");
	limits(0, IDLE, TOTAL);
	ask(CHAT, CHAT_P);
	up_connected();
	up_head(200, "text/plain", -1);
	for (unsigned ms = 0; ms < TOTAL && is_open(); ms += IDLE / 2) {
		up_data("x");
		pass(IDLE / 2);
	}
	pass(1);
	is_int(last.hit, GW_LIMIT_TOTAL, "total: bytes do not move it");
	ok(conn.aborted == 1 && last.broken,
	   "total: an answer under way is broken off");
}

/* The earlier one of two counts. */
static void
order(void)
{
	limits(FIRST_BYTE, 0, FIRST_BYTE - 500);
	ask(CHAT, CHAT_P);
	up_connected();
	pass(FIRST_BYTE + 1);
	is_int(last.hit, GW_LIMIT_TOTAL, "order: total before first byte");
	limits(FIRST_BYTE, 0, FIRST_BYTE + 500);
	ask(CHAT, CHAT_P);
	up_connected();
	pass(FIRST_BYTE + 1000);
	is_int(last.hit, GW_LIMIT_FIRST_BYTE,
	       "order: first byte before total, though both are over");
}

static void
no_limits(void)
{
	struct gw_request *r;

	limits(0, 0, 0);
	r = ask(CHAT, CHAT_P);
	up_connected();
	ok(!ev_is_active(&r->deadline.timer), "no limit: no timer");
	up_head(200, "text/plain", -1);
	up_data("x");
	pass(1000000);
	ok(is_open() && !ev_is_active(&r->deadline.timer),
	   "no limit: nor later");
}

/* ---- a client that does not read ----------------------------------------- */

static void
stop_reading(void)
{
	ask(CHAT, CHAT_P);
	up_connected();
	up_head(200, "text/plain", -1);
	up_data("x");
	pass(IDLE - 1000);
	conn.backlog = GW_FCGI_HIGH_WATER + 1;
	up_data("y");
}

static void
paused(void)
{
	limits(FIRST_BYTE, IDLE, 0);
	stop_reading();
	pass(100 * IDLE);
	ok(is_open(), "paused: the upstream's silence is not its own");
	drain();
	up_data("y");
	pass(IDLE - 1);
	ok(is_open(), "paused: the client reads -> idle counts from there");
	pass(2);
	is_int(last.hit, GW_LIMIT_IDLE, "paused: and is the upstream's again");
	limits(FIRST_BYTE, IDLE, 0);
	stop_reading();
	pass(100 * IDLE);
	drain();
	pass(IDLE + 1);
	is_int(last.hit, GW_LIMIT_IDLE,
	       "paused: goes on, and the upstream stays silent -> idle");
	limits(FIRST_BYTE, IDLE, TOTAL);
	stop_reading();
	pass(TOTAL);
	is_int(last.hit, GW_LIMIT_TOTAL, "paused: total goes on");
}

static void
limited_readers(void)
{
	limits(FIRST_BYTE, IDLE, 0);
	chain.limits_readers = true;
	stop_reading();
	pass(IDLE - 1);
	ok(is_open(), "readers: idle counts from when the client stopped");
	pass(2);
	ok(last.hit == GW_LIMIT_CLIENT && last.accounts == 1,
	   "readers: over -> the request ends");
	is_str(last.msg,
	       "the upstream of 'p' waited for a client that did not read for "
	       "timeouts.idle_s = 3 s",
	       "readers: the words of the 504");
	limits(FIRST_BYTE, 0, 0);
	chain.limits_readers = true;
	stop_reading();
	pass(100 * IDLE);
	ok(is_open(), "readers: idle 0 -> no limit");
}

/* ---- how it is told ------------------------------------------------------ */

static void
in_a_stream(void)
{
	limits(FIRST_BYTE, IDLE, 0);
	ask(CHAT, STREAM_P);
	up_connected();
	up_head(200, "text/event-stream", -1);
	up_data("data: 1\n\ndata: ha");
	pass(IDLE + 1);
	ok(got("data: ha\n\ndata: {\"error\":") == 1 &&
		   got("upstream_timeout") == 1,
	   "stream: a limit -> an error event, behind the half one");
	ok(conn.finished == 1 && last.broken && last.status == 200,
	   "stream: and the end of a broken answer");
}

/* Every limit has words of its own and names the key an operator can set. */
static void
words(void)
{
	static const struct {
		enum gw_limit limit;
		const char *want;
	} rows[] = {
		{GW_LIMIT_CONNECT, "the upstream of 'p' could not be connected "
				   "within timeouts.connect_s = 0.5 s"},
		{GW_LIMIT_FIRST_BYTE, "the upstream of 'p' sent no first byte "
				      "within timeouts.first_byte_s = 2 s"},
		{GW_LIMIT_IDLE, "the upstream of 'p' fell silent within "
				"timeouts.idle_s = 3 s"},
		{GW_LIMIT_TOTAL, "the upstream of 'p' did not finish within "
				 "timeouts.total_s = 10 s"},
	};
	struct gw_request *r;

	limits(FIRST_BYTE, IDLE, TOTAL);
	r = ask(CHAT, CHAT_P);
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		gw_limit_error(r, rows[i].limit);
		is_str(r->err.msg, rows[i].want, "words: a limit");
		is_int(r->err.code, GW_ERR_UPSTREAM_TIMEOUT, "words: 504");
	}
}

int
main(void)
{
	first_byte();
	late();
	idle();
	total();
	order();
	no_limits();
	paused();
	limited_readers();
	in_a_stream();
	words();
	tear_down();
	return done_testing();
}
