/* SPDX-License-Identifier: MIT */
/*
 * test_overload.c - requests whose bodies find no room, and that each one gives
 * back what it held, whatever way it ends.
 */
#include "serve_chain.h"

#define TEXT_BYTES 900

/* A chat for @model of TEXT_BYTES. */
static const char *
chat(const char *model)
{
	static char text[TEXT_BYTES + 1];

	snprintf(text, sizeof(text), "{\"model\":\"%s\",\"x\":\"%0*d\"}", model,
		 TEXT_BYTES - 20, 0);
	return text;
}

static uint64_t
used(void)
{
	is_int((long long)worker->bodies.used,
	       worker->counters.own_gauge[GW_GAUGE_BODY_BYTES],
	       "bodies: the gauge says the same");
	return worker->bodies.used;
}

/* The process has room for so many bytes. */
static void
with_room(uint64_t bytes)
{
	chain_set_up();
	config->gateway.max_bodies_bytes = bytes;
	gw_worker_configure(worker, gw_config_ref(config));
}

static void
refused(void)
{
	with_room(TEXT_BYTES);
	client("POST", CHAT);
	arrive();
	send_body(chat("p"));
	ok(last.accounts == 0 && used() == TEXT_BYTES,
	   "bodies: as many bytes as there is room for -> taken");
	send_body(" ");
	ok(last.status == 413 && used() == 0,
	   "bodies: one that is larger than all may be -> 413");
	is_str(last.msg, "the body is larger than 900 bytes (bodies)",
	       "bodies: which names that limit");
	with_room(TEXT_BYTES - 1);
	ask(CHAT, chat("p"));
	is_int(last.status, 413, "bodies: one byte less -> 413");
}

/* Something else holds so much. */
static void
with_others(size_t *held, size_t bytes)
{
	if (gw_body_room_grow(&worker->bodies, held, bytes, bytes,
			      &(struct gw_err){0}) < 0)
		exit(1);
}

static void
overloaded(void)
{
	size_t others = 0;

	with_room(2000);
	with_others(&others, 2000 - TEXT_BYTES + 1);
	ask(CHAT, chat("p"));
	ok(last.status == 503 && last.code == GW_ERR_OVERLOADED &&
		   started == 0 && conn.finished == 1,
	   "overload: no room for a body -> 503");
	ok(got("Retry-After: 5\r\n") == 1 &&
		   got("\"code\":\"overloaded\"") == 1,
	   "overload: which says when to come again");
	ok(strstr(last.msg, "2000 bytes together (bodies)"),
	   "overload: and names the limit");
	is_int((long long)used(), (long long)others,
	       "overload: nothing is held");
	last.accounts = 0;
	client("POST", CHAT);
	param("CONTENT_LENGTH", "900");
	arrive();
	ok(last.status == 503 && last.bytes_in == 0,
	   "overload: announced -> 503 before the first byte");
	last.accounts = 0;
	client("GET", "/wait");
	arrive();
	is_int(last.accounts, 0, "overload: what has no body is served");
	leave();
	ask("/document", "{\"a\":1}");
	is_int(last.status, 200, "overload: what is small enough, too");
	with_others(&others, 2000 - 6);
	ask("/document", "{\"a\":1}");
	ok(last.status == 503 && got("\"code\":\"overloaded\"") == 1,
	   "overload: else the same for documents");
	gw_body_room_keep(&worker->bodies, &others, 0);
	ask(CHAT, chat("p"));
	is_int(started, 1, "overload: the others are gone -> served");
	leave();
	is_int((long long)used(), 0, "overload: nothing is held");
}

static void
announced_only(void)
{
	with_room(2000);
	client("POST", CHAT);
	param("CONTENT_LENGTH", "1000");
	arrive();
	is_int((long long)used(), 0, "announced: nothing is held");
	leave();
}

/* ---- the ends of a request ------------------------------------------------
 */

static void
while_it_arrives(void)
{
	chain_set_up();
	client("POST", CHAT);
	arrive();
	send_body("{\"model\":");
	ok(used() > 0, "ends: a body on its way is held");
	leave();
	is_int((long long)used(), 0, "ends: the client leaves in its middle");
	chain_set_up();
	ask(CHAT, "{\"model\":]");
	ok(last.status == 400 && used() == 0, "ends: no JSON");
	chain_set_up();
	client("POST", "/document");
	arrive();
	send_body("{\"a\":");
	is_int((long long)used(), 4096, "ends: a document on its way is held");
	leave();
	is_int((long long)used(), 0, "ends: the client leaves");
	chain_set_up();
	ask("/document", "{\"a\":1}");
	ok(last.status == 200 && used() == 0, "ends: a document is answered");
	chain_set_up();
	ask(CHAT, "{\"model\":\"nobody\"}");
	ok(last.status == 404 && used() == 0, "ends: nobody serves it");
}

static void
while_upstream_works(void)
{
	chain_set_up();
	ask(CHAT, chat("d"));
	is_int((long long)used(), TEXT_BYTES,
	       "ends: held until the upstream answers");
	up_done(GW_TRANSFER_REFUSED);
	ok(started == 2 && used() == TEXT_BYTES,
	   "ends: moved to another one -> held");
	up()->sent = TEXT_BYTES;
	up_head(200, "text/event-stream", -1);
	is_int((long long)used(), TEXT_BYTES,
	       "ends: a head alone -> held, it may be sent again");
	up_data("data: 1\n\n");
	is_int((long long)used(), 0,
	       "ends: it was sent -> not while it streams");
	leave();
	is_int((long long)used(), 0, "ends: nor given back twice");
	chain_set_up();
	ask(CHAT, chat("d"));
	while (last.accounts == 0)
		up_done(GW_TRANSFER_REFUSED);
	ok(last.status == 502 && used() == 0, "ends: all refuse");
	chain_set_up();
	ask(CHAT, chat("p"));
	leave();
	is_int((long long)used(), 0, "ends: the client leaves");
	chain_set_up();
	ask(CHAT, chat("p"));
	up_head(200, "text/plain", -1);
	is_int((long long)used(), TEXT_BYTES,
	       "ends: an answer before it was sent -> held");
	up_done(GW_TRANSFER_OK);
	ok(last.status == 200 && used() == 0, "ends: answered");
	chain_set_up();
	ask(CHAT, chat("p"));
	gw_worker_cut_requests(worker);
	ok(last.status == 503 && used() == 0, "ends: a stop cuts it off");
}

int
main(void)
{
	refused();
	overloaded();
	announced_only();
	while_it_arrives();
	while_upstream_works();
	tear_down();
	return done_testing();
}
