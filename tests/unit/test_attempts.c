/* SPDX-License-Identifier: MIT */
/*
 * test_attempts.c - attempts that come to nothing, through the real stages: who
 * is asked next and when, what is told of whom was asked, and what the client
 * gets when nothing is left.
 */
#include "serve_chain.h"
#include "stage/verdict.h"

#define SSE "text/event-stream"
#define LLAMA_LOADING "{\"error\":{\"message\":\"Loading model\",\"code\":503}}"
#define TOO_LONG "{\"error\":{\"type\":\"exceed_context_size_error\"}}"
#define LONG_AGO 7000 /* ms, more than any back-off here */

/* ---- each mishap, to its end --------------------------------------------- */

/* How an attempt ends. */
struct ending {
	int status; /* 0 = none, but: */
	enum gw_transfer_result result;
	const char *body, *retry_after;
};

static void
play(const struct ending *e)
{
	if (e->status) {
		up_connected();
		up_retry_after = e->retry_after ? e->retry_after : "";
		answer(e->status, e->body);
		up_retry_after = "";
	} else {
		up_done(e->result);
	}
}

/* Ends each attempt so. Returns how many there were. */
static unsigned
play_all(const struct ending *e)
{
	size_t before;

	while (last.accounts == 0 && started < 20) {
		before = started;
		play(e);
		if (last.accounts == 0 && started == before) {
			pass(LONG_AGO);
			if (started == before && last.accounts == 0)
				break; /* it waits for something else */
		}
	}
	return (unsigned)started;
}

