/* SPDX-License-Identifier: MIT */
/*
 * test_account.c - how a request is counted and logged, whatever its end.
 */
#include <sys/mman.h>

#include "serve_chain.h"

static int log_fd = -1;

/* What was logged since the last call. */
static const char *
logged(void)
{
	static char text[8192];
	ssize_t n;

	gw_log_collect(false); /* as the loop does before it sleeps */
	n = pread(log_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	if (ftruncate(log_fd, 0) < 0 || lseek(log_fd, 0, SEEK_SET) < 0)
		exit(1);
	return text;
}

static void
answered(int status)
{
	chain_set_up();
	model(PROXY)->retry.attempts = 0;
	ask(CHAT, CHAT_P);
	answer(status, "x");
}

/* The counters of how requests ended, in the order of counters.def. */
static const char *
counts(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "%d: %d %d %d gone %d broken %d",
		 (int)counted(GW_COUNT_REQUESTS),
		 (int)counted(GW_COUNT_ANSWERED_2XX),
		 (int)counted(GW_COUNT_ANSWERED_4XX),
		 (int)counted(GW_COUNT_ANSWERED_5XX),
		 (int)counted(GW_COUNT_CLIENT_GONE),
		 (int)counted(GW_COUNT_STREAM_BROKEN));
	return text;
}

static void
classes(void)
{
	answered(200);
	is_str(counts(), "1: 1 0 0 gone 0 broken 0", "account: 200");
	is_int((long long)counted(GW_COUNT_BYTES_OUT), (long long)conn.out_len,
	       "account: the bytes of the answer, its head included");
	answered(299);
	is_str(counts(), "1: 1 0 0 gone 0 broken 0", "account: 299");
	answered(302);
	is_str(counts(), "1: 0 0 0 gone 0 broken 0", "account: 302 is neither");
	answered(400);
	is_str(counts(), "1: 0 1 0 gone 0 broken 0", "account: 400");
	answered(500);
	is_str(counts(), "1: 0 0 1 gone 0 broken 0", "account: 500");
}

static void
client_gone(void)
{
	chain_set_up();
	ask(CHAT, STREAM_P);
	up_head(200, "text/event-stream", -1);
	up_data("data: 1\n\n");
	logged();
	leave();
	is_str(counts(), "1: 0 0 0 gone 1 broken 0",
	       "account: the client left -> neither answered nor broken");
	ok(strstr(logged(), " status=499 "), "account: logged as 499");
}

static void
cut_off(void)
{
	chain_set_up();
	ask(CHAT, STREAM_P);
	up_head(200, "text/event-stream", -1);
	up_data("data: 1\n\n");
	logged();
	gw_worker_end_requests(worker);
	is_str(counts(), "1: 1 0 0 gone 0 broken 1",
	       "account: cut off by us -> broken, and no client that left");
	ok(strstr(logged(), " status=200 "), "account: with what it was sent");
	chain_set_up();
	ask(CHAT, CHAT_P);
	gw_worker_end_requests(worker);
	is_str(counts(), "1: 0 0 0 gone 0 broken 1",
	       "account: cut off before an answer -> answered nothing");
	ok(strstr(logged(), " status=0 "), "account: logged without a status");
}

static enum gw_step
forget(struct gw_request *r)
{
	(void)r;
	return GW_FINISH;
}

static void
forgotten(void)
{
	chain_set_up();
	chain_stages[CHAIN_PICK].run = forget;
	ask(CHAT, CHAT_P);
	chain_stages[CHAIN_PICK].run = chain_pick;
	ok(conn.aborted == 1 && last.broken,
	   "account: whoever forgot to answer -> broken off, nobody waits");
	is_str(counts(), "1: 0 0 0 gone 0 broken 1", "account: as that");
}

static void
with_keys(struct gw_config *c)
{
	c->auth.client_api_keys = keys("alpha", "beta", "gamma");
}

static void
set_up_with_keys(void)
{
	configure = with_keys;
	chain_set_up();
	configure = NULL;
}

/* The web server's question whether a head may pass is no request. */
static void
admission(const char *key)
{
	set_up_with_keys();
	logged();
	client("POST", CHAT);
	conn.asks_admission = true;
	param("HTTP_X_API_KEY", key);
	arrive();
}

static void
admissions(void)
{
	admission("alpha");
	ok(conn.finished == 1 && got("Status: 200 ") == 1,
	   "admission: a known key -> yes, without the body");
	is_str(counts(), "0: 0 0 0 gone 0 broken 0",
	       "admission: yes -> not counted");
	is_str(logged(), "", "admission: yes -> not logged");
	admission("delta");
	ok(conn.finished == 1 && got("Status: 401 ") == 1,
	   "admission: another key -> no");
	is_str(counts(), "1: 0 1 0 gone 0 broken 0",
	       "admission: no -> counted");
	ok(strstr(logged(), " status=401 "), "admission: no -> logged");
}

