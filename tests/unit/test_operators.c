/* SPDX-License-Identifier: MIT */
/*
 * test_operators.c - who may see and do what is an operator's: by key, by
 * password, and without any where no keys are configured.
 */
#include "serve/reply.h"
#include "serve/web_page.h"
#include "serve_run.h"
#include "stage/stage.h"

/* How the last request ended. */
static struct {
	int status;
	enum gw_code code;
	bool is_operator;
	char msg[GW_ERR_MSG_BYTES];
} last;

static enum gw_step
serve(struct gw_request *r)
{
	if (gw_reply_head(r, 200, NULL, 0) == 0)
		gw_reply_end(r);
	return GW_FINISH;
}

static enum gw_step
look(struct gw_request *r)
{
	last.status = r->reply.status;
	last.code = r->err.code;
	last.is_operator = r->authenticate.is_operator;
	memcpy(last.msg, r->err.msg, sizeof(last.msg));
	return GW_FINISH;
}

static const struct gw_stage stages[] = {
	{"accept", gw_stage_accept, GW_STAGE_ALWAYS},
	{"check_origin", gw_stage_check_origin, GW_STAGE_ALWAYS},
	{"authenticate", gw_stage_authenticate, GW_EP_CLIENT_KEY},
	{"check_operator", gw_stage_check_operator, GW_EP_OPERATOR},
	{"serve", serve, GW_STAGE_ALWAYS},
	{"look", look, GW_STAGE_ALWAYS},
};

static const struct gw_endpoint endpoints[] = {
	{.path = "/see", .method = GW_METHOD_GET, .flags = GW_EP_OPERATOR},
	{.path = "/do", .method = GW_METHOD_POST, .flags = GW_EP_OPERATOR},
	{.path = "/chat", .method = GW_METHOD_GET, .flags = GW_EP_CLIENT_KEY},
};

static const struct gw_pipeline pipeline = {
	.stages = stages,
	.n = GW_ARRAY_LEN(stages),
};

/* What is configured. */
enum {
	NOTHING,
	OPERATOR = 1,
	CLIENT = 2,
	NODE = 4,
	USER = 8
};

static unsigned keys;

static void
one_key(struct gw_keys *list, const char *key)
{
	list->key = calloc(1, sizeof(*list->key));
	list->key[0] = strdup(key);
	list->n = 1;
}

static void
with_keys(struct gw_config *c)
{
	one_key(&c->gateway.cors_origins, "https://ui.example");
	if (keys & OPERATOR)
		one_key(&c->auth.operator_keys, "op:key");
	if (keys & CLIENT)
		one_key(&c->auth.client_api_keys, "client-key");
	if (keys & NODE)
		one_key(&c->auth.node_api_keys, "node-key");
	if (!(keys & USER))
		return;
	c->auth.trust_web_server_user = true;
	c->auth.clients = calloc(1, sizeof(*c->auth.clients));
	c->auth.n_clients = 1;
	c->auth.clients[0] = (struct gw_client){.name = strdup("alice"),
						.user = strdup("alice"),
						.all_models = true};
}

#define HERE "REMOTE_ADDR", "127.0.0.1", "HTTP_HOST", "127.0.0.1:8000"
#define BEARER(key) "HTTP_AUTHORIZATION", "Bearer " key
/* any:op:key, :op:key, any:client-key, any: */
#define BASIC "HTTP_AUTHORIZATION", "Basic YW55Om9wOmtleQ=="
#define BASIC_NOBODY "HTTP_AUTHORIZATION", "basic  Om9wOmtleQ"
#define BASIC_CLIENT "HTTP_AUTHORIZATION", "Basic YW55OmNsaWVudC1rZXk="
#define BASIC_EMPTY "HTTP_AUTHORIZATION", "Basic YW55Og=="
#define ORIGIN(page) "HTTP_ORIGIN", page
#define SITE(site) "HTTP_SEC_FETCH_SITE", site