static const struct row {
	struct ending ending;
	unsigned alone, among; /* attempts, of the only one and of many */
	int status;	       /* in the end */
	enum gw_mishap mishap;
	uint64_t busy_ms;
	const char *title;
} rows[] = {
	{{0, GW_TRANSFER_REFUSED, NULL, NULL},
	 3,
	 3,
	 502,
	 GW_MISHAP_UNCONNECTED,
	 0,
	 "refused"},
	{{0, GW_TRANSFER_CONNECT_TIMEOUT, NULL, NULL},
	 3,
	 3,
	 504,
	 GW_MISHAP_UNCONNECTED,
	 0,
	 "connect timed out"},
	{{0, GW_TRANSFER_UNREACHABLE, NULL, NULL},
	 3,
	 3,
	 502,
	 GW_MISHAP_UNCONNECTED,
	 0,
	 "no route"},
	{{0, GW_TRANSFER_STRANGER, NULL, NULL},
	 3,
	 3,
	 502,
	 GW_MISHAP_UNCONNECTED,
	 0,
	 "another program"},
	{{0, GW_TRANSFER_DNS, NULL, NULL},
	 3,
	 3,
	 502,
	 GW_MISHAP_UNCONNECTED,
	 0,
	 "no such host"},
	{{0, GW_TRANSFER_TLS, NULL, NULL},
	 3,
	 3,
	 502,
	 GW_MISHAP_UNCONNECTED,
	 0,
	 "TLS"},
	{{0, GW_TRANSFER_UNACKNOWLEDGED, NULL, NULL},
	 3,
	 3,
	 502,
	 GW_MISHAP_UNCONNECTED,
	 0,
	 "unacknowledged"},
	{{0, GW_TRANSFER_VANISHED, NULL, NULL},
	 2,
	 2,
	 502,
	 GW_MISHAP_LOST,
	 0,
	 "vanished"},
	{{0, GW_TRANSFER_CLOSED, NULL, NULL},
	 2,
	 2,
	 502,
	 GW_MISHAP_LOST,
	 0,
	 "closed"},
	{{0, GW_TRANSFER_OK, NULL, NULL},
	 2,
	 2,
	 502,
	 GW_MISHAP_LOST,
	 0,
	 "no answer at all"},
	{{0, GW_TRANSFER_NOT_HTTP, NULL, NULL},
	 2,
	 2,
	 502,
	 GW_MISHAP_LOST,
	 0,
	 "not HTTP"},
	{{0, GW_TRANSFER_BROKEN, NULL, NULL},
	 2,
	 2,
	 502,
	 GW_MISHAP_LOST,
	 0,
	 "broken"},
	{{0, GW_TRANSFER_HEADERS_TOO_LARGE, NULL, NULL},
	 2,
	 2,
	 502,
	 GW_MISHAP_LOST,
	 0,
	 "headers"},
	{{0, GW_TRANSFER_TIMED_OUT, NULL, NULL},
	 1,
	 2,
	 504,
	 GW_MISHAP_SILENT,
	 0,
	 "timed out"},
	{{0, GW_TRANSFER_INTERNAL, NULL, NULL},
	 1,
	 3,
	 500,
	 GW_MISHAP_OWN,
	 0,
	 "internal"},
	{{429, 0, "{\"b\":1}", NULL}, 3, 3, 429, GW_MISHAP_BUSY, 1000, "429"},
	{{429, 0, "{\"b\":1}", "2"},
	 3,
	 3,
	 429,
	 GW_MISHAP_BUSY,
	 2000,
	 "429, Retry-After"},
	{{429, 0, "{\"b\":1}", "60"},
	 1,
	 3,
	 429,
	 GW_MISHAP_BUSY,
	 60000,
	 "429, a long Retry-After"},
	{{429, 0, "{\"b\":1}", "99999999"},
	 1,
	 3,
	 429,
	 GW_MISHAP_BUSY,
	 3600000,
	 "429, a Retry-After of years"},
	{{429, 0, "{\"b\":1}", "soon"},
	 3,
	 3,
	 429,
	 GW_MISHAP_BUSY,
	 1000,
	 "429, a Retry-After that is none"},
	{{503, 0, "{\"b\":1}", "1"},
	 3,
	 3,
	 503,
	 GW_MISHAP_BUSY,
	 1000,
	 "503, Retry-After"},
	{{503, 0, "{\"b\":1}", NULL}, 3, 3, 503, GW_MISHAP_DOWN, 0, "503"},
	{{500, 0, "{\"b\":1}", NULL}, 2, 2, 500, GW_MISHAP_FAILED, 0, "500"},
	{{502, 0, "{\"b\":1}", NULL}, 3, 3, 502, GW_MISHAP_DOWN, 0, "502"},
	{{504, 0, "{\"b\":1}", NULL}, 3, 3, 504, GW_MISHAP_DOWN, 0, "504"},
	{{400, 0, TOO_LONG, NULL},
	 1,
	 1,
	 400,
	 GW_MISHAP_TOO_LONG,
	 0,
	 "the context is too long"},
	{{413, 0, TOO_LONG, NULL},
	 1,
	 1,
	 413,
	 GW_MISHAP_TOO_LONG,
	 0,
	 "413: the context is too long"},
	{{400, 0, "{\"b\":1}", NULL}, 1, 1, 400, GW_MISHAP_NONE, 0, "400"},
	{{401, 0, "{\"b\":1}", NULL},
	 1,
	 1,
	 401,
	 GW_MISHAP_NONE,
	 0,
	 "401, and no key was shown"},
	{{404, 0, "{\"b\":1}", NULL}, 1, 1, 404, GW_MISHAP_NONE, 0, "404"},
	{{422, 0, "{\"b\":1}", NULL}, 1, 1, 422, GW_MISHAP_NONE, 0, "422"},
	{{501, 0, "{\"b\":1}", NULL}, 1, 1, 501, GW_MISHAP_NONE, 0, "501"},
	{{200, 0, "{\"b\":1}", NULL}, 1, 1, 200, GW_MISHAP_NONE, 0, "200"},
};

static void
check_end(const struct row *row, unsigned want)
{
	bool failure = row->mishap != GW_MISHAP_NONE;
	char head[64];

	is_int(last.status, row->status, "attempts: the client gets the last");
	ok(holds == 0 && last.accounts == 1, "attempts: and all are let go");
	ok(other.n_failed == want * failure &&
		   other.mishap == (int)row->mishap &&
		   other.busy_ms == row->busy_ms && other.n_whole == !failure &&
		   other.n_cut == 0,
	   "attempts: what is told of it: %s", gw_mishap_word(row->mishap));
	if (!row->ending.status)
		return;
	is_str(got_body(), row->ending.body, "attempts: its own words");
	snprintf(head, sizeof(head), "X-RoleMesh-Attempts: %u\r\n", want);
	ok(got(head) == 1 && last.code == GW_OK, "attempts: how many");
	if (row->ending.retry_after)
		is_int(got("Retry-After: "), 1,
		       "attempts: and when to come again");
}