/* Only who speaks FastCGI himself can send that. */
static void
control_bytes(void)
{
	static const char *const names[] = {"REQUEST_METHOD", "HTTP_ACCEPT",
					    "CONTENT_TYPE", "HTTP_USER_AGENT"};
	const char *line;

	for (size_t i = 0; i < GW_ARRAY_LEN(names); i++) {
		chain_set_up();
		client(i ? "POST" : "PO\nST", CHAT);
		if (i)
			param(names[i], "a\r\nX-Evil: 1");
		logged();
		arrive();
		line = logged();
		ok(last.status == 400 && started == 0,
		   "control byte: in %s -> 400, nothing goes upstream",
		   names[i]);
		ok(strchr(line, '\n') == line + strlen(line) - 1 &&
			   strstr(line, "status=400"),
		   "control byte: and one line in the log");
	}
}

static void
record(void)
{
	const char *line;

	set_up_with_keys();
	client("POST", CHAT);
	param("HTTP_AUTHORIZATION", "Bearer beta");
	param("HTTP_X_REQUEST_ID", "rid-1");
	param("REMOTE_ADDR", "192.0.2.7");
	arrive();
	logged();
	send_all("{\"model\":\"p\",\"prompt\":\"whisper\"}");
	up_head(200, "text/plain", -1);
	up_data("answer");
	pass(5);
	up_done(GW_TRANSFER_OK);
	line = logged();
	ok(strstr(line, "event=access rid=rid-1 method=POST "
			"path=\"" CHAT "\" status=200 phase=stream model=p "
			"node=n1 upstream_status=200 key=f44e64e7 "
			"client=192.0.2.7 bytes_in=32 "),
	   "record: who, what and where");
	ok(strstr(line, " first_byte_ms=0.0 ms=5.0 attempts=n1:ok:5.0 queue_ms=0 "
			"tokens_in=- tokens_out=- tokens_cached=- stream=0 "
			"broken=0 error=-\n"),
	   "record: how long and how it ended");
	ok(strchr(line, '\n') == line + strlen(line) - 1,
	   "record: one line a request");
	ok(!strstr(line, "beta") && !strstr(line, "whisper") &&
		   !strstr(line, "answer"),
	   "record: neither key nor prompt nor answer");
	chain_set_up();
	client("POST", CHAT);
	param("REMOTE_ADDR", "1.2.3.4 key=x\n");
	logged();
	arrive();
	leave();
	ok(strstr(logged(), " key=- client=\"1.2.3.4 key=x\\x0a\" "),
	   "record: an address that is none is quoted");
	chain_set_up();
	model(PROXY)->retry.attempts = 0;
	ask(CHAT, CHAT_P);
	logged();
	up_done(GW_TRANSFER_REFUSED);
	ok(strstr(logged(), " error=upstream_unreachable message=\"the "
			    "upstream of 'p' (node 'n1') failed: "),
	   "record: a failure and its words");
}

/* Whom it was sent to, how that went, and how long it took. */
static void
attempts(void)
{
	chain_set_up();
	client("POST", CHAT);
	arrive();
	logged();
	leave();
	ok(strstr(logged(), " attempts=- "), "attempts: none");
	chain_set_up();
	ask(CHAT, CHAT_D);
	pass(3);
	up_done(GW_TRANSFER_REFUSED);
	pass(4);
	up_head(503, "application/json", 2);
	up_data("{}");
	up_done(GW_TRANSFER_OK);
	pass(5);
	up_head(200, "application/json", 2);
	up_data("{}");
	logged();
	up_done(GW_TRANSFER_OK);
	ok(strstr(logged(),
		  " attempts=n1:unconnected:3.0,n2:down:4.0,n3:ok:5.0 "),
	   "attempts: each of them, in their order");
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_done(GW_TRANSFER_REFUSED);
	pass(2);
	logged();
	leave();
	ok(strstr(logged(), " attempts=n1:unconnected:0.0,n2:client_gone:2.0 "),
	   "attempts: the client left in the last one");
	chain_set_up();
	ask(CHAT, STREAM_D);
	up_head(200, "text/event-stream", -1);
	up_data("data: 1\n\n");
	logged();
	up_done(GW_TRANSFER_BROKEN);
	ok(strstr(logged(), " attempts=n1:broken:0.0 "),
	   "attempts: it broke off behind its first byte");
	chain_set_up();
	model(DISCOVERED)->timeouts.total_ms = 100;
	ask(CHAT, CHAT_D);
	logged();
	pass(101);
	ok(strstr(logged(), " attempts=n1:timeout:101.0 "),
	   "attempts: total_s was over");
}