static const struct row {
	const char *title;
	int see, act; /* status of GET, of POST */
	unsigned keys;
	bool elsewhere; /* the web server's host */
	const char *params[9];
} rows[] = {
	/* no keys at all */
	{"here", 200, 401, NOTHING, false, {HERE}},
	{"here, by IPv6",
	 200,
	 401,
	 NOTHING,
	 false,
	 {"REMOTE_ADDR", "::1", "HTTP_HOST", "[::1]:8000"}},
	{"here, as mapped IPv4",
	 200,
	 401,
	 NOTHING,
	 false,
	 {"REMOTE_ADDR", "::ffff:127.0.0.1", "HTTP_HOST", "localhost"}},
	{"here, with some key", 200, 401, NOTHING, false, {HERE, BEARER("x")}},
	{"another host",
	 403,
	 401,
	 NOTHING,
	 false,
	 {"REMOTE_ADDR", "10.0.0.9", "HTTP_HOST", "127.0.0.1:8000"}},
	{"an address that is none",
	 403,
	 401,
	 NOTHING,
	 false,
	 {"REMOTE_ADDR", "", "HTTP_HOST", "127.0.0.1:8000"}},
	{"another Host (a name that leads here)",
	 403,
	 401,
	 NOTHING,
	 false,
	 {"REMOTE_ADDR", "127.0.0.1", "HTTP_HOST", "evil.example:8000"}},
	{"a Host that begins well",
	 403,
	 401,
	 NOTHING,
	 false,
	 {"REMOTE_ADDR", "127.0.0.1", "HTTP_HOST", "127.0.0.1.evil.example"}},
	{"no Host", 403, 401, NOTHING, false, {"REMOTE_ADDR", "127.0.0.1"}},
	{"the web server is elsewhere", 403, 401, NOTHING, true, {HERE}},
	{"X-Forwarded-For",
	 403,
	 401,
	 NOTHING,
	 false,
	 {HERE, "HTTP_X_FORWARDED_FOR", "127.0.0.1"}},
	{"any X-Forwarded-, even an empty one",
	 403,
	 401,
	 NOTHING,
	 false,
	 {HERE, "HTTP_X_FORWARDED_QUITE_NEW", ""}},
	{"Forwarded",
	 403,
	 401,
	 NOTHING,
	 false,
	 {HERE, "HTTP_FORWARDED", "for=a"}},
	{"X-Real-IP",
	 403,
	 401,
	 NOTHING,
	 false,
	 {HERE, "HTTP_X_REAL_IP", "::1"}},
	{"a stranger's page",
	 403,
	 401,
	 NOTHING,
	 false,
	 {HERE, ORIGIN("https://evil.example")}},
	{"a listed origin's page",
	 403,
	 401,
	 NOTHING,
	 false,
	 {HERE, ORIGIN("https://ui.example")}},
	{"a page of this host",
	 200,
	 401,
	 NOTHING,
	 false,
	 {HERE, ORIGIN("http://localhost:3000")}},
	{"a stranger's image",
	 403,
	 401,
	 NOTHING,
	 false,
	 {HERE, SITE("cross-site")}},
	{"an address typed", 200, 401, NOTHING, false, {HERE, SITE("none")}},
	/* keys of other kinds: nothing is open any more */
	{"a client's key is configured", 401, 401, CLIENT, false, {HERE}},
	{"a node's key is configured", 401, 401, NODE, false, {HERE}},
	{"a user is configured", 401, 401, USER, false, {HERE}},
	{"the client's key opens nothing here",
	 401,
	 401,
	 CLIENT | OPERATOR,
	 false,
	 {HERE, BEARER("client-key")}},
	{"nor the node's",
	 401,
	 401,
	 NODE | OPERATOR,
	 false,
	 {HERE, BEARER("node-key"), "HTTP_X_ROLEMESH_NODE_KEY", "node-key"}},
	{"nor a user that was let in",
	 401,
	 401,
	 USER | OPERATOR,
	 false,
	 {HERE, "REMOTE_USER", "alice", "AUTH_TYPE", "Basic"}},
	/* an operator's key */
	{"none was sent", 401, 401, OPERATOR, false, {HERE}},
	{"Bearer", 200, 200, OPERATOR, false, {BEARER("op:key")}},
	{"X-Api-Key", 200, 200, OPERATOR, false, {"HTTP_X_API_KEY", "op:key"}},
	{"a wrong one", 401, 401, OPERATOR, false, {HERE, BEARER("op:kez")}},
	{"a beginning of it", 401, 401, OPERATOR, false, {BEARER("op:ke")}},
	{"through proxies, from a page that knows it",
	 200,
	 200,
	 OPERATOR,
	 true,
	 {BEARER("op:key"), "HTTP_X_FORWARDED_FOR", "10.1.1.1",
	  ORIGIN("https://evil.example")}},
	{"Basic, a password with a colon", 200, 200, OPERATOR, false, {BASIC}},
	{"Basic, no name, no padding",
	 200,
	 200,
	 OPERATOR,
	 false,
	 {BASIC_NOBODY}},
	{"Basic, a client's key",
	 401,
	 401,
	 OPERATOR | CLIENT,
	 false,
	 {BASIC_CLIENT}},
	{"Basic, no password", 401, 401, OPERATOR, false, {BASIC_EMPTY}},
	{"Basic, no colon",
	 401,
	 401,
	 OPERATOR,
	 false,
	 {"HTTP_AUTHORIZATION", "Basic b3BrZXk="}},
	{"Basic, the bare key",
	 401,
	 401,
	 OPERATOR,
	 false,
	 {"HTTP_AUTHORIZATION", "Basic op:key"}},
	{"Basic, a zero byte in it", /* any:op:key, zero, x */
	 401,
	 401,
	 OPERATOR,
	 false,
	 {"HTTP_AUTHORIZATION", "Basic YW55Om9wOmtleQB4"}},
	{"Basic, and a wrong key",
	 401,
	 401,
	 OPERATOR,
	 false,
	 {BASIC, "HTTP_X_API_KEY", "wrong"}},
	{"Basic, and a stranger's page",
	 200,
	 403,
	 OPERATOR,
	 false,
	 {BASIC, "HTTP_HOST", "gw:80", ORIGIN("https://evil.example")}},
	{"Basic, and a listed origin's page",
	 200,
	 403,
	 OPERATOR,
	 false,
	 {BASIC, "HTTP_HOST", "gw:80", ORIGIN("https://ui.example")}},
	{"Basic, and a page of the gateway's own",
	 200,
	 200,
	 OPERATOR,
	 false,
	 {BASIC, "HTTP_HOST", "gw:80", ORIGIN("http://GW:80")}},
	{"Basic, and an Origin without a Host",
	 200,
	 403,
	 OPERATOR,
	 false,
	 {BASIC, ORIGIN("http://gw:80")}},
	{"Basic, and a page that has its port alone in common",
	 200,
	 403,
	 OPERATOR,
	 false,
	 {BASIC, "HTTP_HOST", "gw:80", ORIGIN("http://gw.evil:80")}},
	{"Basic, same-origin behind TLS",
	 200,
	 200,
	 OPERATOR,
	 false,
	 {BASIC, "HTTP_HOST", "inner", SITE("same-origin")}},
	{"Basic, same-site",
	 200,
	 403,
	 OPERATOR,
	 false,
	 {BASIC, SITE("same-site")}},
};