static void
each_alone(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		chain_set_up();
		free(model(PROXY)->api_key);
		model(PROXY)->api_key = NULL;
		ask(CHAT, CHAT_P);
		ok(play_all(&rows[i].ending) == rows[i].alone && picks == 1,
		   "alone: %s -> %u", rows[i].title, rows[i].alone);
		check_end(&rows[i], rows[i].alone);
	}
}

static void
each_among_others(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		unsigned n = 0;

		chain_set_up();
		ask(CHAT, CHAT_D);
		while (last.accounts == 0 && n++ < 20)
			play(&rows[i].ending); /* nobody waits */
		ok(started == rows[i].among && picks == rows[i].among,
		   "others: %s -> %u, each another one", rows[i].title,
		   rows[i].among);
		check_end(&rows[i], rows[i].among);
	}
}

/* The fallback list goes on where that ends, and begins anew. */
static void
each_falls_back(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		bool failure = rows[i].mishap != GW_MISHAP_NONE;

		chain_set_up();
		free(model(PROXY)->api_key);
		model(PROXY)->api_key = NULL;
		other.fallbacks = 1;
		ask(CHAT, CHAT_P);
		while (picks == 1 && last.accounts == 0) {
			play(&rows[i].ending);
			if (picks == 1 && last.accounts == 0)
				pass(LONG_AGO);
		}
		ok(picks == 1u + failure && started == rows[i].alone + failure,
		   "fallback: %s -> %s", rows[i].title,
		   failure ? "follows" : "does not");
		if (!failure)
			continue;
		answer(200, "{}");
		ok(last.status == 200 && got("X-RoleMesh-Model: d\r\n") == 1 &&
			   got("X-RoleMesh-Node: n2\r\n") == 1,
		   "fallback: its answer is the client's");
	}
}

/* ---- bounds -------------------------------------------------------------- */

static void
bounds(void)
{
	const struct ending refused = {0, GW_TRANSFER_REFUSED, NULL, NULL};
	const struct ending lost = {0, GW_TRANSFER_CLOSED, NULL, NULL};

	for (unsigned n = 0; n <= 10; n++) {
		unsigned want = n < 7 ? n + 1 : 8;

		chain_set_up();
		model(DISCOVERED)->retry.attempts = n;
		ask(CHAT, CHAT_D);
		ok(play_all(&refused) == want && holds == 0,
		   "bounds: attempts: %u -> %u in all", n, want);
	}
	chain_set_up();
	other.fallbacks = 5;
	ask(CHAT, CHAT_P);
	is_int(play_all(&refused), 8, "bounds: fallbacks included, 8 in all");
	ok(strstr(last.msg, "none of 8 attempts for model 'd' has an answer "
			    "(n1 unconnected, n1 unconnected, n1 unconnected, "
			    "n2 unconnected, n3 unconnected, "),
	   "bounds: which the error lists");
	chain_set_up();
	other.fallbacks = 1;
	ask(CHAT, CHAT_P);
	is_int(play_all(&refused), 6, "bounds: a fallback begins anew");
	chain_set_up();
	other.fallbacks = 1;
	model(DISCOVERED)->retry.attempts = 0;
	ask(CHAT, CHAT_P);
	is_int(play_all(&refused), 4, "bounds: a fallback by its own rules");
	chain_set_up();
	other.fallbacks = 1;
	ask(CHAT, CHAT_P);
	is_int(play_all(&lost), 3,
	       "bounds: what has killed two servers goes to one fallback");
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_done(GW_TRANSFER_CLOSED);
	answer(500, "{}");
	answer(503, "{}");
	ok(started == 3 && last.status == 503,
	   "bounds: once of each kind, and all by the alias's attempts");
}

/* ---- waits --------------------------------------------------------------- */