/* What an upstream said about its cache, whole or in events. */
static void
caches(void)
{
	static const struct {
		enum gw_strategy strategy;
		const char *type, *coding, *text;
		int64_t length;
		int hits, misses;
		const char *title;
	} rows[] = {
		{GW_AFFINITY, "text/event-stream", "",
		 "data: {\"timings\":{\"cache_n\":8}}\n\n", -1, 1, 0, "a hit"},
		{GW_AFFINITY, "application/json", "",
		 "{\"usage\":{\"cached_tokens\":0}}", 29, 0, 1,
		 "a miss, of an answer that is held"},
		{GW_AFFINITY, "application/json", "", "{\"usage\":{}}", -1, 0,
		 0, "nothing is said"},
		{GW_AFFINITY, "application/json", "gzip",
		 "{\"usage\":{\"cached_tokens\":7}}", -1, 0, 0, "compressed"},
		{GW_ROUND_ROBIN, "application/json", "",
		 "{\"usage\":{\"cached_tokens\":7}}", -1, 0, 0, "another strategy"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		chain_set_up();
		model(PROXY)->strategy = rows[i].strategy;
		ask(CHAT, CHAT_P);
		up_encoding = rows[i].coding;
		up_head(200, rows[i].type, rows[i].length);
		up_encoding = "";
		up_data(rows[i].text);
		up_done(GW_TRANSFER_OK);
		ok(counted(GW_COUNT_CACHE_HITS) == (uint64_t)rows[i].hits &&
			   counted(GW_COUNT_CACHE_MISSES) ==
				   (uint64_t)rows[i].misses,
		   "cache: %s", rows[i].title);
	}
}

#define USAGE "{\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2}}"

/* An answer of this text, in two pieces. */
static void
relay_text(const char *type, const char *coding, int64_t length, int status,
	   const char *text)
{
	char half[200];
	size_t n = strlen(text) / 2;

	memcpy(half, text, n);
	half[n] = '\0';
	up_encoding = coding;
	up_head(status, type, length);
	up_encoding = "";
	up_data(half);
	up_data(text + n);
	logged();
	up_done(GW_TRANSFER_OK);
}

/* What was told of tokens, wherever the bytes passed. */
static void
tokens(void)
{
	static const struct {
		const char *type, *coding, *text;
		int status;
		int64_t length;
		const char *want, *title;
	} rows[] = {
		{JSON, "", USAGE, 200, sizeof(USAGE) - 1,
		 " tokens_in=4 tokens_out=2 tokens_cached=- ",
		 "an answer that is held"},
		{"text/plain", "", USAGE, 200, -1,
		 " tokens_in=4 tokens_out=2 tokens_cached=- ",
		 "one that is not"},
		{"text/event-stream", "",
		 "data: {\"timings\":{\"cache_n\":8,\"prompt_n\":1,"
		 "\"predicted_n\":7}}\n\n",
		 200, -1, " tokens_in=9 tokens_out=7 tokens_cached=8 ",
		 "a stream"},
		{JSON, "x-odd", USAGE, 200, sizeof(USAGE) - 1,
		 " tokens_in=- tokens_out=- tokens_cached=- ", "compressed"},
		{JSON, "", USAGE, 400, sizeof(USAGE) - 1,
		 " tokens_in=- tokens_out=- tokens_cached=- ", "an error"},
		{JSON, "", "{}", 200, 2,
		 " tokens_in=- tokens_out=- tokens_cached=- ", "nothing"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		chain_set_up();
		ask(CHAT, CHAT_P);
		relay_text(rows[i].type, rows[i].coding, rows[i].length,
			   rows[i].status, rows[i].text);
		ok(strstr(logged(), rows[i].want) &&
			   strcmp(got_body(), rows[i].text) == 0,
		   "tokens: %s", rows[i].title);
	}
	/* A client that has its 200 gets it as events. */
	chain_set_up();
	config->gateway.sse_keepalive_ms = 100;
	ask(CHAT, STREAM_P);
	pass(101);
	relay_text(JSON, "", sizeof(USAGE) - 1, 200, USAGE);
	ok(last.early && strstr(logged(), " tokens_in=4 tokens_out=2 "),
	   "tokens: a whole answer behind an early 200");
	/* Those of an attempt that came to nothing are not told. */
	chain_set_up();
	ask(CHAT, CHAT_D);
	up_head(200, JSON, 100);
	up_data(USAGE);
	up_done(GW_TRANSFER_BROKEN);
	logged();
	answer(200, "{}");
	ok(picks == 2 && strstr(logged(), " tokens_in=- "),
	   "tokens: only of the answer that the client gets");
}

int
main(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	if (log_fd < 0 || dup2(log_fd, STDERR_FILENO) < 0)
		return 1;
	classes();
	client_gone();
	cut_off();
	forgotten();
	admissions();
	control_bytes();
	record();
	attempts();
	caches();
	tokens();
	tear_down();
	return done_testing();
}