static int
status_of(const struct row *row, const char *method, const char *path)
{
	memset(&last, 0, sizeof(last));
	client(method, path);
	conn.elsewhere = row->elsewhere;
	for (const char *const *p = row->params; p[0]; p += 2)
		param(p[0], p[1]);
	arrive();
	return last.status;
}

static void
configured(unsigned which)
{
	keys = which;
	configure = with_keys;
	set_up(&pipeline, endpoints, GW_ARRAY_LEN(endpoints), NULL);
}

static void
test_rows(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		configured(row->keys);
		ok(status_of(row, "GET", "/see") == row->see,
		   "operator: see, %s -> %d", row->title, row->see);
		ok(got("WWW-Authenticate: Basic realm=\"rolemesh\"\r\n") ==
			   (row->see == 401),
		   "operator: a browser asks only after a 401");
		ok(status_of(row, "HEAD", "/see") == row->see,
		   "operator: ... with HEAD");
		ok(last.is_operator == (row->see == 200 && row->keys),
		   "operator: is one by a key alone");
		ok(status_of(row, "POST", "/do") == row->act,
		   "operator: do, %s -> %d", row->title, row->act);
	}
}

/* ---- no page of another origin reads it -----------------------------------
 */

static void
test_cors(void)
{
	static const struct row page = {
		.params = {BEARER("op:key"), ORIGIN("https://ui.example"),
			   "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "GET"}};

	configured(OPERATOR);
	is_int(status_of(&page, "GET", "/see"), 200, "cors: with its key");
	ok(!got("Access-Control") && got("Cache-Control: no-store\r\n"),
	   "cors: what it gets is for no page, and is kept nowhere");
	is_int(status_of(&page, "OPTIONS", "/see"), 405, "cors: a preflight");
	ok(!got("Access-Control"), "cors: is not answered");
	is_int(status_of(&page, "OPTIONS", "/do"), 405,
	       "cors: nor where something is done");
	ok(!got("Access-Control"), "cors: likewise");
	is_int(status_of(&page, "POST", "/see"), 405, "cors: a wrong method");
	ok(!got("Access-Control"), "cors: likewise");
	is_int(status_of(&page, "OPTIONS", "/chat"), 204,
	       "cors: elsewhere it is answered");
	ok(got("Access-Control-Allow-Origin: https://ui.example") == 1,
	   "cors: as ever");
	is_int(status_of(&page, "GET", "/chat"), 200, "cors: and served");
	ok(!got("Cache-Control"), "cors: with nothing of this");
}

static void
test_long_password(void)
{
	static char header[8192];
	static const struct row none;

	/* "aaa..." that never ends, and would have no colon. */
	memcpy(header, "Basic ", 6);
	for (size_t i = 6; i + 4 < sizeof(header); i += 4)
		memcpy(header + i, "YWFh", 4);
	configured(OPERATOR);
	memset(&last, 0, sizeof(last));
	client("GET", "/see");
	param("HTTP_AUTHORIZATION", header);
	arrive();
	is_int(last.status, 401, "password: of more bytes than one has");
	is_int(status_of(&none, "GET", "/see"), 401, "password: none");
}

static void
test_words(void)
{
	static const struct row here = {.params = {HERE}};
	static const struct row wrong = {.params = {BASIC_CLIENT}};

	configured(CLIENT);
	status_of(&here, "GET", "/see");
	is_str(last.msg,
	       "this needs an operator's key, and none is configured; send a "
	       "key of auth.operator_keys as 'Authorization: Bearer KEY', "
	       "'X-Api-Key: KEY' or the password of HTTP Basic",
	       "words: what is missing in the configuration");
	configured(OPERATOR);
	status_of(&wrong, "GET", "/see");
	ok(strstr(last.msg, "the key is none of auth.operator_keys; ") ==
		   last.msg,
	   "words: a wrong key");
}

int
main(void)
{
	test_rows();
	test_cors();
	test_long_password();
	test_words();
	tear_down();
	return done_testing();
}