static void
waits(void)
{
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	pass(186);
	is_int((long long)started, 1, "waits: three quarters of backoff_s");
	pass(313 - 186);
	is_int((long long)started, 2, "waits: five quarters, then again");
	up_done(GW_TRANSFER_REFUSED);
	pass(374);
	is_int((long long)started, 2, "waits: twice as long");
	pass(626 - 374);
	is_int((long long)started, 3, "waits: twice as long, then again");
	is_str(up()->url, "http://up-1" CHAT, "waits: the same one");
	is_str(up()->body, CHAT_P, "waits: and the same request");
	leave();
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_retry_after = "2";
	answer(429, "{}");
	up_retry_after = "";
	pass(1999);
	is_int((long long)started, 1, "waits: never earlier than Retry-After");
	pass(2);
	is_int((long long)started, 2, "waits: and then");
	leave();
	chain_set_up();
	ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	leave();
	ok(last.accounts == 1 && holds == 0,
	   "waits: the client leaves -> the end, at once");
	pass(LONG_AGO);
	is_int((long long)started, 1, "waits: nobody is asked afterwards");
	chain_set_up();
	config->gateway.sse_keepalive_ms = 50;
	ask(CHAT, STREAM_P);
	up_done(GW_TRANSFER_REFUSED);
	pass(51);
	ok(got(GW_SSE_KEEPALIVE) == 1 && started == 1,
	   "waits: the client gets its comments meanwhile");
	leave();
	chain_set_up();
	gw_worker_cut_requests(worker);
	ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	gw_worker_cut_requests(worker);
	ok(last.status == 503 && holds == 0, "waits: we stop -> 503");
}

static void
totals(void)
{
	chain_set_up();
	model(PROXY)->timeouts.total_ms = 1000;
	ask(CHAT, CHAT_P);
	pass(900);
	up_done(GW_TRANSFER_REFUSED);
	ok(last.accounts == 1 && last.status == 502 && started == 1,
	   "total: ends before the wait would -> nobody waits");
	chain_set_up();
	model(PROXY)->timeouts.total_ms = 1000;
	ask(CHAT, CHAT_P);
	up_done(GW_TRANSFER_REFUSED);
	pass(400);
	is_int((long long)started, 2, "total: it goes on over attempts");
	pass(601);
	ok(last.hit == GW_LIMIT_TOTAL && last.status == 504,
	   "total: and ends them");
	chain_set_up();
	model(DISCOVERED)->timeouts.total_ms = 1000;
	ask(CHAT, CHAT_D);
	answer(503, "{\"b\":1}");
	pass(1001);
	ok(last.status == 504 && got("upstream_timeout") == 1,
	   "total: whatever others have answered");
}

/* ---- silence ------------------------------------------------------------- */

static void
silence(void)
{
	chain_set_up();
	model(DISCOVERED)->timeouts.first_byte_ms = 1000;
	ask(CHAT, CHAT_D);
	up_connected();
	pass(1001);
	ok(started == 2 && transfers[0].cancelled == 1 &&
		   other.mishap == GW_MISHAP_SILENT,
	   "silence: first_byte_s -> another one");
	up_connected();
	pass(999);
	is_int((long long)started, 2, "silence: with a fresh first_byte_s");
	pass(2);
	ok(started == 2 && last.hit == GW_LIMIT_FIRST_BYTE &&
		   last.status == 504 && holds == 0,
	   "silence: once, then 504");
	is_str(last.msg,
	       "the upstream of 'd' sent no first byte within "
	       "timeouts.first_byte_s = 1 s",
	       "silence: the limit's words");
	chain_set_up();
	model(DISCOVERED)->timeouts.first_byte_ms = 1000;
	ask(CHAT, CHAT_D);
	up_connected();
	pass(1001);
	up_connected();
	answer(200, "{}");
	ok(last.status == 200 && last.code == GW_OK && !last.hit,
	   "silence: the other one answers -> its answer");
	chain_set_up();
	model(DISCOVERED)->timeouts.idle_ms = 1000;
	ask(CHAT, CHAT_D);
	up_head(200, JSON, 100);
	up_data("half");
	pass(1001);
	ok(started == 2 && conn.out_len == 0,
	   "silence: within an answer that nobody has seen -> another one");
	chain_set_up();
	model(DISCOVERED)->timeouts.idle_ms = 1000;
	ask(CHAT, STREAM_D);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	pass(1001);
	ok(started == 1 && got("upstream_timeout") == 1 && other.n_cut == 1,
	   "silence: behind the first byte -> the end");
}

/* ---- loading ------------------------------------------------------------- */

static void
load(void)
{
	chain_set_up();
	model(PROXY)->timeouts.first_byte_ms = 10000;
	ask(CHAT, CHAT_P);
	answer(503, LLAMA_LOADING);
}

