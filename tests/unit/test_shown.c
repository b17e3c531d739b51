/* SPDX-License-Identifier: MIT */
/*
 * test_shown.c - whose key a request has, which models that opens, and what its
 * client is told of the others: nothing.
 */
#include "base/key_name.h"
#include "config/clients.h"
#include "serve/shown.h"
#include "serve_chain.h"

/* SHA-256 of "sesame". */
#define SESAME                                                                 \
	"d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272"

static char *
text(const char *s)
{
	return strdup(s);
}

static struct gw_keys
one(const char *s)
{
	struct gw_keys k = {.key = calloc(1, sizeof(char *)), .n = 1};

	k.key[0] = text(s);
	return k;
}

/* `limited` may use p alone, `none` nothing, `all` everything. */
static void
with_clients(struct gw_config *c)
{
	c->auth.client_api_keys = one("plain");
	c->auth.operator_keys = one("operator");
	c->auth.node_api_keys = one("node");
	c->auth.clients = calloc(4, sizeof(*c->auth.clients));
	c->auth.n_clients = 4;
	c->auth.clients[0] = (struct gw_client){
		.name = text("limited"),
		.key_sha256 = text(SESAME),
		.models = one("p"),
	};
	c->auth.clients[1] = (struct gw_client){
		.name = text("none"),
		.key = text("none-key"),
		.models = {.key = calloc(1, sizeof(char *)), .n = 0}};
	c->auth.clients[2] =
		(struct gw_client){.name = text("all"), .key = text("all-key")};
	c->auth.clients[3] = (struct gw_client){.name = text("pattern"),
						.key = text("p-key"),
						.models = one("?")};
}

static void
set_up_with(void (*how)(struct gw_config *c))
{
	configure = how;
	chain_set_up();
	configure = NULL;
}

/* A request with this key that waits behind its authentication, or NULL. */
static struct gw_request *
come(const char *path, const char *key)
{
	static char header[100];

	client("GET", path);
	snprintf(header, sizeof(header), "Bearer %s", key ? key : "");
	if (key)
		param("HTTP_AUTHORIZATION", header);
	param("REMOTE_ADDR", "192.0.2.7");
	return arrive();
}

/* ---- who asks --------------------------------------------------------------
 */

static void
whose_keys(void)
{
	static const struct {
		const char *key, *name;
		bool client, operator;
	} rows[] = {
		{"sesame", "limited", true, false},
		{"none-key", "none", true, false},
		{"all-key", "all", true, false},
		{"plain", NULL, true, false},
		{"operator", NULL, false, true},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		char hash[GW_KEY_NAME_BYTES];
		uint8_t digest[GW_DIGEST_BYTES];
		uint64_t zero[2] = {0};
		struct gw_request *r;

		set_up_with(with_clients);
		r = come("/listed", rows[i].key);
		ok(r != NULL, "who: %s -> comes in", rows[i].key);
		if (!r)
			continue;
		gw_key_name(rows[i].key, hash);
		gw_digest(rows[i].key, strlen(rows[i].key), digest);
		is_str(r->authenticate.name, rows[i].name ? rows[i].name : hash,
		       "who: its name for the log");
		ok(!r->authenticate.client == !rows[i].client &&
			   r->authenticate.is_operator ==
				   rows[i].operator&& !r->authenticate.node,
		   "who: %s is what it is", rows[i].key);
		ok(memcmp(r->authenticate.who, zero, sizeof(zero)) != 0 &&
			   (rows[i].operator||
			    memcmp(r->authenticate.who,
				   r->authenticate.client->id,
				   sizeof(zero)) == 0),
		   "who: its identity is that of its key");
		leave();
	}
}

static void
refused(void)
{
	set_up_with(with_clients);
	come("/listed", SESAME);
	is_int(last.status, 401, "who: the hash of a key -> is none itself");
	set_up_with(with_clients);
	come("/listed", "node");
	is_int(last.status, 401, "who: a node's key -> 401");
	set_up_with(with_clients);
	client("POST", CHAT);
	param("HTTP_X_API_KEY", "operator");
	arrive();
	is_int(last.status, 401, "who: an operator's key -> opens no model");
	set_up_with(with_clients);
	client("POST", "/document");
	param("HTTP_X_ROLEMESH_NODE_KEY", "operator");
	arrive();
	is_int(last.status, 401, "who: nor a node's endpoint");
}

static void
open_gateway(void)
{
	uint64_t who[2], address[2];
	struct gw_request *r;

	chain_set_up();
	r = come("/listed", "whatever");
	ok(r && !r->authenticate.client && gw_shown_all(r),
	   "who: no key is configured -> anybody, and all is shown");
	memcpy(who, r->authenticate.who, sizeof(who));
	leave();
	gw_identity("address", "192.0.2.7", address);
	ok(memcmp(who, address, sizeof(who)) == 0 && who[0],
	   "who: and known by the address");
	is_str(last.key, "", "who: which is no name of a key");
}

static void
no_key_needed(void)
{
	struct gw_request *r;

	set_up_with(with_clients);
	r = come("/tells", NULL);
	ok(r && !gw_shown_all(r) && !gw_shown_model(r, model(PROXY)),
	   "who: no key where none is needed -> served, and shown nothing");
	leave();
	r = come("/tells", "wrong");
	ok(r && !gw_shown_all(r), "who: nor with a wrong one");
	leave();
	r = come("/tells", "operator");
	ok(r && gw_shown_all(r), "who: an operator's -> everything");
	leave();
	r = come("/tells", "sesame");
	ok(r && !gw_shown_all(r) && gw_shown_model(r, model(PROXY)) &&
		   !gw_shown_model(r, model(DISCOVERED)),
	   "who: a client's -> its own");
	leave();
}

