/* SPDX-License-Identifier: MIT */
/*
 * test_stages.c - the stages before the upstream: whose key it is, how much of
 * a body is taken, and which model is meant.
 */
#include "base/key_name.h"
#include "serve_chain.h"

#define ID_MAX 128	/* what is promised */
#define PATH_BYTES 1023 /* decoded */

/* ---- accept -------------------------------------------------------------- */

/* Is an X-Request-Id of @n bytes the request's? */
static bool
keeps_id(size_t n)
{
	char id[ID_MAX + 2], line[ID_MAX + 32];

	memset(id, 'i', n);
	id[n] = '\0';
	snprintf(line, sizeof(line), "X-Request-Id: %s\r\n", id);
	chain_set_up();
	client("GET", "/nowhere");
	param("HTTP_X_REQUEST_ID", id);
	arrive();
	ok(got("X-Request-Id: ") == 1, "accept: an answer has one id");
	return got(line) == 1;
}

static int
status_of_path(size_t n)
{
	char path[PATH_BYTES + 8];

	memset(path, 'p', sizeof(path));
	path[0] = '/';
	memcpy(path + 1, "%70", 3); /* one byte of the decoded one */
	path[n + 2] = '\0';
	chain_set_up();
	client("GET", path);
	arrive();
	return last.status;
}

static void
accept_limits(void)
{
	ok(keeps_id(ID_MAX), "accept: an id of 128 bytes -> is kept");
	ok(!keeps_id(ID_MAX + 1) && got("X-Request-Id: req_") == 1,
	   "accept: one byte more -> another one");
	is_int(status_of_path(PATH_BYTES), 404,
	       "accept: a path of 1,023 bytes -> looked for");
	is_int(status_of_path(PATH_BYTES + 1), 413,
	       "accept: one byte more -> 413");
}

/* ---- authenticate -------------------------------------------------------- */

static const char *const listed_clients[] = {"alpha", "alphabet", "x"};
static const char *const listed_nodes[] = {"node", "alphabeta", "y"};

static void
with_keys(struct gw_config *c)
{
	c->auth.client_api_keys =
		keys(listed_clients[0], listed_clients[1], listed_clients[2]);
	c->auth.node_api_keys =
		keys(listed_nodes[0], listed_nodes[1], listed_nodes[2]);
}

/* Which key it was, as the request with these headers sees it. */
static int
key_of(const char *path, const char *authorization, const char *header)
{
	bool node = strcmp(path, "/document") == 0;
	const char *const *list = node ? listed_nodes : listed_clients;
	char name[GW_KEY_NAME_BYTES];

	configure = with_keys;
	chain_set_up();
	configure = NULL;
	client("POST", path);
	if (authorization)
		param("HTTP_AUTHORIZATION", authorization);
	if (header)
		param(node ? "HTTP_X_ROLEMESH_NODE_KEY" : "HTTP_X_API_KEY",
		      header);
	arrive();
	if (!has_ended(&conn))
		leave();
	for (size_t i = 0; i < 3; i++) {
		gw_key_name(list[i], name);
		if (strcmp(name, last.key) == 0)
			return (int)i;
	}
	return *last.key ? -2 : -1;
}