static void
loading(void)
{
	unsigned before, looks = 0;

	load();
	ok(other.asked_loaded == 1 && other.n_failed == 1 &&
		   other.mishap == GW_MISHAP_LOADING && conn.out_len == 0,
	   "loading: the only one is probed");
	pass(499);
	is_int(other.asked_loaded, 1, "loading: not more often");
	for (int i = 0; i < 10; i++) {
		before = other.asked_loaded;
		pass(501);
		looks += other.asked_loaded > before;
	}
	ok(looks == 10 && started == 1 && last.accounts == 0,
	   "loading: than every half second, and it is not sent");
	other.loaded = true;
	pass(501);
	is_int((long long)started, 2, "loading: until it is loaded");
	answer(200, "{}");
	ok(last.status == 200 && last.code == GW_OK, "loading: and answers");
	load();
	for (int i = 0; i < 19; i++)
		pass(500);
	is_int(last.accounts, 0, "loading: up to first_byte_s");
	pass(501);
	ok(last.status == 503 && strcmp(got_body(), LLAMA_LOADING) == 0 &&
		   last.code == GW_OK && holds == 0 && started == 1,
	   "loading: for longer -> its own 503");
	load();
	other.fallbacks = 1;
	for (int i = 0; i < 21; i++)
		pass(500);
	ok(started == 2 && picks == 2, "loading: for longer -> the fallback");
	leave();
	load();
	leave();
	ok(last.accounts == 1 && holds == 0, "loading: the client leaves");
	pass(LONG_AGO);
	is_int(other.asked_loaded, 1, "loading: and nobody is probed for it");
}

static void
loading_and_others(void)
{
	chain_set_up();
	model(DISCOVERED)->retry.attempts = 0;
	ask(CHAT, CHAT_D);
	answer(503, LLAMA_LOADING);
	ok(started == 2 && picks == 2 && other.asked_loaded == 0,
	   "loading: another one at once, and no attempt is used");
	leave();
	chain_set_up();
	model(DISCOVERED)->retry.attempts = 1;
	ask(CHAT, CHAT_D);
	answer(503, LLAMA_LOADING);
	up_done(GW_TRANSFER_REFUSED);
	ok(started == 3 && last.accounts == 0,
	   "loading: nor one of those that are left");
	leave();
	chain_set_up();
	other.another = false;
	ask(CHAT, CHAT_D);
	answer(503, LLAMA_LOADING);
	pass(500);
	is_int((long long)started, 1, "loading: no other one yet");
	other.another = true;
	pass(500);
	ok(started == 2 && picks == 2, "loading: one comes -> it is asked");
	leave();
	/* It was loading, and then fails in another way. */
	load();
	other.loaded = true;
	pass(501);
	other.loaded = false;
	up_done(GW_TRANSFER_REFUSED);
	pass(400);
	is_int((long long)started, 3,
	       "loading: and then refused -> asked again after the back-off");
	leave();
	load();
	for (unsigned i = 0; i < 15 && last.accounts == 0; i++) {
		other.loaded = true;
		pass(501);
		other.loaded = false;
		if (up()->live)
			answer(503, LLAMA_LOADING);
	}
	ok(last.accounts == 0 && started == 16,
	   "loading: again and again -> no attempt is used");
	for (unsigned i = 0; i < 10; i++)
		pass(500);
	ok(last.status == 503 && got("X-RoleMesh-Attempts: 1\r\n") == 1,
	   "loading: and first_byte_s ends that, too");
}

/* ---- what is left -------------------------------------------------------- */

static void
kept_answers(void)
{
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_retry_after = "9";
	answer(429, "{\"first\":1}");
	up_retry_after = "";
	answer(503, "{\"second\":1}");
	up_done(GW_TRANSFER_REFUSED);
	ok(last.status == 503 && last.code == GW_OK && got("Retry-After") == 0,
	   "kept: the last answer that there was, and its head");
	is_str(got_body(), "{\"second\":1}", "kept: whole");
	ok(got("X-RoleMesh-Node: n2\r\n") == 1 &&
		   got("X-RoleMesh-Attempts: 3\r\n") == 1,
	   "kept: whose it is, and how many were asked");
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_retry_after = "9";
	answer(429, "{\"first\":1}");
	up_retry_after = "";
	up_done(GW_TRANSFER_CLOSED);
	up_done(GW_TRANSFER_REFUSED);
	ok(last.status == 429 && got("Retry-After: 9\r\n") == 1,
	   "kept: with its Retry-After");
	chain_set_up();
	other.fallbacks = 1;
	model(PROXY)->retry.attempts = model(DISCOVERED)->retry.attempts = 0;
	ask(CHAT, CHAT_P);
	answer(500, "{\"first\":1}");
	up_done(GW_TRANSFER_REFUSED);
	ok(last.status == 500 && got("X-RoleMesh-Model: p\r\n") == 1,
	   "kept: of the alias before the fallback");
	chain_set_up();
	config->gateway.sse_keepalive_ms = 1000;
	ask(CHAT, STREAM_D);
	pass(1001);
	answer(503, "{\"error\":{\"message\":\"the first\"}}");
	up_done(GW_TRANSFER_CLOSED);
	up_done(GW_TRANSFER_REFUSED);
	ok(got("Status: ") == 1 && got("\"the first\"") == 1 &&
		   got("\"error\":{") == 1 && conn.finished == 1,
	   "kept: behind an early 200 as an event");
	is_int((long long)counted(GW_COUNT_STREAM_BROKEN), 1,
	       "kept: which counts as broken");
}