/* ---- what is shown ---------------------------------------------------------
 */

static void
models(void)
{
	static const struct {
		const char *key;
		bool all, p, d;
	} rows[] = {
		{"sesame", false, true, false},
		{"none-key", false, false, false},
		{"p-key", false, true, true},
		{"all-key", true, true, true},
		{"plain", true, true, true},
		{"operator", true, true, true},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct gw_request *r;

		set_up_with(with_clients);
		r = come("/listed", rows[i].key);
		ok(gw_shown_all(r) == rows[i].all &&
			   gw_shown_model(r, model(PROXY)) == rows[i].p &&
			   gw_shown_model(r, model(DISCOVERED)) == rows[i].d &&
			   gw_shown_model(r, NULL) == rows[i].all,
		   "shown: %s -> its own models", rows[i].key);
		leave();
	}
}

/* The message of an error, after a turn to a fallback. */
static const char *
told(const char *key, struct gw_model *named, size_t turned_to)
{
	static struct gw_err err;
	struct gw_request *r;

	set_up_with(with_clients);
	r = come("/listed", key);
	named->fallbacks = (const struct gw_model *[]){model(DISCOVERED)};
	named->n_fallbacks = 1;
	r->forward.named = named;
	r->forward.fallbacks = turned_to;
	gw_err_set(&r->err, GW_ERR_UPSTREAM_TIMEOUT, 0, "the upstream of 'd'");
	gw_err_param(&r->err, "model");
	gw_shown_error(r, &err);
	ok(strcmp(r->err.msg, "the upstream of 'd'") == 0 &&
		   err.code == r->err.code && strcmp(err.param, "model") == 0,
	   "shown: the rest of the error, and the log's, stay");
	r->err = (struct gw_err){0};
	r->forward.named = NULL;
	leave();
	return err.msg;
}

static void
errors(void)
{
	struct gw_model named = {0};

	is_str(told("sesame", &named, 0), "the upstream of 'd'",
	       "shown: an error before any fallback -> word for word");
	is_str(told("sesame", &named, 1),
	       gw_err_info(GW_ERR_UPSTREAM_TIMEOUT)->text,
	       "shown: another's fallback had to do with it -> its meaning");
	is_str(told("p-key", &named, 1), "the upstream of 'd'",
	       "shown: the client's own fallback -> word for word");
	is_str(told("plain", &named, 1), "the upstream of 'd'",
	       "shown: who sees all -> word for word");
}

/* ---- the stage, and the answers --------------------------------------------
 */

static void
chat(const char *key, const char *body)
{
	set_up_with(with_clients);
	client("POST", CHAT);
	param("HTTP_X_API_KEY", key);
	arrive();
	send_all(body);
}

static void
stage(void)
{
	chat("sesame", CHAT_P);
	is_int((long long)started, 1, "authorize: its own model -> forwarded");
	leave();
	chat("sesame", CHAT_D);
	ok(last.status == 403 && last.code == GW_ERR_MODEL_NOT_ALLOWED &&
		   started == 0,
	   "authorize: another's -> 403, and nobody is asked");
	ok(got("the model \\\"d\\\"") == 1 && got("\"param\":\"model\"") == 1 &&
		   !got("X-RoleMesh-Model"),
	   "authorize: it repeats what was sent, and no header tells more");
	chat("none-key", CHAT_P);
	is_int(last.status, 403, "authorize: `models` is empty -> 403");
	chat("p-key", CHAT_D);
	is_int((long long)started, 1, "authorize: by a pattern -> forwarded");
	leave();
	set_up_with(with_clients);
	config->default_model = text("d");
	client("POST", CHAT);
	param("HTTP_X_API_KEY", "sesame");
	arrive();
	send_all("{}");
	ok(last.status == 403 && !strstr(last.msg, "'d'") &&
		   !strstr(last.msg, "\"d\""),
	   "authorize: the default one is another's -> 403 without its name");
	chat("sesame", "{\"model\":\"q\"}");
	ok(last.status == 404 && strstr(last.msg, "known models: p") &&
		   strlen(strstr(last.msg, "known models: p")) ==
			   strlen("known models: p"),
	   "authorize: an unknown one -> 404 with its own names");
	chat("none-key", "{\"model\":\"q\"}");
	ok(last.status == 404 && strstr(last.msg, "known models: none"),
	   "authorize: of which there may be none");
}

/* A fallback stands in for the client's model. */
static void
headers(const char *key, unsigned names)
{
	struct gw_request *r;

	chat(key, CHAT_P);
	r = conn.request;
	r->resolve.model = model(DISCOVERED);
	answer(200, "{}");
	ok(last.status == 200 && got("X-RoleMesh-Model: d") == names &&
		   got("X-RoleMesh-Node: n1") == names &&
		   got("X-RoleMesh-Attempts: 1") == 1,
	   "headers: %s -> %s who stood in", key,
	   names ? "tell" : "do not tell");
}

int
main(void)
{
	whose_keys();
	refused();
	open_gateway();
	no_key_needed();
	models();
	errors();
	stage();
	headers("sesame", 0);
	headers("p-key", 1);
	headers("plain", 1);
	tear_down();
	return done_testing();
}