static void
accepted_keys(void)
{
	static const struct {
		const char *authorization, *header;
		int index;
		const char *title;
	} rows[] = {
		{"Bearer alpha", NULL, 0, "the first"},
		{"Bearer alphabet", NULL, 1, "one that begins as another"},
		{"Bearer x", NULL, 2, "the last"},
		{"bearer alpha", NULL, 0, "the scheme in other letters"},
		{"Bearer    alpha", NULL, 0, "more blanks"},
		{NULL, "alphabet", 1, "in the other header"},
		{"Bearer wrong", "x", 2, "wrong in one, right in the other"},
		{"Basic alpha", "x", 2, "another scheme, right in the other"},
		{"Bearer alpha", "x", 0, "two: the first header's counts"},
		{NULL, NULL, -1, "none"},
		{"Bearer alph", NULL, -1, "the beginning of one"},
		{"Bearer alphab", NULL, -1, "between two of them"},
		{"Bearer alphabets", NULL, -1, "one byte too many"},
		{"Bearer alphaalpha", NULL, -1, "one twice"},
		{"Bearer alpha ", NULL, -1, "a blank behind it"},
		{"Bearer Alpha", NULL, -1, "other letters"},
		{"Bearer xx", NULL, -1, "a short one twice"},
		{"Bearer ", NULL, -1, "an empty one"},
		{"Bearer", NULL, -1, "the scheme alone"},
		{"alpha", NULL, -1, "no scheme"},
		{"Basic alpha", NULL, -1, "another scheme"},
		{NULL, "", -1, "an empty other header"},
		{"Bearer node", "alphabeta", -1, "a node's keys"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		is_int(key_of(CHAT, rows[i].authorization, rows[i].header),
		       rows[i].index, rows[i].title);
}

static void
node_keys(void)
{
	is_int(key_of("/document", "Bearer node", NULL), 0,
	       "node key: as a bearer");
	is_int(key_of("/document", NULL, "y"), 2, "node key: in its header");
	is_int(key_of("/document", "Bearer alpha", "x"), -1,
	       "node key: a client's is none");
	ok(strstr(last.msg, "send a node key") &&
		   strstr(last.msg, "X-RoleMesh-Node-Key: KEY"),
	   "node key: the message says so");
}

static void
refused_keys(void)
{
	key_of(CHAT, NULL, NULL);
	ok(got("Status: 401") == 1 && got("WWW-Authenticate: Bearer") == 1 &&
		   strstr(last.msg, "a key is required; send a client key") ==
			   last.msg,
	   "key: none -> 401, it is required");
	key_of(CHAT, "Bearer sesame", NULL);
	ok(got("Status: 401") == 1 &&
		   strstr(last.msg, "the key is not one of those configured"),
	   "key: a wrong one -> 401, it is not configured");
	ok(!got("sesame"), "key: which is never quoted");
	ok(conn.finished == 1 && !last.complete && started == 0,
	   "key: and the body is not waited for");
	chain_set_up();
	ask(CHAT, CHAT_P);
	is_int((long long)started, 1, "key: none configured -> none needed");
	leave();
	is_str(last.key, "", "key: and none used");
}

/* ---- receive ------------------------------------------------------------- */

#define MAX_BODY 1000 /* as serve_run.h configures it */

/* A JSON object of @n bytes. */
static const char *
object(size_t n)
{
	static char text[MAX_BODY + 64];

	snprintf(text, sizeof(text), "{\"model\":\"p\",\"x\":\"%0*d\"}",
		 (int)n - 20, 0);
	return text;
}

static void
body_limit(void)
{
	chain_set_up();
	ask(CHAT, object(MAX_BODY));
	ok(started == 1 && up()->req.body_len == MAX_BODY,
	   "receive: as many bytes as may be -> forwarded");
	chain_set_up();
	client("POST", CHAT);
	arrive();
	send_body(object(MAX_BODY + 1));
	ok(last.status == 413 && last.accounts == 1 && conn.finished == 1,
	   "receive: one byte more -> 413, at once");
	is_str(last.msg, "the body is larger than 1000 bytes (max_body)",
	       "receive: the words of the 413");
	is_int((long long)last.bytes_in, MAX_BODY + 1, "receive: counted");
}

/* Is a body of this announced length waited for? */
static bool
waits_for(const char *path, const char *length)
{
	chain_set_up();
	client("POST", path);
	param("CONTENT_LENGTH", length);
	arrive();
	return last.accounts == 0;
}

static void
announced_length(void)
{
	ok(waits_for(CHAT, "1000"), "announced: as many as may be -> waited");
	ok(!waits_for(CHAT, "1001") && last.status == 413 && last.bytes_in == 0,
	   "announced: one more -> 413 before the first byte");
	is_str(last.msg, "the body is larger than 1000 bytes (max_body)",
	       "announced: the words are the same");
	ok(waits_for(CHAT, ""), "announced: nothing -> waited for");
	ok(waits_for(CHAT, "-1"), "announced: -1, unknown -> waited for");
	ok(waits_for(CHAT, "9999x"), "announced: no number -> waited for");
	ok(waits_for(CHAT, "99999999999999999999999"),
	   "announced: no number of ours -> waited for");
	ok(waits_for("/document", "1048576"),
	   "announced: a document has a limit of its own");
	ok(!waits_for("/document", "1048577") && last.status == 413,
	   "announced: one more -> 413");
	is_str(last.msg, "the body is larger than 1048576 bytes",
	       "announced: which no option changes");
}

static void
document_limit(void)
{
	static char piece[(32 << 10) + 1];

	memset(piece, ' ', sizeof(piece) - 1);
	chain_set_up();
	client("POST", "/document");
	arrive();
	for (int i = 0; i < 32; i++)
		send_body(piece);
	is_int(last.accounts, 0, "document: 1 MiB is taken");
	send_body(" ");
	is_int(last.status, 413, "document: one byte more -> 413");
}

#define DOCUMENT_VALUES 16384

/* A document with @n keys and values, itself included. */
static const char *
many_values(int n)
{
	static struct gw_buf text = GW_BUF_INIT(3 * DOCUMENT_VALUES);
	int rc = 0;

	gw_buf_release(&text);
	for (int i = 4; i < n; i++)
		rc |= gw_buf_puts(&text, i == 4 ? "{\"a\":[{},1" : ",1");
	if (rc < 0 || gw_buf_puts(&text, "]}") < 0)
		exit(1);
	return text.data;
}

static void
documents(void)
{
	chain_set_up();
	ask("/document", "{\"a\":1}");
	is_str(got_body(), "{\"a\":1}\n", "document: parsed for its endpoint");
	ok(last.status == 200 && last.complete && last.phase == GW_PHASE_ANSWER,
	   "document: complete, and answered here");
	chain_set_up();
	client("POST", "/document");
	arrive();
	send_body("{\"a\"");
	send_all(":2}");
	is_str(got_body(), "{\"a\":2}\n", "document: in two pieces");
	chain_set_up();
	ask("/document", many_values(DOCUMENT_VALUES));
	is_int(last.status, 200, "document: as many values as may be");
	chain_set_up();
	ask("/document", many_values(DOCUMENT_VALUES + 1));
	is_int(last.status, 413, "document: one more -> 413");
	is_str(last.msg, "the JSON has more than 16384 keys and values",
	       "document: the words of the 413");
	chain_set_up();
	ask("/document", "[1]");
	is_int(last.code, GW_ERR_INVALID_JSON, "document: no object -> 400");
	chain_set_up();
	client("POST", "/document");
	arrive();
	front.ops->on_body_end(conn.request);
	is_int(last.code, GW_ERR_INVALID_JSON, "document: nothing -> 400");
}

static void
bad_bodies(void)
{
	chain_set_up();
	client("POST", CHAT);
	arrive();
	send_body("{\"model\" nonsense ");
	ok(last.code == GW_ERR_INVALID_JSON && got("Status: 400") == 1,
	   "receive: no JSON -> 400 before the end");
	chain_set_up();
	ask(CHAT, "{\"model\":\"p\"");
	is_int(last.code, GW_ERR_INVALID_JSON, "receive: half -> 400");
	chain_set_up();
	client("GET", "/wait");
	arrive();
	send_all("whatever");
	is_int(last.accounts, 0,
	       "receive: who wants no body has none to check");
	leave();
	ok(last.bytes_in == 0 && last.accounts == 1,
	   "receive: it is not even counted");
	chain_set_up();
	client("POST", CHAT);
	arrive();
	send_body("{\"model\"");
	leave();
	ok(last.accounts == 1 && last.phase == GW_PHASE_RECEIVE,
	   "receive: the client leaves in the middle");
}

/* A body of which @ago_ms after its head no more than a few bytes are here. */
static void
trickle(uint64_t ago_ms)
{
	struct gw_request *r;

	chain_set_up();
	client("POST", CHAT);
	arrive();
	r = conn.request;
	r->begun_us -= ago_ms * 1000;
	send_body("{\"model\"");
}

static void
slow_bodies(void)
{
	/* not exactly a minute: this process may be held up */
	trickle(GW_RECEIVE_GRACE_MS / 2);
	is_int(last.accounts, 0,
	       "receive: slow for half a minute -> waited for");
	leave();
	trickle(GW_RECEIVE_GRACE_MS + 10);
	ok(last.code == GW_ERR_REQUEST_TIMEOUT && got("Status: 408") == 1 &&
		   conn.finished == 1,
	   "receive: slow for more than a minute -> 408");
}

static void
models(void)
{
	chain_set_up();
	ask(CHAT, "{}");
	ok(last.code == GW_ERR_INVALID_REQUEST && last.status == 400,
	   "resolve: no model and no default -> 400");
	chain_set_up();
	config->default_model = strdup("d");
	ask(CHAT, "{}");
	is_int((long long)started, 1, "resolve: no model -> the default");
	chain_set_up();
	ask(CHAT, "{\"model\":\"q\"}");
	ok(last.code == GW_ERR_MODEL_NOT_FOUND && last.status == 404,
	   "resolve: an unknown one -> 404");
	ok(ask(CHAT, STREAM_P)->resolve.wants_stream,
	   "resolve: a stream is asked for");
	leave();
	ok(!ask(CHAT, CHAT_P)->resolve.wants_stream, "resolve: it is not");
	leave();
	ok(!ask("/v1/embeddings", STREAM_P)->resolve.wants_stream,
	   "resolve: where there are no streams, none is meant");
	leave();
}

/* Does an answer that comes before a body of @length close the connection? */
static bool
closes(const char *length, bool admission)
{
	chain_set_up();
	client("POST", "/nowhere");
	param("CONTENT_LENGTH", length);
	conn.asks_admission = admission;
	arrive();
	return got("Connection: close\r\n") == 1;
}

static void
unread_bodies(void)
{
	ok(!closes("65536", false),
	   "reply: before a body of 64 KiB -> the connection is kept");
	ok(closes("65537", false), "reply: one byte more -> is closed");
	ok(!closes("65537", true), "reply: to an admission -> is not told");
}

int
main(void)
{
	accept_limits();
	unread_bodies();
	accepted_keys();
	node_keys();
	refused_keys();
	body_limit();
	announced_length();
	document_limit();
	documents();
	bad_bodies();
	slow_bodies();
	models();
	tear_down();
	return done_testing();
}