static void
long_errors(void)
{
	static char piece[40000 + 1];

	memset(piece, 'e', sizeof(piece) - 1);
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(500, JSON, 80000);
	ok(up_data(piece) && conn.out_len == 0, "long: an error is looked at");
	up_data(piece);
	ok(started == 2 && conn.out_len == 0,
	   "long: over 64 KiB of one -> another one");
	up_head(500, JSON, 80000);
	up_data(piece);
	up_data(piece);
	up_done(GW_TRANSFER_OK);
	ok(last.status == 500 && strlen(got_body()) == 80000 &&
		   got("Content-Length: 80000\r\n") == 1,
	   "long: the last one passes, all of it");
	ok(other.n_failed == 2 && other.n_whole == 0,
	   "long: and is told as a failure");
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(400, JSON, 80000);
	up_data(piece);
	up_data(piece);
	up_done(GW_TRANSFER_OK);
	ok(last.status == 400 && started == 1 && strlen(got_body()) == 80000 &&
		   other.n_failed == 0,
	   "long: an error that is for the client passes");
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(500, JSON, 80000);
	up_data("half");
	pass(999);
	is_int((long long)started, 1, "long: the rest of an error is awaited");
	pass(2);
	ok(started == 2 && transfers[0].cancelled == 1 &&
		   other.mishap == GW_MISHAP_FAILED,
	   "long: for a second -> its status tells");
}

/* A first choice that is ejected is asked where nothing else is left. */
static void
last_resort(void)
{
	chain_set_up();
	other.another = false;
	other.passed_over = true;
	model(DISCOVERED)->timeouts.first_byte_ms = 1000;
	ask(CHAT, CHAT_D);
	up_connected();
	pass(1001);
	ok(started == 2 && picks == 2, "resort: silent -> one passed over");
	leave();
	chain_set_up();
	other.another = false;
	other.passed_over = true;
	other.fallbacks = 1;
	model(DISCOVERED)->timeouts.first_byte_ms = 1000;
	ask(CHAT, CHAT_D);
	up_connected();
	pass(1001);
	ok(started == 2 && other.fallbacks == 1,
	   "resort: a fallback comes before it");
	leave();
}

/* An answer that breaks off behind its first byte is no attempt more. */
static void
ends(void)
{
	chain_set_up();
	ask(CHAT, STREAM_D);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	up_done(GW_TRANSFER_BROKEN);
	ok(started == 1 && other.n_cut == 1 && other.n_whole == 0,
	   "ends: broken off -> told as that");
	chain_set_up();
	ask(CHAT, STREAM_D);
	up_head(200, SSE, -1);
	up_data("data: {\"error\":{\"code\":1}}\n\n");
	up_done(GW_TRANSFER_OK);
	ok(other.n_cut == 0 && other.n_whole == 0,
	   "ends: with an error event of its own -> it may be the request's");
	chain_set_up();
	ask(CHAT, STREAM_D);
	up_head(200, SSE, -1);
	up_data("data: 1\n\n");
	leave();
	ok(other.n_cut == 0 && other.n_whole == 0,
	   "ends: the client left -> nothing is told");
}

int
main(void)
{
	each_alone();
	each_among_others();
	each_falls_back();
	bounds();
	waits();
	totals();
	silence();
	loading();
	loading_and_others();
	kept_answers();
	long_errors();
	last_resort();
	ends();
	tear_down();
	return done_testing();
}
